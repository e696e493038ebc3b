//! `maelstrom-run`, from its options to its exit code: it runs the jobs of a stream of JSON
//! specifications.

pub mod command_line;
mod input;
mod job_stream;
mod outputs;

use crate::foreground::UserTerminal;
use crate::process::{Interrupts, error_chain, start_log, to_stderr, to_stdout};
use crate::session::{Client, ClientError, ClientSettings, current_directory};
use command_line::{JobAction, JobOptions};
use input::Input;
use job_stream::JobStream;
use outputs::JobOutputCopier;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

/// An error after which no further job is run. It is shown to the user with its causes.
#[derive(Debug, thiserror::Error)]
enum JobsError {
    #[error("failed to read `{path}`")]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("failed to start")]
    Start(#[source] io::Error),
    #[error("failed to write the output of a job")]
    Write(#[source] io::Error),
    #[error("--tty needs a terminal, and there is none; --one runs a job without a terminal")]
    NoTerminal,
    #[error(
        "with --tty the job reads the keyboard; give its specification with --file, or through a \
         pipe"
    )]
    KeyboardIsInput,
    #[error("failed to connect the terminal to the job")]
    Terminal(#[source] io::Error),
    #[error("there is no job in the input")]
    NoJob,
    /// The message has the position and the line.
    #[error("{0}")]
    Specification(String),
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Code(u8),
    /// Killed by this signal.
    Signal(i32),
}

impl Ending {
    const SUCCESS: Self = Self::Code(0);
    /// A job failed or could not be run.
    const FAILURE: Self = Self::Code(1);
    /// Ctrl-C or SIGTERM.
    const INTERRUPTED: Self = Self::Code(130);
}

/// Runs the action of the options.
pub fn run(options: &JobOptions) -> ExitCode {
    if let JobAction::PrintConfig(text) = &options.action {
        to_stdout(format_args!("{}", text.trim_end()));
        return ExitCode::SUCCESS;
    }
    start_log(options.log_level.level());
    let ending = try_run(options).unwrap_or_else(|error| {
        to_stderr(format_args!("error: {}", error_chain(&error)));
        Ending::FAILURE
    });
    match ending {
        Ending::Code(code) => ExitCode::from(code),
        Ending::Signal(signal) => {
            crate::container::die_of(signal);
            // The exit code that a shell reports for this signal.
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
        }
    }
}

fn try_run(options: &JobOptions) -> Result<Ending, JobsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(JobsError::Start)?;
    let tasks = tokio::task::LocalSet::new();
    let ending = tasks.block_on(&runtime, async {
        let interrupts = Interrupts::watch().map_err(JobsError::Start)?;
        let input = Input::open(options.file.as_deref())?;
        let client = Client::start(&ClientSettings {
            slots: options.slots,
            cache_root: options.cache_root.clone(),
            cache_size: options.cache_size,
            cache_results: options.cache_results,
            outputs_limit: options.outputs_limit,
            images: options.images.clone(),
            remote: options.remote.clone(),
            project: current_directory().map_err(JobsError::Start)?,
            add_programs: options.add_programs.clone(),
        })
        .await?;
        if let Some(note) = client.discarded() {
            to_stderr(format_args!("warning: {note}"));
        }
        let executors = client.session.executors.clone();
        let name = input.name().to_owned();
        let outputs =
            JobOutputCopier::new(options.outputs_directory.clone(), options.outputs_limit);
        let (limit, batch_target) = (options.inline_limit, options.batch_target);
        let job_stream = JobStream::new(client, name, limit, batch_target, outputs);
        let ending = match &options.action {
            JobAction::One { program } => job_stream.run_one(input, program, interrupts).await,
            JobAction::Terminal { program, escape } => {
                let terminal = UserTerminal::find().ok_or(JobsError::NoTerminal)?;
                if options.file.is_none() && io::stdin().is_terminal() {
                    return Err(JobsError::KeyboardIsInput);
                }
                job_stream
                    .run_at_terminal(input, program, interrupts, terminal, *escape)
                    .await
            }
            _ => job_stream.run_all(input, interrupts).await,
        };
        // Dropped actions are cancelled at the engine, also after an error.
        executors.settle().await;
        ending
    });
    // A thread that still waits for input does not delay the end of the process.
    runtime.shutdown_background();
    ending
}
