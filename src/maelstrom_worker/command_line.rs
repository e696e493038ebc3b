//! The command line of `maelstrom-worker`.

use crate::config::command_line::value;
use crate::config::{
    AboutArguments, ByteSize, CommandLineError, DirectoryPath, List, LogLevel, ProcessEnvironment,
    ProgramNames, Property, SharedArguments, SlotCount,
};
use crate::engine::{EngineSettings, RemoteArguments};
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::ffi::OsString;
use std::path::PathBuf;

const PROGRAM: ProgramNames = ProgramNames {
    name: "maelstrom-worker",
    directory: "worker",
    prefix: "MAELSTROM_WORKER_",
    other_names: &[],
    foreign_variables: &[],
};

const EXAMPLES: &str = "\
Examples:
  maelstrom-worker --remote grpc://engine.example:50051/main
  maelstrom-worker --remote grpcs://engine.example:443 --slots 8 --property pool=large

On SIGTERM or Ctrl-C the worker accepts no further actions, finishes those that run, and ends. A
second signal ends it at once. Exit codes: 0 ended by a signal, 96 the worker cannot start,
130 ended by a second signal";

/// Make this machine a worker of an engine that speaks the Remote Workers API
///
/// Runs the engine's actions, each in a container of its own.
#[derive(Debug, Parser)]
#[command(name = "maelstrom-worker", version, after_help = EXAMPLES, max_term_width = 110)]
struct WorkerArguments {
    #[command(flatten)]
    remote: RemoteArguments,

    /// Run at most this many actions at once (default: available processors)
    #[arg(short = 'j', long, value_name = "N", value_parser = value::<SlotCount>)]
    slots: Option<SlotCount>,

    /// Offer this property to actions that require it, in addition to `OSFamily` and `ISA`
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::<Property>)]
    property: Vec<Property>,

    /// Keep inputs and run actions in this directory, which no other worker may use (default:
    /// maelstrom/worker in the user's cache directory)
    #[arg(long, value_name = "DIR", value_parser = value::<DirectoryPath>)]
    cache_root: Option<DirectoryPath>,

    /// Keep at most this much of inputs (default: 10 GiB)
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>)]
    cache_size: Option<ByteSize>,

    /// Print all configuration values and where they come from
    #[arg(short = 'P', long)]
    print_config: bool,

    #[command(flatten)]
    shared: SharedArguments,

    #[command(flatten)]
    about: AboutArguments,
}

/// The definition of the command line.
pub fn command() -> clap::Command {
    WorkerArguments::command()
}

/// The settings of a worker, and whether to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerOptions {
    pub action: WorkerAction,
    pub slots: usize,
    pub properties: Vec<Property>,
    pub cache_root: PathBuf,
    /// In bytes.
    pub cache_size: u64,
    pub log_level: LogLevel,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerAction {
    /// Serve this engine.
    Work(EngineSettings),
    /// Print this text.
    PrintConfig(String),
}

impl WorkerOptions {
    /// The options on the command line of this process.
    pub fn of_process() -> Result<Self, CommandLineError> {
        Self::parse(std::env::args_os(), &ProcessEnvironment::of_process())
    }

    /// Reads a command line, the program's name included.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let arguments = WorkerArguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
        arguments.about.print(|| vec![command()])?;
        let mut values = arguments.shared.read_config(&PROGRAM, environment)?;
        let engine = arguments.remote.decide(&mut values)?;
        let slots = values.take_argument("slots", arguments.slots, SlotCount(environment.cpus))?;
        let properties = List::given(arguments.property);
        let properties = values.take_argument("property", properties, List::default())?;
        let cache_root = values.take_argument(
            "cache-root",
            arguments.cache_root,
            DirectoryPath(environment.user_cache().join("worker")),
        )?;
        let cache_size =
            values.take_argument("cache-size", arguments.cache_size, ByteSize(10 << 30))?;
        let log_level =
            values.take_argument("log-level", arguments.shared.log_level, LogLevel::Info)?;
        let text = values.finish()?;
        let action = if arguments.print_config {
            WorkerAction::PrintConfig(text)
        } else {
            WorkerAction::Work(engine.ok_or_else(no_engine)?)
        };
        Ok(Self {
            action,
            slots: slots.value.get(),
            properties: properties.value.into_items(),
            cache_root: cache_root.value.into_path(),
            cache_size: cache_size.value.bytes(),
            log_level: log_level.value,
        })
    }
}

fn no_engine() -> CommandLineError {
    CommandLineError::usage::<WorkerArguments>(
        ErrorKind::MissingRequiredArgument,
        "no engine is named: add --remote grpc://HOST:PORT/INSTANCE, or set `remote` in the \
         configuration",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn parse(
        words: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<WorkerOptions, CommandLineError> {
        let none = [("XDG_CONFIG_DIRS", "/nonexistent"), ("HOME", "/home/me")];
        let variables = none.iter().chain(variables);
        let environment = ProcessEnvironment {
            variables: variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cpus: NonZeroU32::new(3).unwrap(),
        };
        let words = ["maelstrom-worker"].iter().chain(words).map(Into::into);
        WorkerOptions::parse(words, &environment)
    }

    #[test]
    fn an_engine_is_all_that_a_worker_must_be_told() {
        let options = parse(&["--remote", "grpc://engine:50051/main"], &[]).unwrap();
        assert_eq!(options.slots, 3);
        assert_eq!(
            options.cache_root,
            PathBuf::from("/home/me/.cache/maelstrom/worker")
        );
        let error = parse(&[], &[]).unwrap_err().to_string();
        assert!(error.contains("add --remote grpc://HOST:PORT"), "{error}");
    }

    #[test]
    fn a_worker_has_its_own_variables_and_shares_others() {
        let variables = [
            ("MAELSTROM_REMOTE", "grpc://shared:1"),
            ("MAELSTROM_WORKER_SLOTS", "7"),
            ("MAELSTROM_WORKER_PROPERTY", "pool=a\nrack=b"),
        ];
        let options = parse(&[], &variables).unwrap();
        assert_eq!(options.slots, 7);
        assert_eq!(options.properties.len(), 2);
        let WorkerAction::Work(engine) = options.action else {
            panic!("{options:?}")
        };
        assert_eq!(engine.endpoint.host, "shared");
    }

    #[test]
    fn a_wrong_endpoint_says_what_to_write() {
        let error = parse(&["--remote", "engine:50051"], &[]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("write `grpc://`"), "{error}");
    }
}
