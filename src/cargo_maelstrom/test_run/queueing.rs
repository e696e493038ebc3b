//! From test cases to the tasks that run them.

use super::grouping::GroupPlace;
use super::looking::PendingLook;
use super::{ContainerUse, EndedWork, TestRun, Work};
use crate::cargo::TestBinary;
use crate::cargo_maelstrom::ingredients::Ingredients;
use crate::cargo_maelstrom::lister;
use crate::executor::{Container, Outcome, Output, SavedOutputs};
use crate::process::error_chain;
use crate::report::{Event, Repeat, TestId, TestPlace};
use crate::schedule::Rank;
use crate::session::{PreparedContainer, SlotRequest};
use crate::test_job::{self, TestCase};
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

impl TestRun {
    /// Queues a case when its container is ready.
    pub(super) fn queue_case(&mut self, case: TestCase) {
        self.prepare(case, ContainerUse::Test);
    }

    /// Queues the next attempt at a test. Its container was made for the first one.
    pub(super) fn queue_retry(&mut self, case: TestCase, repeat: Option<Repeat>) {
        self.prepare(case, |case| ContainerUse::Retry(case, repeat));
    }

    /// Prepares the container of a test.
    fn prepare(&mut self, case: TestCase, use_of: impl FnOnce(TestCase) -> ContainerUse) {
        let prepared = if let Some(place) = case.archived {
            Some(PreparedContainer {
                container: self.archived_container(&case, place),
                jobs: vec![use_of(case)],
                note: None,
            })
        } else {
            let containers = self.parts.containers.clone();
            let made_of = Ingredients::of(&case);
            self.containers
                .request(made_of.clone(), use_of(case), move || {
                    Ok((containers.container(&made_of.spec, &made_of.binary)?, None))
                })
        };
        if let Some(prepared) = prepared {
            self.container_prepared(prepared);
        }
    }

    /// Queues a case whose known needs this machine does not have any more. It is looked at again
    /// if it fails.
    pub(super) fn queue_without_needs(&mut self, mut case: TestCase) {
        if let Some(looks) = &self.parts.looks {
            looks.known.borrow_mut().remove(case.id());
        }
        case.spec = self.parts.directives.resolve(&case.name());
        case.needs = Rc::default();
        self.queue_case(case);
    }

    pub(super) fn queue_repeats(&mut self, case: &TestCase, container: &Arc<Container>) {
        if self.is_stopping() {
            return;
        }
        self.report(&Event::Queued {
            case: case.name(),
            repetitions: self.repeats().len() as u64,
        });
        if self.parts.session.executors.remote.is_some() && container.is_portable().is_ok() {
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

    /// Queues a test for this machine.
    pub(super) fn enqueue(&mut self, case: &TestCase, container: &Arc<Container>) {
        let rank = self.rank(case);
        for repeat in self.repeats() {
            let work = Work::Test {
                case: case.clone(),
                container: container.clone(),
                repeat,
            };
            self.local.push(rank, work);
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
        while let Some(work) = self.local.next() {
            let Some((work, place)) = self.admit(work) else {
                continue;
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
                } => self.start_test(case, &container, repeat, place),
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
        let started_tests = self.started_tests.clone();
        let executor = self.parts.session.executors.local.clone();
        let lister = self.parts.lister.clone();
        let binary_on_panic = binary.clone();
        self.local.spawn(
            async move |slots: SlotRequest| {
                let slot = slots.take(1).await;
                let outcome = if started_tests.is_stopping() {
                    None
                } else {
                    let listing = lister::list(&executor, slot, &binary, &container);
                    Some(listing.await.map_err(|error| error_chain(&error)))
                };
                if let Some(Ok(listing)) = &outcome {
                    lister.remember(key, listing).await;
                }
                EndedWork::List { binary, outcome }
            },
            |panic| EndedWork::List {
                binary: binary_on_panic,
                outcome: Some(Err(panic.to_string())),
            },
        );
    }

    pub(super) fn start_test(
        &mut self,
        case: TestCase,
        container: &Arc<Container>,
        repeat: Option<Repeat>,
        place: Option<GroupPlace>,
    ) {
        let id = self.new_id();
        let group_slot = self.enter_group(id, place);
        self.start_time_limit();
        let attempt = self.next_attempt(&case, repeat);
        let mut job = (self.parts.running).job_of_attempt(&case, container.clone(), attempt);
        job.group_slot = group_slot;
        let output = self.output();
        let limit = self.parts.running.inline_limit;
        let known = self.parts.session.executors.known.clone();
        let executor = self.parts.session.executors.local.clone();
        let started_tests = self.started_tests.clone();
        let outputs = self.parts.outputs.clone();
        let looks = self.parts.looks.clone();
        let case_on_panic = case.clone();
        self.local.spawn(
            async move |slots: SlotRequest| {
                let taken = OnceCell::new();
                let turn = async {
                    let slots = slots.take_all(case.spec.slots as usize).await;
                    let slots: &Vec<usize> = taken.get_or_init(|| slots);
                    let place = TestPlace::Slots(slots);
                    let may_start = started_tests.start(id, case.clone(), repeat, attempt, place);
                    may_start.then(|| slots[0])
                };
                let mut outcome = executor.run(&job, output, turn).await;
                let mut saved = SavedOutputs::default();
                if let Some(outcome) = &mut outcome {
                    // A test that failed before may fail the next time, too.
                    if attempt.number == 1 {
                        known.remember(&job, limit, outcome).await;
                    }
                    if let Some(looks) = looks
                        && attempt.number == 1
                        && looks.wants(&case, &job.container, outcome)
                    {
                        let pending = PendingLook {
                            case,
                            repeat,
                            first: outcome.clone(),
                            group_slot,
                        };
                        looks.pending.borrow_mut().insert(id, pending);
                        let slots = taken.into_inner().unwrap_or_default();
                        started_tests.look(id, &slots);
                        let slot = slots.first().copied().unwrap_or_default();
                        return looks.look(id, &job.container, slot, &outputs).await;
                    }
                    saved = outputs.save(outcome.outputs.take(), &case.name()).await;
                }
                EndedWork::Test {
                    id,
                    case,
                    repeat,
                    outcome: outcome.map(Box::new),
                    saved,
                }
            },
            move |panic| EndedWork::Test {
                id,
                case: case_on_panic,
                repeat,
                outcome: Some(Box::new(Outcome::error(panic.to_string()))),
                saved: SavedOutputs::default(),
            },
        );
    }

    /// Starts the time limit of all tests together, with the first test. It counts for second looks
    /// on this machine at tests of an engine, too.
    pub(super) fn start_time_limit(&self) {
        if let Some(deadline) = self.started_tests.begin() {
            self.parts.session.executors.local.set_deadline(deadline);
        }
    }

    pub(super) fn output(&self) -> Output {
        let limit = self.parts.running.inline_limit;
        if !self.parts.running.no_capture {
            return Output::Capture { limit };
        }
        let reporter = self.parts.reporter.clone();
        Output::Stream {
            limit,
            sink: Rc::new(move |_, bytes| reporter.borrow_mut().report(&Event::Output(bytes))),
        }
    }
}
