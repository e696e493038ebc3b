//! The command line of `maelstrom-run`.

use crate::config::command_line::{given, text_value, value};
use crate::config::{
    BatchTarget, ByteSize, CacheResults, CommandLineError, ConfigFile, DirectoryPath,
    EscapeCharacter, LogLevel, ProcessEnvironment, ProgramNames, SharedArguments, SlotCount,
    Values,
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
};

const EXAMPLES: &str = "\
Examples:
  maelstrom-run <jobs.json                       run all jobs, as they come
  maelstrom-run --one --file job.json            run one, and end as it ends
  maelstrom-run --tty -f job.json --add-programs sh,ls sh
                                                 look around in its container

Exit codes: 0 all jobs ended well, 1 one did not or the input is wrong, 96 the command line is
wrong, 130 interrupted; with --one and --tty the job's own";

/// Run programs, each in a container as its JSON job specification says
///
/// Reads specifications one after another and starts each as soon as it is complete. What a job
/// prints is shown when it has ended.
#[derive(Debug, Parser)]
#[command(name = "maelstrom-run", version, after_help = EXAMPLES, max_term_width = 110)]
struct Arguments {
    /// Run only the first job, and end as it ends
    ///
    /// A program and arguments given here take the place of those of its specification.
    #[arg(short = '1', long)]
    one: bool,

    /// Run only the first job, at this terminal, and end as it ends
    ///
    /// The job gets a terminal of its own, to which goes what you type. After the escape
    /// character, ^C ends the job and ^Z suspends this program.
    #[arg(short, long, conflicts_with = "one")]
    tty: bool,

    /// Read the specifications from this file instead of standard input; -: from that
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// With --one or --tty: a program to run instead, and its arguments
    #[arg(value_name = "PROGRAM", trailing_var_arg = true)]
    program: Vec<String>,

    /// Add these programs of this machine to every container, with their libraries: to look
    /// around in it, for example
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = program_name)]
    add_programs: Vec<String>,

    /// With --tty: the escape character, such as ~ or ^a (default: ^])
    #[arg(long, value_name = "CHAR", value_parser = value::<EscapeCharacter>)]
    escape_char: Option<EscapeCharacter>,

    /// How many jobs run at once (default: available processors)
    #[arg(short = 'j', long, value_name = "N", value_parser = value::<SlotCount>)]
    slots: Option<SlotCount>,

    /// How much of a job's output is kept until it is shown, per stream (default: 16 MiB)
    ///
    /// Of more than that the middle is left out, which makes the run fail. What --one passes on
    /// from a job on this machine is not limited.
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>)]
    inline_limit: Option<ByteSize>,

    /// Where layers are kept (default: maelstrom/run in the user's cache directory)
    #[arg(long, value_name = "DIR", value_parser = value::<DirectoryPath>)]
    cache_root: Option<DirectoryPath>,

    /// How large the cache may get (default: 10 GiB)
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>)]
    cache_size: Option<ByteSize>,

    /// Reuse results of jobs that succeeded, and print their output of then
    ///
    /// off (the default): all are run; read: what succeeded before, and nothing has changed
    /// for, is not; auto: the same, and what succeeds now is known the next time.
    #[arg(long, value_name = "WHEN", value_parser = text_value::<CacheResults>())]
    cache_results: Option<CacheResults>,

    #[command(flatten)]
    images: ImageArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Give a worker jobs of one container that are estimated to take so long together
    /// (default: 1)
    #[arg(long, value_name = "SECONDS", value_parser = value::<BatchTarget>)]
    batch_target: Option<BatchTarget>,

    /// Print all configuration values and where they come from
    #[arg(short = 'P', long)]
    print_config: bool,

    #[command(flatten)]
    shared: SharedArguments,
}

fn program_name(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("there is no name before or after a comma"),
        name => Ok(name.to_owned()),
    }
}

/// What `maelstrom-run` is to do, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOptions {
    pub action: JobAction,
    /// `None`: standard input.
    pub file: Option<PathBuf>,
    /// Names or paths of programs that every container gets as its topmost layer.
    pub add_programs: Vec<String>,
    pub slots: usize,
    /// How much of what a job prints is kept until it is shown, per stream, in bytes.
    pub inline_limit: usize,
    pub cache_root: PathBuf,
    /// In bytes.
    pub cache_size: u64,
    /// What becomes of results that jobs had before.
    pub cache_results: CacheResults,
    pub images: ImageSettings,
    /// The engine that jobs are run on. `None`: they are run here.
    pub remote: Option<RemoteSettings>,
    /// How long the jobs should take together that a worker is given at a time.
    pub batch_target: Duration,
    pub log_level: LogLevel,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Run every job.
    All,
    /// Run the first job, with this program and these arguments if there are any.
    One { program: Vec<String> },
    /// The same at the user's terminal.
    Terminal {
        program: Vec<String>,
        escape: EscapeCharacter,
    },
    /// Print this text.
    PrintConfig(String),
}

impl JobOptions {
    /// As this process was called.
    pub fn of_process() -> Result<Self, CommandLineError> {
        Self::parse(std::env::args_os(), &ProcessEnvironment::of_process())
    }

    /// Reads a command line, the program's name included.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let arguments = Arguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
        if !(arguments.program.is_empty() || arguments.one || arguments.tty) {
            return Err(CommandLineError::Usage(Arguments::command().error(
                ErrorKind::MissingRequiredArgument,
                "a program can be given only with --one or --tty; without them every job of the \
                 input is run, each with its own",
            )));
        }
        if arguments.program.first().is_some_and(String::is_empty) {
            let message = "the program must not be empty";
            let error = Arguments::command().error(ErrorKind::ValueValidation, message);
            return Err(CommandLineError::Usage(error));
        }
        let file = ConfigFile::from_option(arguments.shared.config_file);
        let mut values = Values::read(&PROGRAM, environment, &file)?;
        let slots = values.take(
            "slots",
            given("--slots", arguments.slots),
            SlotCount(environment.cpus),
        )?;
        let inline_limit = values.take(
            "inline-limit",
            given("--inline-limit", arguments.inline_limit),
            ByteSize(16 << 20),
        )?;
        let cache_root = values.take(
            "cache-root",
            given("--cache-root", arguments.cache_root),
            DirectoryPath(environment.user_cache().join("run")),
        )?;
        let cache_size = values.take(
            "cache-size",
            given("--cache-size", arguments.cache_size),
            ByteSize(10 << 30),
        )?;
        let cache_results = values.take(
            "cache-results",
            given("--cache-results", arguments.cache_results),
            CacheResults::Off,
        )?;
        let images = arguments.images.decide(&mut values, environment)?;
        let remote = arguments.cluster.decide(&mut values, &slots)?;
        let batch_target = values.take(
            "batch-target",
            given("--batch-target", arguments.batch_target),
            BatchTarget::SECOND,
        )?;
        let log_level = values.take(
            "log-level",
            given("--log-level", arguments.shared.log_level),
            LogLevel::Warn,
        )?;
        let escape = values.take(
            "escape-char",
            given("--escape-char", arguments.escape_char),
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
            images,
            remote,
            batch_target: batch_target.value.duration(),
            log_level: log_level.value,
        })
    }
}

#[cfg(test)]
mod tests;
