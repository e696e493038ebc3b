//! The tests that are running. They are reported when they start, and again when they are slow.

use super::test_run::RunSettings;
use crate::report::{Event, Repeat, Reporter, TestAttempt, TestId, TestPlace};
use crate::test_job::TestCase;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The tests that run, and whether further tests may start. Shared with the tasks that run tests.
pub struct StartedTests {
    reporter: Rc<RefCell<Box<dyn Reporter>>>,
    /// Oldest first.
    tests: RefCell<BTreeMap<TestId, Started>>,
    stopping: watch::Sender<bool>,
    running: RunSettings,
    /// The time at which all tests must have ended.
    deadline: Cell<Option<Instant>>,
}

struct Started {
    case: TestCase,
    repeat: Option<Repeat>,
    at: Instant,
    /// The test is reported as slow each time that this time has passed.
    slow: Duration,
    slow_reported: u32,
}

impl StartedTests {
    pub fn new(reporter: Rc<RefCell<Box<dyn Reporter>>>, running: RunSettings) -> Self {
        Self {
            reporter,
            tests: RefCell::default(),
            stopping: watch::Sender::new(false),
            running,
            deadline: Cell::default(),
        }
    }

    /// Forbids the start of further tests.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the start of further tests is forbidden.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The result holds a lock, and must be dropped.
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    }

    /// Reports that a test starts. Returns false if the start of further tests is forbidden.
    pub fn start(
        &self,
        id: TestId,
        case: TestCase,
        repeat: Option<Repeat>,
        attempt: TestAttempt,
        place: TestPlace<'_>,
    ) -> bool {
        if self.is_stopping() || self.is_late() {
            return false;
        }
        self.reporter.borrow_mut().report(&Event::TestStarted {
            id,
            case: case.name(),
            repeat,
            attempt,
            place,
        });
        let started = Started {
            slow: self.running.slow_timeout(&case).period,
            case,
            repeat,
            at: Instant::now(),
            slow_reported: 0,
        };
        self.tests.borrow_mut().insert(id, started);
        true
    }

    /// Reports that a second look at a test starts.
    pub fn look(&self, id: TestId, slots: &[usize]) {
        let event = Event::LookStarted { id, slots };
        self.reporter.borrow_mut().report(&event);
    }

    /// The time at which all tests must have ended, which is set with the first test.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    /// Sets the time at which all tests must have ended, unless it was set before. Returns it.
    pub fn begin(&self) -> Option<Instant> {
        let limit = self.running.global_timeout?;
        let deadline = self
            .deadline()
            .or_else(|| Instant::now().checked_add(limit));
        self.deadline.set(deadline);
        deadline
    }

    fn is_late(&self) -> bool {
        self.deadline()
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The tests that run, and how long they have run.
    pub fn running(&self) -> Vec<(TestId, TestCase, Option<Repeat>, Duration)> {
        let tests = self.tests.borrow();
        let test = |(id, test): (&TestId, &Started)| {
            (*id, test.case.clone(), test.repeat, test.at.elapsed())
        };
        tests.iter().map(test).collect()
    }

    /// Whether no test runs.
    pub fn is_empty(&self) -> bool {
        self.tests.borrow().is_empty()
    }

    pub fn ended(&self, id: TestId) {
        self.tests.borrow_mut().remove(&id);
    }

    /// Reports the tests that have become slow.
    pub fn report_slow(&self) {
        let now = Instant::now();
        for started in self.tests.borrow_mut().values_mut() {
            let elapsed = now - started.at;
            if elapsed >= started.slow.saturating_mul(started.slow_reported + 1) {
                started.slow_reported += 1;
                self.reporter.borrow_mut().report(&Event::Slow {
                    case: started.case.name(),
                    repeat: started.repeat,
                    elapsed,
                });
            }
        }
    }
}
