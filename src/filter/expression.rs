//! A parsed pattern, and its evaluation in three-valued logic.

use super::matcher::Matcher;
use super::target::{TargetGroup, TargetKind};

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
    Package(Matcher),
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
            Self::Package(matcher) => Some(matcher.matches(known.package)),
            Self::Name(matcher) => known.name.map(|name| matcher.matches(name)),
        }
    }
}
