//! The comparisons with names in a pattern. They help to explain a pattern that selects nothing.

use super::expression::{Expression, SelectorTerm};
use super::matcher::Matcher;
use super::target::{TargetGroup, TargetKind};
use std::fmt;

/// A part of a pattern that compares a name with an argument. Its display has no abbreviations.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    property: ComparedProperty,
    matcher: &'a Matcher,
}

/// The kind of name that is compared.
#[derive(Clone, Copy, Debug)]
enum ComparedProperty {
    Name,
    Package,
    Target(TargetGroup),
    AnyTarget,
}

impl<'a> Comparison<'a> {
    /// The comparisons of an expression, except those in operands of *not*.
    pub(super) fn all_in(expression: &'a Expression) -> Vec<Self> {
        let mut found = Vec::new();
        collect(expression, &mut found);
        found
    }

    pub fn is_of_test_names(&self) -> bool {
        matches!(self.property, ComparedProperty::Name)
    }

    pub fn is_of_packages(&self) -> bool {
        matches!(self.property, ComparedProperty::Package)
    }

    /// Whether the comparison is with names of targets of this kind.
    pub fn is_of_targets(&self, kind: TargetKind) -> bool {
        match self.property {
            ComparedProperty::Target(group) => group.includes(kind),
            ComparedProperty::AnyTarget => true,
            ComparedProperty::Name | ComparedProperty::Package => false,
        }
    }

    pub fn matches(&self, name: &str) -> bool {
        self.matcher.matches(name)
    }

    /// The argument, if it is a name or a part of a name. `None`: it is a regular expression or a
    /// glob.
    pub fn name(&self) -> Option<&'a str> {
        match self.matcher {
            Matcher::Equals(name)
            | Matcher::Contains(name)
            | Matcher::StartsWith(name)
            | Matcher::EndsWith(name) => Some(name),
            Matcher::Matches(_) | Matcher::Globs(_) => None,
        }
    }
}

fn collect<'a>(expression: &'a Expression, found: &mut Vec<Comparison<'a>>) {
    match expression {
        Expression::Selector(selector) => {
            let (property, matcher) = match selector {
                SelectorTerm::Constant(_)
                | SelectorTerm::Target(_)
                | SelectorTerm::Kind(_)
                | SelectorTerm::BinaryId(_)
                | SelectorTerm::Related(_) => return,
                SelectorTerm::AnyTargetName(matcher) => (ComparedProperty::AnyTarget, matcher),
                SelectorTerm::TargetName(group, matcher) => {
                    (ComparedProperty::Target(*group), matcher)
                }
                SelectorTerm::Package(matcher) => (ComparedProperty::Package, matcher),
                SelectorTerm::Name(matcher) => (ComparedProperty::Name, matcher),
            };
            found.push(Comparison { property, matcher });
        }
        Expression::Not(_) => {}
        Expression::All(parts) | Expression::Any(parts) => {
            for part in parts {
                collect(part, found);
            }
        }
    }
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let property = match self.property {
            ComparedProperty::Name => "name",
            ComparedProperty::Package => "package",
            ComparedProperty::AnyTarget => "target",
            ComparedProperty::Target(TargetGroup::Library) => "library",
            ComparedProperty::Target(TargetGroup::Binary) => "binary",
            ComparedProperty::Target(TargetGroup::Test) => "test",
            ComparedProperty::Target(TargetGroup::Example) => "example",
            ComparedProperty::Target(TargetGroup::Benchmark) => "benchmark",
            ComparedProperty::Target(TargetGroup::Doctest) => "doctest",
        };
        let (matcher, argument) = self.matcher.parts();
        write!(f, "{property}.{}({argument})", matcher.word())
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::{Pattern, TargetKind};

    fn comparisons(pattern: &str) -> Vec<String> {
        let pattern: Pattern = pattern.parse().unwrap();
        let comparisons = pattern.comparisons();
        comparisons.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn comparisons_are_displayed_without_abbreviations() {
        assert_eq!(
            comparisons("p.eq(a) && (test.sta(b) || n.g(*c) || n.m/d$/) - library"),
            [
                "package.equals(a)",
                "test.starts_with(b)",
                "name.globs(*c)",
                "name.matches(d$)"
            ]
        );
    }

    #[test]
    fn negated_comparisons_are_left_out() {
        assert_eq!(
            comparisons("name.contains(a) - name.contains(b)"),
            ["name.contains(a)"]
        );
        assert_eq!(comparisons("!package.equals(a)"), [""; 0]);
        assert_eq!(comparisons("all && test"), [""; 0]);
    }

    #[test]
    fn a_comparison_knows_its_kind_of_name_and_its_argument() {
        let pattern: Pattern = "test.equals(a) || name.matches(b)".parse().unwrap();
        let [target, name] = pattern.comparisons()[..] else {
            panic!("there are two");
        };
        assert!(
            target.is_of_targets(TargetKind::Test) && !target.is_of_targets(TargetKind::Binary)
        );
        assert!(!target.is_of_test_names() && !target.is_of_packages());
        assert_eq!((target.name(), name.name()), (Some("a"), None));
        assert!(name.is_of_test_names() && name.matches("abc"));
    }
}
