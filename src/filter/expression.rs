//! What a pattern means, and its evaluation in three-valued logic.

use super::matcher::Matcher;
use super::target::{TargetGroup, TargetKind};

/// A pattern without its spelling.
///
/// Chains of operators are flat lists, so that the depth of the tree, and with it
/// of every recursion over it, is bounded by the parser's limit on nesting.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Selector(Selector),
    Not(Box<Expression>),
    /// True if every part is; `a - b` is `a` and `Not(b)` here.
    All(Vec<Expression>),
    /// True if some part is.
    Any(Vec<Expression>),
}

#[derive(Clone, Debug)]
pub(super) enum Selector {
    Constant(bool),
    /// Any test case in a target of this group.
    Target(TargetGroup),
    /// Any test case in a target of this group whose name matches.
    TargetName(TargetGroup, Matcher),
    Package(Matcher),
    /// The name of the test case.
    Name(Matcher),
}

/// What is known of a test case.
pub(super) struct Known<'a> {
    pub package: &'a str,
    pub target: Option<(TargetKind, &'a str)>,
    pub name: Option<&'a str>,
}

impl Expression {
    /// The value of the expression for every test case of which this is known;
    /// `None` if what is not known may decide. Never `None` if all is known.
    pub fn evaluate(&self, known: &Known<'_>) -> Option<bool> {
        match self {
            Self::Selector(selector) => selector.evaluate(known),
            Self::Not(inner) => inner.evaluate(known).map(|value| !value),
            Self::All(parts) => decide(parts, false, known),
            Self::Any(parts) => decide(parts, true, known),
        }
    }
}

/// A list in which one part with the `decisive` value decides.
fn decide(parts: &[Expression], decisive: bool, known: &Known<'_>) -> Option<bool> {
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

impl Selector {
    fn evaluate(&self, known: &Known<'_>) -> Option<bool> {
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
