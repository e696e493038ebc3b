//! The loop of a run: what was built is listed, what was listed is queued, what
//! is queued runs when a slot is free, what has run is reported.
//!
//! One thread owns all of it. Whatever takes time is a task that ends in a
//! message here: the build, preparing containers (on threads of their own),
//! listings and tests (in containers).

use super::case::{self, Case, subject};
use super::group::{Group, Ingredients};
use super::interrupts::{self, Interrupts};
use super::lister::{self, ListError, Lister};
use super::selector::Selector;
use super::started::StartedTests;
use super::test_container::{ContainerBuilder, ContainerError};
use super::verdict;
use crate::cargo::{Build, BuildEvent, CargoError, TestBinary};
use crate::directive::{Directives, TestSpec};
use crate::executor::{Container, Job, LocalExecutor, Outcome, Output};
use crate::listing::{Listed, Listing};
use crate::report::{self, Cancellation, Event, Repeat, Reporter, Status, Summary, TestId};
use crate::schedule::{Held, History, Queue, Rank, Slots};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A terminal's Ctrl-C goes to Cargo too: if it ends the build, the news of that may
/// come so much before the client's own.
const SAME_CTRL_C: Duration = Duration::from_millis(50);

/// How much of the history a client that is killed may lose.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// What a run needs, made by the caller.
pub struct Parts {
    pub selector: Selector,
    pub directives: Arc<Directives>,
    pub containers: Arc<ContainerBuilder>,
    pub lister: Lister,
    pub executor: Rc<LocalExecutor>,
    pub slots: usize,
    pub history: History,
    pub reporter: Rc<RefCell<Box<dyn Reporter>>>,
    pub running: Running,
}

/// How tests are to be run.
#[derive(Clone, Debug)]
pub struct Running {
    pub repeat: u32,
    /// Overrides every test's own; zero: none.
    pub timeout: Option<Duration>,
    pub stop_after: Option<u64>,
    pub no_capture: bool,
    pub inline_limit: usize,
    pub test_arguments: Vec<String>,
    /// Only list: nothing is run.
    pub list_only: bool,
}

impl Running {
    /// The job of a test.
    pub fn job(&self, case: &Case, container: Arc<Container>) -> Job {
        let mut arguments = case.arguments();
        arguments.extend(self.test_arguments.iter().cloned());
        lister::job(&case.binary, container, arguments, self.timeout(case))
    }

    fn timeout(&self, case: &Case) -> Option<Duration> {
        match self.timeout {
            Some(Duration::ZERO) => None,
            Some(limit) => Some(limit),
            None => case.spec.timeout,
        }
    }
}

/// How a run ended.
#[derive(Default)]
pub struct Ending {
    pub summary: Summary,
    /// What a listing run found, in the order it was found.
    pub listed: Vec<Case>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Cargo(#[from] CargoError),
}

pub struct Conductor {
    parts: Parts,
    started: Instant,
    ending: Ending,
    queue: Queue<Work>,
    /// Containers being prepared.
    preparing: JoinSet<Prepared>,
    /// The binaries they are for, first come first.
    prepared_for: Vec<Arc<TestBinary>>,
    /// Listings and tests that the executor has.
    running: JoinSet<Ended>,
    /// How many of them are tests.
    tests_handed_over: u64,
    started_tests: Rc<StartedTests>,
    slots: Rc<Slots>,
    /// Containers known, by what they are made of.
    containers: HashMap<Ingredients, Group>,
    next_id: u64,
    /// When the history was last saved.
    saved: Instant,
    cancelled: Option<Cancellation>,
}

enum Work {
    List {
        binary: Arc<TestBinary>,
        container: Arc<Container>,
        key: String,
    },
    Test {
        case: Case,
        container: Arc<Container>,
        repeat: Option<Repeat>,
    },
}

/// What a thread that prepares a container ends in.
enum Prepared {
    ForListing {
        binary: Arc<TestBinary>,
        spec: Arc<TestSpec>,
        outcome: Result<lister::Prepared, ContainerError>,
    },
    ForTests {
        binary: Arc<TestBinary>,
        spec: Arc<TestSpec>,
        outcome: Result<Container, ContainerError>,
    },
    Sources,
}

/// What a task that runs something ends in.
struct Ended {
    /// For others only when the end has been seen to: it may be that nothing more is
    /// to start.
    _held: Option<Held>,
    what: EndedWork,
}

enum EndedWork {
    List {
        binary: Arc<TestBinary>,
        key: String,
        /// None if it was not started.
        outcome: Option<Result<Listing, ListError>>,
    },
    Test {
        id: TestId,
        case: Case,
        repeat: Option<Repeat>,
        /// None if it was not started.
        outcome: Option<Outcome>,
    },
}

impl Conductor {
    pub fn new(parts: Parts) -> Self {
        Self {
            started_tests: Rc::new(StartedTests::new(parts.reporter.clone())),
            slots: Rc::new(Slots::new(parts.slots)),
            parts,
            started: Instant::now(),
            ending: Ending::default(),
            queue: Queue::default(),
            preparing: JoinSet::new(),
            prepared_for: Vec::new(),
            saved: Instant::now(),
            running: JoinSet::new(),
            tests_handed_over: 0,
            containers: HashMap::new(),
            next_id: 0,
            cancelled: None,
        }
    }

