//! What the filters of a run were asked about, kept to explain a run in which they select nothing.

use super::selector::Selector;
use crate::cargo::TestBinary;
use crate::filter::{Pattern, TestCaseName};
use crate::listing::ListedTest;
use crate::test_job::test_case_name;
use std::rc::Rc;
use std::sync::Arc;

/// The tests and binaries that were looked at. Nothing that is not needed any more is kept.
#[derive(Default)]
pub struct Considered {
    tests: Vec<(Arc<TestBinary>, Rc<ListedTest>)>,
    /// How many tests there were.
    pub count: u64,
    /// How many test binaries no include pattern can match.
    pub not_included: u64,
    /// How many other test binaries were left out because an exclude pattern matches them.
    pub excluded: u64,
    has_selected: bool,
    /// Which exclude patterns have matched.
    excludes_matched: Vec<bool>,
    /// How many selected tests are ignored because their source says so.
    pub ignored_by_source: u64,
    /// How many selected tests are ignored because a directive says so.
    pub ignored_by_directive: u64,
}

impl Considered {
    pub fn new(selector: &Selector) -> Self {
        Self {
            excludes_matched: vec![false; selector.excludes.len()],
            ..Self::default()
        }
    }

    /// Takes note of a test. `is_selected`: what the selector says of it.
    pub fn add(
        &mut self,
        selector: &Selector,
        binary: &Arc<TestBinary>,
        test: &Rc<ListedTest>,
        is_selected: bool,
    ) {
        let subject = test_case_name(binary, &test.name);
        self.count += 1;
        self.has_selected |= is_selected;
        for (matched, pattern) in self.excludes_matched.iter_mut().zip(&selector.excludes) {
            *matched = *matched || pattern.matches(&subject);
        }
        if self.has_selected && !self.excludes_matched.contains(&false) {
            self.tests = Vec::new();
        } else {
            self.tests.push((binary.clone(), test.clone()));
        }
    }

    /// Takes note of a binary that is not asked for its tests: none can be selected.
    pub fn leave_out(&mut self, selector: &Selector, binary: &TestBinary) {
        let matches =
            |p: &Pattern| p.matches_binary(&binary.package.name, binary.kind, &binary.target);
        for (matched, pattern) in self.excludes_matched.iter_mut().zip(&selector.excludes) {
            *matched |= matches(pattern) == Some(true);
        }
        let includes = &selector.includes;
        if includes.is_empty() || includes.iter().any(|p| matches(p) != Some(false)) {
            self.excluded += 1;
        } else {
            self.not_included += 1;
        }
    }

    pub fn has_selected(&self) -> bool {
        self.has_selected
    }

    /// The tests, each with whether its source says that it is to be ignored; in the order of their
    /// names. All of them if none is selected.
    pub fn tests(&self) -> Vec<(TestCaseName<'_>, bool)> {
        let tests = self.tests.iter();
        let mut tests: Vec<_> = tests
            .map(|(binary, test)| (test_case_name(binary, &test.name), test.ignored))
            .collect();
        tests.sort_by_key(|(subject, _)| {
            (subject.name, subject.package, subject.kind, subject.target)
        });
        tests
    }

    /// Which exclude patterns, by their places, match none of the tests there are. `None` if not
    /// all tests were looked at.
    pub fn idle_excludes(&self) -> Option<Vec<usize>> {
        if self.not_included > 0 {
            return None;
        }
        let matched = self.excludes_matched.iter().enumerate();
        Some(
            matched
                .filter(|(_, matched)| !**matched)
                .map(|(place, _)| place)
                .collect(),
        )
    }
}
