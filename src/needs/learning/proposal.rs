//! What tests did that a person has to decide about.

use super::directive_text::toml_string;
use super::scope::TestScope;
use super::{Suite, filter_text};
use crate::filter::TestCaseName;
use std::collections::BTreeSet;

/// The names that a comment lists.
const SHOWN: usize = 3;

/// Something that a test did, which its container refused and which only a person should permit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proposal {
    /// The test tried to reach these addresses beyond the loopback interface.
    Network { addresses: Vec<String> },
    /// The test tried to write these files of the source tree.
    SourceWrites { paths: Vec<String> },
}

impl Proposal {
    /// What the tests did, to what, and the fields that permit it.
    fn parts(&self) -> (&'static str, &[String], &'static str) {
        match self {
            Self::Network { addresses } => ("connect to", addresses, "network = \"local\""),
            Self::SourceWrites { paths } => (
                "write to the source tree:",
                paths,
                "enable_writable_file_system = true",
            ),
        }
    }
}

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

/// A directive for each kind of proposal.
pub fn commented_directives(suite: &Suite<'_>) -> Vec<CommentedDirective> {
    let is_network = |proposal: &Proposal| matches!(proposal, Proposal::Network { .. });
    let kinds = [
        commented_directive(suite, is_network),
        commented_directive(suite, |proposal| !is_network(proposal)),
    ];
    kinds.into_iter().flatten().collect()
}

fn commented_directive(
    suite: &Suite<'_>,
    is_of_kind: impl Fn(&Proposal) -> bool,
) -> Option<CommentedDirective> {
    let mut tests: Vec<TestCaseName<'_>> = Vec::new();
    let mut objects = BTreeSet::new();
    let mut kind = None;
    for test in &suite.tests {
        for proposal in test
            .proposals
            .iter()
            .filter(|proposal| is_of_kind(proposal))
        {
            let (did, to, field) = proposal.parts();
            kind = Some((did, field));
            objects.extend(to);
            tests.push(test.name);
        }
    }
    let (did, field) = kind?;
    let mut shown: Vec<_> = objects
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    if objects.len() > SHOWN {
        shown.push(format!("and {} more", objects.len() - SHOWN));
    }
    let shown = shown.join(", ").replace(char::is_control, "\u{fffd}");
    let filter = filter_text::filter(&TestScope::of(&tests, suite, true), suite);
    let filter = filter.map(|filter| format!("# filter = {}", toml_string(&filter)));
    let lines = [
        Some("# [[directives]]".to_owned()),
        filter,
        Some(format!("# {field}")),
    ];
    let directive = lines.into_iter().flatten().collect::<Vec<_>>().join("\n");
    Some(CommentedDirective {
        explanation: format!(
            "# Found by cargo maelstrom --learn: tests {did} {shown}. To let them:"
        ),
        directive,
    })
}
