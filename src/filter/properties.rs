//! Property tests of patterns, against a simple reference implementation.

use super::dependencies::{PackageRelation, RelatedPackages};
use super::expression::{Expression, SelectorTerm};
use super::matcher::Matcher;
use super::target::TargetGroup;
use super::{Pattern, TargetKind, TestCaseName};
use proptest::prelude::*;

/// A pattern of the reference implementation.
#[derive(Clone, Debug)]
enum Reference {
    Leaf(Leaf),
    Not(Box<Reference>),
    And(Box<Reference>, Box<Reference>),
    Minus(Box<Reference>, Box<Reference>),
    Or(Box<Reference>, Box<Reference>),
}

#[derive(Clone, Copy, Debug)]
struct Leaf {
    text: &'static str,
    meaning: fn(&TestCaseName<'_>) -> bool,
}

const LEAVES: &[Leaf] = &[
    leaf("all", |_| true),
    leaf("any()", |_| true),
    leaf("none", |_| false),
    leaf("lib", |s| {
        matches!(s.kind, TargetKind::Library | TargetKind::ProcMacro)
    }),
    leaf("binary", |s| s.kind == TargetKind::Binary),
    leaf("test", |s| s.kind == TargetKind::Test),
    leaf("benchmark()", |s| s.kind == TargetKind::Benchmark),
    leaf("doctest", |s| s.kind == TargetKind::Doctest),
    leaf("binary.equals(a)", |s| {
        s.kind == TargetKind::Binary && s.target == "a"
    }),
    leaf("ex.contains<b>", |s| {
        s.kind == TargetKind::Example && s.target.contains('b')
    }),
    leaf("package.equals(a)", |s| s.package == "a"),
    leaf("p.globs{?b}", |s| s.package == "ab"),
    leaf("name.equals[a]", |s| s.name == "a"),
    leaf("n.starts_with/a/", |s| s.name.starts_with('a')),
    leaf("n.ends(b)", |s| s.name.ends_with('b')),
    leaf("n.matches(^(a|b)$)", |s| s.name == "a" || s.name == "b"),
    leaf("target.equals(ab)", |s| s.target == "ab"),
    leaf("kind.equals(lib)", |s| s.kind == TargetKind::Library),
    leaf("binary_id.equals(a::bin/b)", |s| {
        s.package == "a" && s.kind == TargetKind::Binary && s.target == "b"
    }),
];

const fn leaf(text: &'static str, meaning: fn(&TestCaseName<'_>) -> bool) -> Leaf {
    Leaf { text, meaning }
}

const KINDS: [TargetKind; 7] = [
    TargetKind::Library,
    TargetKind::ProcMacro,
    TargetKind::Binary,
    TargetKind::Test,
    TargetKind::Example,
    TargetKind::Benchmark,
    TargetKind::Doctest,
];

const NAMES: [&str; 3] = ["a", "b", "ab"];

fn test_cases() -> impl Iterator<Item = TestCaseName<'static>> {
    NAMES.into_iter().flat_map(|package| {
        KINDS.into_iter().flat_map(move |kind| {
            NAMES.into_iter().flat_map(move |target| {
                NAMES.into_iter().map(move |name| TestCaseName {
                    package,
                    kind,
                    target,
                    name,
                })
            })
        })
    })
}

impl Reference {
    fn matches(&self, case: &TestCaseName<'_>) -> bool {
        match self {
            Self::Leaf(leaf) => (leaf.meaning)(case),
            Self::Not(inner) => !inner.matches(case),
            Self::And(left, right) => left.matches(case) && right.matches(case),
            Self::Minus(left, right) => left.matches(case) && !right.matches(case),
            Self::Or(left, right) => left.matches(case) || right.matches(case),
        }
    }

    /// With parentheses around everything.
    fn with_all_parentheses(&self) -> String {
        match self {
            Self::Leaf(leaf) => format!("({})", leaf.text),
            Self::Not(inner) => format!("(!{})", inner.with_all_parentheses()),
            Self::And(left, right) => binary(left, "&&", right),
            Self::Minus(left, right) => binary(left, "-", right),
            Self::Or(left, right) => binary(left, "||", right),
        }
    }

