//! The command line of `cargo maelstrom`: from words to [`TestOptions`].
//!
//! Only `arguments`, `cargo_arguments` and `options` use the parser library. Nothing here depends on
//! a workspace.

mod after_dashes;
mod arguments;
mod cargo_arguments;
mod foreign;
mod habits;
mod name_filter;
mod nextest;
mod options;
mod patterns;
mod settings;

pub use arguments::{MessageFormat, RunIgnored};
pub use cargo_arguments::{CargoArguments, CargoMessageFormat};
pub use name_filter::NameFilter;
pub use options::{CacheOptions, Selection, ShimOptions, TestAction, TestOptions};
pub use patterns::{Excluded, Exclusion, RawPattern, divide};
pub use settings::Settings;

use crate::config::{CommandLineError, ProcessEnvironment};
use arguments::{CleanArguments, DoctorArguments, ShimArguments, TestArguments};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use std::ffi::{OsStr, OsString};

/// The meaning of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Test(Box<TestOptions>),
    Doctor(Box<CacheOptions>),
    Clean(Box<CacheOptions>),
    Shim(ShimOptions),
}

impl Request {
    /// Reads the command line of this process.
    pub fn of_process() -> Result<Self, CommandLineError> {
        Self::parse(std::env::args_os(), &ProcessEnvironment::of_process())
    }

    /// Reads a command line, the program's name included.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let mut words: Vec<_> = words.into_iter().collect();
        if nextest::is_called(&words) {
            words = nextest::translated(words)?;
        }
        let is_first = |words: &[OsString], word| words.get(1).is_some_and(|first| first == word);
        if is_first(&words, OsStr::new("maelstrom")) {
            // Cargo calls `cargo-maelstrom maelstrom …`.
            words.remove(1);
        }
        if is_first(&words, OsStr::new("doctor")) {
            words.remove(1);
            let arguments =
                DoctorArguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
            let options = CacheOptions::new(arguments.cache, environment)?;
            return Ok(Self::Doctor(Box::new(options)));
        }
        if is_first(&words, OsStr::new("clean")) {
            words.remove(1);
            let arguments =
                CleanArguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
            let options = CacheOptions::new(arguments.cache, environment)?;
            return Ok(Self::Clean(Box::new(options)));
        }
        if is_first(&words, OsStr::new("shim")) {
            words.remove(1);
            let arguments =
                ShimArguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
            let mut command = arguments.command.into_iter();
            let options = ShimOptions {
                program: command.next().unwrap_or_default(),
                arguments: command.collect(),
            };
            return Ok(Self::Shim(options));
        }
        if let Some(explanation) = habits::explanation(words.get(1..).unwrap_or_default()) {
            return Err(usage(explanation));
        }
        let matches = TestArguments::command()
            .try_get_matches_from(words)
            .map_err(of_parser)?;
        Ok(Self::Test(Box::new(TestOptions::new(
            &matches,
            environment,
        )?)))
    }
}

/// An error in the command line that clap does not detect, in the format of clap.
fn usage(message: impl std::fmt::Display) -> CommandLineError {
    CommandLineError::usage::<TestArguments>(ErrorKind::ValueValidation, message)
}

/// An error of the parser. Some get a better explanation than that of clap.
fn of_parser(mut error: clap::Error) -> CommandLineError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    let explanation = match error.kind() {
        ErrorKind::UnknownArgument => foreign::explanation(&argument),
        ErrorKind::InvalidValue if argument.starts_with("--message-format ") => {
            foreign::message_format(&text(ContextKind::InvalidValue))
        }
        _ => None,
    };
    if let Some(explanation) = explanation {
        return usage(explanation);
    }
    if error.kind() == ErrorKind::UnknownArgument {
        error.remove(ContextKind::SuggestedArg);
        if let Some(similar) = similar_option(&argument) {
            error.insert(ContextKind::SuggestedArg, ContextValue::String(similar));
        }
        // clap would call the argument a value.
        let tip = format!("to hand '{argument}' to the test binaries, write '-- {argument}'");
        let tips = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    CommandLineError::Usage(error)
}

/// The most similar option, with its dashes. The suggestions of clap are less similar, such as
/// `--features` for `--retries`.
fn similar_option(written: &str) -> Option<String> {
    let written = written.strip_prefix("--")?;
    let command = TestArguments::command();
    let names = command
        .get_arguments()
        .filter_map(clap::Arg::get_long_and_visible_aliases);
    names
        .flatten()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= name.chars().count() / 3)
        .min()
        .map(|(_, name)| format!("--{name}"))
}
