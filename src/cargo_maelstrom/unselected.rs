//! Explanations of a selection without tests: the filter that matches no test, the names that it was
//! compared with, and suggestions.

use super::command_line::RunIgnored;
use super::considered::Considered;
use super::selector::Selector;
use super::suggestions::{self, PackageOrTarget};
use crate::filter::{Comparison, Pattern, TargetKind, TestCaseName};
use crate::report::Count;
use std::fmt::Display;

/// The greatest number of hints about filter words.
const MOST_HINTS: usize = 4;

/// A paragraph for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// An explanation.
    Note(String),
    /// Advice.
    Hint(String),
}

/// The tests and names that filters could have selected.
#[derive(Default)]
pub struct Offer<'a> {
    /// Each with whether its source marks it as ignored.
    pub tests: Vec<(TestCaseName<'a>, bool)>,
    /// The number of test binaries that no include pattern can match.
    pub not_included: u64,
    /// The number of other test binaries that an exclude pattern matches.
    pub excluded: u64,
    /// The number of test binaries that only the default filter leaves out.
    pub left_out: u64,
    pub places: Vec<PackageOrTarget>,
}

/// Explains why no test was selected, by the first filter that leaves no test.
pub fn explain(offer: &Offer<'_>, selector: &Selector) -> Vec<Remark> {
    let names = &selector.names;
    let binaries = offer.not_included + offer.excluded + offer.left_out;
    if offer.tests.is_empty() && binaries == 0 {
        let mut remarks = vec![Remark::Note("the built targets have no tests".to_owned())];
        remarks.extend(hints_for_words(&names.filters, offer));
        return remarks;
    }
    let mut left = offer.tests.clone();
    left.retain(|(subject, _)| selector.includes(subject));
    if left.is_empty() && offer.excluded == 0 && offer.left_out == 0 {
        return explain_includes(offer, &selector.includes);
    }

    let compared: Vec<_> = left.iter().map(|(subject, _)| subject.name).collect();
    left.retain(|(subject, _)| names.has_filter(subject.name));
    if left.is_empty() && !compared.is_empty() && offer.left_out == 0 {
        let words = quoted(&names.filters, "or");
        let what = if names.exact {
            format!("no test is called {words} (`--exact`)")
        } else {
            format!("no test has {words} in its name")
        };
        let compared = compared_with(&compared);
        let mut remarks = vec![Remark::Note(format!("{what}; {compared}"))];
        remarks.extend(hints_for_words(&names.filters, offer));
        return remarks;
    }

    let before = Remaining::of(&left, offer);
    left.retain(|(subject, _)| !selector.excludes(subject));
    if left.is_empty() && offer.left_out == 0 {
        let patterns = quoted(&selector.excludes, "and");
        let exclude = verb(selector.excludes.len(), "excludes", "exclude");
        return vec![Remark::Note(format!("{patterns} {exclude} {before}"))];
    }

    let before = Remaining::of(&left, offer);
    left.retain(|(subject, _)| !names.is_skipped(subject.name));
    if left.is_empty() && offer.left_out == 0 {
        let words = quoted(&names.skips, "and");
        return vec![Remark::Note(format!(
            "`--skip` with {words} leaves out {before}"
        ))];
    }

    if let Some(filter) = &selector.default_filter {
        let tests = left.len() as u64;
        left.retain(|(subject, _)| selector.selects_by_default(subject));
        if left.is_empty() {
            return explain_default_filter(filter, tests, offer.left_out);
        }
    }

    if selector.ignored == RunIgnored::Only {
        let tests = Count(left.len() as u64, "test", "tests");
        let selection = Remaining::of(&left, offer).selection();
        return vec![
            Remark::Note(format!(
                "only ignored tests were selected, but none of {tests}{selection} is ignored"
            )),
            Remark::Hint("drop `--ignored`, or write `--include-ignored` to run all tests".into()),
        ];
    }
    Vec::new()
}

fn explain_default_filter(filter: &Pattern, tests: u64, binaries: u64) -> Vec<Remark> {
    let left_out = LeftOut { tests, binaries };
    vec![
        Remark::Note(format!(
            "the default filter `{filter}` of `maelstrom-test.toml` leaves out {left_out}, \
             which all other filters select"
        )),
        Remark::Hint("`--ignore-default-filter` selects them too".to_owned()),
    ]
}

