//! `cargo maelstrom`: its command line, and its loop from the stream of built test binaries to the
//! summary.
//!
//! [`preparation`] starts Cargo and reads the workspace, [`test_run`] is the loop, [`lister`] lists
//! the test cases of test binaries, and [`unselected`] explains a selection without tests.
//! [`conclusion`] is the part of a run after the last test. [`learning`] runs tests twice, and
//! writes what they need to `maelstrom-test.toml` in between. [`watch`] runs tests whenever files
//! change.

mod archiving;
mod clean;
pub mod command_line;
pub mod completing;
mod conclusion;
mod considered;
mod coverage;
mod debugger_files;
mod doctor;
mod error;
mod exit_codes;
mod filtersets;
mod foreground;
mod ingredients;
mod init;
mod learning;
mod lister;
mod lists;
mod observation;
mod outstanding;
mod preparation;
mod second_look;
mod selector;
mod shim;
mod started;
mod suggestions;
mod surroundings;
pub mod test_file;
mod test_names;
mod test_run;
mod timings;
mod unselected;
mod watch;

use crate::cargo::{CargoError, Package, Stderr, Workspace};
use crate::config::{CacheResults, Color, OutputTime, Setting, Ui};
use crate::directive::Directives;
use crate::engine::Uploaded;
use crate::executor::WrittenSources;
use crate::process::{
    ExitCode, Interrupt, Interrupts, error_chain, start_log, to_stderr, to_stdout,
};
use crate::report::{self, Event, Footer, JunitOutput, Reporter};
use crate::schedule::RecordedHistory;
use crate::schedule::history::RecordedHistoryError;
use crate::session::{ConnectedEngine, Session, SessionSettings, connect};
use crate::spec::Network;
use crate::test_job::TestOutputs;
use camino::{Utf8Path, Utf8PathBuf};
use command_line::Settings;
use command_line::{CacheOptions, CleanOptions, MessageFormat, TestAction, TestOptions};
use conclusion::Conclusion;
pub use error::SetUpError;
use exit_codes::{exit_code, no_tests};
use preparation::Preparation;
use second_look::SecondLook;
pub use shim::shim;
use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use surroundings::Surroundings;
use test_run::{Dividing, Looks, Parts, RunEnd, RunSettings, TestRun};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A test whose specification cannot be printed, and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
struct UnprintableSpec(String, String);

/// Runs `cargo maelstrom doctor`.
pub fn doctor(options: &CacheOptions) -> ExitCode {
    doctor::run(
        options,
        resolve_paint(options.settings.color.value, &io::stdout()),
    )
}

/// Runs `cargo maelstrom clean`.
pub fn clean(options: &CleanOptions) -> ExitCode {
    match runtime().and_then(|runtime| runtime.block_on(clean::run(options))) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            print_error(&options.cache.settings, &error);
            ExitCode::SetUp
        }
    }
}

/// Runs `cargo maelstrom history merge`.
pub fn merge_histories(output: &Utf8Path, inputs: &[Utf8PathBuf]) -> ExitCode {
    let merge = || {
        let histories = inputs
            .iter()
            .map(|input| RecordedHistory::load(input.as_std_path()));
        let merged = RecordedHistory::of_all(&histories.collect::<Result<Vec<_>, _>>()?);
        merged.write(output.as_std_path())?;
        Ok::<_, RecordedHistoryError>(merged.len())
    };
    match merge() {
        Ok(tests) => {
            let tests = report::Count(tests as u64, "test", "tests");
            to_stderr(format_args!("wrote the durations of {tests} to {output}"));
            ExitCode::Success
        }
        Err(error) => {
            to_stderr(format_args!("error: {}", error_chain(&error)));
            ExitCode::SetUp
        }
    }
}

fn runtime() -> Result<Runtime, SetUpError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(SetUpError::Start)
}

/// Runs the action of the options.
pub fn run(options: &TestOptions) -> ExitCode {
    start_log(options.settings.log_level.value.level());
    exit_code_of(options, try_run(options))
}

