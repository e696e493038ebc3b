//! Looking up outcomes of earlier runs.

use super::{LookedUp, TestRun};
use crate::executor::{Container, SavedOutputs};
use crate::test_job::TestCase;
use std::sync::Arc;

/// The number of tests that one task looks up. Looking up a test means reading one file, which takes
/// about as long as switching threads.
const TESTS_PER_TASK: usize = 16;

impl TestRun {
    /// Starts look-ups, at most one for each slot.
    pub(super) fn start_look_ups(&mut self) {
        while self.looking_up.len() < self.parts.session.slots.total()
            && !self.maybe_known.is_empty()
        {
            let count = TESTS_PER_TASK.min(self.maybe_known.len());
            let tests = self.maybe_known.drain(..count).collect();
            self.start_look_up(tests);
        }
    }

    fn start_look_up(&mut self, tests: Vec<(TestCase, Arc<Container>)>) {
        let job = |(case, container): &(TestCase, Arc<Container>)| {
            self.parts.running.job(case, container.clone())
        };
        let jobs: Vec<_> = tests.iter().map(job).collect();
        let (known, limit) = (
            self.parts.session.executors.known.clone(),
            self.parts.running.inline_limit,
        );
        let unknown = tests.clone();
        self.looking_up.spawn_local(
            async move {
                let finding = tokio::task::spawn_blocking(move || {
                    let find = |job| known.find(job, limit);
                    jobs.iter().map(find).collect::<Vec<_>>()
                });
                // After an error the tests count as unknown.
                let mut outcomes = finding.await.unwrap_or_default().into_iter();
                let looked_up = |(case, container)| LookedUp {
                    case,
                    container,
                    outcome: outcomes.next().flatten(),
                };
                tests.into_iter().map(looked_up).collect()
            },
            |_| {
                let not_known = |(case, container)| LookedUp {
                    case,
                    container,
                    outcome: None,
                };
                unknown.into_iter().map(not_known).collect()
            },
        );
    }

    /// Reports the tests with a known outcome, and queues the others.
    pub(super) fn looked_up(&mut self, tests: Vec<LookedUp>) {
        for test in tests {
            let LookedUp {
                case,
                container,
                outcome,
            } = test;
            if self.is_stopping() {
                continue;
            }
            match outcome {
                Some(outcome) => {
                    let id = self.new_id();
                    self.pass_on_output(&outcome);
                    self.ran(id, &case, None, outcome, SavedOutputs::default());
                }
                None => self.enqueue(&case, &container),
            }
        }
    }
}
