//! The loop of a run: each test binary is listed when Cargo has built it, its tests are queued, each
//! test runs when slots are free, and its outcome is reported.
//!
//! One thread owns the state. Everything that takes time is a task whose result is handled here: the
//! build, the preparation of containers (on other threads), listings and tests (in containers), and
//! access to files. [`building`], [`known`] and [`queueing`] start tasks, and [`endings`] handles
//! their results.

mod archived;
mod batching;
mod building;
mod dividing;
mod doctests;
mod endings;
mod grouping;
mod known;
mod looking;
mod queueing;
mod retrying;
mod settings;

pub use self::archived::ArchivedTests;
pub use self::dividing::Dividing;
pub use self::doctests::{DoctestRun, DoctestSettings};
pub use self::looking::Looks;
pub use self::settings::RunSettings;

use self::batching::WorkerWait;
use self::doctests::CompiledLibrary;
use self::grouping::GroupPlace;
use super::considered::Considered;
use super::ingredients::Ingredients;
use super::lister::{Lister, ListingLookup};
use super::outstanding::Outstanding;
use super::second_look::Looked;
use super::selector::Selector;
use super::started::StartedTests;
use super::test_names::TestNames;
use super::unselected::Remark;
use crate::cargo::{Build, BuildEvent, CargoError, TestBinary};
use crate::coverage::CoverageReport;
use crate::directive::Directives;
use crate::doctest::ExecutableDirectory;
use crate::executor::{Container, Outcome, SavedOutputs};
use crate::listing::TestListing;
use crate::observe::Facts;
use crate::process::Interrupts;
use crate::report::{self, Cancellation, DividedRun, Event, Repeat, Reporter, Summary, TestId};
use crate::schedule::history::Saved;
use crate::schedule::{CaseId, Groups, History, Rank, TestGroup};
use crate::session::{Dispatcher, Preparations, Session, Tasks};
use crate::test_job::{TestCase, TestContainerBuilder, TestOutputs};
use camino::Utf8PathBuf;
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
    /// `None`: all selected tests run.
    pub dividing: Option<Dividing>,
    /// The tests to run, if they are not those of a build.
    pub archived: Option<ArchivedTests>,
    /// `None`: documentation tests are not run.
    pub doctests: Option<DoctestRun>,
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
    /// The exit code of the program in the foreground.
    pub foreground: Option<u8>,
    pub considered: Considered,
    /// The names of all tests that were listed.
    pub names: TestNames,
    /// The part of the tests that ran.
    pub divided: Option<DividedRun>,
    /// The explanation of a selection without tests.
    pub remarks: Vec<Remark>,
    /// The directories with the executables of documentation tests, which are removed when this is
    /// dropped.
    pub executables: Vec<ExecutableDirectory>,
    /// These executables.
    pub doctest_executables: Vec<Utf8PathBuf>,
    /// The report of coverage.
    pub coverage: Option<CoverageReport>,
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
    /// The tests to divide. `None`: all selected tests run, or the division is done.
    dividing: Option<Dividing>,
    started_tests: Rc<StartedTests>,
    /// Tests for the engine that are in no batch yet.
    unbatched: Vec<(TestCase, Arc<Container>)>,
    /// The tests that passed with something of this machine that their containers do not have.
    helped: BTreeSet<CaseId>,
    /// Tests whose results may be known from an earlier run.
    maybe_known: VecDeque<(TestCase, Arc<Container>)>,
    looking_up: Tasks<Vec<LookedUp>>,
    /// Failed tests that wait for their next attempt.
    delays: Tasks<(TestCase, Option<Repeat>)>,
    /// Calls of rustdoc.
    compiling: Tasks<CompiledLibrary>,
    /// The directories with executables of documentation tests.
    executables: Vec<ExecutableDirectory>,
    /// Whether an upload to the engine was in progress at the last tick.
    uploading: bool,
    worker_wait: WorkerWait,
    /// The slots of groups, and the tests that wait for one.
    groups: Groups<GroupedWork>,
    /// What running tests have of their groups. For the tests of a batch, it is that of the first one.
    grouped: BTreeMap<TestId, GroupPlace>,
    /// The tests at an engine.
    remote_tests: BTreeSet<TestId>,
    next_id: u64,
    /// When the history was last saved.
    saved: Instant,
    /// The task that saves the history. `None`: saving failed.
    saving: Tasks<Option<Saved>>,
    cancelled: Option<Cancellation>,
    /// Whether the build and everything that runs is to be killed, as the run was cancelled.
    is_aborting: bool,
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

/// What waits for a slot of its group.
enum GroupedWork {
    Test(Work),
    Batch(TestBatch),
}