    /// Runs everything the build yields. Must be called within a `LocalSet`.
    pub async fn run(
        mut self,
        mut build: Build,
        mut interrupts: Interrupts,
    ) -> Result<(Ending, History), RunError> {
        let mut ticks = tokio::time::interval(report::TICK);
        let mut building = true;
        let build_started = Instant::now();
        self.report(&Event::BuildStarted);
        self.pack_sources();
        loop {
            self.start_work();
            let idle = self.preparing.is_empty() && self.running.is_empty();
            if !building && idle && self.queue.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next() => {
                    if let Ok(ended) = ended {
                        self.work_ended(ended);
                    }
                }
                Some(prepared) = self.preparing.join_next() => {
                    if let Ok(prepared) = prepared {
                        self.prepared(prepared);
                    }
                }
                reason = interrupts.next() => {
                    self.interrupt(reason, &mut build).await;
                    building = false;
                }
                event = build.next(), if building => {
                    let event = event.transpose()?;
                    let failed = matches!(event, Some(BuildEvent::Finished { success: false, .. }));
                    let reason = if failed {
                        timeout(SAME_CTRL_C, interrupts.next()).await.ok()
                    } else {
                        None
                    };
                    match (event, reason) {
                        (_, Some(reason)) => {
                            self.interrupt(reason, &mut build).await;
                            building = false;
                        }
                        (Some(event), None) => self.build_event(event, build_started),
                        (None, None) => building = false,
                    }
                }
                _ = ticks.tick() => self.tick(),
            }
        }
        Ok(self.finish())
    }

    fn finish(mut self) -> (Ending, History) {
        self.ending.summary.duration = self.started.elapsed();
        self.ending.summary.cancelled = self.cancelled;
        self.tell_warnings();
        (self.ending, self.parts.history)
    }

    fn report(&self, event: &Event<'_>) {
        self.parts.reporter.borrow_mut().report(event);
    }

    // Building and listing.

    /// Packs the sources while Cargo builds: they are the same for every test.
    fn pack_sources(&mut self) {
        let containers = self.parts.containers.clone();
        self.preparing.spawn_blocking(move || {
            containers.pack_sources();
            Prepared::Sources
        });
    }

    fn build_event(&mut self, event: BuildEvent, started: Instant) {
        tracing::trace!("{event:?}");
        match event {
            BuildEvent::Binary(binary) => self.prepare_listing(Arc::new(*binary)),
            BuildEvent::Stderr(line) => self.report(&Event::CargoLine(&line)),
            BuildEvent::Message(line) => report::to_stdout(format_args!("{line}")),
            BuildEvent::Compiling(_) | BuildEvent::Built { .. } => {}
            BuildEvent::Finished { success, .. } => {
                self.report(&Event::BuildFinished {
                    success,
                    duration: started.elapsed(),
                });
                if !success && self.cancelled.is_none() {
                    self.cancel(Cancellation::BuildFailed);
                }
            }
        }
    }

