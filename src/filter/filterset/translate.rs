//! From a filterset to the text of a pattern that selects the same tests.

use super::error::FiltersetProblem;
use super::parse::{
    FiltersetExpression, MatchingPredicate, NameMatch, NameMatchKind, Predicate, glob,
};
use crate::filter::comparison_text::{comparison_text, delimited};
use crate::filter::matcher::{Matcher, MatcherKind};
use crate::filter::test_name::TestBinaryName;

/// What the predicates of filtersets mean in a workspace.
#[derive(Clone, Debug, Default)]
pub struct FiltersetTerms<'a> {
    /// The pattern that `default()` stands for. `None`: all tests.
    pub default_filter: Option<&'a str>,
    /// The rules that put tests into groups. The last one that matches a test decides.
    pub groups: Vec<GroupRule<'a>>,
    /// The names that predicates may refer to. `None`: they are not known, and any name is right.
    pub names: Option<WorkspaceNames<'a>>,
}

/// Tests and their group.
#[derive(Clone, Copy, Debug)]
pub struct GroupRule<'a> {
    /// The pattern of the tests. `None`: all tests.
    pub filter: Option<&'a str>,
    pub group: &'a str,
}

/// The packages and test binaries of a workspace.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceNames<'a> {
    pub packages: Vec<&'a str>,
    pub binaries: Vec<TestBinaryName<'a>>,
}

/// The group of tests without one, as cargo-nextest calls it.
const NO_GROUP: &str = "@global";

/// A part of a pattern, and the operator that it consists of.
struct PatternText {
    text: String,
    operator: Option<&'static str>,
}

/// An error, with its position in the filterset.
type Problem = (usize, FiltersetProblem);

pub(super) fn translate(
    expression: &FiltersetExpression,
    terms: &FiltersetTerms<'_>,
) -> Result<String, Problem> {
    Ok(of_expression(expression, terms)?.text)
}

fn of_expression(
    expression: &FiltersetExpression,
    terms: &FiltersetTerms<'_>,
) -> Result<PatternText, Problem> {
    Ok(match expression {
        FiltersetExpression::Predicate(predicate) => of_predicate(predicate, terms)?,
        FiltersetExpression::Not(inner) => not(&of_expression(inner, terms)?),
        FiltersetExpression::All(parts) => list(" && ", parts, terms)?,
        FiltersetExpression::Any(parts) => list(" || ", parts, terms)?,
    })
}

fn list(
    operator: &'static str,
    parts: &[FiltersetExpression],
    terms: &FiltersetTerms<'_>,
) -> Result<PatternText, Problem> {
    let parts = parts.iter().map(|part| of_expression(part, terms));
    Ok(joined(operator, parts.collect::<Result<_, _>>()?))
}

fn joined(operator: &'static str, mut parts: Vec<PatternText>) -> PatternText {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let parts = parts.into_iter().map(|part| match part.operator {
        // Parentheses are not needed for *and* in *or*, but help to read it.
        Some(other) if other != operator => format!("({})", part.text),
        _ => part.text,
    });
    PatternText {
        text: parts.collect::<Vec<_>>().join(operator),
        operator: Some(operator),
    }
}

fn not(operand: &PatternText) -> PatternText {
    one(match operand.operator {
        Some(_) => format!("!({})", operand.text),
        None => format!("!{}", operand.text),
    })
}

fn one(text: impl Into<String>) -> PatternText {
    PatternText {
        text: text.into(),
        operator: None,
    }
}

/// A pattern that was written elsewhere.
fn quoted(pattern: Option<&str>) -> PatternText {
    match pattern {
        None => one("all"),
        Some(pattern) => one(format!("({})", pattern.trim())),
    }
}

fn of_predicate(predicate: &Predicate, terms: &FiltersetTerms<'_>) -> Result<PatternText, Problem> {
    let (predicate, name) = match predicate {
        Predicate::All => return Ok(one("all")),
        Predicate::None => return Ok(one("none")),
        Predicate::Default => return Ok(quoted(terms.default_filter)),
        // Procedural macros are built for the host, and everything else for the target.
        Predicate::Platform { is_host: true } => return Ok(one("kind.equals(proc-macro)")),
        Predicate::Platform { is_host: false } => return Ok(one("!kind.equals(proc-macro)")),
        Predicate::Matching(predicate, name) => (*predicate, name),
    };
    if let Some(names) = &terms.names {
        check_names(predicate, name, names)?;
    }
    Ok(one(match predicate {
        MatchingPredicate::Test => comparison("name", name),
        MatchingPredicate::Package => comparison("package", name),
        MatchingPredicate::Dependencies => related("package.is_dependency_of", name),
        MatchingPredicate::ReverseDependencies => related("package.depends_on", name),
        MatchingPredicate::Kind => kind(name),
        MatchingPredicate::Binary => comparison("target", name),
        MatchingPredicate::BinaryId => comparison("binary_id", name),
        MatchingPredicate::Group => return of_group(name, &terms.groups),
    }))
}

