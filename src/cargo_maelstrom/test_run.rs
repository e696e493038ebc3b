//! The loop of a run: each test binary is listed when Cargo has built it, its tests are queued, each
//! test runs when slots are free, and its outcome is reported.
//!
//! One thread owns the state. Everything that takes time is a task whose result is handled here: the
//! build, the preparation of containers (on other threads), listings and tests (in containers), and
//! access to files. [`building`], [`known`] and [`queueing`] start tasks, and [`endings`] handles
//! their results.

mod batching;
mod building;
mod doctests;
mod endings;
mod known;
mod looking;
mod queueing;

pub use self::doctests::{DoctestRun, DoctestSettings};
pub use self::looking::Looks;

use self::batching::WorkerWait;
use self::doctests::CompiledLibrary;
use super::considered::Considered;
use super::ingredients::Ingredients;
use super::lister::{self, Lister, ListingLookup};
use super::outstanding::Outstanding;
use super::second_look::Looked;
use super::selector::Selector;
use super::started::StartedTests;
use super::unselected::Remark;
use crate::cargo::{Build, BuildEvent, CargoError, TestBinary};
use crate::config::CacheResults;
use crate::directive::Directives;
use crate::doctest::ExecutableDirectory;
use crate::executor::{Container, Job, Outcome, SavedOutputs};
use crate::listing::TestListing;
use crate::observe::Facts;
use crate::process::Interrupts;
use crate::report::{self, Cancellation, Event, Repeat, Reporter, Summary, TestId};
use crate::schedule::history::Saved;
use crate::schedule::{CaseId, History};
use crate::session::{Dispatcher, Preparations, Session, Tasks};
use crate::test_job::{TestCase, TestContainerBuilder, TestOutputs};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Ctrl-C at a terminal also ends Cargo. This process may notice the end of the build before its own
/// signal; it waits this long for the signal.
const SAME_CTRL_C: Duration = Duration::from_millis(50);

/// The time between saves of the history. A client that is killed loses the records since the last
/// save.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// The parts of a run that the caller makes.
pub struct Parts {
    pub selector: Rc<Selector>,
    pub directives: Arc<Directives>,
    pub containers: Arc<TestContainerBuilder>,
    pub outputs: TestOutputs,
    pub lister: Lister,
    pub session: Session,
    /// The duration that the tests of a batch should have together.
    pub batch_target: Duration,
    pub history: History,
    pub reporter: Rc<RefCell<Box<dyn Reporter>>>,
    pub running: RunSettings,
    /// `None`: tests get nothing of this machine besides their containers.
    pub looks: Option<Rc<Looks>>,
    /// `None`: documentation tests are not run.
    pub doctests: Option<DoctestRun>,
}

/// How tests are run.
#[derive(Clone, Debug)]
pub struct RunSettings {
    pub repeat: u32,
    /// Replaces the timeout of every test. Zero: no timeout.
    pub timeout: Option<Duration>,
    pub stop_after: Option<u64>,
    pub no_capture: bool,
    pub inline_limit: usize,
    pub test_arguments: Vec<String>,
    /// Whether results of earlier runs are reused and kept.
    pub cache_results: CacheResults,
    /// Tests are listed and not run.
    pub list_only: bool,
    /// What tests need of this machine is found out, also of those that take long.
    pub learning: bool,
}

impl RunSettings {
    /// The job of a test.
    pub fn job(&self, case: &TestCase, container: Arc<Container>) -> Job {
        let mut arguments = case.arguments();
        if case.doctest.is_none() {
            arguments.extend(self.test_arguments.iter().cloned());
        }
        let (program, timeout) = (case.program(), self.timeout(case));
        let mut job = lister::job(&case.binary, program, container, arguments, timeout);
        job.variables = case.variables();
        job.should_panic = case.should_panic();
        job
    }

    pub fn timeout(&self, case: &TestCase) -> Option<Duration> {
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
    /// The selected tests of a run that only lists, in the order in which they were listed.
    pub listed: Vec<TestCase>,
    /// The tests that failed, once for each repetition.
    pub failed: Vec<String>,
    /// The tests of a run that learns.
    pub learning: LearningTests,
    /// The name of the observed test, and what it asked for.
    pub observed: Option<(String, Facts)>,
    pub considered: Considered,
    /// The explanation of a selection without tests.
    pub remarks: Vec<Remark>,
    /// The directories with the executables of documentation tests, which are removed when this is
    /// dropped.
    pub executables: Vec<ExecutableDirectory>,
}

/// The tests of a run that learns, of all binaries that were listed.
#[derive(Default)]
pub struct LearningTests {
    pub ran: Vec<TestCase>,
    /// The tests that are not selected or ignored.
    pub others: Vec<TestCase>,
    /// The addresses beyond loopback that failed tests tried to reach.
    pub addresses: BTreeMap<CaseId, BTreeSet<String>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Cargo(#[from] CargoError),
    #[error("cannot read how Cargo calls rustdoc: {0}")]
    Recordings(std::io::Error),
    #[error(
        "Cargo calls rustdoc for a library that it has not built; run `cargo test --doc`, and \
         `cargo maelstrom --tests` for the other tests: rustdoc {0}"
    )]
    UnknownLibrary(String),
}

