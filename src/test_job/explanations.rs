//! What the facts of a second look tell about a failure.

use crate::executor::Captured;
use crate::needs::{Need, Needs};
use crate::observe::{Facts, FileFact, Found, Incomplete, SocketCall};
use crate::report::incomplete_text;
use camino::Utf8PathBuf;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// The most names in one explanation.
const SHOWN: usize = 5;

/// The most lines of stderr in an explanation.
const LINES: usize = 12;

/// The explanations of a failure that a second look at the test did not turn into a success, a
/// paragraph each. `used` are the things of this machine that the test used in the second look, and
/// `stderr` is its output then.
pub fn of_failure(facts: &Facts, used: &Needs, stderr: &Captured) -> Vec<String> {
    let mut explanations = Vec::new();
    let programs: Vec<String> = (used.0.iter())
        .filter(|need| matches!(need, Need::Toolchain | Need::Program(_)))
        .map(Need::to_string)
        .collect();
    if !programs.is_empty() {
        explanations.push(format!(
            "the test also fails if its container has the files of this machine, of which it uses: \
             {}{}",
            some(programs),
            end_of_output(stderr)
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
    let addresses = addresses(facts);
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

/// The addresses beyond loopback that a test connected or sent to.
pub fn addresses(facts: &Facts) -> BTreeSet<String> {
    let used = facts.addresses.iter();
    let used = used.filter(|used| used.call != SocketCall::Bind);
    used.map(|used| used.address.to_string()).collect()
}

/// The explanation for files that a test looked for in its home directory, which is empty, and that
/// the user's home directory has. `None`: there are none.
pub fn of_home(files: &[String]) -> Option<String> {
    let names = some(files.iter().map(|file| format!("~/{file}")));
    (!files.is_empty()).then(|| {
        format!(
            "the test looked for files in its home directory, which is empty; yours has {names}. \
             Tests get files of your home directory only by a directive"
        )
    })
}

/// The explanation of a failure of a test that passes with variables of these names.
pub fn of_secrets(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    format!(
        "the test passes with your variable {}, which may be secret; a test gets it if a directive \
         says so: `pass_environment = [{}]`",
        names.join(", "),
        quoted.join(", ")
    )
}

/// The explanations of a failure of a test that passed in a second look, and not with its needs.
/// `incomplete` are the reasons why needs may be unknown, `withheld` files that it read and that
/// tests get only by a directive.
pub fn of_another_result(
    incomplete: &BTreeSet<Incomplete>,
    withheld: &[Utf8PathBuf],
) -> Vec<String> {
    let mut explanations = Vec::new();
    if withheld.is_empty() {
        explanations.push(
            "the test passed when it was run again, and no program, file or variable of this \
             machine explains that: its result may depend on time or chance"
                .to_owned(),
        );
    } else {
        let quoted: Vec<_> = withheld
            .iter()
            .map(|path| format!("{:?}", path.as_str()))
            .collect();
        explanations.push(format!(
            "the test passed when it could read files that may be secret; a test gets them if a \
             directive says so: `added_layers = [{{ paths = [{}] }}]`",
            quoted.join(", ")
        ));
    }
    let reasons = incomplete.iter().map(|reason| incomplete_text(*reason));
    explanations.extend(reasons.map(str::to_owned));
    explanations
}

/// The end of the output of a failed test, below a sentence about it.
fn end_of_output(stderr: &Captured) -> String {
    let end = if stderr.tail.is_empty() {
        &stderr.head
    } else {
        &stderr.tail
    };
    let text = String::from_utf8_lossy(end);
    let is_backtrace = |line: &&str| line.starts_with("stack backtrace:");
    let lines: Vec<_> = text
        .trim()
        .lines()
        .take_while(|line| !is_backtrace(line))
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let skipped = lines.len().saturating_sub(LINES);
    format!(
        "; its output then ends with:\n{}",
        lines[skipped..].join("\n")
    )
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