/// The reason why a container is prepared.
enum ContainerUse {
    List(Arc<TestBinary>),
    Test(TestCase),
    /// A further attempt at a test.
    Retry(TestCase, Option<Repeat>),
}

/// Tests that a worker runs together.
struct TestBatch {
    cases: Vec<TestCase>,
    container: Arc<Container>,
    repeat: Option<Repeat>,
    rank: Rank,
}

impl TestBatch {
    /// The group of its tests, which is the same for all.
    fn group(&self) -> Option<&Arc<TestGroup>> {
        self.cases.first()?.spec.group.as_ref()
    }
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
    pub fn new(mut parts: Parts) -> Self {
        Self {
            copied: BTreeSet::new(),
            removed: BTreeSet::new(),
            started_tests: Rc::new(StartedTests::new(
                parts.reporter.clone(),
                parts.running.clone(),
            )),
            local: parts.session.local_dispatcher(),
            remote: parts.session.remote_dispatcher(),
            unbatched: Vec::new(),
            helped: BTreeSet::new(),
            maybe_known: VecDeque::new(),
            looking_up: Tasks::default(),
            delays: Tasks::default(),
            compiling: Tasks::default(),
            executables: Vec::new(),
            uploading: false,
            worker_wait: WorkerWait::default(),
            ending: RunEnd {
                considered: Considered::new(&parts.selector),
                ..RunEnd::default()
            },
            dividing: parts.dividing.take(),
            parts,
            started: Instant::now(),
            outstanding: Outstanding::default(),
            packs_sources: false,
            packing: Tasks::default(),
            containers: Preparations::default(),
            saved: Instant::now(),
            saving: Tasks::default(),
            groups: Groups::default(),
            grouped: BTreeMap::new(),
            remote_tests: BTreeSet::new(),
            next_id: 0,
            cancelled: None,
            is_aborting: false,
        }
    }

    /// Runs the tests of all binaries that the build yields, or those of the archive if there is no
    /// build. Must be called within a `LocalSet`.
    pub async fn run(
        mut self,
        mut build: Option<Build>,
        mut interrupts: Interrupts,
    ) -> Result<(RunEnd, History), RunError> {
        let mut ticks = tokio::time::interval(report::TICK);
        let mut building = build.is_some();
        let build_started = Instant::now();
        if building {
            self.report(&Event::BuildStarted);
        } else {
            self.take_archive();
        }
        // Results of tests depend on the lock file, which Cargo may still write. With results
        // reused, the sources are packed after the first event of the build.
        if building && !self.parts.running.cache_results.reads() {
            self.pack_shared_layers();
        }
        loop {
            if std::mem::take(&mut self.is_aborting) {
                self.abort(build.as_mut()).await;
                building = false;
            }
            self.divide_if_listed(building);
            self.start_work();
            if !building && self.is_idle() {
                break;
            }
            let deadline = self.started_tests.deadline();
            let deadline = deadline.filter(|_| self.cancelled.is_none());
            tokio::select! {
                biased;
                () = until(deadline), if deadline.is_some() => self.time_is_up().await,
                Some(ended) = self.local.join_next() => self.work_ended(ended.result),
                Some(ended) = self.remote.join_next() => self.work_ended(ended.result),
                Some((case, repeat)) = self.delays.join_next() => self.queue_retry(case, repeat),
                Some(tests) = self.looking_up.join_next() => self.looked_up(tests),
                Some(prepared) = self.containers.next() => {
                    self.preparation_ended();
                    self.container_prepared(prepared);
                }
                Some(()) = self.packing.join_next() => self.preparation_ended(),
                Some(ended) = self.compiling.join_next() => self.doctests_compiled(ended),
                Some(saved) = self.saving.join_next() => self.parts.history.end_save(saved),
                reason = interrupts.next() => {
                    self.interrupt(reason.into(), build.as_mut()).await;
                    building = false;
                }
                event = next_event(&mut build), if building => {
                    let event = event.transpose()?;
                    let failed = matches!(event, Some(BuildEvent::Finished { success: false, .. }));
                    let reason = if failed {
                        timeout(SAME_CTRL_C, interrupts.next()).await.ok()
                    } else {
                        None
                    };
                    match (event, reason) {
                        (_, Some(reason)) => {
                            self.interrupt(reason.into(), build.as_mut()).await;
                            building = false;
                        }
                        (Some(event), None) => self.build_event(event, build_started),
                        (None, None) => {
                            build = self.next_build(build)?;
                            building = build.is_some();
                        }
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
            && self.delays.is_empty()
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

/// Waits until this time; for ever without one.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// The next event of the build, if there is one.
async fn next_event(build: &mut Option<Build>) -> Option<Result<BuildEvent, CargoError>> {
    match build {
        Some(build) => build.next().await,
        None => None,
    }
}

#[cfg(test)]
mod tests;
