//! A value together with where it was found.

use std::{fmt, path::PathBuf};

/// A value that has been decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub source: Source,
}

impl<T> Setting<T> {
    /// A value given by the command-line option called `option`.
    pub fn given(option: &'static str, value: T) -> Self {
        Self {
            value,
            source: Source::Option(option),
        }
    }
}

/// Where a value was found. Displayed as a person would look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A command-line option, with its dashes.
    Option(&'static str),
    /// An environment variable, by name.
    Environment(String),
    /// A configuration file; line and column are counted from 1.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    Default,
}

impl fmt::Display for Source {
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
