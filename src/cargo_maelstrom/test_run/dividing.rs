//! `--partition`: of the selected tests, those of one part run.
//!
//! Whether a test is in a part by hash depends on nothing but its name, so it can run at once. For
//! other divisions, the tests wait until all binaries are listed.

use super::TestRun;
use crate::report::{DividedRun, Event};
use crate::schedule::{DivisibleTest, Division, RecordedHistory, TestPartition};
use crate::test_job::TestCase;

/// The selected tests of a run of one part.
pub struct Dividing {
    partition: TestPartition,
    /// The durations by which tests are divided.
    recorded: RecordedHistory,
    selected: Vec<SelectedTest>,
}

struct SelectedTest {
    case: TestCase,
    /// Whether the test is run, and not only reported as ignored.
    runs: bool,
    /// Whether it is known already if the test is in the part.
    is_decided: bool,
}

impl Dividing {
    pub fn new(partition: TestPartition, recorded: RecordedHistory) -> Self {
        Self {
            partition,
            recorded,
            selected: Vec::new(),
        }
    }

    /// Adds a selected test. Returns whether the test is in the part, if that is known before all
    /// tests are.
    fn add(&mut self, case: &TestCase, runs: bool) -> Option<bool> {
        let decision = self.partition.has_name(&case.listed.name);
        self.selected.push(SelectedTest {
            case: case.clone(),
            runs,
            is_decided: decision.is_some(),
        });
        decision
    }

    /// Divides the tests. Returns those of this part that have waited, those of other parts, and a
    /// description for people.
    fn divide(self) -> (Vec<(TestCase, bool)>, Vec<TestCase>, DividedRun) {
        let tests = self.selected.iter().map(|selected| DivisibleTest {
            case: selected.case.name(),
            ignored: selected.case.listed.ignored,
            runs: selected.runs,
            estimate: self.recorded.estimate(&selected.case.id()),
        });
        let tests: Vec<_> = tests.collect();
        let TestPartition { method, part, of } = self.partition;
        let division = Division::new(method, of, &tests);
        let mut divided = DividedRun {
            partition: self.partition.to_string(),
            digest: division.digest,
            tests: 0,
            of: tests.len() as u64,
        };
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        for (selected, its_part) in self.selected.into_iter().zip(division.parts) {
            divided.tests += u64::from(its_part == part);
            match (selected.is_decided, its_part == part) {
                (true, _) => {}
                (false, true) => mine.push((selected.case, selected.runs)),
                (false, false) => others.push(selected.case),
            }
        }
        (mine, others, divided)
    }
}

impl TestRun {
    /// Runs or reports a selected test if it is in the part of this run, now or when that is known.
    pub(super) fn accept(&mut self, case: TestCase, runs: bool) {
        let decision = match &mut self.dividing {
            Some(dividing) => dividing.add(&case, runs),
            None => Some(true),
        };
        match decision {
            Some(true) => self.take(case, runs),
            Some(false) => self.leave(case),
            None => {}
        }
    }

    /// Divides the tests, when all are listed.
    pub(super) fn divide_if_listed(&mut self, is_building: bool) {
        let is_listed = !is_building && self.outstanding.has_listed_all();
        if !is_listed || self.is_stopping() {
            return;
        }
        let Some(dividing) = self.dividing.take() else {
            return;
        };
        let (mine, others, divided) = dividing.divide();
        self.report(&Event::Divided(&divided));
        self.ending.divided = Some(divided);
        for (case, runs) in mine {
            self.take(case, runs);
        }
        for case in others {
            self.leave(case);
        }
    }

    /// Leaves out a test of another part.
    fn leave(&mut self, case: TestCase) {
        if self.parts.running.learning {
            self.ending.learning.others.push(case);
        }
    }
}