pub struct TestRun {
    parts: Parts,
    started: Instant,
    ending: RunEnd,
    /// The listings and tests without a reported result.
    outstanding: Outstanding,
    /// The copies of files that tests wrote.
    copied: BTreeSet<PathBuf>,
    /// The files of the source tree that tests removed.
    removed: BTreeSet<PathBuf>,
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
    /// The tests that passed with something of this machine that their containers do not have.
    helped: BTreeSet<CaseId>,
    /// Tests whose results may be known from an earlier run.
    maybe_known: VecDeque<(TestCase, Arc<Container>)>,
    looking_up: Tasks<Vec<LookedUp>>,
    /// Calls of rustdoc.
    compiling: Tasks<CompiledLibrary>,
    /// The directories with executables of documentation tests.
    executables: Vec<ExecutableDirectory>,
    /// Whether an upload to the engine was in progress at the last tick.
    uploading: bool,
    worker_wait: WorkerWait,
    next_id: u64,
    /// When the history was last saved.
    saved: Instant,
    /// The task that saves the history. `None`: saving failed.
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

/// A test, and its outcome of an earlier run if that can be reused.
struct LookedUp {
    case: TestCase,
    container: Arc<Container>,
    outcome: Option<Outcome>,
}

/// The end of a task that ran listings or tests.
enum EndedWork {
    List {
        binary: Arc<TestBinary>,
        /// The listing, or the message of an error. `None`: the listing was not started.
        outcome: Option<Result<TestListing, String>>,
    },
    Test {
        id: TestId,
        case: TestCase,
        repeat: Option<Repeat>,
        /// `None`: the test was not started.
        outcome: Option<Box<Outcome>>,
        /// The outputs that were copied.
        saved: SavedOutputs,
    },
    Batch {
        tests: Vec<(TestId, TestCase)>,
        container: Arc<Container>,
        repeat: Option<Repeat>,
        /// One for each test, with the outputs that were copied, which is `None` if a second look
        /// follows. `None`: the batch was not started.
        outcomes: Option<Vec<(Outcome, Option<SavedOutputs>)>>,
    },
    Look {
        id: TestId,
        looked: Box<Looked>,
        saved: SavedOutputs,
    },
}

impl TestRun {
    pub fn new(parts: Parts) -> Self {
        Self {
            copied: BTreeSet::new(),
            removed: BTreeSet::new(),
            started_tests: Rc::new(StartedTests::new(parts.reporter.clone())),
            local: parts.session.local_dispatcher(),
            remote: parts.session.remote_dispatcher(),
            unbatched: Vec::new(),
            helped: BTreeSet::new(),
            maybe_known: VecDeque::new(),
            looking_up: Tasks::default(),
            compiling: Tasks::default(),
            executables: Vec::new(),
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

    /// Runs the tests of all binaries that the build yields. Must be called within a `LocalSet`.
    pub async fn run(
        mut self,
        mut build: Build,
        mut interrupts: Interrupts,
    ) -> Result<(RunEnd, History), RunError> {
        let mut ticks = tokio::time::interval(report::TICK);
        let mut building = true;
        let build_started = Instant::now();
        self.report(&Event::BuildStarted);
        // Results of tests depend on the lock file, which Cargo may still write. With results
        // reused, the sources are packed after the first event of the build.
        if !self.parts.running.cache_results.reads() {
            self.pack_shared_layers();
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
                Some(ended) = self.compiling.join_next() => self.doctests_compiled(ended),
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
                        (None, None) => match self.next_build(&mut build)? {
                            Some(next) => build = next,
                            None => building = false,
                        },
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

    /// Whether there are no tasks and no waiting jobs.
    fn is_idle(&self) -> bool {
        !self.is_preparing()
            && self.local.is_idle()
            && self.remote.is_idle()
            && self.looking_up.is_empty()
            && self.compiling.is_empty()
            && self.maybe_known.is_empty()
    }

    fn finish(mut self) -> (RunEnd, History) {
        self.settle_outstanding();
        self.ending.summary.duration = self.started.elapsed();
        self.ending.summary.cancelled = self.cancelled;
        let notes = self.notes_of_outputs();
        self.ending.summary.notes.extend(notes);
        let note = self.note_of_needs().or_else(|| self.note_of_hermetic());
        self.ending.summary.notes.extend(note);
        self.report_warnings();
        self.ending.executables = self.executables;
        (self.ending, self.parts.history)
    }

    fn report(&self, event: &Event<'_>) {
        self.parts.reporter.borrow_mut().report(event);
    }
}

#[cfg(test)]
mod tests;
