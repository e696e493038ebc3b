//! What can be wrong with a configuration.

use super::setting::Source;
use std::{io, path::PathBuf};

/// A mistake in the configuration. The message names the source.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "cannot read the configuration file {}: {error}; name another with --config-file, or `-` for none",
        path.display()
    )]
    Unreadable { path: PathBuf, error: io::Error },

    /// The file is not TOML; what is wrong is the TOML parser's word.
    #[error("{at}: {message}")]
    Syntax { at: Source, message: String },

    #[error("{at}: unknown key `{key}`; the keys are {known}")]
    UnknownKey {
        at: Source,
        key: String,
        known: String,
    },

    #[error("{at}: `{written}` is not a value for `{name}`: expected {expected}")]
    BadValue {
        at: Source,
        name: &'static str,
        /// As it stands there.
        written: String,
        expected: String,
    },
}

impl ConfigError {
    /// Whether all that is wrong is that there is no such file.
    pub fn is_missing_file(&self) -> bool {
        use io::ErrorKind::{NotADirectory, NotFound};
        matches!(self, Self::Unreadable { error, .. } if matches!(error.kind(), NotFound | NotADirectory))
    }
}