    /// With only the necessary parentheses, and operators in words.
    fn with_few_parentheses(&self) -> String {
        let side = |part: &Self, least| {
            let text = part.with_few_parentheses();
            if part.precedence() < least {
                format!("({text})")
            } else {
                text
            }
        };
        match self {
            Self::Leaf(leaf) => leaf.text.to_owned(),
            Self::Not(inner) => format!("not {}", side(inner, 2)),
            Self::And(left, right) => format!("{} and {}", side(left, 1), side(right, 2)),
            Self::Minus(left, right) => format!("{} minus {}", side(left, 1), side(right, 2)),
            Self::Or(left, right) => format!("{} or {}", side(left, 0), side(right, 0)),
        }
    }

    fn precedence(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) | Self::Minus(..) => 1,
            Self::Not(_) | Self::Leaf(_) => 2,
        }
    }
}

fn binary(left: &Reference, operator: &str, right: &Reference) -> String {
    let (left, right) = (left.with_all_parentheses(), right.with_all_parentheses());
    format!("({left} {operator} {right})")
}

fn reference() -> impl Strategy<Value = Reference> {
    let leaf = proptest::sample::select(LEAVES).prop_map(Reference::Leaf);
    leaf.prop_recursive(6, 40, 2, |inner| {
        let pair = (inner.clone(), inner.clone()).prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        prop_oneof![
            inner.prop_map(|inner| Reference::Not(Box::new(inner))),
            pair.clone().prop_map(|(a, b)| Reference::And(a, b)),
            pair.clone().prop_map(|(a, b)| Reference::Minus(a, b)),
            pair.prop_map(|(a, b)| Reference::Or(a, b)),
        ]
    })
}

/// Text of the language's tokens in any order. Most such texts have an error, but not at the start.
fn any_tokens() -> impl Strategy<Value = String> {
    let pieces = &[
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "/",
        ".",
        "!",
        "~",
        "not",
        "&&",
        "and",
        "|",
        "or",
        "-",
        "\\",
        "minus",
        " ",
        "\t",
        "\n",
        "all",
        "none",
        "library",
        "b",
        "name",
        "package",
        "test",
        "equals",
        "matches",
        "globs",
        "name.equals(",
        "name.globs(",
        "name.matches/",
        "*",
        "?",
        "é",
        "試",
        "\u{301}",
        "\u{0}",
        ",",
        "^",
        "\\p",
        "x",
    ][..];
    proptest::collection::vec(proptest::sample::select(pieces), 0..30)
        .prop_map(|pieces| pieces.concat())
}

/// The expression as a pattern, each list and each `!` in parentheses.
fn print(expression: &Expression) -> String {
    let list = |parts: &[Expression], operator| {
        let parts: Vec<_> = parts.iter().map(print).collect();
        format!("({})", parts.join(operator))
    };
    match expression {
        Expression::Selector(selector) => print_selector(selector),
        Expression::Not(inner) => format!("(!{})", print(inner)),
        Expression::All(parts) => list(parts, " && "),
        Expression::Any(parts) => list(parts, " || "),
    }
}

fn print_selector(selector: &SelectorTerm) -> String {
    let group = |group: TargetGroup| format!("{group:?}").to_lowercase();
    match selector {
        SelectorTerm::Constant(value) => value.to_string(),
        SelectorTerm::Target(target) => group(*target),
        SelectorTerm::TargetName(target, matcher) => {
            format!("{}.{}", group(*target), print_matcher(matcher))
        }
        SelectorTerm::AnyTargetName(matcher) => format!("target.{}", print_matcher(matcher)),
        SelectorTerm::Kind(matcher) => format!("kind.{}", print_matcher(matcher)),
        SelectorTerm::BinaryId(matcher) => format!("binary_id.{}", print_matcher(matcher)),
        SelectorTerm::Package(matcher) => format!("package.{}", print_matcher(matcher)),
        SelectorTerm::Related(RelatedPackages {
            relation, matcher, ..
        }) => {
            let word = match relation {
                PackageRelation::DependsOn => "depends_on",
                PackageRelation::IsDependencyOf => "is_dependency_of",
            };
            format!("package.{word}.{}", print_matcher(matcher))
        }
        SelectorTerm::Name(matcher) => format!("name.{}", print_matcher(matcher)),
    }
}

