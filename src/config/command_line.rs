//! What the command lines of the programs share: options that all of them have, how a value on
//! the command line is parsed, and what can be wrong.
//!
//! The parser library is known in the files of command lines alone; everything else sees plain
//! types.

use super::{Choice, ConfigError, LogLevel, Setting, Value};
use crate::process::{ExitCode, to_stderr};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory, error::ErrorKind};
use std::path::PathBuf;

/// Options that every program has.
#[derive(Debug, clap::Args)]
pub struct SharedArguments {
    /// Read this configuration file instead of the usual ones; `-`: none
    #[arg(short, long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// How much the log on stderr says
    #[arg(short = 'L', long, value_name = "LEVEL", value_parser = text_value::<LogLevel>())]
    pub log_level: Option<LogLevel>,
}

/// A parser of one of a few words, which clap then lists in help and errors.
pub fn text_value<T: Choice>() -> impl TypedValueParser<Value = T> {
    let words = T::CHOICES.iter().map(|(word, _)| *word);
    PossibleValuesParser::new(words)
        .try_map(|word| T::named(&word).ok_or_else(|| format!("expected {}", T::expected())))
}

/// Parses a value of the command line; the error says what is expected.
pub fn value<T: Value>(text: &str) -> Result<T, String> {
    T::from_text(text).ok_or_else(|| format!("expected {}", T::expected()))
}

/// A value that the command line may have given.
pub fn given<T>(option: &'static str, value: Option<T>) -> Option<Setting<T>> {
    value.map(|value| Setting::given(option, value))
}

/// The value that an option without an argument stands for, if it was given.
pub fn switch<T>(option: &'static str, on: bool, value: T) -> Option<Setting<T>> {
    on.then(|| Setting::given(option, value))
}

/// Why a command line cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum CommandLineError {
    /// A wrong command line; or none, where help or the version was asked for.
    #[error("{0}")]
    Usage(clap::Error),
    #[error("{0}")]
    Config(#[from] ConfigError),
}

impl CommandLineError {
    /// A mistake in the command line of `A` that clap does not see, in clap's words.
    pub fn usage<A: CommandFactory>(kind: ErrorKind, message: impl std::fmt::Display) -> Self {
        Self::Usage(A::command().error(kind, message))
    }

    /// Prints the message: what was asked for to stdout, errors to stderr. Returns the exit code
    /// to end with.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // A closed stream is no error: its reader does not want to know.
                let _ = error.print();
            }
            Self::Config(error) => to_stderr(format_args!("error: {error}")),
        }
        self.exit_code()
    }

    /// The exit code to end with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(error) if !error.use_stderr() => ExitCode::Success,
            Self::Usage(_) | Self::Config(_) => ExitCode::SetUp,
        }
    }
}
