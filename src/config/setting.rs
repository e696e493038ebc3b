//! A setting: a value with its source.

use std::{fmt, path::PathBuf};

/// The value of a setting, and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub source: SettingSource,
}

impl<T> Setting<T> {
    /// The setting of a test for which a directive may have another value.
    pub fn or_of_directive(&self, of_directive: Option<T>) -> T
    where
        T: Copy,
    {
        match of_directive {
            Some(value) if !self.overrides_directives() => value,
            _ => self.value,
        }
    }

    /// Whether the value was given for this run, by an option or a variable of the environment. It then
    /// also replaces what directives say.
    pub fn overrides_directives(&self) -> bool {
        matches!(
            self.source,
            SettingSource::Option(_) | SettingSource::Environment(_)
        )
    }

    /// A value of the command-line option `option`.
    pub fn given(option: impl Into<String>, value: T) -> Self {
        Self {
            value,
            source: SettingSource::Option(option.into()),
        }
    }
}

/// The source of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// A command-line option, with its dashes.
    Option(String),
    /// An environment variable, by name.
    Environment(String),
    /// A position in a configuration file. Line and column are counted from 1.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    Default,
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(option) => write!(f, "option {option}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Default => f.write_str("default"),
        }
    }
}
