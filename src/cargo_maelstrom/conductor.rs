//! The loop of a run: what was built is listed, what was listed is queued, what
//! is queued runs when a slot is free, what has run is reported.
//!
//! One thread owns all of it. Whatever takes time is a task that ends in a
//! message here: the build, preparing containers (on threads of their own),
//! listings and tests (in containers), what reads and writes files. How each is begun is in
//! [`building`], [`known`] and [`queueing`], what comes of it in [`endings`].

mod batching;
mod building;
mod endings;
mod known;
mod queueing;

use self::batching::Waiting;
use super::considered::Considered;
use super::group::{Group, Ingredients};
use super::lister::{self, Lister};
use super::outstanding::Outstanding;
use super::selector::Selector;
use super::started::StartedTests;
use super::unselected::Remark;
use crate::cargo::{Build, BuildEvent, CargoError, TestBinary};
use crate::config::CacheResults;
use crate::directive::{Directives, TestSpec};
use crate::executor::{Container, Executors, Job, Outcome};
use crate::listing::TestListing;
use crate::process::Interrupts;
use crate::report::{self, Cancellation, Event, Repeat, Reporter, Summary, TestId};
use crate::schedule::history::Saved;
use crate::schedule::{HeldSlots, History, Queue, Slots};
use crate::session::Tasks;
use crate::store::Store;
use crate::test_job::TestCase;
use crate::test_job::TestContainerBuilder;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A terminal's Ctrl-C goes to Cargo too: if it ends the build, the news of that may
/// come so much before the client's own.
const SAME_CTRL_C: Duration = Duration::from_millis(50);

/// How much of the history a client that is killed may lose.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// What a run needs, made by the caller.
pub struct Parts {
    pub selector: Rc<Selector>,
    pub directives: Arc<Directives>,
    pub containers: Arc<TestContainerBuilder>,
    pub lister: Lister,
    pub executors: Executors,
    /// Room for jobs that run here.
    pub slots: usize,
    /// Room for batches that run elsewhere.
    pub remote_slots: usize,
    /// How long the tests of such a batch should take.
    pub batch_target: Duration,
    /// What remembers how tests were divided into batches.
    pub store: Store,
    pub history: History,
    pub reporter: Rc<RefCell<Box<dyn Reporter>>>,
    pub running: RunSettings,
}

/// How tests are to be run.
#[derive(Clone, Debug)]
pub struct RunSettings {
    pub repeat: u32,
    /// Overrides every test's own; zero: none.
    pub timeout: Option<Duration>,
    pub stop_after: Option<u64>,
    pub no_capture: bool,
    pub inline_limit: usize,
    pub test_arguments: Vec<String>,
    /// What becomes of results that tests had before.
    pub cache_results: CacheResults,
    /// Only list: nothing is run.
    pub list_only: bool,
}

impl RunSettings {
    /// The job of a test.
    pub fn job(&self, case: &TestCase, container: Arc<Container>) -> Job {
        let mut arguments = case.arguments();
        arguments.extend(self.test_arguments.iter().cloned());
        lister::job(&case.binary, container, arguments, self.timeout(case))
    }

    fn timeout(&self, case: &TestCase) -> Option<Duration> {
        match self.timeout {
            Some(Duration::ZERO) => None,
            Some(limit) => Some(limit),
            None => case.spec.timeout,
        }
    }
}