/// A predicate that matches nothing at all is a mistake.
fn check_names(
    predicate: MatchingPredicate,
    name: &NameMatch,
    names: &WorkspaceNames<'_>,
) -> Result<(), Problem> {
    let packages = || names.packages.iter().map(ToString::to_string).collect();
    let binaries = names.binaries.iter();
    let (what, candidates): (_, Vec<String>) = match predicate {
        MatchingPredicate::Package
        | MatchingPredicate::Dependencies
        | MatchingPredicate::ReverseDependencies => ("package", packages()),
        MatchingPredicate::Binary => (
            "target",
            binaries.map(|binary| binary.target.to_owned()).collect(),
        ),
        MatchingPredicate::BinaryId => (
            "test binary",
            binaries.map(TestBinaryName::nextest_id).collect(),
        ),
        MatchingPredicate::Test | MatchingPredicate::Kind | MatchingPredicate::Group => {
            return Ok(());
        }
    };
    if candidates.iter().any(|candidate| matches(name, candidate)) {
        Ok(())
    } else {
        Err((name.offset, FiltersetProblem::NoMatch(what)))
    }
}

/// The tests in the groups whose names match: for each such rule the tests that it matches and no
/// later rule does.
fn of_group(name: &NameMatch, rules: &[GroupRule<'_>]) -> Result<PatternText, Problem> {
    let mut alternatives = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if matches(name, rule.group) {
            let mut parts = vec![quoted(rule.filter)];
            parts.extend(
                rules[index + 1..]
                    .iter()
                    .map(|rule| not(&quoted(rule.filter))),
            );
            alternatives.push(joined(" && ", parts));
        }
    }
    let names_a_group = !alternatives.is_empty();
    let names_none = matches(name, NO_GROUP);
    if names_none {
        let outside: Vec<_> = rules.iter().map(|rule| not(&quoted(rule.filter))).collect();
        alternatives.push(if outside.is_empty() {
            one("all")
        } else {
            joined(" && ", outside)
        });
    }
    if !names_a_group && !names_none {
        return Err((name.offset, FiltersetProblem::NoGroup));
    }
    Ok(joined(" || ", alternatives))
}

fn matches(name: &NameMatch, candidate: &str) -> bool {
    let (kind, argument) = matcher(name);
    Matcher::new(kind, &argument).is_ok_and(|matcher| matcher.matches(candidate))
}

/// `kind(…)`: the word of a pattern, where there is one for this kind alone.
fn kind(name: &NameMatch) -> String {
    let word = match (name.kind, name.text.as_str()) {
        (NameMatchKind::Equal, "bin") => "binary",
        (NameMatchKind::Equal, "test") => "test",
        (NameMatchKind::Equal, "example") => "example",
        (NameMatchKind::Equal, "bench") => "benchmark",
        _ => return comparison("kind", name),
    };
    word.to_owned()
}

fn comparison(selector: &str, name: &NameMatch) -> String {
    let (kind, argument) = matcher(name);
    comparison_text(selector, kind, &argument)
}

/// A relation of packages, whose argument is a glob if no matcher is written.
fn related(selector: &str, name: &NameMatch) -> String {
    let (kind, argument) = matcher(name);
    let is_glob = kind == MatcherKind::Globs
        || (kind == MatcherKind::Equals && !argument.contains(GLOB_CHARACTERS));
    match delimited(&argument).filter(|_| is_glob) {
        Some(delimited) => format!("{selector}{delimited}"),
        None => comparison_text(selector, kind, &argument),
    }
}

/// The characters with a meaning in our globs. The comma has one in braces.
const GLOB_CHARACTERS: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// The matcher and the argument of a pattern that match the same names.
fn matcher(name: &NameMatch) -> (MatcherKind, String) {
    let text = name.text.clone();
    match name.kind {
        NameMatchKind::Equal => (MatcherKind::Equals, text),
        NameMatchKind::Contains => (MatcherKind::Contains, text),
        NameMatchKind::Regex => (MatcherKind::Matches, text),
        NameMatchKind::Glob if !text.contains(GLOB_CHARACTERS) => (MatcherKind::Equals, text),
        NameMatchKind::Glob => of_glob(&text),
    }
}

/// A glob of cargo-nextest, in which a backslash is an ordinary character, and `**` has a meaning
/// next to a slash.
fn of_glob(text: &str) -> (MatcherKind, String) {
    let ours = text.replace('\\', r"\\");
    let is_plain = !text.contains("**") || !text.is_ascii();
    if is_plain && Matcher::new(MatcherKind::Globs, &ours).is_ok() {
        return (MatcherKind::Globs, ours);
    }
    // The expression is one for bytes, which makes no difference for ASCII.
    let expression = glob(text).map_or_else(
        |_| regex::escape(text),
        |glob| glob.regex().trim_start_matches("(?-u)").to_owned(),
    );
    (MatcherKind::Matches, format!("(?s){expression}"))
}
