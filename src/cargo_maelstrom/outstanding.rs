//! The listings and tests whose results were not reported yet.

use crate::cargo::TestBinary;
use crate::listing::ListedTest;
use crate::report::{Repeat, TestOutcome};
use crate::test_job::TestCase;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The test binaries that were not listed yet, and the selected tests that have not ended.
#[derive(Default)]
pub struct Outstanding {
    binaries: Vec<Arc<TestBinary>>,
    /// By the address of the listed test, which is unique because the test is held here.
    tests: HashMap<(*const ListedTest, u32), OutstandingTest>,
}

struct OutstandingTest {
    case: TestCase,
    repeat: Option<Repeat>,
    /// The outcomes of the attempts so far, which failed.
    attempts: Vec<TestOutcome>,
}

impl Outstanding {
    /// Adds a binary that will be listed.
    pub fn expect_listing(&mut self, binary: &Arc<TestBinary>) {
        self.binaries.push(binary.clone());
    }

    /// Removes a binary that was listed, or could not be listed.
    pub fn listed(&mut self, binary: &TestBinary) {
        self.binaries
            .retain(|other| !std::ptr::eq(Arc::as_ptr(other), binary));
    }

    /// Whether every binary so far was listed, or could not be listed.
    pub fn has_listed_all(&self) -> bool {
        self.binaries.is_empty()
    }

    /// Adds a selected test, or one repetition of it.
    pub fn expect(&mut self, case: &TestCase, repeat: Option<Repeat>) {
        let test = OutstandingTest {
            case: case.clone(),
            repeat,
            attempts: Vec::new(),
        };
        self.tests.insert(key(case, repeat), test);
    }

    /// The number of failed attempts at a test.
    pub fn failed_attempts(&self, case: &TestCase, repeat: Option<Repeat>) -> u32 {
        let test = self.tests.get(&key(case, repeat));
        test.map_or(0, |test| test.attempts.len() as u32)
    }

    /// Adds a failed attempt at a test, which will be run again.
    pub fn attempt_failed(
        &mut self,
        case: &TestCase,
        repeat: Option<Repeat>,
        outcome: TestOutcome,
    ) {
        if let Some(test) = self.tests.get_mut(&key(case, repeat)) {
            test.attempts.push(outcome);
        }
    }

    /// Takes the outcomes of the failed attempts at a test.
    pub fn take_attempts(&mut self, case: &TestCase, repeat: Option<Repeat>) -> Vec<TestOutcome> {
        let test = self.tests.get_mut(&key(case, repeat));
        test.map_or_else(Vec::new, |test| std::mem::take(&mut test.attempts))
    }

    /// Removes a test that is about to be reported. Returns false if it was reported before.
    #[must_use]
    pub fn settle(&mut self, case: &TestCase, repeat: Option<Repeat>) -> bool {
        self.tests.remove(&key(case, repeat)).is_some()
    }

    /// The number of tests.
    pub fn tests(&self) -> usize {
        self.tests.len()
    }

    /// The binaries that were not listed.
    pub fn take_binaries(&mut self) -> Vec<Arc<TestBinary>> {
        std::mem::take(&mut self.binaries)
    }

    /// The tests that were not reported, by their names.
    pub fn sorted_tests(&self) -> Vec<(TestCase, Option<Repeat>)> {
        let tests = self.tests.values();
        let mut tests: Vec<_> = tests.map(|test| (test.case.clone(), test.repeat)).collect();
        tests.sort_by_cached_key(|(case, repeat)| {
            (case.name().to_string(), repeat.map(|repeat| repeat.number))
        });
        tests
    }
}

fn key(case: &TestCase, repeat: Option<Repeat>) -> (*const ListedTest, u32) {
    (
        Rc::as_ptr(&case.listed),
        repeat.map_or(0, |repeat| repeat.number),
    )
}
