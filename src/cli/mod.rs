//! The command lines of the programs: from words to [`Options`] and [`JobOptions`].
//!
//! The parser library is known in `arguments`, `cargo_arguments`, `jobs` and `error` (and read in
//! `options`); everything else in the house sees plain types. Nothing is decided here that needs to
//! look at a workspace.

mod after_dashes;
mod arguments;
mod cargo_arguments;
mod cluster;
mod error;
mod exit_code;
mod foreign;
mod habits;
mod images;
mod jobs;
mod name_filter;
mod options;
mod patterns;
mod remote;
mod settings;
mod worker;

pub use arguments::{MessageFormat, RunIgnored};
pub use cargo_arguments::{CargoArguments, CargoMessageFormat};
pub use error::CliError;
pub use exit_code::ExitCode;
pub use jobs::{JobAction, JobOptions};
pub use name_filter::NameFilter;
pub use options::{Action, DoctorOptions, Options, Selection};
pub use patterns::{Excluded, Exclusion, RawPattern, divide};
pub use remote::RemoteArguments;
pub use settings::Settings;
pub use worker::{WorkerAction, WorkerOptions};

use crate::config::Surroundings;
use arguments::{Arguments, DoctorArguments};
use clap::{CommandFactory, Parser};
use std::ffi::{OsStr, OsString};

/// What the program was called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Test(Box<Options>),
    Doctor(Box<DoctorOptions>),
}

impl Request {
    /// As this process was called.
    pub fn of_process() -> Result<Self, CliError> {
        Self::parse(std::env::args_os(), &Surroundings::of_process())
    }

    /// Reads a command line, the program's name included.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        surroundings: &Surroundings,
    ) -> Result<Self, CliError> {
        let mut words: Vec<_> = words.into_iter().collect();
        let is_first = |words: &[OsString], word| words.get(1).is_some_and(|first| first == word);
        if is_first(&words, OsStr::new("maelstrom")) {
            // Cargo calls `cargo-maelstrom maelstrom …`.
            words.remove(1);
        }
        if is_first(&words, OsStr::new("doctor")) {
            words.remove(1);
            let arguments = DoctorArguments::try_parse_from(words).map_err(CliError::Usage)?;
            let options = DoctorOptions::new(arguments, surroundings)?;
            return Ok(Self::Doctor(Box::new(options)));
        }
        if let Some(explanation) = habits::explanation(words.get(1..).unwrap_or_default()) {
            return Err(CliError::usage(explanation));
        }
        let matches = Arguments::command()
            .try_get_matches_from(words)
            .map_err(CliError::of_parser)?;
        Ok(Self::Test(Box::new(Options::new(&matches, surroundings)?)))
    }
}
