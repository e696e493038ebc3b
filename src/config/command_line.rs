//! The common part of the programs' command lines: shared options, parsers of values, and errors.
//!
//! Only the files about command lines, with their completions and manual pages, use the parser library;
//! all others use plain types.

use super::completion::CompletionShell;
use super::manual::manual_page;
use super::{
    Choice, ConfigError, ConfigFile, ConfigValue, LogLevel, ProcessEnvironment, ProgramNames,
    Setting, Values,
};
use crate::process::{ExitCode, error_chain, to_stderr, to_stdout};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory, error::ErrorKind};
use std::error::Error;
use std::path::PathBuf;

/// Options that every program has.
#[derive(Debug, clap::Args)]
pub struct SharedArguments {
    /// Read this configuration file instead of the usual ones; `-`: none
    #[arg(short, long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// Level of the log on stderr
    #[arg(short = 'L', long, value_name = "LEVEL", value_parser = text_value::<LogLevel>())]
    pub log_level: Option<LogLevel>,
}

impl SharedArguments {
    /// Reads the configuration files. The result gives the settings of the program.
    pub fn read_config<'a>(
        &self,
        program: &'static ProgramNames,
        environment: &'a ProcessEnvironment,
    ) -> Result<Values<'a>, ConfigError> {
        let file = ConfigFile::from_option(self.config_file.clone());
        Values::read(program, environment, &file)
    }
}

/// Options that print something about the program itself.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "About this program")]
pub struct AboutArguments {
    /// Print a script for this shell that completes the command line
    #[arg(long, value_name = "SHELL", exclusive = true, hide_short_help = true, value_parser = text_value::<CompletionShell>())]
    pub completions: Option<CompletionShell>,

    /// Print the manual page, in the format of man
    #[arg(long, exclusive = true, hide_short_help = true)]
    pub man: bool,
}

impl AboutArguments {
    /// Prints what the options ask for: then the result is an error with the text. `pages`: the
    /// command lines that the manual page describes, that of the program first.
    pub fn print(self, pages: impl FnOnce() -> Vec<clap::Command>) -> Result<(), CommandLineError> {
        if self.completions.is_none() && !self.man {
            return Ok(());
        }
        let pages = pages();
        let program = pages.first().map(|page| page.get_name().to_owned());
        let text = match self.completions {
            Some(shell) => shell.script(&program.unwrap_or_default()),
            None => manual_page(&pages),
        };
        Err(CommandLineError::Text(text))
    }
}

/// A parser of a choice. clap lists the words in help and errors.
pub fn text_value<T: Choice>() -> impl TypedValueParser<Value = T> {
    let values = T::VARIANTS.iter().map(|choice| {
        let name = choice.name();
        let others = T::OTHER_WORDS.iter();
        let others = others.filter(move |(_, meant)| meant.name() == name);
        PossibleValue::new(name).aliases(others.map(|(word, _)| *word))
    });
    PossibleValuesParser::new(values)
        .try_map(|word| T::named(&word).ok_or_else(|| format!("expected {}", T::expected())))
}

/// Parses a value on the command line. The error is the mistake, or names the expected values.
pub fn value<T: ConfigValue>(text: &str) -> Result<T, String> {
    let problem = || T::mistake(text).unwrap_or_else(|| format!("expected {}", T::expected()));
    T::from_text(text).ok_or_else(problem)
}

/// The setting of an optional value of an option.
pub fn given<T>(option: &'static str, value: Option<T>) -> Option<Setting<T>> {
    value.map(|value| Setting::given(option, value))
}

/// The setting of an option without an argument, which means `value`.
pub fn switch<T>(option: &'static str, on: bool, value: T) -> Option<Setting<T>> {
    on.then(|| Setting::given(option, value))
}

/// An error in the command line or the configuration.
#[derive(Debug, thiserror::Error)]
pub enum CommandLineError {
    /// An error in the command line, or a request for help or the version.
    #[error("{0}")]
    Usage(clap::Error),
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A text that the command line asks for.
    #[error("{0}")]
    Text(String),
    /// An error in the workspace that the command line is about.
    #[error("{}", error_chain(&**.0))]
    Workspace(Box<dyn Error + Send + Sync>),
}

impl CommandLineError {
    /// An error in the command line of `A` that clap does not detect, in the format of clap.
    pub fn usage<A: CommandFactory>(kind: ErrorKind, message: impl std::fmt::Display) -> Self {
        Self::Usage(A::command().error(kind, message))
    }

    /// Prints the message: help and version to stdout, errors to stderr. Returns the exit code of
    /// the program.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // A closed stream is no error: its reader has ended.
                let _ = error.print();
            }
            Self::Text(text) => to_stdout(format_args!("{}", text.trim_end())),
            Self::Config(_) | Self::Workspace(_) => to_stderr(format_args!("error: {self}")),
        }
        self.exit_code()
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Text(_) => ExitCode::Success,
            Self::Usage(error) if !error.use_stderr() => ExitCode::Success,
            Self::Usage(_) | Self::Config(_) | Self::Workspace(_) => ExitCode::SetUp,
        }
    }
}
