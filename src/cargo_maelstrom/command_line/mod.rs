//! The command line of `cargo maelstrom`: from words to [`TestOptions`].
//!
//! Nothing here depends on a workspace, except for its profiles, which are a source of settings: a
//! [`ProfileReader`] reads them.

mod after_dashes;
mod archiving;
mod arguments;
mod cargo_arguments;
pub mod commands;
mod coverage_arguments;
mod debuggers;
mod default_filter;
mod foreign;
mod habits;
mod name_filter;
mod nextest;
mod options;
mod patterns;
mod settings;

pub use arguments::{MessageFormat, RunIgnored, TimingsFile};
pub use cargo_arguments::{CargoArguments, CargoMessageFormat};
pub use coverage_arguments::CoverageOptions;
pub use default_filter::DefaultFilter;
pub use name_filter::NameFilter;
pub use nextest::NEXTEST_PROGRAM;
pub use options::{
    CacheOptions, CleanOptions, ForegroundProgram, Selection, ShimOptions, TestAction, TestOptions,
};
pub use patterns::{Excluded, Exclusion, RawPattern, divide};
pub use settings::Settings;

use crate::cargo::CargoOptions;
use crate::config::{AboutArguments, CommandLineError, ProcessEnvironment, Profiles};
use crate::process::closest;
use arguments::TestArguments;
use camino::{Utf8Path, Utf8PathBuf};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser};
use commands::{CleanArguments, DoctorArguments, MergeArguments, ShimArguments};
use std::ffi::{OsStr, OsString};

/// Reads the profiles. The second argument is whether a profile was chosen, so that there must be a
/// workspace.
pub type ProfileReader<'a> =
    &'a dyn Fn(ProfileSource<'_>, bool) -> Result<Profiles, CommandLineError>;

/// The place of the profiles.
#[derive(Clone, Copy, Debug)]
pub enum ProfileSource<'a> {
    /// The workspace to which options of Cargo belong.
    Workspace(&'a CargoOptions),
    /// An archive, which has the text of its workspace's file.
    Archive(&'a Utf8Path),
}

/// The meaning of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Test(Box<TestOptions>),
    Doctor(Box<CacheOptions>),
    Clean(Box<CleanOptions>),
    /// Put histories together in a new file.
    MergeHistories {
        output: Utf8PathBuf,
        inputs: Vec<Utf8PathBuf>,
    },
    Shim(ShimOptions),
}

impl Request {
    /// Reads the command line of this process.
    pub fn of_process(profiles: ProfileReader<'_>) -> Result<Self, CommandLineError> {
        let environment = ProcessEnvironment::of_process();
        Self::parse(std::env::args_os(), &environment, profiles)
    }

    /// Reads a command line, the program's name included.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        environment: &ProcessEnvironment,
        profiles: ProfileReader<'_>,
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
        if is_first(&words, OsStr::new("run")) {
            // As in `cargo nextest run …`.
            words.remove(1);
            return Self::test(words, false, environment, profiles);
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
            let options = CleanOptions {
                cache: CacheOptions::new(arguments.cache, environment)?,
                unused_days: arguments.images_unused_for,
            };
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
        if is_first(&words, OsStr::new("history"))
            && words.get(2).is_some_and(|word| word == "merge")
        {
            words.drain(1..3);
            let MergeArguments { output, inputs } =
                MergeArguments::try_parse_from(words).map_err(CommandLineError::Usage)?;
            return Ok(Self::MergeHistories { output, inputs });
        }
        let archives = is_first(&words, OsStr::new("archive"));
        if archives {
            words.remove(1);
        }
        Self::test(words, archives, environment, profiles)
    }

    /// `archives`: the words are those of the command `archive`.
    fn test(
        words: Vec<OsString>,
        archives: bool,
        environment: &ProcessEnvironment,
        profiles: ProfileReader<'_>,
    ) -> Result<Self, CommandLineError> {
        if let Some(explanation) = habits::explanation(words.get(1..).unwrap_or_default()) {
            return Err(usage(explanation));
        }
        let command = if archives {
            archiving::command()
        } else {
            TestArguments::command()
        };
        let matches = command.try_get_matches_from(words).map_err(of_parser)?;
        let about = AboutArguments::from_arg_matches(&matches).map_err(CommandLineError::Usage)?;
        about.print(commands::all)?;
        let options = TestOptions::new(&matches, environment, profiles, archives)?;
        Ok(Self::Test(Box::new(options)))
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
/// `--features` for `--partition`.
fn similar_option(written: &str) -> Option<String> {
    let written = written.strip_prefix("--")?;
    let command = TestArguments::command();
    let names = command
        .get_arguments()
        .filter_map(clap::Arg::get_long_and_visible_aliases);
    closest(written, names.flatten()).map(|name| format!("--{name}"))
}
