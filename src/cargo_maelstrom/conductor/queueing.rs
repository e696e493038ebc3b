//! From test cases to tasks that run them.

use super::{Ended, EndedWork, Prepared, TestRun, Work};
use crate::cargo::TestBinary;
use crate::cargo_maelstrom::group::{Group, Ingredients};
use crate::cargo_maelstrom::lister;
use crate::executor::{Container, Outcome, Output};
use crate::process::error_chain;
use crate::report::{self, Event, Repeat, TestId, TestStatus};
use crate::schedule::Rank;
use crate::test_job::{self, TestCase};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

impl TestRun {
    /// Queues a case when its container is ready, and has it made if nobody did.
    pub(super) fn queue_case(&mut self, case: TestCase) {
        let key = Ingredients::new(&case.spec, &case.binary);
        match self.containers.get_mut(&key) {
            Some(Group::Preparing(cases)) => cases.push(case),
            Some(Group::Ready(container)) => {
                let container = container.clone();
                self.queue_repeats(&case, &container);
            }
            Some(Group::Failed(message)) => {
                let message = message.to_string();
                for repeat in self.repeats() {
                    let id = self.new_id();
                    let message = message.clone();
                    let outcome =
                        report::TestOutcome::new(TestStatus::Error { message }, Duration::ZERO);
                    self.finished(id, &case, repeat, &outcome);
                }
            }
            None => {
                let containers = self.parts.containers.clone();
                let (binary, spec) = (case.binary.clone(), case.spec.clone());
                self.prepared_for.push(binary.clone());
                self.containers.insert(key, Group::Preparing(vec![case]));
                let of_lost = (binary.clone(), spec.clone());
                self.preparing.spawn_blocking(
                    move || {
                        let outcome = containers.container(&spec, &binary);
                        Prepared::ForTests {
                            binary,
                            spec,
                            outcome: outcome.map_err(|error| error_chain(&error)),
                        }
                    },
                    |lost| {
                        let (binary, spec) = of_lost;
                        Prepared::ForTests {
                            binary,
                            spec,
                            outcome: Err(lost.to_string()),
                        }
                    },
                );
            }
        }
    }

    pub(super) fn queue_repeats(&mut self, case: &TestCase, container: &Arc<Container>) {
        if self.is_stopping() {
            return;
        }
        self.report(&Event::Queued(self.repeats().len() as u64));
        if self.parts.executors.remote.is_some() && container.is_portable().is_ok() {
            self.unbatched.push((case.clone(), container.clone()));
            return;
        }
        if self.parts.running.cache_results.reads() {
            self.maybe_known
                .push_back((case.clone(), container.clone()));
            return;
        }
        self.enqueue(case, container);
    }

    /// Queues what is to be run here.
    pub(super) fn enqueue(&mut self, case: &TestCase, container: &Arc<Container>) {
        let rank = self.rank(case);
        for repeat in self.repeats() {
            let work = Work::Test {
                case: case.clone(),
                container: container.clone(),
                repeat,
            };
            self.queue.push(rank, work);
        }
    }

    pub(super) fn rank(&self, case: &TestCase) -> Rank {
        let (id, history) = (case.id(), &self.parts.history);
        Rank {
            priority: 0,
            suspect: history.last_failed(&id).unwrap_or(true),
            estimate: history.estimate(&id),
        }
    }

    pub(super) fn repeats(&self) -> Vec<Option<Repeat>> {
        match self.parts.running.repeat {
            0 | 1 => vec![None],
            of => (1..=of).map(|number| Some(Repeat { number, of })).collect(),
        }
    }

    pub(super) fn new_id(&mut self) -> TestId {
        self.next_id += 1;
        TestId(self.next_id)
    }

    pub(super) fn start_work(&mut self) {
        self.start_look_ups();
        // While one runs on a slot, others get ready for it or go away.
        while self.running.len() - self.batches_running < 3 * self.slots.total() {
            let Some(work) = self.queue.pop() else {
                break;
            };
            match work {
                Work::List {
                    binary,
                    container,
                    key,
                } => self.start_listing(binary, container, key),
                Work::Test {
                    case,
                    container,
                    repeat,
                } => self.start_test(case, &container, repeat),
            }
        }
        self.start_batches();
    }

    pub(super) fn start_listing(
        &mut self,
        binary: Arc<TestBinary>,
        container: Arc<Container>,
        key: String,
    ) {
        self.report(&Event::ListingStarted(test_job::test_binary_name(&binary)));
        let (started_tests, slots) = (self.started_tests.clone(), self.slots.clone());
        let executor = self.parts.executors.local.clone();
        let lister = self.parts.lister.clone();
        let of_lost = binary.clone();
        self.running.spawn_local(
            async move {
                let held = slots.take(1).await;
                let outcome = if started_tests.is_stopping() {
                    None
                } else {
                    let listing = lister::list(&executor, held.number(), &binary, &container);
                    Some(listing.await.map_err(|error| error_chain(&error)))
                };
                if let Some(Ok(listing)) = &outcome {
                    lister.remember(key, listing).await;
                }
                Ended {
                    _held: Some(held),
                    what: EndedWork::List { binary, outcome },
                }
            },
            |lost| Ended {
                _held: None,
                what: EndedWork::List {
                    binary: of_lost,
                    outcome: Some(Err(lost.to_string())),
                },
            },
        );
    }

    pub(super) fn start_test(
        &mut self,
        case: TestCase,
        container: &Arc<Container>,
        repeat: Option<Repeat>,
    ) {
        let id = self.new_id();
        let job = self.parts.running.job(&case, container.clone());
        let output = self.output(&case);
        let limit = self.parts.running.inline_limit;
        let known = self.parts.executors.known.clone();
        let executor = self.parts.executors.local.clone();
        let (started_tests, slots) = (self.started_tests.clone(), self.slots.clone());
        let of_lost = case.clone();
        self.running.spawn_local(
            async move {
                let mut held = None;
                let turn = async {
                    let slots = slots.take(case.spec.slots as usize).await;
                    let may_start = started_tests.start(id, case.clone(), repeat);
                    may_start.then(|| held.insert(slots).number())
                };
                let outcome = executor.run(&job, output, turn).await;
                if let Some(outcome) = &outcome {
                    known.remember(&job, limit, outcome).await;
                }
                Ended {
                    _held: held,
                    what: EndedWork::Test {
                        id,
                        case,
                        repeat,
                        outcome: outcome.map(Box::new),
                    },
                }
            },
            move |lost| Ended {
                _held: None,
                what: EndedWork::Test {
                    id,
                    case: of_lost,
                    repeat,
                    outcome: Some(Box::new(Outcome::error(lost.to_string()))),
                },
            },
        );
    }

    pub(super) fn output(&self, case: &TestCase) -> Output {
        let limit = self.parts.running.inline_limit;
        if !self.parts.running.no_capture {
            return Output::Capture { limit };
        }
        let (reporter, case) = (self.parts.reporter.clone(), case.clone());
        Output::Stream {
            limit,
            sink: Rc::new(move |stream, bytes| {
                reporter.borrow_mut().report(&Event::Output {
                    case: case.name(),
                    stream,
                    bytes,
                });
            }),
        }
    }
}
