//! The conductor's room: `cargo maelstrom` from its options to its exit code.
//!
//! It wires the other rooms together. [`conductor`] is the loop of a run;
//! [`test_container`], [`lister`] and [`verdict`] are the joints between rooms
//! that may not know each other; what is asked for besides running tests is in
//! [`lists`].

mod case;
mod conductor;
mod doctests;
mod doctor;
mod group;
mod hints;
pub(crate) mod interrupts;
mod lister;
mod lists;
mod log;
mod outstanding;
mod preparation;
mod selector;
mod started;
pub(crate) mod tasks;
mod test_container;
mod verdict;

pub(crate) use log::start_log;

use crate::cargo::{CargoError, Stderr};
use crate::cli::{Action, DoctorOptions, ExitCode, MessageFormat, Options};
use crate::config::{CacheResults, Color, NoTests};
use crate::container::LauncherError;
use crate::directive::{self, DirectiveError};
use crate::engine::{Engine, EngineError};
use crate::executor::remote::{RemoteError, RemoteExecutor};
use crate::executor::{Executors, KnownOutcomes, LocalExecutor};
use crate::filter::PatternError;
use crate::report::{self, Cancellation, ColorChoice, Event, Reporter, Ui};
use crate::schedule::history::HistoryError;
use crate::store::StoreError;
use camino::Utf8PathBuf;
use conductor::{Conductor, Ending, Parts, RunError, Running};
use interrupts::Interrupts;
use preparation::Preparation;
use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// Why nothing could be run. Shown to the user, with its causes.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error(transparent)]
    Cargo(#[from] CargoError),
    #[error(transparent)]
    Directives(#[from] DirectiveError),
    #[error("bad pattern for {option}: {source}")]
    Pattern {
        option: &'static str,
        source: PatternError,
    },
    #[error("no package of the workspace matches the include patterns")]
    NoPackageMatches,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(
        "{}; {}; `cargo maelstrom doctor` examines this machine",
        chain(.0),
        crate::container::doctor::remedy()
    )]
    Machine(LauncherError),
    /// The engine that tests are to be run on cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("`{0}` exists; remove it first to get a new one")]
    Exists(Utf8PathBuf),
    #[error("failed to write `{path}`")]
    Write {
        path: Utf8PathBuf,
        source: io::Error,
    },
    #[error("failed to start")]
    Start(#[source] io::Error),
}

impl From<EngineError> for SetUpError {
    fn from(error: EngineError) -> Self {
        Self::Remote(error.into())
    }
}

/// A test has no specification to print: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
struct UnprintableSpec(String, String);

/// Examines the machine.
pub fn doctor(options: &DoctorOptions) -> ExitCode {
    doctor::run(
        options,
        resolve_paint(options.settings.color.value, &io::stdout()),
    )
}

/// Does what the options ask for.
pub fn run(options: &Options) -> ExitCode {
    start_log(options.settings.log_level.value);
    match try_run(options) {
        Ok(code) => code,
        Err(SetUpError::Cargo(CargoError::OutsideSelection { packages })) => {
            print_error(options, &CargoError::OutsideSelection { packages });
            ExitCode::NoTests
        }
        Err(error @ SetUpError::NoPackageMatches) => no_tests(options, &chain(&error)),
        Err(error) => {
            print_error(options, &error);
            ExitCode::SetUp
        }
    }
}

fn print_error(options: &Options, error: &dyn Error) {
    let label = paint(options).apply(report::Role::Bad, "error:");
    report::to_stderr(format_args!("{label} {}", chain(error)));
}

fn try_run(options: &Options) -> Result<ExitCode, SetUpError> {
    if let Action::PrintConfig(text) = &options.action {
        report::to_stdout(format_args!("{}", text.trim_end()));
        return Ok(ExitCode::Success);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SetUpError::Start)?;
    let tasks = tokio::task::LocalSet::new();
    let code = tasks.block_on(&runtime, async {
        match &options.action {
            Action::PrintConfig(_) | Action::Run | Action::ListTests | Action::PrintSpec => {
                run_tests(options).await
            }
            Action::Build => build_only(options).await,
            Action::ListBinaries => lists::binaries(options).await,
            Action::ListPackages => lists::packages(options).await,
            Action::Doctests { arguments } => doctests::run(options, arguments).await,
            Action::Init => init(options).await,
        }
    });
    // Threads that still pack something hold nobody up.
    runtime.shutdown_background();
    code
}

async fn init(options: &Options) -> Result<ExitCode, SetUpError> {
    let workspace = preparation::workspace(options).await?;
    let path = workspace.root.join(directive::FILE_NAME);
    let file = std::fs::File::create_new(&path);
    match file.and_then(|mut file| io::Write::write_all(&mut file, directive::STARTER.as_bytes())) {
        Ok(()) => {
            report::to_stderr(format_args!("wrote {path}"));
            Ok(ExitCode::Success)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(SetUpError::Exists(path)),
        Err(source) => Err(SetUpError::Write { path, source }),
    }
}

async fn build_only(options: &Options) -> Result<ExitCode, SetUpError> {
    let mut preparation = Preparation::new(options, Stderr::Inherited).await?;
    while let Some(event) = preparation.build.next().await {
        match event? {
            crate::cargo::BuildEvent::Message(line) => report::to_stdout(format_args!("{line}")),
            crate::cargo::BuildEvent::Finished { success: false, .. } => {
                return Ok(ExitCode::BuildFailed);
            }
            _ => {}
        }
    }
    Ok(ExitCode::Success)
}

/// Runs the tests, or lists them.
async fn run_tests(options: &Options) -> Result<ExitCode, SetUpError> {
    let list_only = options.action != Action::Run;
    let reporter = report::reporter(&report_settings(options, list_only));
    let stderr = if reporter.draws() {
        Stderr::Piped
    } else {
        Stderr::Inherited
    };
    let reporter = Rc::new(RefCell::new(reporter));
    let mut interrupts = Interrupts::watch().map_err(SetUpError::Start)?;
    let remote = options.settings.remote.as_ref().filter(|_| !list_only);
    let engine = match remote {
        Some(remote) => Some(tokio::select! {
            biased;
            _ = interrupts.next() => return Ok(ExitCode::Interrupted),
            engine = remote.connect() => engine?,
        }),
        None => None,
    };
    let preparation = tokio::select! {
        biased;
        // Dropped in the middle of it, the preparation ends Cargo.
        _ = interrupts.next() => return Ok(ExitCode::Interrupted),
        preparation = Preparation::new(options, stderr) => preparation?,
    };
    reporter.borrow_mut().report(&Event::RunStarted);
    for warning in &preparation.warnings {
        reporter.borrow_mut().report(&Event::Warning(warning));
    }
    let outcome = conduct(options, engine, preparation, interrupts, &reporter).await;
    let finished = reporter.borrow_mut().finish();
    let ending = outcome?;
    finished.map_err(|source| SetUpError::Write {
        path: "standard output".into(),
        source,
    })?;
    if options.action == Action::ListTests {
        lists::print_tests(options, &ending.listed);
    }
    Ok(exit_code(options, &ending))
}

async fn conduct(
    options: &Options,
    engine: Option<Engine>,
    preparation: Preparation,
    interrupts: Interrupts,
    reporter: &Rc<RefCell<Box<dyn Reporter>>>,
) -> Result<Ending, SetUpError> {
    let list_only = options.action != Action::Run;
    let slots = options.settings.slots.value.0.get() as usize;
    let settings = crate::executor::Settings::of_process(preparation.store.trees(), slots)
        .map_err(SetUpError::Start)?;
    let executor = LocalExecutor::new(settings, slots);
    let network = crate::spec::Network::Loopback;
    executor
        .warm_up(network)
        .await
        .map_err(SetUpError::Machine)?;
    let cache_results = match options.repeat.get() {
        1 => options.settings.cache_results.value,
        // Who asks for many runs wants them.
        _ => CacheResults::Off,
    };
    let remote = match (engine, &options.settings.remote) {
        (Some(engine), Some(remote)) => {
            let store = preparation.store.clone();
            let properties = remote.properties.clone();
            Some(RemoteExecutor::new(engine, properties, cache_results, store).await?)
        }
        _ => None,
    };
    let remote = remote.map(Rc::new);
    let running = Running {
        repeat: options.repeat.get(),
        timeout: options
            .settings
            .timeout
            .as_ref()
            .map(|timeout| timeout.value.limit().unwrap_or_default()),
        stop_after: options
            .settings
            .stop_after
            .value
            .failures()
            .map(|n| u64::from(n.get())),
        no_capture: options.no_capture,
        inline_limit: options.settings.inline_limit.value.0 as usize,
        test_arguments: options.test_arguments.clone(),
        cache_results,
        list_only,
    };
    let parts = Parts {
        selector: preparation.selector,
        directives: preparation.directives,
        containers: preparation.containers.clone(),
        lister: lister::Lister::new(preparation.store.clone()),
        executors: Executors {
            local: Rc::new(executor),
            remote: remote.clone(),
            known: Arc::new(KnownOutcomes::new(
                preparation.store.clone(),
                running.cache_results,
            )),
        },
        slots,
        remote_slots: options.settings.remote.as_ref().map_or(1, |r| r.slots),
        batch_target: options.settings.batch_target.value.0,
        store: preparation.store.clone(),
        history: preparation.history,
        reporter: reporter.clone(),
        running: running.clone(),
    };
    let executors = parts.executors.clone();
    let ended = Conductor::new(parts)
        .run(preparation.build, interrupts)
        .await;
    // However it ended, nothing of it is to go on elsewhere.
    executors.settle().await;
    let (mut ending, mut history) = ended?;
    if !list_only {
        if let Some(note) = doctests::note(options, &preparation.packages) {
            ending.summary.notes.push(note);
        }
        // The results stand, whatever becomes of what the next run could learn.
        let saving = tokio::task::spawn_blocking(move || history.save());
        let unsaved = match saving.await {
            Ok(saved) => saved.err().map(|error| chain(&error)),
            Err(error) => Some(chain(&error)),
        };
        if let Some(warning) = unsaved {
            reporter.borrow_mut().report(&Event::Warning(&warning));
        }
        reporter
            .borrow_mut()
            .report(&Event::Finished(&ending.summary));
    }
    if options.action == Action::PrintSpec {
        let complain = |case: &case::Case, error: &crate::layer::ContainerError| {
            print_error(
                options,
                &UnprintableSpec(case.view().to_string(), chain(error)),
            );
        };
        let printed =
            lists::print_specs(&ending.listed, &running, &preparation.containers, complain);
        match printed.await.map_err(SetUpError::Start)? {
            None => ending.summary.cancelled = Some(Cancellation::Interrupted),
            Some(failed) => ending.summary.tally.errors += failed as u64,
        }
    }
    if let Some(remote) = remote {
        tracing::info!("{} bytes were sent to the engine", remote.sent());
    }
    if let Err(error) = preparation.store.save() {
        tracing::warn!("{}", chain(&error));
    }
    if let Err(error) = preparation.store.evict() {
        tracing::warn!("{}", chain(&error));
    }
    Ok(ending)
}

fn exit_code(options: &Options, ending: &Ending) -> ExitCode {
    let tally = &ending.summary.tally;
    match ending.summary.cancelled {
        Some(Cancellation::Interrupted | Cancellation::Terminated) => ExitCode::Interrupted,
        Some(Cancellation::BuildFailed) => ExitCode::BuildFailed,
        _ if tally.failures() > 0 => ExitCode::TestsFailed,
        _ if options.action == Action::PrintSpec && ending.listed.is_empty() => {
            no_tests(options, "no test matches the pattern of `--print-spec`")
        }
        _ if options.action != Action::Run => ExitCode::Success,
        _ if tally.selected() == 0 => no_tests(options, "no tests were run"),
        _ => ExitCode::Success,
    }
}

/// What it means that there was nothing to run.
fn no_tests(options: &Options, what: &str) -> ExitCode {
    let paint = paint(options);
    let filters = &options.selection.names.filters;
    for pattern in filters.iter().filter(|filter| is_meant_as_pattern(filter)) {
        let label = paint.apply(report::Role::Caution, "note:");
        report::to_stderr(format_args!(
            "{label} `{pattern}` was taken as part of a test's name; `--include '{pattern}'` \
             takes it as a pattern"
        ));
    }
    match options.settings.no_tests.value {
        NoTests::Pass => ExitCode::Success,
        NoTests::Warn => {
            let label = paint.apply(report::Role::Caution, "warning:");
            report::to_stderr(format_args!("{label} {what}"));
            ExitCode::Success
        }
        NoTests::Fail => {
            let label = paint.apply(report::Role::Bad, "error:");
            report::to_stderr(format_args!(
                "{label} {what}; `--no-tests pass` makes that a success"
            ));
            ExitCode::NoTests
        }
    }
}

/// No name of a test holds parentheses.
fn is_meant_as_pattern(filter: &str) -> bool {
    filter.contains('(') && filter.parse::<crate::filter::Pattern>().is_ok()
}

fn report_settings(options: &Options, list_only: bool) -> report::Settings {
    let ui = match options.settings.ui.value {
        _ if list_only => Ui::Quiet,
        crate::config::Ui::Auto => Ui::Auto,
        crate::config::Ui::Fancy => Ui::Fancy,
        crate::config::Ui::Simple => Ui::Simple,
        crate::config::Ui::Quiet => Ui::Quiet,
    };
    report::Settings {
        ui,
        paint: paint(options),
        json: options.message_format == MessageFormat::Json && !list_only,
        show_output: options.settings.show_output.value,
        nocapture: options.no_capture,
    }
}

/// Whether what people see is coloured.
fn paint(options: &Options) -> report::Paint {
    resolve_paint(options.settings.color.value, &io::stderr())
}

fn resolve_paint(color: Color, stream: &impl io::IsTerminal) -> report::Paint {
    let choice = match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    choice.resolve(stream.is_terminal(), |name| std::env::var(name).ok())
}

/// An error with its causes, joined as one reads them; what a message tells of its
/// cause itself is not said twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