/// The note on tests that only the default filter leaves out. `None`: there are none.
pub fn left_out_by_default(tests: u64, binaries: u64) -> Option<String> {
    let left_out = LeftOut { tests, binaries };
    let was = if tests + binaries == 1 { "was" } else { "were" };
    (tests + binaries > 0).then(|| {
        format!(
            "{left_out} {was} not selected by the default filter of `maelstrom-test.toml`; \
             `--ignore-default-filter` selects them too"
        )
    })
}

/// The note on a run with `--failed` without tests. `is_first`: no earlier run is known.
pub fn none_failed(considered: &Considered, is_first: bool) -> String {
    if is_first {
        return "no earlier run is known, so no test failed in one; leave out `--failed` to run the \
                tests"
            .to_owned();
    }
    if considered.selects_all() {
        return "no test failed in the last run".to_owned();
    }
    match considered.not_failed {
        1 => "the selected test did not fail in its last run".to_owned(),
        tests => format!("none of the {tests} selected tests failed in the last run"),
    }
}

/// The note on tests that `--failed` leaves out. `None`: there are none.
pub fn left_out_by_failed(tests: u64) -> Option<String> {
    (tests > 0).then(|| {
        let was = if tests == 1 { "was" } else { "were" };
        let tests = Count(tests, "test", "tests");
        format!("{tests} did not fail in the last run, and {was} left out (`--failed`)")
    })
}

/// What the default filter leaves out: `3 tests and 1 whole test binary`.
struct LeftOut {
    tests: u64,
    binaries: u64,
}

impl Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tests = Count(self.tests, "test", "tests");
        let binaries = Count(self.binaries, "whole test binary", "whole test binaries");
        match (self.tests, self.binaries) {
            (_, 0) => write!(f, "{tests}"),
            (0, _) => write!(f, "{binaries}"),
            _ => write!(f, "{tests} and {binaries}"),
        }
    }
}

/// The note on a selection in which all tests are ignored, by their source or by directives.
pub fn all_ignored(by_source: u64, by_directive: u64) -> String {
    let directives = "by directives in `maelstrom-test.toml`";
    let by_source_only = "`--ignored` runs ignored tests, `--include-ignored` all tests";
    match (by_source, by_directive) {
        (1, 0) => format!("the selected test is marked as ignored in its source; {by_source_only}"),
        (all, 0) => {
            format!(
                "all {all} selected tests are marked as ignored in their source; {by_source_only}"
            )
        }
        (0, 1) => format!("the selected test is ignored {directives}"),
        (0, all) => format!("all {all} selected tests are ignored {directives}"),
        (source, directive) => format!(
            "all {} selected tests are ignored: {source} in their source (`--include-ignored` runs \
             them), {directive} {directives}",
            source + directive
        ),
    }
}

/// The note on an exclude pattern that matches none of `count` tests. `offer` may have fewer tests.
pub fn idle_exclude(pattern: &Pattern, count: u64, offer: &Offer<'_>) -> String {
    let tests = Count(count, "test", "tests");
    let mut text = format!("the exclude pattern `{pattern}` matches none of {tests}");
    for comparison in pattern.comparisons() {
        let similar = PatternCandidates::of(&comparison, offer).similar(&comparison);
        if !similar.is_empty() {
            text.push_str("; similar: ");
            text.push_str(&quoted(&similar, "and"));
        }
    }
    text
}

/// Suggestions for the names in include patterns.
pub fn hints_for_patterns(patterns: &[Pattern], offer: &Offer<'_>) -> Vec<Remark> {
    let comparisons = patterns.iter().flat_map(Pattern::comparisons);
    comparisons
        .flat_map(|comparison| hints_for_comparison(&comparison, offer))
        .collect()
}

fn explain_includes(offer: &Offer<'_>, includes: &[Pattern]) -> Vec<Remark> {
    let patterns = quoted(includes, "or");
    let tests = Count(offer.tests.len() as u64, "test", "tests");
    let were = verb(offer.tests.len(), "was", "were");
    let binaries = Count(offer.not_included, "test binary", "test binaries");
    let compared = match (offer.tests.first(), offer.not_included) {
        (None, _) => format!("none of {binaries} can have such a test"),
        (Some((example, _)), 0) => format!(
            "{tests} {were} compared, such as `{} {}/{} {}`",
            example.package, example.kind, example.target, example.name
        ),
        (Some(_), _) => format!("{tests} {were} compared, and {binaries} cannot have such a test"),
    };
    let mut remarks = vec![Remark::Note(format!(
        "no test matches {patterns}; {compared}"
    ))];
    remarks.extend(hints_for_patterns(includes, offer));
    remarks
}