    /// Whether nothing more is to be started.
    fn is_stopping(&self) -> bool {
        self.cancelled.is_some()
    }

    fn prepare_listing(&mut self, binary: Arc<TestBinary>) {
        if self.is_stopping() || !self.parts.selector.may_select(&binary) {
            return;
        }
        let spec = self.parts.directives.resolve(&subject(&binary, ""));
        self.prepared_for.push(binary.clone());
        let containers = self.parts.containers.clone();
        let lister = self.parts.lister.clone();
        self.preparing.spawn_blocking(move || {
            let outcome = containers.container(&spec, &binary).and_then(|container| {
                let layer = containers.binary_layer(&binary)?;
                Ok(lister.prepare(&binary, layer, container))
            });
            Prepared::ForListing {
                binary,
                spec,
                outcome,
            }
        });
    }

    fn prepared(&mut self, prepared: Prepared) {
        match &prepared {
            Prepared::Sources => tracing::debug!("the sources are packed"),
            Prepared::ForListing { binary, .. } | Prepared::ForTests { binary, .. } => {
                tracing::debug!("a container for {} is ready", binary.path);
                let mut places = self.prepared_for.iter();
                if let Some(place) = places.position(|other| Arc::ptr_eq(other, binary)) {
                    self.prepared_for.remove(place);
                }
            }
        }
        self.tell_warnings();
        if self.preparing.is_empty() {
            self.report(&Event::Packed);
        }
        match prepared {
            Prepared::Sources => {}
            Prepared::ForListing {
                binary,
                spec,
                outcome,
            } => match outcome {
                Err(error) => self.listing_failed(&binary, &super::chain(&error)),
                Ok(lister::Prepared {
                    container,
                    key,
                    cached,
                }) => {
                    let container = Arc::new(container);
                    self.containers.insert(
                        Ingredients::new(&spec, &binary),
                        Group::Ready(container.clone()),
                    );
                    match cached {
                        Some(listed) => self.listed(&binary, listed),
                        None if self.is_stopping() => {}
                        None => self.queue_listing(binary, container, key),
                    }
                }
            },
            Prepared::ForTests {
                binary,
                spec,
                outcome,
            } => {
                let group = match outcome {
                    Ok(container) => Group::Ready(Arc::new(container)),
                    Err(error) => Group::Failed(super::chain(&error).into()),
                };
                let key = Ingredients::new(&spec, &binary);
                if let Some(Group::Preparing(cases)) = self.containers.insert(key, group) {
                    for case in cases {
                        self.queue_case(case);
                    }
                }
            }
        }
    }

    fn queue_listing(&mut self, binary: Arc<TestBinary>, container: Arc<Container>, key: String) {
        let first = Rank {
            priority: i8::MAX,
            suspect: true,
            estimate: None,
        };
        let work = Work::List {
            binary,
            container,
            key,
        };
        self.queue.push(first, work);
    }

    fn listing_failed(&mut self, binary: &TestBinary, message: &str) {
        self.ending.summary.tally.errors += 1;
        self.report(&Event::ListingFailed {
            binary: case::view(binary),
            message,
        });
        self.stop_after_failures();
    }

    fn listed(&mut self, binary: &Arc<TestBinary>, listing: Listing) {
        let (listed, whole) = match listing {
            Listing::Cases(listed) => (listed, false),
            Listing::Whole => (
                vec![Listed {
                    name: binary.target.clone(),
                    ignored: false,
                }],
                true,
            ),
        };
        self.report(&Event::Listed {
            binary: case::view(binary),
            count: listed.len(),
        });
        for test in listed {
            let subject = subject(binary, &test.name);
            if !self.parts.selector.selects(&subject, test.ignored) {
                continue;
            }
            let spec = self.parts.directives.resolve(&subject);
            let ignored = spec.ignore || !self.parts.selector.runs(test.ignored);
            let case = Case {
                binary: binary.clone(),
                listed: Rc::new(test),
                whole,
                spec,
            };
            if self.parts.running.list_only {
                self.ending.listed.push(case);
                continue;
            }
            if ignored {
                self.ignored(&case);
            } else {
                self.queue_case(case);
            }
        }
    }

