//! `maelstrom-run` from its options to its exit code: programs run as a stream of
//! JSON job specs says.

mod conductor;
mod container;
mod escape;
mod input;
mod terminal;

use crate::cli::{JobAction, JobOptions};
use crate::container::LauncherError;
use crate::executor::{LocalExecutor, Settings};
use crate::layer::LayerBuilder;
use crate::report;
use crate::run::interrupts::Interrupts;
use crate::run::{chain, start_log};
use crate::spec::{LayerSpec, Network};
use crate::store::{Store, StoreError};
use camino::Utf8PathBuf;
use conductor::Conductor;
use container::ContainerBuilder;
use input::Input;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use terminal::UserTerminal;

/// Why no job could be run, or no further one. Shown to the user, with its causes.
#[derive(Debug, thiserror::Error)]
enum JobsError {
    #[error("failed to read `{path}`")]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "{}; {}; `cargo maelstrom doctor` examines this machine",
        chain(.0),
        crate::container::doctor::remedy()
    )]
    Machine(LauncherError),
    #[error("failed to start")]
    Start(#[source] io::Error),
    #[error("failed to write what a job printed")]
    Write(#[source] io::Error),
    #[error("--tty needs a terminal, and there is none; --one does without")]
    NoTerminal,
    #[error(
        "with --tty the keyboard is the job's: give its specification with --file, or through a \
         pipe"
    )]
    KeyboardIsInput,
    #[error("failed to pass on what is typed and printed")]
    Terminal(#[source] io::Error),
    #[error("there is no job in the input")]
    NoJob,
    /// The message says where, and shows the line.
    #[error("{0}")]
    Specification(String),
}

/// How the program is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Code(u8),
    /// As one does that this signal ends.
    Signal(i32),
}

impl Ending {
    const SUCCESS: Self = Self::Code(0);
    /// A job failed, or could not be run.
    const FAILURE: Self = Self::Code(1);
    /// Ctrl-C or SIGTERM.
    const INTERRUPTED: Self = Self::Code(130);
}

/// Does what the options ask for.
pub fn run(options: &JobOptions) -> ExitCode {
    if let JobAction::PrintConfig(text) = &options.action {
        report::to_stdout(format_args!("{}", text.trim_end()));
        return ExitCode::SUCCESS;
    }
    start_log(options.log_level);
    let ending = try_run(options).unwrap_or_else(|error| {
        report::to_stderr(format_args!("error: {}", chain(&error)));
        Ending::FAILURE
    });
    match ending {
        Ending::Code(code) => ExitCode::from(code),
        Ending::Signal(signal) => {
            crate::container::die_of(signal);
            // What a shell would say of one that ended so.
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
        }
    }
}

fn try_run(options: &JobOptions) -> Result<Ending, JobsError> {
    let project = std::env::current_dir()
        .and_then(|directory| {
            Utf8PathBuf::from_path_buf(directory).map_err(|path| {
                let message = format!("the current directory {} is not UTF-8", path.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })
        })
        .map_err(JobsError::Start)?;
    let input = Input::open(options.file.as_deref())?;
    let store = Store::open(&options.cache_root, options.cache_size)?;
    if let Some(note) = store.discarded() {
        report::to_stderr(format_args!("warning: {note}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(JobsError::Start)?;
    let tasks = tokio::task::LocalSet::new();
    let ending = tasks.block_on(&runtime, async {
        let settings =
            Settings::of_process(store.trees(), options.slots).map_err(JobsError::Start)?;
        let executor = LocalExecutor::new(settings, options.slots);
        executor
            .warm_up(Network::Disabled)
            .await
            .map_err(JobsError::Machine)?;
        let conductor = Conductor::new(
            Rc::new(executor),
            options.slots,
            Arc::new(ContainerBuilder::new(
                LayerBuilder::new(store.clone()),
                project,
                (!options.add_programs.is_empty()).then(|| LayerSpec::Programs {
                    programs: options.add_programs.clone(),
                }),
            )),
            input.name().to_owned(),
        );
        let interrupts = Interrupts::watch().map_err(JobsError::Start)?;
        match &options.action {
            JobAction::One { program } => conductor.run_one(input, program, interrupts).await,
            JobAction::Terminal { program, escape } => {
                let terminal = UserTerminal::find().ok_or(JobsError::NoTerminal)?;
                if options.file.is_none() && io::stdin().is_terminal() {
                    return Err(JobsError::KeyboardIsInput);
                }
                conductor
                    .run_at_terminal(input, program, interrupts, terminal, *escape)
                    .await
            }
            _ => conductor.run_all(input, interrupts).await,
        }
    });
    // A thread that still waits for input holds nobody up.
    runtime.shutdown_background();
    // What the cache could not remember costs time only.
    let _ = store.save();
    let _ = store.evict();
    ending
}
