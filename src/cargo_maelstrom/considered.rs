//! The tests and binaries that filters were applied to, for the explanation of a selection without
//! tests.

use super::selector::Selector;
use crate::cargo::TestBinary;
use crate::filter::{Pattern, TestCaseName};
use crate::listing::ListedTest;
use crate::test_job::test_case_name;
use std::rc::Rc;
use std::sync::Arc;

/// The tests and binaries that filters were applied to. Tests that no explanation needs are dropped.
#[derive(Default)]
pub struct Considered {
    tests: Vec<(Arc<TestBinary>, Rc<ListedTest>)>,
    /// The number of tests.
    pub count: u64,
    /// The number of test binaries that no include pattern can match.
    pub not_included: u64,
    /// The number of other test binaries that an exclude pattern matches.
    pub excluded: u64,
    /// The number of tests that only the default filter leaves out.
    pub left_out_tests: u64,
    /// The number of test binaries that only the default filter leaves out. They are not listed.
    pub left_out_binaries: u64,
    /// The number of tests that filters select.
    selected: u64,
    /// The number of selected tests that `--failed` leaves out.
    pub not_failed: u64,
    /// Whether each exclude pattern has matched.
    excludes_matched: Vec<bool>,
    /// The number of selected tests that their source marks as ignored.
    pub ignored_by_source: u64,
    /// The number of selected tests that a directive ignores.
    pub ignored_by_directive: u64,
}

impl Considered {
    pub fn new(selector: &Selector) -> Self {
        Self {
            excludes_matched: vec![false; selector.excludes.len()],
            ..Self::default()
        }
    }

    /// Adds a test. `is_selected` is the result of the selector.
    pub fn add(
        &mut self,
        selector: &Selector,
        binary: &Arc<TestBinary>,
        test: &Rc<ListedTest>,
        is_selected: bool,
    ) {
        let subject = test_case_name(binary, &test.name);
        self.count += 1;
        self.selected += u64::from(is_selected);
        let is_left_out = !selector.selects_by_default(&subject)
            && selector.selects_otherwise(&subject, test.ignored);
        self.left_out_tests += u64::from(is_left_out);
        for (matched, pattern) in self.excludes_matched.iter_mut().zip(&selector.excludes) {
            *matched = *matched || pattern.matches(&subject);
        }
        if self.has_selected() && !self.excludes_matched.contains(&false) {
            self.tests = Vec::new();
        } else {
            self.tests.push((binary.clone(), test.clone()));
        }
    }

    /// Adds a binary that is not listed, because none of its tests can be selected.
    pub fn leave_out(&mut self, selector: &Selector, binary: &TestBinary) {
        let matches =
            |p: &Pattern| p.matches_binary(&binary.package.name, binary.kind, &binary.target);
        for (matched, pattern) in self.excludes_matched.iter_mut().zip(&selector.excludes) {
            *matched |= matches(pattern) == Some(true);
        }
        if selector.leaves_out_by_default(binary) {
            self.left_out_binaries += 1;
            return;
        }
        let includes = &selector.includes;
        if includes.is_empty() || includes.iter().any(|p| matches(p) != Some(false)) {
            self.excluded += 1;
        } else {
            self.not_included += 1;
        }
    }

    pub fn has_selected(&self) -> bool {
        self.selected > 0
    }

    /// Whether filters select tests, and `--failed` leaves out all of them.
    pub fn has_none_that_failed(&self) -> bool {
        self.has_selected() && self.not_failed == self.selected
    }

    /// Whether filters select every test.
    pub fn selects_all(&self) -> bool {
        let left_out = self.not_included + self.excluded + self.left_out_binaries;
        self.selected == self.count && left_out == 0
    }

    /// The tests by name, each with whether its source marks it as ignored. These are all tests if
    /// none is selected.
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

    /// The indices of the exclude patterns that match no test. `None`: some binaries were not listed.
    pub fn idle_excludes(&self) -> Option<Vec<usize>> {
        if self.not_included > 0 || self.left_out_binaries > 0 {
            return None;
        }
        let matched = self.excludes_matched.iter().enumerate();
        Some(
            matched
                .filter(|(_, matched)| !**matched)
                .map(|(index, _)| index)
                .collect(),
        )
    }
}