    fn ignored(&mut self, case: &Case) {
        for repeat in self.repeats() {
            let id = self.new_id();
            let outcome = report::TestOutcome::new(Status::Ignored, Duration::ZERO);
            self.finished(id, case, repeat, &outcome);
        }
    }

    // Queueing and running.

    /// Queues a case when its container is ready, and has it made if nobody did.
    fn queue_case(&mut self, case: Case) {
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
                        report::TestOutcome::new(Status::Error { message }, Duration::ZERO);
                    self.finished(id, &case, repeat, &outcome);
                }
            }
            None => {
                let containers = self.parts.containers.clone();
                let (binary, spec) = (case.binary.clone(), case.spec.clone());
                self.prepared_for.push(binary.clone());
                self.containers.insert(key, Group::Preparing(vec![case]));
                self.preparing.spawn_blocking(move || {
                    let outcome = containers.container(&spec, &binary);
                    Prepared::ForTests {
                        binary,
                        spec,
                        outcome,
                    }
                });
            }
        }
    }

    fn queue_repeats(&mut self, case: &Case, container: &Arc<Container>) {
        let repeats = self.repeats();
        if self.is_stopping() {
            self.ending.summary.not_run += repeats.len() as u64;
            return;
        }
        let id = case.id();
        let history = &self.parts.history;
        let rank = Rank {
            priority: 0,
            suspect: history.last_failed(&id).unwrap_or(true),
            estimate: history.estimate(&id),
        };
        self.report(&Event::Queued(repeats.len() as u64));
        for repeat in repeats {
            let work = Work::Test {
                case: case.clone(),
                container: container.clone(),
                repeat,
            };
            self.queue.push(rank, work);
        }
    }

    fn repeats(&self) -> Vec<Option<Repeat>> {
        match self.parts.running.repeat {
            0 | 1 => vec![None],
            of => (1..=of).map(|number| Some(Repeat { number, of })).collect(),
        }
    }

    fn new_id(&mut self) -> TestId {
        self.next_id += 1;
        TestId(self.next_id)
    }

    fn start_work(&mut self) {
        // While one runs on a slot, others get ready for it or go away.
        while self.running.len() < 3 * self.slots.total() {
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
    }

    fn start_listing(&mut self, binary: Arc<TestBinary>, container: Arc<Container>, key: String) {
        self.report(&Event::ListingStarted(case::view(&binary)));
        let (started_tests, slots) = (self.started_tests.clone(), self.slots.clone());
        let executor = self.parts.executor.clone();
        self.running.spawn_local(async move {
            let held = slots.take(1).await;
            let outcome = if started_tests.is_stopping() {
                None
            } else {
                Some(lister::list(&executor, held.number(), &binary, &container).await)
            };
            Ended {
                _held: Some(held),
                what: EndedWork::List {
                    binary,
                    key,
                    outcome,
                },
            }
        });
    }

    fn start_test(&mut self, case: Case, container: &Arc<Container>, repeat: Option<Repeat>) {
        let id = self.new_id();
        let job = self.parts.running.job(&case, container.clone());
        let output = self.output(&case);
        let executor = self.parts.executor.clone();
        let (started_tests, slots) = (self.started_tests.clone(), self.slots.clone());
        self.tests_handed_over += 1;
        self.running.spawn_local(async move {
            let mut held = None;
            let turn = async {
                let slots = slots.take(case.spec.slots as usize).await;
                let may_start = started_tests.start(id, case.clone(), repeat);
                may_start.then(|| held.insert(slots).number())
            };
            let outcome = executor.run(&job, output, turn).await;
            Ended {
                _held: held,
                what: EndedWork::Test {
                    id,
                    case,
                    repeat,
                    outcome,
                },
            }
        });
    }

    fn output(&self, case: &Case) -> Output {
        let limit = self.parts.running.inline_limit;
        if !self.parts.running.no_capture {
            return Output::Capture { limit };
        }
        let (reporter, case) = (self.parts.reporter.clone(), case.clone());
        Output::Stream {
            limit,
            sink: Rc::new(move |stream, bytes| {
                reporter.borrow_mut().report(&Event::Output {
                    case: case.view(),
                    stream,
                    bytes,
                });
            }),
        }
    }

    // Endings.

    fn work_ended(&mut self, ended: Ended) {
        match ended.what {
            EndedWork::List {
                binary,
                key,
                outcome,
            } => match outcome {
                Some(Ok(listed)) => {
                    self.parts.lister.remember(&key, &listed);
                    self.listed(&binary, listed);
                }
                Some(Err(error)) => self.listing_failed(&binary, &super::chain(&error)),
                None => {}
            },
            EndedWork::Test {
                id,
                case,
                repeat,
                outcome,
            } => {
                self.tests_handed_over -= 1;
                self.started_tests.ended(id);
                let Some(outcome) = outcome else {
                    self.ending.summary.not_run += 1;
                    return;
                };
                let limit = self.parts.running.timeout(&case);
                let verdict = verdict::judge(outcome, limit, &case.binary, &case.spec);
                if !matches!(verdict.status, Status::Error { .. }) {
                    let passed = verdict.status == Status::Passed;
                    self.parts
                        .history
                        .record(case.id(), verdict.duration, passed);
                }
                self.finished(id, &case, repeat, &verdict);
            }
        }
    }

    fn finished(
        &mut self,
        id: TestId,
        case: &Case,
        repeat: Option<Repeat>,
        outcome: &report::TestOutcome,
    ) {
        self.ending.summary.tally.add(&outcome.status);
        self.report(&Event::TestFinished {
            id,
            case: case.view(),
            repeat,
            outcome,
        });
        self.stop_after_failures();
    }

    fn stop_after_failures(&mut self) {
        let failures = self.ending.summary.tally.failures();
        let limit = self.parts.running.stop_after;
        let is_running = self.cancelled.is_none() && !self.parts.running.list_only;
        if is_running && limit.is_some_and(|limit| failures >= limit) {
            self.cancel(Cancellation::Failures(failures));
        }
    }

    /// Starts nothing more.
    fn cancel(&mut self, reason: Cancellation) {
        self.cancelled = Some(reason);
        self.started_tests.stop();
        self.drop_waiting();
        self.report(&Event::Cancelled(reason));
    }

    /// Empties the queue.
    fn drop_waiting(&mut self) {
        let waiting = self.queue.drain();
        let tests = waiting.filter(|work| matches!(work, Work::Test { .. }));
        self.ending.summary.not_run += tests.count() as u64;
    }

    /// Ctrl-C or SIGTERM: kills what runs. The second time, ends at once.
    async fn interrupt(&mut self, reason: Cancellation, build: &mut Build) {
        interrupts::end_at_next();
        build.kill();
        self.cancel(reason);
        // Dropping a test's task drops its launcher, which takes the test along.
        self.running.abort_all();
        while let Some(ended) = self.running.join_next().await {
            // It had ended before it could be aborted.
            if let Ok(ended) = ended {
                self.work_ended(ended);
            }
        }
        self.ending.summary.not_run += self.tests_handed_over;
        self.preparing.detach_all();
        self.prepared_for.clear();
        self.parts.containers.end_commands();
        let unprepared = self.containers.values_mut().map(|group| match group {
            Group::Preparing(cases) => std::mem::take(cases).len(),
            Group::Ready(_) | Group::Failed(_) => 0,
        });
        let unprepared = unprepared.sum::<usize>() * self.repeats().len();
        self.ending.summary.not_run += unprepared as u64;
    }

    fn tick(&mut self) {
        self.started_tests.tell_slow();
        if let Some(layer) = self.parts.containers.running_command() {
            self.report(&Event::RunningCommand { layer: &layer });
        } else if let Some(binary) = self.prepared_for.first() {
            self.report(&Event::Packing {
                what: &case::view(binary).to_string(),
                bytes: self.parts.containers.bytes_read(),
            });
        }
        if self.saved.elapsed() >= SAVE_EVERY {
            // If it cannot be saved, that is told at the end.
            let _ = self.parts.history.save();
            self.saved = Instant::now();
        }
        self.parts.reporter.borrow_mut().tick();
    }

    fn tell_warnings(&self) {
        for warning in self.parts.containers.take_warnings() {
            self.report(&Event::Warning(&warning));
        }
    }
}
