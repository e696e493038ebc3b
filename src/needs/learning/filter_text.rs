//! The filters of scopes, as people would write them.

use super::Suite;
use super::scope::{Part, Target, TestScope};
use crate::filter::{MatcherKind, Pattern, TargetKind, TestCaseName, comparison_text};
use std::collections::BTreeSet;
use std::fmt;

/// The most packages that a filter lists.
const MOST_PACKAGES: usize = 8;

/// The structure of a filter's text.
#[derive(Clone)]
enum FilterText {
    One(String),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// The filter of a scope. It may match more tests. `None`: all tests of the workspace.
pub fn filter(scope: &TestScope, suite: &Suite<'_>) -> Option<String> {
    if scope.0.values().all(|part| *part == Part::Package) {
        let known: BTreeSet<_> = suite.tests.iter().map(|test| test.name.package).collect();
        let is_all = suite.every_package && known.iter().all(|name| scope.0.contains_key(*name));
        if is_all || scope.0.len() > MOST_PACKAGES {
            return None;
        }
    }
    let parts = scope.0.iter();
    let parts = parts.map(|(package, part)| part_text(package, part, suite));
    Some(FilterText::Any(parts.collect()).to_string())
}

/// The filter of a part of a package: the shortest that matches no other known test.
fn part_text(package: &str, part: &Part, suite: &Suite<'_>) -> FilterText {
    let of_package = FilterText::One(comparison_text("package", MatcherKind::Equals, package));
    let (text, target) = match part {
        Part::Package => return of_package,
        Part::Targets(targets) => (targets.iter().map(target_text).collect(), None),
        Part::Prefix(target, prefix) => {
            let text = comparison_text("name", MatcherKind::StartsWith, prefix);
            (vec![FilterText::One(text)], Some(target))
        }
        Part::Names(target, names) => {
            let names = names.iter();
            let names = names
                .map(|name| FilterText::One(comparison_text("name", MatcherKind::Equals, name)));
            (names.collect(), Some(target))
        }
    };
    let text = FilterText::Any(text);
    let scope = TestScope([(package.to_owned(), part.clone())].into());
    let is_only_package = suite.tests.iter().all(|test| test.name.package == package);
    let may_be_short = suite.every_package && (is_only_package || !names_library(part));
    if may_be_short && matches_only(&text, &scope, suite) {
        return text;
    }
    let in_package = FilterText::All(vec![of_package.clone(), text.clone()]);
    match target {
        Some(target) if !matches_only(&in_package, &scope, suite) => {
            FilterText::All(vec![of_package, target_text(target), text])
        }
        _ => in_package,
    }
}

/// Whether the filter has the word `library`, which names no target.
fn names_library(part: &Part) -> bool {
    matches!(part, Part::Targets(targets) if targets.iter().any(is_library))
}

fn is_library(target: &Target) -> bool {
    matches!(target.kind, TargetKind::Library | TargetKind::ProcMacro)
}

fn matches_only(text: &FilterText, scope: &TestScope, suite: &Suite<'_>) -> bool {
    let Ok(pattern) = text.to_string().parse::<Pattern>() else {
        return false;
    };
    let is_right = |test: &TestCaseName<'_>| !pattern.matches(test) || scope.has(test);
    suite.tests.iter().all(|test| is_right(&test.name))
}

fn target_text(target: &Target) -> FilterText {
    let selector = match target.kind {
        TargetKind::Library | TargetKind::ProcMacro => {
            return FilterText::One("library".to_owned());
        }
        TargetKind::Binary => "binary",
        TargetKind::Test => "test",
        TargetKind::Example => "example",
        TargetKind::Benchmark => "benchmark",
        TargetKind::Doctest => "doctest",
    };
    FilterText::One(comparison_text(selector, MatcherKind::Equals, &target.name))
}

impl fmt::Display for FilterText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, operator) = match self {
            Self::One(text) => return f.write_str(text),
            Self::All(parts) => (parts, " && "),
            Self::Any(parts) => (parts, " || "),
        };
        if let [only] = &parts[..] {
            return only.fmt(f);
        }
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(operator)?;
            }
            if part.is_compound() {
                write!(f, "({part})")?;
            } else {
                part.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl FilterText {
    fn is_compound(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::All(parts) | Self::Any(parts) => match &parts[..] {
                [only] => only.is_compound(),
                _ => true,
            },
        }
    }
}