fn hints_for_comparison(comparison: &Comparison<'_>, offer: &Offer<'_>) -> Vec<Remark> {
    let candidates = PatternCandidates::of(comparison, offer);
    if candidates.names.is_empty() || candidates.names.iter().any(|name| comparison.matches(name)) {
        return Vec::new();
    }
    let PatternCandidates {
        names,
        one,
        several,
    } = &candidates;
    let count = Count(names.len() as u64, one, several);
    let similar = candidates.similar(comparison);
    let similar = if similar.is_empty() {
        String::new()
    } else {
        format!("; similar: {}", quoted(&similar, "and"))
    };
    let mut hints = vec![Remark::Hint(format!(
        "`{comparison}` matches none of {count}{similar}"
    ))];
    if let (true, Some(name)) = (comparison.is_of_test_names(), comparison.name()) {
        let suggested = suggestions::suggest(name, &offer.places, &[]);
        hints.extend(suggested.places.iter().map(|(place, _)| {
            let (name, what, pattern) = (place.name(), kind_of(place), pattern_for(place));
            Remark::Hint(format!("`{name}` is {what}: `{pattern}` selects its tests"))
        }));
    }
    hints
}

/// The names that a comparison of a pattern could have matched.
struct PatternCandidates<'a> {
    names: Vec<&'a str>,
    one: &'static str,
    several: &'static str,
}

impl<'a> PatternCandidates<'a> {
    fn of(comparison: &Comparison<'_>, offer: &'a Offer<'_>) -> Self {
        let (mut names, one, several): (Vec<&str>, _, _) = if comparison.is_of_test_names() {
            let tests = offer.tests.iter();
            (
                tests.map(|(subject, _)| subject.name).collect(),
                "test name",
                "test names",
            )
        } else if comparison.is_of_packages() {
            let packages = offer.places.iter().map(|place| place.package.as_str());
            (packages.collect(), "package", "packages")
        } else {
            let targets = offer
                .places
                .iter()
                .filter_map(|place| place.target.as_ref());
            let targets = targets.filter(|(kind, _)| comparison.is_of_targets(*kind));
            let names = targets.map(|(_, name)| name.as_str()).collect();
            (names, "target of that kind", "targets of that kind")
        };
        names.sort_unstable();
        names.dedup();
        Self {
            names,
            one,
            several,
        }
    }

