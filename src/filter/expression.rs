//! A parsed pattern, and its evaluation in three-valued logic.

use super::dependencies::RelatedPackages;
use super::matcher::Matcher;
use super::target::{TargetGroup, TargetKind};
use super::test_name::TestBinaryName;

/// A parsed pattern.
///
/// Chains of operators are flat lists. So the parser's limit on nesting also limits the depth of
/// the tree, and of every recursion over it.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Selector(SelectorTerm),
    Not(Box<Expression>),
    /// True if every part is true. `a - b` is represented as `a` and `Not(b)`.
    All(Vec<Expression>),
    /// True if some part is true.
    Any(Vec<Expression>),
}

#[derive(Clone, Debug)]
pub(super) enum SelectorTerm {
    Constant(bool),
    /// Every test case in a target of this group.
    Target(TargetGroup),
    /// Every test case in a target of this group, if the target's name matches.
    TargetName(TargetGroup, Matcher),
    /// The name of the target, whatever its kind.
    AnyTargetName(Matcher),
    /// Cargo's name of the target's kind.
    Kind(Matcher),
    /// The name of the test binary in cargo-nextest.
    BinaryId(Matcher),
    Package(Matcher),
    /// The packages that depend on others, or that others depend on.
    Related(RelatedPackages),
    /// The name of the test case.
    Name(Matcher),
}

/// The known parts of a test case's name.
pub(super) struct KnownParts<'a> {
    pub package: &'a str,
    pub target: Option<(TargetKind, &'a str)>,
    pub name: Option<&'a str>,
}

impl Expression {
    /// The value of the expression for every test case with these parts. `None`: the value depends
    /// on the unknown parts.
    pub fn evaluate(&self, known: &KnownParts<'_>) -> Option<bool> {
        match self {
            Self::Selector(selector) => selector.evaluate(known),
            Self::Not(inner) => inner.evaluate(known).map(|value| !value),
            Self::All(parts) => decide(parts, false, known),
            Self::Any(parts) => decide(parts, true, known),
        }
    }

    /// Calls a function with each selector.
    pub fn each_selector(&mut self, act: &mut impl FnMut(&mut SelectorTerm)) {
        match self {
            Self::Selector(selector) => act(selector),
            Self::Not(inner) => inner.each_selector(act),
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.each_selector(act);
                }
            }
        }
    }

    /// Whether some selector has a property.
    pub fn has_selector(&self, property: impl Fn(&SelectorTerm) -> bool + Copy) -> bool {
        match self {
            Self::Selector(selector) => property(selector),
            Self::Not(inner) => inner.has_selector(property),
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().any(|part| part.has_selector(property))
            }
        }
    }
}

/// The value of a list: `decisive` if one part has that value.
fn decide(parts: &[Expression], decisive: bool, known: &KnownParts<'_>) -> Option<bool> {
    let mut outcome = Some(!decisive);
    for part in parts {
        match part.evaluate(known) {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

impl SelectorTerm {
    fn evaluate(&self, known: &KnownParts<'_>) -> Option<bool> {
        match self {
            Self::Constant(value) => Some(*value),
            Self::Target(group) => known.target.map(|(kind, _)| group.includes(kind)),
            Self::TargetName(group, matcher) => known
                .target
                .map(|(kind, target)| group.includes(kind) && matcher.matches(target)),
            Self::AnyTargetName(matcher) => known.target.map(|(_, target)| matcher.matches(target)),
            Self::Kind(matcher) => known
                .target
                .map(|(kind, _)| matcher.matches(kind.into_str())),
            Self::BinaryId(matcher) => known.target.map(|(kind, target)| {
                let package = known.package;
                let binary = TestBinaryName {
                    package,
                    kind,
                    target,
                };
                matcher.matches(&binary.nextest_id())
            }),
            Self::Package(matcher) => Some(matcher.matches(known.package)),
            Self::Related(related) => related.includes(known.package),
            Self::Name(matcher) => known.name.map(|name| matcher.matches(name)),
        }
    }
}