/// How a run ended.
#[derive(Default)]
pub struct RunEnd {
    pub summary: Summary,
    /// What a listing run found, in the order it was found.
    pub listed: Vec<TestCase>,
    pub considered: Considered,
    /// Why nothing was selected.
    pub remarks: Vec<Remark>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Cargo(#[from] CargoError),
}

pub struct TestRun {
    parts: Parts,
    started: Instant,
    ending: RunEnd,
    /// What was selected and not reported yet.
    outstanding: Outstanding,
    queue: Queue<Work>,
    /// Whether the sources are packed, or soon will be.
    packs_sources: bool,
    /// Containers being prepared.
    preparing: Tasks<Prepared>,
    /// The binaries they are for, first come first.
    prepared_for: Vec<Arc<TestBinary>>,
    /// Listings and tests that the executor has.
    running: Tasks<Ended>,
    started_tests: Rc<StartedTests>,
    slots: Rc<Slots>,
    /// Tests to be run elsewhere that are in no batch yet.
    unbatched: Vec<(TestCase, Arc<Container>)>,
    batches: Queue<Batch>,
    /// How many batches are elsewhere or wait for their turn to be.
    batches_running: usize,
    remote_slots: Rc<Slots>,
    /// Tests whose results may be known from an earlier time.
    maybe_known: VecDeque<(TestCase, Arc<Container>)>,
    looking_up: Tasks<Vec<LookedUp>>,
    /// Whether something was on its way to the engine at the last tick.
    uploading: bool,
    waiting: Waiting,
    /// Containers known, by what they are made of.
    containers: HashMap<Ingredients, Group>,
    next_id: u64,
    /// When the history was last saved.
    saved: Instant,
    /// `None`: that failed.
    saving: Tasks<Option<Saved>>,
    cancelled: Option<Cancellation>,
}

enum Work {
    List {
        binary: Arc<TestBinary>,
        container: Arc<Container>,
        key: String,
    },
    Test {
        case: TestCase,
        container: Arc<Container>,
        repeat: Option<Repeat>,
    },
}

/// Tests that a worker runs together.
struct Batch {
    cases: Vec<TestCase>,
    container: Arc<Container>,
    repeat: Option<Repeat>,
    priority: i32,
}

/// A test, and how it went at an earlier time if that still holds.
struct LookedUp {
    case: TestCase,
    container: Arc<Container>,
    outcome: Option<Outcome>,
}

/// What a thread that prepares a container ends in.
enum Prepared {
    ForListing {
        binary: Arc<TestBinary>,
        spec: Arc<TestSpec>,
        /// Or why there is none.
        outcome: Result<lister::Prepared, String>,
    },
    ForTests {
        binary: Arc<TestBinary>,
        spec: Arc<TestSpec>,
        /// Or why there is none.
        outcome: Result<Container, String>,
    },
    Sources,
}

/// What a task that runs something ends in.
struct Ended {
    /// For others only when the end has been seen to: it may be that nothing more is
    /// to start.
    _held: Option<HeldSlots>,
    what: EndedWork,
}

enum EndedWork {
    List {
        binary: Arc<TestBinary>,
        /// Or why there is none. None if it was not started.
        outcome: Option<Result<TestListing, String>>,
    },
    Test {
        id: TestId,
        case: TestCase,
        repeat: Option<Repeat>,
        /// None if it was not started.
        outcome: Option<Box<Outcome>>,
    },
    Batch {
        tests: Vec<(TestId, TestCase)>,
        repeat: Option<Repeat>,
        /// One for each test. None if they were not started.
        outcomes: Option<Vec<Outcome>>,
    },
}

impl TestRun {
    pub fn new(parts: Parts) -> Self {
        Self {
            started_tests: Rc::new(StartedTests::new(parts.reporter.clone())),
            slots: Rc::new(Slots::new(parts.slots)),
            remote_slots: Rc::new(Slots::new(parts.remote_slots)),
            unbatched: Vec::new(),
            batches: Queue::default(),
            batches_running: 0,
            maybe_known: VecDeque::new(),
            looking_up: Tasks::default(),
            uploading: false,
            waiting: Waiting::default(),
            ending: RunEnd {
                considered: Considered::new(&parts.selector),
                ..RunEnd::default()
            },
            parts,
            started: Instant::now(),
            outstanding: Outstanding::default(),
            queue: Queue::default(),
            packs_sources: false,
            preparing: Tasks::default(),
            prepared_for: Vec::new(),
            saved: Instant::now(),
            saving: Tasks::default(),
            running: Tasks::default(),
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
    ) -> Result<(RunEnd, History), RunError> {
        let mut ticks = tokio::time::interval(report::TICK);
        let mut building = true;
        let build_started = Instant::now();
        self.report(&Event::BuildStarted);
        // Before Cargo has begun, it may yet write a new lock file: to the next run every test
        // that had the old one would be another test.
        if !self.parts.running.cache_results.reads() {
            self.pack_sources();
        }
        loop {
            self.start_work();
            if !building && self.is_idle() {
                break;
            }
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next() => self.work_ended(ended),
                Some(tests) = self.looking_up.join_next() => self.looked_up(tests),
                Some(prepared) = self.preparing.join_next() => self.prepared(prepared),
                Some(saved) = self.saving.join_next() => self.parts.history.end_save(saved),
                reason = interrupts.next() => {
                    self.interrupt(reason.into(), &mut build).await;
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
                            self.interrupt(reason.into(), &mut build).await;
                            building = false;
                        }
                        (Some(event), None) => self.build_event(event, build_started),
                        (None, None) => building = false,
                    }
                }
                _ = ticks.tick() => self.tick(),
            }
        }
        while let Some(saved) = self.saving.join_next().await {
            self.parts.history.end_save(saved);
        }
        Ok(self.finish())
    }

    /// Whether nothing is under way that could lead to anything.
    fn is_idle(&self) -> bool {
        self.preparing.is_empty()
            && self.running.is_empty()
            && self.looking_up.is_empty()
            && self.maybe_known.is_empty()
            && self.queue.is_empty()
            && self.batches.is_empty()
    }

    fn finish(mut self) -> (RunEnd, History) {
        self.settle_outstanding();
        self.ending.summary.duration = self.started.elapsed();
        self.ending.summary.cancelled = self.cancelled;
        self.tell_warnings();
        (self.ending, self.parts.history)
    }

    fn report(&self, event: &Event<'_>) {
        self.parts.reporter.borrow_mut().report(event);
    }
}

#[cfg(test)]
mod tests;