fn print_matcher(matcher: &Matcher) -> String {
    let (name, argument) = match matcher {
        Matcher::Equals(argument) => ("equals", argument.as_str()),
        Matcher::Contains(argument) => ("contains", argument.as_str()),
        Matcher::StartsWith(argument) => ("starts_with", argument.as_str()),
        Matcher::EndsWith(argument) => ("ends_with", argument.as_str()),
        Matcher::Matches(regex) => ("matches", regex.as_str()),
        Matcher::Globs(glob) => ("globs", glob.text.as_str()),
    };
    // No argument in these tests needs both kinds of delimiters.
    let balances = {
        let mut depth = 0;
        argument.chars().all(|character| {
            depth += i32::from(character == '(') - i32::from(character == ')');
            depth >= 0
        }) && depth == 0
    };
    if balances {
        format!("{name}({argument})")
    } else {
        format!("{name}/{argument}/")
    }
}

/// Checks that the decisions about test case, binary and package agree.
fn check_consistency(pattern: &Pattern) -> Result<(), TestCaseError> {
    for case in test_cases() {
        let full = pattern.matches(&case);
        let TestCaseName {
            package,
            kind,
            target,
            ..
        } = case;
        let of_binary = pattern.matches_binary(package, kind, target);
        let of_package = pattern.matches_package(package);
        prop_assert!(of_binary.is_none_or(|value| value == full));
        // A decision about a package is the decision about its binaries.
        prop_assert!(of_package.is_none() || of_package == of_binary);
    }
    Ok(())
}

proptest! {
    #[test]
    fn parsing_never_panics(text: String) {
        if let Err(error) = text.parse::<Pattern>() {
            prop_assert!(text.is_char_boundary(error.offset()));
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn parsing_any_tokens_never_panics(text in any_tokens()) {
        match text.parse::<Pattern>() {
            Ok(pattern) => check_consistency(&pattern)?,
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.offset()));
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn no_argument_makes_a_glob_or_a_regular_expression_panic(
        argument in r"[\[\]{}(),*?!^a-c\\é&~|+.-]{0,12}",
    ) {
        for matcher in ["globs", "matches"] {
            let text = format!("name.{matcher}/{argument}/");
            match text.parse::<Pattern>() {
                Ok(pattern) => check_consistency(&pattern)?,
                Err(error) => {
                    let argument_starts = text.len() - argument.len() - 1;
                    prop_assert!(error.offset() >= argument_starts);
                    prop_assert!(error.offset() < text.len());
                }
            }
        }
    }

    #[test]
    fn an_escaped_glob_matches_its_own_text_only(text in "[^/]{0,8}", other in "[^/]{0,8}") {
        let escaped: String = text.chars().flat_map(|character| ['\\', character]).collect();
        let pattern: Pattern = format!("name.globs/{escaped}/").parse()?;
        let matches = |name| pattern.matches(&TestCaseName {
            package: "",
            kind: TargetKind::Test,
            target: "",
            name,
        });
        prop_assert!(matches(&text));
        prop_assert_eq!(matches(&other), text == other);
    }

    #[test]
    fn patterns_agree_with_the_reference(reference in reference()) {
        for text in [reference.with_all_parentheses(), reference.with_few_parentheses()] {
            let pattern: Pattern = text.parse()?;
            for case in test_cases() {
                prop_assert_eq!(
                    pattern.matches(&case),
                    reference.matches(&case),
                    "{} {:?}", text, case
                );
            }
        }
    }

    #[test]
    fn partial_evaluation_agrees_with_the_reference(reference in reference()) {
        let pattern: Pattern = reference.with_few_parentheses().parse()?;
        for case in test_cases() {
            let TestCaseName { package, kind, target, .. } = case;
            let expected = reference.matches(&case);
            if let Some(value) = pattern.matches_package(package) {
                prop_assert_eq!(value, expected, "{} {:?}", pattern, case);
            }
            if let Some(value) = pattern.matches_binary(package, kind, target) {
                prop_assert_eq!(value, expected, "{} {:?}", pattern, case);
            }
        }
    }

    #[test]
    fn printing_with_all_parentheses_and_parsing_again_changes_nothing(reference in reference()) {
        let pattern: Pattern = reference.with_few_parentheses().parse()?;
        let printed = print(pattern.expression());
        let again: Pattern = printed.parse()?;
        prop_assert_eq!(print(again.expression()), printed);
        for case in test_cases() {
            prop_assert_eq!(again.matches(&case), pattern.matches(&case));
        }
    }
}
