//! What the facts of a second look tell about a failure.

use crate::needs::{Need, Needs};
use crate::observe::{Facts, FileFact, Found, SocketCall};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// The most names in one explanation.
const SHOWN: usize = 5;

/// The explanations of a failure that a second look at the test did not turn into a success, a
/// paragraph each. `used` are the things of this machine that the test used in the second look.
pub fn explanations(facts: &Facts, used: &Needs) -> Vec<String> {
    let mut explanations = Vec::new();
    let programs: Vec<String> = (used.0.iter())
        .filter(|need| matches!(need, Need::Toolchain | Need::Program(_)))
        .map(Need::to_string)
        .collect();
    if !programs.is_empty() {
        explanations.push(format!(
            "the test also fails if its container has the files of this machine, of which it uses: \
             {}",
            some(programs)
        ));
    }
    let programs = missing(
        facts,
        |fact| fact.uses.executed,
        |path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        },
    );
    if let Some(programs) = programs {
        explanations.push(format!(
            "the test looked for programs that neither its container nor this machine has: \
             {programs}"
        ));
    }
    let files = missing(
        facts,
        |fact| (fact.uses.opened || fact.uses.listed) && !fact.uses.executed,
        |path| Some(path.display().to_string()),
    );
    if let Some(files) = files {
        explanations.push(format!(
            "the test looked for files that neither its container nor this machine has: {files}"
        ));
    }
    let addresses: BTreeSet<String> = (facts.addresses.iter())
        .filter(|used| used.call != SocketCall::Bind)
        .map(|used| used.address.to_string())
        .collect();
    if !addresses.is_empty() {
        explanations.push(format!(
            "the test used addresses beyond its loopback network: {}; a directive with `network = \
             \"local\"` gives it the network of this machine",
            some(addresses)
        ));
    }
    let refused: BTreeSet<String> = (facts.files.iter())
        .filter(|fact| fact.is_refused)
        .map(|fact| fact.path.display().to_string())
        .collect();
    if !refused.is_empty() {
        explanations.push(format!(
            "the test wrote to a read-only part of its container: {}",
            some(refused)
        ));
    }
    explanations
}

/// The names of files that were looked for in vain. A program that was found in another directory
/// of the search path is not missing.
fn missing(
    facts: &Facts,
    is_meant: impl Fn(&FileFact) -> bool,
    name: impl Fn(&Path) -> Option<String>,
) -> Option<String> {
    let meant = || facts.files.iter().filter(|fact| is_meant(fact));
    let found: BTreeSet<_> = meant()
        .filter(|fact| fact.found != Found::Nowhere)
        .filter_map(|fact| fact.path.file_name())
        .collect();
    let names: BTreeSet<String> = meant()
        .filter(|fact| fact.found == Found::Nowhere && !fact.is_common && !fact.uses.written)
        .filter(|fact| {
            fact.path
                .file_name()
                .is_some_and(|name| !found.contains(name))
        })
        .filter_map(|fact| name(&fact.path))
        .collect();
    (!names.is_empty()).then(|| some(names))
}

fn some(names: impl IntoIterator<Item = String>) -> String {
    let names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}
