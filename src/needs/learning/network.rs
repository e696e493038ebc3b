//! Tests that want the network, which only a person should permit.

use super::directive_text::toml_string;
use super::scope::TestScope;
use super::{Suite, filter_text};
use crate::filter::TestCaseName;
use std::collections::BTreeSet;

/// The most addresses that a comment lists.
const SHOWN: usize = 3;

/// A directive in comments, for a person to decide about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentedDirective {
    /// The comment before the directive.
    pub explanation: String,
    pub directive: String,
}

impl CommentedDirective {
    /// The lines of the comments, with a newline after each.
    pub fn text(&self) -> String {
        format!("{}\n{}\n", self.explanation, self.directive)
    }
}

/// The directive that gives the network of this machine to the tests that tried to reach addresses
/// beyond loopback. `None`: none did.
pub fn proposed_network(suite: &Suite<'_>) -> Option<CommentedDirective> {
    let online = || (suite.tests.iter()).filter(|test| !test.addresses.is_empty());
    let tests: Vec<TestCaseName<'_>> = online().map(|test| test.name).collect();
    let addresses: BTreeSet<&String> = online().flat_map(|test| &test.addresses).collect();
    if tests.is_empty() {
        return None;
    }
    let mut shown: Vec<String> = (addresses.iter().take(SHOWN))
        .map(ToString::to_string)
        .collect();
    if addresses.len() > SHOWN {
        shown.push(format!("and {} more", addresses.len() - SHOWN));
    }
    let shown = shown.join(", ").replace(char::is_control, "\u{fffd}");
    let filter = filter_text::filter(&TestScope::of(&tests, suite, true), suite);
    let filter = filter.map(|filter| format!("# filter = {}", toml_string(&filter)));
    let lines = [
        Some("# [[directives]]".to_owned()),
        filter,
        Some("# network = \"local\"".to_owned()),
    ];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    Some(CommentedDirective {
        explanation: format!(
            "# Found by cargo maelstrom --learn: tests connect to {shown}. To let them:"
        ),
        directive: lines.join("\n"),
    })
}
