//! What can be wrong with how the program was called.

use super::{arguments::Arguments, exit_code::ExitCode};
use crate::config::ConfigError;
use clap::{CommandFactory, error::ErrorKind};

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
