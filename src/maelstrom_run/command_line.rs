//! The command line of `maelstrom-run`.

use crate::config::command_line::{text_value, value};
use crate::config::{
    AboutArguments, BatchTarget, ByteSize, CacheResults, CommandLineError, DirectoryPath,
    EscapeCharacter, LogLevel, ProcessEnvironment, ProgramNames, SharedArguments, SlotCount,
};
use crate::executor::remote::{ClusterArguments, RemoteSettings};
use crate::image::{ImageArguments, ImageSettings};
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const PROGRAM: ProgramNames = ProgramNames {
    name: "maelstrom-run",
    directory: "run",
    prefix: "MAELSTROM_RUN_",
    other_names: &[],
    foreign_variables: &[],
};

const EXAMPLES: &str = "\
Examples:
  maelstrom-run <jobs.json                       run all jobs
  maelstrom-run --one --file job.json            run one job, and end as the job ends
  maelstrom-run --tty -f job.json --add-programs sh,ls sh
                                                 run a shell in the job's container

Exit codes: 0 all jobs succeeded, 1 a job failed or the input is wrong, 96 the command line is
wrong, 130 interrupted; with --one and --tty the exit code of the job";

/// Run jobs from JSON specifications, each in its own container
///
/// Each job starts as soon as its specification is read. The output of a job is shown when the job
/// has ended.
#[derive(Debug, Parser)]
#[command(name = "maelstrom-run", version, after_help = EXAMPLES, max_term_width = 110)]
struct JobArguments {
    /// Run only the first job, and end as the job ends
    ///
    /// A program and arguments given here replace those of the specification.
    #[arg(short = '1', long)]
    one: bool,

    /// Run only the first job, at this terminal, and end as the job ends
    ///
    /// The job gets a terminal of its own, which receives the keys that you type. After the escape
    /// character, ^C ends the job and ^Z suspends this program.
    #[arg(short, long, conflicts_with = "one")]
    tty: bool,

    /// Read the specifications from this file (default: standard input, also -)
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Run this program with its arguments instead of that of the job, with --one or --tty
    #[arg(value_name = "PROGRAM", trailing_var_arg = true)]
    program: Vec<String>,

    /// Add these programs of this machine and their libraries to every container, for example to
    /// inspect a container
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = program_name)]
    add_programs: Vec<String>,

    /// Use this escape character with --tty, such as ~ or ^a (default: ^])
    #[arg(long, value_name = "CHAR", value_parser = value::<EscapeCharacter>)]
    escape_char: Option<EscapeCharacter>,

    /// Run N jobs at once (default: available processors)
    #[arg(short = 'j', long, value_name = "N", value_parser = value::<SlotCount>)]
    slots: Option<SlotCount>,

    /// Keep this much of a job's output until it is shown, per stream (default: 16 MiB)
    ///
    /// The middle of longer output is left out, and the run fails. Output that --one passes on from a
    /// job on this machine is not limited.
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>)]
    inline_limit: Option<ByteSize>,

    /// Keep layers in DIR (default: maelstrom/run in the user's cache directory)
    #[arg(long, value_name = "DIR", value_parser = value::<DirectoryPath>)]
    cache_root: Option<DirectoryPath>,

    /// Limit the size of the cache (default: 10 GiB)
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>)]
    cache_size: Option<ByteSize>,

    /// Reuse results of jobs that succeeded, and print their earlier output
    ///
    /// off (the default): run all jobs; read: do not run a job that succeeded before if nothing that
    /// it depends on has changed; auto: as read, and keep the results of this run for the next.
    #[arg(long, value_name = "WHEN", value_parser = text_value::<CacheResults>())]
    cache_results: Option<CacheResults>,

    /// Copy the outputs of jobs to DIR/NUMBER, with the number of the job (default: maelstrom-outputs)
    #[arg(long, value_name = "DIR", value_parser = value::<DirectoryPath>)]
    outputs_directory: Option<DirectoryPath>,

    /// How much of a job's outputs is copied out of its container (default: 1 GiB)
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>)]
    outputs_limit: Option<ByteSize>,

    #[command(flatten)]
    images: ImageArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Put jobs of one container with this estimated total duration into one batch for a worker
    /// (default: 1)
    #[arg(long, value_name = "SECONDS", value_parser = value::<BatchTarget>)]
    batch_target: Option<BatchTarget>,

    /// Print all configuration values and their sources
    #[arg(short = 'P', long)]
    print_config: bool,

    #[command(flatten)]
    shared: SharedArguments,

    #[command(flatten)]
    about: AboutArguments,
}

/// The definition of the command line.
pub fn command() -> clap::Command {
    JobArguments::command()
}