/// The exit code of a result. Shows an error.
fn exit_code_of(options: &TestOptions, result: Result<ExitCode, SetUpError>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(SetUpError::Cargo(CargoError::OutsideSelection { packages })) => {
            print_error(
                &options.settings,
                &CargoError::OutsideSelection { packages },
            );
            ExitCode::NoTests
        }
        Err(SetUpError::NoPackageMatches(hints)) => {
            let error = SetUpError::NoPackageMatches(Vec::new());
            no_tests(options, &error_chain(&error), &hints)
        }
        Err(error) => {
            print_error(&options.settings, &error);
            ExitCode::SetUp
        }
    }
}

fn print_error(settings: &Settings, error: &dyn Error) {
    let label = paint(settings).apply(report::Role::Bad, "error:");
    to_stderr(format_args!("{label} {}", error_chain(error)));
}

fn try_run(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    if let TestAction::PrintConfig(text) = &options.action {
        to_stdout(format_args!("{}", text.trim_end()));
        return Ok(ExitCode::Success);
    }
    let runtime = runtime()?;
    let tasks = tokio::task::LocalSet::new();
    let code = tasks.block_on(&runtime, async {
        match &options.action {
            // The future has all runs.
            TestAction::Run if options.watch => Box::pin(watch::run(options)).await,
            TestAction::PrintConfig(_)
            | TestAction::Run
            | TestAction::ListTests
            | TestAction::PrintSpec
            | TestAction::Archive { .. }
            | TestAction::Observe { .. }
            | TestAction::Foreground { .. } => run_tests(options).await,
            // The future has the options of two runs.
            TestAction::Learn => Box::pin(learning::run(options)).await,
            TestAction::Build => build_only(options).await,
            TestAction::ListBinaries => lists::binaries(options).await,
            TestAction::ListPackages => lists::packages(options).await,
            TestAction::Init => init::run(options).await,
        }
    });
    // Threads that still pack layers do not delay the end of the process.
    runtime.shutdown_background();
    code
}

async fn build_only(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    let stderr = if options.cargo.cargo_quiet > 1 {
        Stderr::Discarded
    } else {
        Stderr::Inherited
    };
    let mut preparation = Preparation::new(options, stderr).await?;
    while let Some(build) = &mut preparation.build
        && let Some(event) = build.next().await
    {
        match event? {
            crate::cargo::BuildEvent::Message(line) => to_stdout(format_args!("{line}")),
            crate::cargo::BuildEvent::Finished { success: false, .. } => {
                return Ok(ExitCode::BuildFailed);
            }
            _ => {}
        }
    }
    Ok(ExitCode::Success)
}

/// Runs the tests, or lists them.
async fn run_tests(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    Ok(run_to_end(options, RunControl::default()).await?.0)
}

/// The connection of a run with the part of the program that starts it.
#[derive(Default)]
struct RunControl {
    /// Ends the run in the way of a signal. `None`: only signals do.
    stop: Option<oneshot::Receiver<Interrupt>>,
    /// Lines to draw below the progress.
    footer: Footer,
    /// Gets the files of the source tree that the run writes.
    written: WrittenSources,
}

/// A run that has ended and was reported.
struct EndedRun {
    ending: RunEnd,
    workspace: Arc<Workspace>,
    /// The packages that Cargo's options select.
    packages: Vec<Arc<Package>>,
    directives: Arc<Directives>,
}

