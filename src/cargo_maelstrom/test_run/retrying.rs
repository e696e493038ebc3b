//! Further attempts at tests that failed.
//!
//! A test that failed is looked at first, after its first attempt: if it is proven to need something
//! of this machine, it passes and is not tried again. Only the last attempt counts.

use super::{TestBatch, TestRun, Work};
use crate::config::CountsAs;
use crate::executor::Container;
use crate::report::{Event, Repeat, TestAttempt, TestId, TestOutcome, TestStatus};
use crate::schedule::Rank;
use crate::test_job::TestCase;
use std::sync::Arc;
use std::time::Duration;

impl TestRun {
    /// Whether a test with this outcome is tried again.
    pub(super) fn may_retry(&self, outcome: &TestOutcome) -> bool {
        let attempt = outcome.attempt;
        outcome.status.is_failure() && attempt.number < attempt.of && !self.is_stopping()
    }

    /// Reports a failed attempt at a test, and starts the wait for the next one.
    pub(super) fn retry(
        &mut self,
        id: TestId,
        case: &TestCase,
        repeat: Option<Repeat>,
        outcome: TestOutcome,
    ) {
        let retries = self.parts.running.retries(case);
        let delay = retries.delay_after(outcome.attempt.number);
        self.report(&Event::AttemptFailed {
            id,
            case: case.name(),
            repeat,
            outcome: &outcome,
            delay,
        });
        self.outstanding.attempt_failed(case, repeat, outcome);
        let (waiting, on_panic) = ((case.clone(), repeat), (case.clone(), repeat));
        self.delays.spawn_local(
            async move {
                tokio::time::sleep(delay).await;
                waiting
            },
            |_| on_panic,
        );
    }

    /// Queues the next attempt at a test, whose delay is over.
    pub(super) fn enqueue_retry(
        &mut self,
        case: TestCase,
        container: Arc<Container>,
        repeat: Option<Repeat>,
    ) {
        if self.is_stopping() {
            return;
        }
        // The test has waited, so it is next.
        let rank = Rank {
            priority: 1,
            ..self.rank(&case)
        };
        if self.parts.session.executors.remote.is_some() && container.is_portable().is_ok() {
            let batch = TestBatch {
                cases: vec![case],
                container,
                repeat,
                rank,
            };
            return self.remote.push(rank, batch);
        }
        let work = Work::Test {
            case,
            container,
            repeat,
        };
        self.local.push(rank, work);
    }

    /// Reports a test whose container could not be made again.
    pub(super) fn could_not_retry(
        &mut self,
        case: &TestCase,
        repeat: Option<Repeat>,
        message: String,
    ) {
        let mut outcome = TestOutcome::new(TestStatus::Error { message }, Duration::ZERO);
        self.add_attempts(case, repeat, &mut outcome);
        let id = self.new_id();
        self.finished(id, case, repeat, &outcome);
    }

    /// The attempt at a test that follows the failed ones.
    pub(super) fn next_attempt(&self, case: &TestCase, repeat: Option<Repeat>) -> TestAttempt {
        let failed = self.outstanding.failed_attempts(case, repeat);
        self.parts.running.attempt(case, failed + 1)
    }

    /// Adds the failed attempts at a test to the outcome of the last one. A flaky test becomes a
    /// failure, if that is set.
    pub(super) fn add_attempts(
        &mut self,
        case: &TestCase,
        repeat: Option<Repeat>,
        outcome: &mut TestOutcome,
    ) {
        outcome.attempt = self.next_attempt(case, repeat);
        outcome.earlier = self.outstanding.take_attempts(case, repeat);
        let fails = self.parts.running.flaky_result(case) == CountsAs::Fail;
        if outcome.is_flaky() && fails {
            outcome.status = TestStatus::Flaky(outcome.attempt);
        }
    }

    /// Reports the tests that failed and were not tried again, as the run was cancelled.
    pub(super) fn settle_retries(&mut self) {
        for (case, repeat) in self.outstanding.sorted_tests() {
            let mut attempts = self.outstanding.take_attempts(&case, repeat);
            if let Some(mut outcome) = attempts.pop() {
                outcome.earlier = attempts;
                let history = &mut self.parts.history;
                history.record(case.id(), outcome.duration, false);
                let id = self.new_id();
                self.finished(id, &case, repeat, &outcome);
            }
        }
    }
}
