//! The command line of `cargo maelstrom`: from words to [`Options`].
//!
//! The parser library is known in `arguments` and `cargo_arguments` (and read in `options`).
//! Nothing is decided here that needs to look at a workspace.

mod after_dashes;
mod arguments;
mod cargo_arguments;
mod foreign;
mod habits;
mod name_filter;
mod options;
mod patterns;
mod settings;

pub use arguments::{MessageFormat, RunIgnored};
pub use cargo_arguments::{CargoArguments, CargoMessageFormat};
pub use name_filter::NameFilter;
pub use options::{Action, DoctorOptions, Options, Selection};
pub use patterns::{Excluded, Exclusion, RawPattern, divide};
pub use settings::Settings;

use crate::config::{CommandLineError, ProcessEnvironment};
use arguments::{Arguments, DoctorArguments};
use clap::error::{ContextKind, ContextValue, ErrorKind};
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
    pub fn of_process() -> Result<Self, CommandLineError> {
        Self::parse(std::env::args_os(), &ProcessEnvironment::of_process())
    }

    /// Reads a command line, the program's name included.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let mut words: Vec<_> = words.into_iter().collect();
        let is_first = |words: &[OsString], word| words.get(1).is_some_and(|first| first == word);
        if is_first(&words, OsStr::new("maelstrom")) {
            // Cargo calls `cargo-maelstrom maelstrom …`.
            words.remove(1);
        }
        if is_first(&words, OsStr::new("doctor")) {
            words.remove(1);
            let arguments =
                DoctorArguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
            let options = DoctorOptions::new(arguments, environment)?;
            return Ok(Self::Doctor(Box::new(options)));
        }
        if let Some(explanation) = habits::explanation(words.get(1..).unwrap_or_default()) {
            return Err(usage(explanation));
        }
        let matches = Arguments::command()
            .try_get_matches_from(words)
            .map_err(of_parser)?;
        Ok(Self::Test(Box::new(Options::new(&matches, environment)?)))
    }
}

/// A mistake in the command line that clap does not see, in clap's words.
fn usage(message: impl std::fmt::Display) -> CommandLineError {
    CommandLineError::usage::<Arguments>(ErrorKind::ValueValidation, message)
}

/// What the parser found wrong, and what to do about it if that is known better here.
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
        // The parser says "as a value", which it would not be.
        let tip = format!("to hand '{argument}' to the test binaries, write '-- {argument}'");
        let tips = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    CommandLineError::Usage(error)
}

/// The option that was probably meant, with its dashes. The parser's own idea of what is similar
/// goes as far as `--features` for `--retries`.
fn similar_option(written: &str) -> Option<String> {
    let written = written.strip_prefix("--")?;
    let command = Arguments::command();
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