/// Runs the tests, or lists them. `None`: the run was interrupted before the build.
async fn run_to_end(
    options: &TestOptions,
    control: RunControl,
) -> Result<(ExitCode, Option<EndedRun>), SetUpError> {
    let reporter = report::reporter(&report_settings(options, control.footer));
    let stderr = if options.cargo.cargo_quiet > 1 {
        Stderr::Discarded
    } else if reporter.shows_cargo() {
        Stderr::Piped
    } else {
        Stderr::Inherited
    };
    let interrupts = Interrupts::watch().map_err(SetUpError::Start)?;
    let mut interrupts = interrupts.or(control.stop);
    let runs_selected = options.action.runs_selected();
    let remote = options.settings.remote.as_ref().filter(|_| runs_selected);
    let engine = tokio::select! {
        biased;
        _ = interrupts.next() => return Ok((ExitCode::Interrupted, None)),
        engine = connect(remote) => engine?,
    };
    let preparation = tokio::select! {
        biased;
        // A preparation that is dropped ends Cargo.
        _ = interrupts.next() => return Ok((ExitCode::Interrupted, None)),
        preparation = Preparation::new(options, stderr) => preparation?,
    };
    let reporter = timings::add(reporter, options, &preparation);
    let reporter = Rc::new(RefCell::new(reporter));
    reporter.borrow_mut().report(&Event::RunStarted);
    for warning in &preparation.warnings {
        reporter.borrow_mut().report(&Event::Warning(warning));
    }
    let (workspace, packages) = (preparation.workspace.clone(), preparation.packages.clone());
    let directives = preparation.directives.clone();
    let conducting = conduct(
        options,
        engine,
        preparation,
        interrupts,
        &reporter,
        control.written,
    );
    // The future has the state of the whole run.
    let outcome = Box::pin(conducting).await;
    let finished = reporter.borrow_mut().finish();
    let ending = outcome?;
    finished?;
    if options.action == TestAction::ListTests {
        lists::print_tests(options, &ending.listed);
    }
    if let Some((test, facts)) = &ending.observed
        && options.message_format == MessageFormat::Human
    {
        let paint = resolve_paint(options.settings.color.value, &io::stdout());
        let text = report::facts_text(test, facts, paint, options.verbose > 0);
        to_stdout(format_args!("{}", text.trim_end()));
    }
    coverage::print_report(options, &ending)?;
    let code = exit_code(options, &ending);
    let ended = EndedRun {
        ending,
        workspace,
        packages,
        directives,
    };
    Ok((code, Some(ended)))
}

async fn conduct(
    options: &TestOptions,
    engine: Option<ConnectedEngine<'_>>,
    preparation: Preparation,
    interrupts: Interrupts,
    reporter: &Rc<RefCell<Box<dyn Reporter>>>,
    written: WrittenSources,
) -> Result<RunEnd, SetUpError> {
    let list_only = !options.action.runs_selected();
    // `--repeat` always runs the tests. Earlier results lack what tests append to files, and profiles.
    let always_runs = options.repeat.get() != 1
        || !preparation.appended.is_empty()
        || preparation.profiles.is_some();
    let cache_results = if always_runs {
        CacheResults::Off
    } else {
        options.settings.cache_results.value
    };
    let surroundings = Arc::new(Surroundings::of(&preparation.workspace));
    let session = SessionSettings {
        slots: options.settings.slots.value.get(),
        cache_results,
        outputs_limit: options.settings.outputs_limit.value.bytes(),
        network: Network::Loopback,
        shown_directories: surroundings.shown().to_vec(),
        hidden_paths: surroundings.hidden(),
    };
    let session = Session::start(preparation.store.clone(), engine, session).await?;
    let running = RunSettings {
        repeat: options.repeat.get(),
        timeout: options
            .settings
            .timeout
            .as_ref()
            .map(|timeout| timeout.value.limit().unwrap_or_default()),
        retries: options.settings.retries.clone(),
        flaky_result: options.settings.flaky_result.clone(),
        slow_timeout: options.settings.slow_timeout.clone(),
        leak_timeout: options.settings.leak_timeout.clone(),
        global_timeout: options
            .settings
            .global_timeout
            .as_ref()
            .map(|timeout| timeout.value.duration()),
        stop_after: options
            .settings
            .stop_after
            .value
            .failures()
            .map(|n| u64::from(n.get())),
        stop_immediately: options.settings.stop_after.value.is_immediate(),
        no_capture: options.no_capture,
        inline_limit: options.settings.inline_limit.value.bytes() as usize,
        test_arguments: options.test_arguments.clone(),
        cache_results,
        collects_profiles: preparation.profiles.is_some(),
        failed_only: options.failed_only,
        list_only,
        learning: options.action == TestAction::Learn,
    };
    let looks = preparation.known_needs.map(|known| {
        let second_look = SecondLook {
            running: running.clone(),
            containers: preparation.containers.clone(),
            executor: session.executors.local.clone(),
            surroundings: surroundings.clone(),
            places: preparation::places(&preparation.workspace),
        };
        Rc::new(Looks::new(second_look, known))
    });
    let outputs_limit = options.settings.outputs_limit.value.bytes();
    let run_id = session.executors.local.run_id();
    let outputs = match preparation.outputs_directory {
        Some(directory) => TestOutputs::of_archive(directory, outputs_limit, run_id),
        None => TestOutputs::new(
            &preparation.workspace,
            outputs_limit,
            &preparation.appended,
            run_id,
            written,
        ),
    };
    let profiles = preparation.profiles.as_ref();
    let outputs = outputs.with_profiles(profiles.map(|profiles| profiles.collection.clone()));
    let selector = Rc::new(preparation.selector);
    let parts = Parts {
        selector: selector.clone(),
        directives: preparation.directives.clone(),
        containers: preparation.containers.clone(),
        outputs,
        lister: lister::Lister::new(preparation.store.clone()),
        session: session.clone(),
        batch_target: options.settings.batch_target.value.duration(),
        history: preparation.history,
        reporter: reporter.clone(),
        running: running.clone(),
        looks: looks.clone(),
        dividing: options
            .partition
            .map(|partition| Dividing::new(partition, preparation.recorded)),
        archived: preparation.archived,
        doctests: preparation.doctests,
    };
    let ended = TestRun::new(parts).run(preparation.build, interrupts).await;
    // Dropped actions are cancelled at the engine, also after an error.
    session.executors.settle().await;
    let conclusion = Conclusion {
        options,
        selector: &selector,
        workspace: &preparation.workspace,
        directives: &preparation.directives,
        packages: &preparation.packages,
        containers: preparation.containers,
        session: session.clone(),
        reporter: reporter.clone(),
        running,
        surroundings,
        looks,
        profiles: preparation.profiles,
    };
    let ending = match ended {
        Ok((ending, history)) => conclusion.conclude(ending, history).await,
        Err(error) => Err(error.into()),
    };
    if let Some(remote) = &session.executors.remote {
        let Uploaded { bytes, blobs } = remote.sent();
        tracing::info!("{bytes} bytes in {blobs} blobs were sent to the engine");
    }
    session.end();
    ending
}