    fn similar(&self, comparison: &Comparison<'_>) -> Vec<&'a str> {
        let name = comparison.name();
        name.map_or_else(Vec::new, |name| {
            suggestions::similar(name, self.names.iter().copied())
        })
    }
}

fn hints_for_words(words: &[String], offer: &Offer<'_>) -> Vec<Remark> {
    let tests: Vec<_> = offer
        .tests
        .iter()
        .map(|(subject, _)| subject.name)
        .collect();
    let mut remarks = Vec::new();
    for word in words {
        if is_meant_as_pattern(word) {
            remarks.push(Remark::Note(format!(
                "`{word}` is compared with the names of tests; `--include '{word}'` uses it as a pattern"
            )));
            continue;
        }
        let suggested = suggestions::suggest(word, &offer.places, &tests);
        for (place, rest) in suggested.places {
            let (name, what, options) = (place.name(), kind_of(place), options_for(place));
            remarks.push(Remark::Hint(match rest {
                Some(rest) => format!(
                    "`{name}` is {what}: `{options} {rest}` runs its tests with `{rest}` in their names"
                ),
                None => format!("`{name}` is {what}: `{options}` runs its tests"),
            }));
        }
        if !suggested.tests.is_empty() {
            let tests = quoted(&suggested.tests, "and");
            remarks.push(Remark::Hint(format!("similar test names: {tests}")));
        }
    }
    if remarks.is_empty() && !words.is_empty() && !tests.is_empty() {
        let hint = "`cargo maelstrom --list` prints the names of tests";
        remarks.push(Remark::Hint(hint.to_owned()));
    }
    remarks.truncate(MOST_HINTS);
    remarks
}

/// Whether a filter word is a pattern. Names of tests have no parentheses.
fn is_meant_as_pattern(filter: &str) -> bool {
    filter.contains('(') && filter.parse::<Pattern>().is_ok()
}

fn compared_with(names: &[&str]) -> String {
    match names {
        [name] => format!("the only test name is `{name}`"),
        names => format!(
            "{} test names were compared, such as `{}`",
            names.len(),
            names[0]
        ),
    }
}

/// The tests and binaries that the earlier filters leave, as messages name them.
struct Remaining {
    tests: usize,
    binaries: u64,
    is_selection: bool,
}

impl Remaining {
    fn of(left: &[(TestCaseName<'_>, bool)], offer: &Offer<'_>) -> Self {
        Self {
            tests: left.len(),
            binaries: offer.excluded,
            is_selection: left.len() < offer.tests.len() || offer.not_included > 0,
        }
    }

    fn selection(&self) -> &'static str {
        if self.is_selection {
            " that other filters select"
        } else {
            ""
        }
    }
}

impl Display for Remaining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let selection = self.selection();
        match (self.tests, self.binaries) {
            (0, 1) => write!(f, "the only test binary{selection}"),
            (0, binaries) => write!(f, "all {binaries} test binaries{selection}"),
            (1, 0) => write!(f, "the only test{selection}"),
            (tests, 0) => write!(f, "all {tests} tests{selection}"),
            (tests, binaries) => {
                let tests = Count(tests as u64, "test", "tests");
                let binaries = Count(binaries, "whole test binary", "whole test binaries");
                write!(f, "everything{selection}: {tests} and {binaries}")
            }
        }
    }
}

/// The kind of a package or target, in messages.
fn kind_of(place: &PackageOrTarget) -> String {
    match place.target.as_ref().map(|(kind, _)| *kind) {
        None => "a package".to_owned(),
        Some(TargetKind::Library | TargetKind::ProcMacro) => {
            format!("the library of the package `{}`", place.package)
        }
        Some(TargetKind::Binary) => "a binary".to_owned(),
        Some(TargetKind::Test) => "a test target".to_owned(),
        Some(TargetKind::Example) => "an example".to_owned(),
        Some(TargetKind::Benchmark) => "a benchmark".to_owned(),
        Some(TargetKind::Doctest) => {
            format!("the documentation tests of the package `{}`", place.package)
        }
    }
}

/// The options of Cargo that select a package or target.
fn options_for(place: &PackageOrTarget) -> String {
    let Some((kind, name)) = &place.target else {
        return format!("-p {}", place.package);
    };
    let option = match kind {
        TargetKind::Library | TargetKind::ProcMacro => "--lib".to_owned(),
        TargetKind::Binary => format!("--bin {name}"),
        TargetKind::Test => format!("--test {name}"),
        TargetKind::Example => format!("--example {name}"),
        TargetKind::Benchmark => format!("--bench {name}"),
        TargetKind::Doctest => "--doc".to_owned(),
    };
    if place.is_selected && !suggestions::is_library(*kind) {
        option
    } else {
        format!("-p {} {option}", place.package)
    }
}

/// A pattern that selects the tests of a package or target.
fn pattern_for(place: &PackageOrTarget) -> String {
    let package = &place.package;
    match &place.target {
        None => format!("package.equals({package})"),
        Some((TargetKind::Library | TargetKind::ProcMacro, _)) => {
            format!("library && package.equals({package})")
        }
        Some((TargetKind::Binary, name)) => format!("binary.equals({name})"),
        Some((TargetKind::Test, name)) => format!("test.equals({name})"),
        Some((TargetKind::Example, name)) => format!("example.equals({name})"),
        Some((TargetKind::Benchmark, name)) => format!("benchmark.equals({name})"),
        Some((TargetKind::Doctest, name)) => format!("doctest.equals({name})"),
    }
}

fn verb(count: usize, one: &'static str, several: &'static str) -> &'static str {
    if count == 1 { one } else { several }
}

/// `` `a`, `b` or `c` ``.
fn quoted(items: &[impl Display], conjunction: &str) -> String {
    let quoted: Vec<_> = items.iter().map(|item| format!("`{item}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} {conjunction} {last}", before.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
