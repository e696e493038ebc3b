//! Errors in the configuration.

use super::setting::SettingSource;
use std::{io, path::PathBuf};

/// An error in the configuration. The message names its source.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "cannot read the configuration file {}: {error}; name another with --config-file, or `-` for none",
        path.display()
    )]
    Unreadable { path: PathBuf, error: io::Error },

    /// The file is not TOML. The message is that of the TOML parser.
    #[error("{at}: {message}")]
    Syntax { at: SettingSource, message: String },

    #[error("{at}: unknown key `{key}`; the keys are {known}")]
    UnknownKey {
        at: SettingSource,
        key: String,
        known: String,
    },

    #[error("{at}: `{text}` is not a value for `{name}`: expected {expected}")]
    BadValue {
        at: SettingSource,
        name: &'static str,
        /// The text of the value in its source.
        text: String,
        expected: String,
    },
}

impl ConfigError {
    /// Whether the error is that the file does not exist.
    pub fn is_missing_file(&self) -> bool {
        use io::ErrorKind::{NotADirectory, NotFound};
        matches!(self, Self::Unreadable { error, .. } if matches!(error.kind(), NotFound | NotADirectory))
    }
}
