use super::*;
use crate::cargo::BuildEvent;
use crate::cargo::tests::{package, workspace};
use crate::cargo_maelstrom::command_line::{Request, TestOptions};
use crate::cargo_maelstrom::preparation::places;
use crate::cargo_maelstrom::second_look::SecondLook;
use crate::cargo_maelstrom::surroundings::Surroundings;
use crate::config::{
    CacheResults, CountsAs, LeakTimeout, ProcessEnvironment, Setting, SettingSource, SlowTimeout,
    TestRetries,
};
use crate::executor::{LocalExecutor, WrittenSources, does_not_block_the_loop};
use crate::filter::TargetKind;
use crate::image::{ImageSettings, Images};
use crate::layer::LayerBuilder;
use crate::listing::ListedTest;
use crate::needs::KnownNeeds;
use crate::process::ExitCode;
use crate::report::{TestAttempt, TestOutcome, TestPlace, TestStatus};
use crate::spec::{Network, RootOverlay};
use crate::store::{Digest, Store};
use crate::test_job::{AppendedFiles, PassedVariables, TestOutputs, WriteBack, test_case_name};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tokio::task::LocalSet;

fn of_default<T>(value: T) -> Setting<T> {
    Setting {
        value,
        source: SettingSource::Default,
    }
}

/// A run that cannot make containers.
struct Run {
    inner: TestRun,
    binary: Arc<TestBinary>,
    reported: Arc<Mutex<Vec<String>>>,
    directory: tempfile::TempDir,
}

impl Run {
    fn new(repeat: u32, cache_results: CacheResults) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("cache"), 1 << 30).unwrap();
        let images = ImageSettings::new(directory.path().join("images"), |_| None);
        let layers = LayerBuilder::new(store.clone(), Images::new(images));
        let workspace = Arc::new(workspace(vec![package("app", "1.0.0")]));
        let reported = Arc::default();
        let parts = Parts {
            selector: Rc::default(),
            directives: Arc::new(Directives::built_in()),
            containers: Arc::new(TestContainerBuilder::new(
                workspace.clone(),
                layers,
                false,
                &PassedVariables::new([]),
                WriteBack::Outputs,
                AppendedFiles::default(),
            )),
            outputs: TestOutputs::new(
                &workspace,
                1 << 20,
                &AppendedFiles::default(),
                "of-a-test",
                WrittenSources::default(),
            ),
            lister: Lister::new(store.clone()),
            session: Session::without_containers(store, 2, cache_results),
            batch_target: Duration::from_secs(1),
            history: History::load(&directory.path().join("history")).unwrap(),
            reporter: Rc::new(RefCell::new(Box::new(Recorder(Arc::clone(&reported))))),
            running: RunSettings {
                repeat,
                timeout: None,
                retries: of_default(TestRetries::default()),
                flaky_result: of_default(CountsAs::Pass),
                slow_timeout: of_default(SlowTimeout::default()),
                leak_timeout: of_default(LeakTimeout::default()),
                global_timeout: None,
                stop_after: None,
                stop_immediately: false,
                no_capture: false,
                inline_limit: 1 << 20,
                test_arguments: Vec::new(),
                cache_results,
                collects_profiles: false,
                failed_only: false,
                list_only: false,
                learning: false,
            },
            looks: None,
            dividing: None,
            archived: None,
            doctests: None,
        };
        let mut run = Self {
            inner: TestRun::new(parts),
            binary: Arc::new(TestBinary {
                package: workspace.packages[0].clone(),
                kind: TargetKind::Library,
                target: "app".to_owned(),
                path: "/ws/target/debug/deps/app".into(),
                harness: true,
                out_dir: None,
                programs: BTreeMap::new(),
                environment: BTreeMap::new(),
                library_path: Vec::new(),
                build_dir: "/ws/target/debug".into(),
                outside_sources: Vec::new(),
                doctests: None,
                runner: None,
            }),
            reported,
            directory,
        };
        // The sources are not there.
        run.inner.packs_sources = true;
        run
    }

    /// Adds the container of the binary.
    fn with_container(mut self) -> Self {
        let directives = &self.inner.parts.directives;
        let spec = directives.resolve(&test_case_name(&self.binary, ""));
        let binary = self.binary.clone();
        self.inner
            .containers
            .insert(Ingredients { spec, binary }, container());
        self
    }

    /// Allows second looks.
    fn with_looks(mut self) -> Self {
        let parts = &mut self.inner.parts;
        let workspace = workspace(Vec::new());
        let second_look = SecondLook {
            running: parts.running.clone(),
            containers: parts.containers.clone(),
            executor: parts.session.executors.local.clone(),
            surroundings: Arc::new(Surroundings::of(&workspace)),
            places: places(&workspace),
        };
        let known = KnownNeeds::load(&self.directory.path().join("needs.json")).unwrap();
        parts.looks = Some(Rc::new(Looks::new(second_look, known)));
        self
    }

    fn executor(&self) -> &LocalExecutor {
        &self.inner.parts.session.executors.local
    }

    /// Handles the listing of the binary.
    fn list(&mut self, names: &[&str]) {
        let listing = TestListing::Cases(names.iter().map(|name| listed(name)).collect());
        let binary = self.binary.clone();
        self.inner.listed(&binary, listing);
    }

    /// Handles the end of a test that passed.
    fn end_test(&mut self, id: u64, case: &TestCase) {
        let saved = SavedOutputs::default();
        self.inner.ran(TestId(id), case, None, passed(), saved);
    }

    /// Runs to the end. Returns the sorted lines of the reporter, and the exit code.
    async fn end(self) -> (Vec<String>, ExitCode) {
        let workspace = Arc::new(workspace(Vec::new()));
        let build = Build::of(Vec::new(), workspace);
        let ended = self.inner.run(Some(build), Interrupts::none()).await;
        let (ending, _) = ended.unwrap();
        let mut reported = std::mem::take(&mut *self.reported.lock().unwrap());
        reported.sort_unstable();
        assert_eq!(ending.summary.not_run, 0);
        (reported, super::super::exit_code(&options(), &ending))
    }
}

