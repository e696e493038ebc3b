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

    #[error("{at}: unknown key `{key}`; {}", remedy(near.as_deref(), known))]
    UnknownKey {
        at: SettingSource,
        key: String,
        /// The known key that is probably meant.
        near: Option<String>,
        known: String,
    },

    #[error(
        "{at}: a configuration file has no profiles; they are in maelstrom-test.toml, which \
         `cargo maelstrom --init` makes from a configuration of cargo-nextest"
    )]
    ProfileInFile { at: SettingSource },

    #[error("{at}: `{text}` is not a value for `{name}`: {problem}")]
    BadValue {
        at: SettingSource,
        name: &'static str,
        /// The text of the value in its source.
        text: String,
        /// The mistake, or the expected values.
        problem: String,
    },

    #[error(
        "{at}: `{name}` is another name of `{other}`, which is set there too; leave one of them out"
    )]
    SetTwice {
        at: SettingSource,
        name: &'static str,
        other: &'static str,
    },

    #[error("{at}: there is no profile `{name}`{place}")]
    UnknownProfile {
        at: SettingSource,
        name: String,
        /// The end of the sentence: the file, and the profiles that it has.
        place: String,
    },

    #[error("{at}: `{name}` is not a table; a profile is a table `[profile.NAME]`")]
    NotAProfile { at: SettingSource, name: String },

    #[error("{at}: the profile `{name}` would inherit from itself")]
    CircularProfiles { at: SettingSource, name: String },

    #[error(
        "{at}: the profile `default` inherits from no other; the other profiles inherit from it"
    )]
    DefaultProfileInherits { at: SettingSource },
}

fn remedy(near: Option<&str>, known: &str) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys are {known}"),
    }
}

impl ConfigError {
    /// Whether the error is that the file does not exist.
    pub fn is_missing_file(&self) -> bool {
        use io::ErrorKind::{NotADirectory, NotFound};
        matches!(self, Self::Unreadable { error, .. } if matches!(error.kind(), NotFound | NotADirectory))
    }
}
