//! What can be wrong with how the program was called.

use super::{arguments::Arguments, exit_code::ExitCode, foreign};
use crate::config::ConfigError;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Why there is nothing to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A wrong command line; or none, where help or the version was asked for.
    #[error("{0}")]
    Usage(clap::Error),
    #[error("{0}")]
    Config(#[from] ConfigError),
}

impl CliError {
    /// What the parser found wrong, and what to do about it if that is known better here.
    pub(super) fn of_parser(mut error: clap::Error) -> Self {
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
            return Self::usage(explanation);
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
        Self::Usage(error)
    }

    /// A wrong command line that clap does not see, in clap's words.
    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        Self::Usage(Arguments::command().error(ErrorKind::ValueValidation, message))
    }

    /// Prints the message: what was asked for to stdout, errors to stderr. Returns the exit code to
    /// end with.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // Whoever closed the stream does not want to know.
                let _ = error.print();
            }
            Self::Config(error) => crate::report::to_stderr(format_args!("error: {error}")),
        }
        self.exit_code()
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(error) if !error.use_stderr() => ExitCode::Success,
            Self::Usage(_) | Self::Config(_) => ExitCode::SetUp,
        }
    }
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