fn report_settings(options: &TestOptions, footer: Footer) -> report::ReportSettings {
    let reports_tests = options.action.reports_tests();
    let ui = match options.settings.ui.value {
        _ if !reports_tests => Ui::Quiet,
        ui => ui,
    };
    let settings = &options.settings;
    let success_output = settings.success_output.value.0;
    let stored = |setting: &Option<Setting<bool>>| setting.as_ref().map(|stored| stored.value);
    report::ReportSettings {
        ui,
        hide_progress_bar: settings.hide_progress_bar.value,
        paint: paint(settings),
        verbose: options.verbose > 0,
        junit: junit_path(options).filter(|_| reports_tests),
        github: github_settings(options).filter(|_| reports_tests),
        json: options.message_format == MessageFormat::Json && reports_tests,
        success_output,
        failure_output: settings.failure_output.value,
        status_level: settings.status_level.as_ref().map(|level| level.value),
        final_status_level: settings.final_status_level.value,
        junit_output: JunitOutput {
            of_passed: stored(&settings.junit_store_success_output)
                .unwrap_or(success_output != OutputTime::Never),
            of_failed: stored(&settings.junit_store_failure_output).unwrap_or(true),
        },
        nocapture: options.no_capture,
        footer,
    }
}

fn github_settings(options: &TestOptions) -> Option<report::GithubSettings> {
    let manifest = options.cargo.manifest_path.as_ref();
    let manifest = manifest.and_then(|path| path.parent());
    let directory = std::env::current_dir().ok()?;
    let directory = manifest.map_or(directory.clone(), |manifest| directory.join(manifest));
    report::GithubSettings::of_step(directory, |name| std::env::var(name).ok())
}

/// The file of the JUnit report.
fn junit_path(options: &TestOptions) -> Option<Utf8PathBuf> {
    let path = &options.settings.junit.as_ref()?.value.0;
    // Settings are Unicode.
    Utf8PathBuf::from_path_buf(path.clone()).ok()
}

/// The colors of stderr.
fn paint(settings: &Settings) -> report::Paint {
    resolve_paint(settings.color.value, &io::stderr())
}

fn resolve_paint(color: Color, stream: &impl io::IsTerminal) -> report::Paint {
    report::Paint::resolve(color, stream.is_terminal(), |name| std::env::var(name).ok())
}