fn listed(name: &str) -> ListedTest {
    ListedTest {
        name: name.to_owned(),
        ignored: false,
    }
}

fn container() -> Arc<Container> {
    Arc::new(Container {
        layers: vec![Digest::of(b"layer")],
        environment: BTreeMap::new(),
        mounts: Vec::new(),
        network: Network::Loopback,
        root_overlay: RootOverlay::Tmp,
        working_directory: "/".into(),
        user: 1000,
        group: 1000,
        init: true,
        hostname: "maelstrom".to_owned(),
        watched: Vec::new(),
        outputs: Vec::new(),
    })
}

fn options() -> TestOptions {
    let surroundings = ProcessEnvironment {
        variables: [("XDG_CONFIG_DIRS".into(), "/nonexistent".into())].into(),
        cpus: NonZeroU32::MIN,
    };
    match Request::parse(
        [OsString::from("cargo-maelstrom")],
        &surroundings,
        &|_, _| Ok(crate::config::Profiles::default()),
    ) {
        Ok(Request::Test(options)) => *options,
        other => panic!("{other:?}"),
    }
}

/// Records results, errors and warnings as lines.
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Reporter for Recorder {
    fn report(&mut self, event: &Event<'_>) {
        let line = match event {
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } => {
                let repeat = repeat.map(|repeat| format!(" {repeat}"));
                let cached = if outcome.cached { " cached" } else { "" };
                let reason = outcome.status.reason();
                let attempt = outcome.attempt.if_several();
                let attempt = attempt.map(|attempt| format!(" ({attempt})"));
                format!(
                    "{case}{}: {}{cached} {}{}",
                    repeat.unwrap_or_default(),
                    outcome.status.word(),
                    reason.unwrap_or_default(),
                    attempt.unwrap_or_default()
                )
            }
            Event::ListingFailed { binary, message } => format!("{binary}: {message}"),
            Event::Warning(warning) => format!("warning: {warning}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }

    fn finish(&mut self) -> Result<(), report::ReportError> {
        Ok(())
    }
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    LocalSet::new().block_on(&runtime.unwrap(), test)
}

const PANICKED: &str = "internal error: a task panicked: a panic for a test; this is a bug of \
                        Maelstrom: please report it";
const NEVER_REPORTED: &str = "internal error: the test was never reported; this is a bug of Maelstrom: please \
                       report it";

#[test]
fn tests_whose_tasks_panic_are_errors_with_their_names() {
    block_on(async {
        let mut run = Run::new(2, CacheResults::Off).with_container();
        run.executor().panics.set(true);
        run.list(&["one", "two"]);
        let (reported, code) = run.end().await;
        let expected = ["one [1/2]", "one [2/2]", "two [1/2]", "two [2/2]"]
            .map(|test| format!("app lib/app {test}: error {PANICKED}"));
        assert_eq!(reported, expected);
        assert_eq!(code, ExitCode::TestsFailed);
    });
}

#[test]
fn tests_are_errors_with_their_names_if_the_preparation_of_their_container_panics() {
    block_on(async {
        let mut run = Run::new(1, CacheResults::Off);
        let panics = &run.inner.parts.containers.builder.panics;
        panics.store(true, Ordering::Relaxed);
        run.list(&["one", "two"]);
        let (reported, code) = run.end().await;
        let expected = ["one", "two"].map(|test| format!("app lib/app {test}: error {PANICKED}"));
        assert_eq!(reported, expected);
        assert_eq!(code, ExitCode::TestsFailed);
    });
}

#[test]
fn a_binary_whose_listing_panics_is_an_error() {
    block_on(async {
        // While its container is made.
        let mut run = Run::new(1, CacheResults::Off);
        let panics = &run.inner.parts.containers.builder.panics;
        panics.store(true, Ordering::Relaxed);
        let binary = (*run.binary).clone();
        run.inner
            .build_event(BuildEvent::Binary(Box::new(binary)), Instant::now());
        let expected = [format!("app lib/app: {PANICKED}")];
        let (reported, code) = run.end().await;
        assert_eq!(
            (&reported[..], code),
            (&expected[..], ExitCode::TestsFailed)
        );

        // While it is asked for its tests.
        let mut run = Run::new(1, CacheResults::Off);
        run.executor().panics.set(true);
        let binary = run.binary.clone();
        run.inner.outstanding.expect_listing(&binary);
        run.inner
            .queue_listing(binary, container(), "key".to_owned());
        let (reported, code) = run.end().await;
        assert_eq!(
            (&reported[..], code),
            (&expected[..], ExitCode::TestsFailed)
        );
    });
}

#[test]
fn a_selected_test_that_is_never_reported_is_an_error() {
    block_on(async {
        let mut run = Run::new(1, CacheResults::Off).with_container();
        run.list(&["one", "two"]);
        let binary = run.binary.clone();
        run.inner.outstanding.expect_listing(&binary);
        // Without a reason, no test is started any more.
        run.inner.started_tests.stop();
        let (reported, code) = run.end().await;
        let expected = [
            format!("app lib/app one: error {NEVER_REPORTED}"),
            format!("app lib/app two: error {NEVER_REPORTED}"),
            format!("app lib/app: {NEVER_REPORTED}"),
        ];
        assert_eq!(reported, expected);
        assert_eq!(code, ExitCode::TestsFailed);
    });
}

#[test]
fn a_test_that_ends_twice_is_reported_once_and_an_error() {
    block_on(async {
        let mut run = Run::new(1, CacheResults::Off).with_container();
        run.list(&["one"]);
        let (case, _) = run.inner.outstanding.sorted_tests().remove(0);
        run.inner.local.clear();
        for id in [1, 2] {
            run.end_test(id, &case);
        }
        let (reported, code) = run.end().await;
        let twice = "warning: internal error: app lib/app one ended twice; this is a bug of \
                     Maelstrom: please report it";
        assert_eq!(reported, ["app lib/app one: passed ", twice]);
        assert_eq!(code, ExitCode::TestsFailed);
    });
}

#[test]
fn a_test_that_cannot_be_tried_again_is_an_error_of_that_attempt() {
    block_on(async {
        let mut run = Run::new(1, CacheResults::Off).with_container();
        run.inner.parts.running.retries = of_default(TestRetries::of_count(1));
        run.list(&["one"]);
        let (case, _) = run.inner.outstanding.sorted_tests().remove(0);
        run.inner.local.clear();
        let status = TestStatus::Failed(report::Exit::Code(1));
        let first = TestOutcome::new(status, Duration::ZERO);
        run.inner.outstanding.attempt_failed(&case, None, first);
        run.inner
            .could_not_retry(&case, None, "no space left".to_owned());
        let (reported, _) = run.end().await;
        assert_eq!(
            reported,
            ["app lib/app one: error no space left (attempt 2 of 2)"]
        );
    });
}

#[test]
fn a_test_that_is_looked_at_when_the_time_is_up_ends_once() {
    block_on(async {
        let mut run = Run::new(1, CacheResults::Off).with_container().with_looks();
        run.executor().panics.set(true);
        run.list(&["one"]);
        let (case, _) = run.inner.outstanding.sorted_tests().remove(0);
        run.inner.local.clear();
        let id = TestId(7);
        run.inner.remote_tests.insert(id);
        let may_start = &run.inner.started_tests;
        let place = TestPlace::Slots(&[0]);
        assert!(may_start.start(id, case.clone(), None, TestAttempt::ONLY, place));
        run.inner.work_ended(EndedWork::Batch {
            tests: vec![(id, case)],
            container: container(),
            repeat: None,
            outcomes: Some(vec![(exited(1), None)]),
        });
        run.inner.time_is_up().await;
        let (reported, code) = run.end().await;
        assert_eq!(reported, ["app lib/app one: failed exit code 1"]);
        assert_eq!(code, ExitCode::TestsFailed);
    });
}

fn passed() -> Outcome {
    exited(0)
}

fn exited(code: i32) -> Outcome {
    Outcome {
        status: crate::executor::Status::Exited(code),
        ..Outcome::error(String::new())
    }
}

/// Stores outcomes of tests that passed.
fn know(run: &Run, names: &[&str]) {
    let parts = &run.inner.parts;
    for name in names {
        let case = TestCase {
            binary: run.binary.clone(),
            listed: Rc::new(listed(name)),
            whole: false,
            spec: parts.directives.resolve(&test_case_name(&run.binary, name)),
            needs: Rc::default(),
            archived: None,
            doctest: None,
        };
        let job = parts.running.job(&case, container());
        let limit = parts.running.inline_limit;
        parts.session.executors.known.keep(&job, limit, &passed());
    }
}

#[test]
fn tests_with_known_outcomes_are_reported_and_the_others_run() {
    block_on(async {
        let mut run = Run::new(1, CacheResults::Auto).with_container();
        let names: Vec<_> = (0..50).map(|number| format!("t{number:02}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        know(&run, &names[..40]);
        run.executor().panics.set(true);
        run.list(&names);
        let (reported, code) = run.end().await;
        let expected: Vec<_> = (0..50)
            .map(|number| match number {
                0..40 => format!("app lib/app t{number:02}: passed cached "),
                _ => format!("app lib/app t{number:02}: error {PANICKED}"),
            })
            .collect();
        assert_eq!(reported, expected);
        assert_eq!(code, ExitCode::TestsFailed);
    });
}

#[test]
fn looking_up_tests_does_not_block_the_loop() {
    let mut run = Run::new(1, CacheResults::Auto).with_container();
    know(&run, &["one"]);
    let values = run.directory.path().join("cache/store/values/outcomes-5");
    let value = fs::read_dir(values).unwrap().next().unwrap();
    let value = value.unwrap().path();
    fs::remove_file(&value).unwrap();
    // Opening a FIFO for reading blocks until it is opened for writing: see fifo(7).
    nix::unistd::mkfifo(&value, nix::sys::stat::Mode::S_IRWXU).unwrap();
    run.executor().panics.set(true);
    let unblock = || drop(File::options().write(true).open(value).unwrap());
    does_not_block_the_loop(unblock, async {
        run.list(&["one"]);
        let (reported, _) = run.end().await;
        assert_eq!(reported, [format!("app lib/app one: error {PANICKED}")]);
    });
}

#[test]
fn saving_the_history_does_not_block_the_loop() {
    let mut run = Run::new(1, CacheResults::Off).with_container();
    // The lock that another client holds while it saves.
    let lock = File::create(run.directory.path().join("history.lock")).unwrap();
    let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let path = run.directory.path().join("history");
    let directory = std::mem::replace(&mut run.directory, tempfile::tempdir().unwrap());
    does_not_block_the_loop(|| drop(lock), async {
        run.list(&["one"]);
        let (case, _) = run.inner.outstanding.sorted_tests().remove(0);
        run.inner.local.clear();
        run.end_test(1, &case);
        run.inner.saved = Instant::now().checked_sub(SAVE_EVERY).unwrap();
        run.inner.tick();
        assert!(!path.exists());
        run.end().await;
        let history = History::load(&path).unwrap();
        assert_eq!(history.last_failed(&case.id()), Some(false));
    });
    drop(directory);
}