fn program_name(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("expected a name before and after each comma"),
        name => Ok(name.to_owned()),
    }
}

/// The options of `maelstrom-run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOptions {
    pub action: JobAction,
    /// `None`: standard input.
    pub file: Option<PathBuf>,
    /// Names or paths of programs that every container gets as its topmost layer.
    pub add_programs: Vec<String>,
    pub slots: usize,
    /// The size of a job's output that is kept until it is shown, per stream, in bytes.
    pub inline_limit: usize,
    pub cache_root: PathBuf,
    /// In bytes.
    pub cache_size: u64,
    /// Whether results of earlier runs are reused and kept.
    pub cache_results: CacheResults,
    /// The directory for the outputs of jobs.
    pub outputs_directory: PathBuf,
    /// The size of the outputs of a job that are copied, in bytes.
    pub outputs_limit: u64,
    pub images: ImageSettings,
    /// The engine that runs the jobs. `None`: they run on this machine.
    pub remote: Option<RemoteSettings>,
    /// The duration that the jobs of a batch should have together.
    pub batch_target: Duration,
    pub log_level: LogLevel,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Run every job.
    All,
    /// Run the first job, with this program and its arguments if there are any.
    One { program: Vec<String> },
    /// Run the first job at the user's terminal.
    Terminal {
        program: Vec<String>,
        escape: EscapeCharacter,
    },
    /// Print this text.
    PrintConfig(String),
}

impl JobOptions {
    /// Reads the command line of this process.
    pub fn of_process() -> Result<Self, CommandLineError> {
        Self::parse(std::env::args_os(), &ProcessEnvironment::of_process())
    }

    /// Reads a command line, the program's name included.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let arguments = JobArguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
        arguments.about.print(|| vec![command()])?;
        if !(arguments.program.is_empty() || arguments.one || arguments.tty) {
            return Err(CommandLineError::usage::<JobArguments>(
                ErrorKind::MissingRequiredArgument,
                "a program can be given only with --one or --tty; without them every job of the \
                 input runs its own program",
            ));
        }
        if arguments.program.first().is_some_and(String::is_empty) {
            return Err(CommandLineError::usage::<JobArguments>(
                ErrorKind::ValueValidation,
                "the program must not be empty",
            ));
        }
        let mut values = arguments.shared.read_config(&PROGRAM, environment)?;
        let slots = values.take_argument("slots", arguments.slots, SlotCount(environment.cpus))?;
        let inline_limit =
            values.take_argument("inline-limit", arguments.inline_limit, ByteSize(16 << 20))?;
        let cache_root = values.take_argument(
            "cache-root",
            arguments.cache_root,
            DirectoryPath(environment.user_cache().join("run")),
        )?;
        let cache_size =
            values.take_argument("cache-size", arguments.cache_size, ByteSize(10 << 30))?;
        let cache_results =
            values.take_argument("cache-results", arguments.cache_results, CacheResults::Off)?;
        let outputs_directory = values.take_argument(
            "outputs-directory",
            arguments.outputs_directory,
            DirectoryPath("maelstrom-outputs".into()),
        )?;
        let outputs_limit =
            values.take_argument("outputs-limit", arguments.outputs_limit, ByteSize(1 << 30))?;
        let images = arguments.images.decide(&mut values, environment)?;
        let remote = arguments.cluster.decide(&mut values, &slots)?;
        let batch_target =
            values.take_argument("batch-target", arguments.batch_target, BatchTarget::SECOND)?;
        let log_level =
            values.take_argument("log-level", arguments.shared.log_level, LogLevel::Warn)?;
        let escape = values.take_argument(
            "escape-char",
            arguments.escape_char,
            EscapeCharacter::DEFAULT,
        )?;
        let text = values.finish()?;
        let action = if arguments.print_config {
            JobAction::PrintConfig(text)
        } else if arguments.one {
            JobAction::One {
                program: arguments.program,
            }
        } else if arguments.tty {
            JobAction::Terminal {
                program: arguments.program,
                escape: escape.value,
            }
        } else {
            JobAction::All
        };
        Ok(Self {
            action,
            file: arguments.file.filter(|file| file.as_os_str() != "-"),
            add_programs: arguments.add_programs,
            slots: slots.value.get(),
            inline_limit: inline_limit.value.bytes() as usize,
            cache_root: cache_root.value.into_path(),
            cache_size: cache_size.value.bytes(),
            cache_results: cache_results.value,
            outputs_directory: outputs_directory.value.into_path(),
            outputs_limit: outputs_limit.value.bytes(),
            images,
            remote,
            batch_target: batch_target.value.duration(),
            log_level: log_level.value,
        })
    }
}

#[cfg(test)]
mod tests;
