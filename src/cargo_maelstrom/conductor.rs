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

use self::batching::WorkerWait;
use super::considered::Considered;
use super::ingredients::Ingredients;
use super::lister::{self, Lister, ListingLookup};
use super::outstanding::Outstanding;
use super::selector::Selector;
use super::started::StartedTests;
use super::unselected::Remark;
use crate::cargo::{Build, BuildEvent, CargoError, TestBinary};
use crate::config::CacheResults;
use crate::directive::Directives;
use crate::executor::{Container, Job, Outcome};
use crate::listing::TestListing;
use crate::process::Interrupts;
use crate::report::{self, Cancellation, Event, Repeat, Reporter, Summary, TestId};
use crate::schedule::History;
use crate::schedule::history::Saved;
use crate::session::{Dispatcher, Preparations, Session, Tasks};
use crate::test_job::{TestCase, TestContainerBuilder};
use std::cell::RefCell;
use std::collections::VecDeque;
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
    pub session: Session,
    /// The duration that the tests of a batch should have together.
    pub batch_target: Duration,
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
    /// Whether [`Self::packing`] was started.
    packs_sources: bool,
    /// The task that packs the sources.
    packing: Tasks<()>,
    containers: Preparations<Ingredients, ContainerUse, Option<ListingLookup>>,
    /// Listings and tests on this machine.
    local: Dispatcher<Work, EndedWork>,
    /// Batches on the engine.
    remote: Dispatcher<TestBatch, EndedWork>,
    started_tests: Rc<StartedTests>,
    /// Tests for the engine that are in no batch yet.
    unbatched: Vec<(TestCase, Arc<Container>)>,
    /// Tests whose results may be known from an earlier run.
    maybe_known: VecDeque<(TestCase, Arc<Container>)>,
    looking_up: Tasks<Vec<LookedUp>>,
    /// Whether something was on its way to the engine at the last tick.
    uploading: bool,
    worker_wait: WorkerWait,
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

/// The reason why a container is prepared.
enum ContainerUse {
    List(Arc<TestBinary>),
    Test(TestCase),
}

/// Tests that a worker runs together.
struct TestBatch {
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

/// The end of a task that ran listings or tests.
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
            local: parts.session.local_dispatcher(),
            remote: parts.session.remote_dispatcher(),
            unbatched: Vec::new(),
            maybe_known: VecDeque::new(),
            looking_up: Tasks::default(),
            uploading: false,
            worker_wait: WorkerWait::default(),
            ending: RunEnd {
                considered: Considered::new(&parts.selector),
                ..RunEnd::default()
            },
            parts,
            started: Instant::now(),
            outstanding: Outstanding::default(),
            packs_sources: false,
            packing: Tasks::default(),
            containers: Preparations::default(),
            saved: Instant::now(),
            saving: Tasks::default(),
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
                Some(ended) = self.local.join_next() => self.work_ended(ended.result),
                Some(ended) = self.remote.join_next() => self.work_ended(ended.result),
                Some(tests) = self.looking_up.join_next() => self.looked_up(tests),
                Some(prepared) = self.containers.next() => {
                    self.preparation_ended();
                    self.container_prepared(prepared);
                }
                Some(()) = self.packing.join_next() => self.preparation_ended(),
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
        !self.is_preparing()
            && self.local.is_idle()
            && self.remote.is_idle()
            && self.looking_up.is_empty()
            && self.maybe_known.is_empty()
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
