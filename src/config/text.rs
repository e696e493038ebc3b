//! Values that are strings: directories, files, platform properties.

use super::value::ConfigValue;
use std::path::{Path, PathBuf};

/// The path of a directory, absolute or relative to the working directory of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryPath(pub PathBuf);

impl DirectoryPath {
    pub fn into_path(self) -> PathBuf {
        self.0
    }
}

impl ConfigValue for DirectoryPath {
    fn expected() -> String {
        "the path of a directory".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        non_empty_path(text).map(Self)
    }

    fn relative_to(self, directory: &Path) -> Self {
        Self(directory.join(self.0))
    }

    fn to_toml(&self) -> String {
        toml_string(&self.0.to_string_lossy())
    }
}

/// The path of a file, absolute or relative to the working directory of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl FilePath {
    pub fn into_path(self) -> PathBuf {
        self.0
    }
}

impl ConfigValue for FilePath {
    fn expected() -> String {
        "the path of a file".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        non_empty_path(text).map(Self)
    }

    fn relative_to(self, directory: &Path) -> Self {
        Self(directory.join(self.0))
    }

    fn to_toml(&self) -> String {
        toml_string(&self.0.to_string_lossy())
    }
}

/// A pattern of names of variables, which is a glob: `*`, `?`, `[ab]` and `{one,other}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariablePattern(String);

impl VariablePattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ConfigValue for VariablePattern {
    fn expected() -> String {
        "a pattern of names of variables, such as `DATABASE_*`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        let is_pattern =
            !text.is_empty() && !text.contains('=') && globset::Glob::new(text).is_ok();
        is_pattern.then(|| Self(text.to_owned()))
    }

    fn to_toml(&self) -> String {
        toml_string(&self.0)
    }
}

/// A platform property of a worker or an action, such as `pool=arm`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Property {
    pub key: String,
    pub value: String,
}

impl ConfigValue for Property {
    fn expected() -> String {
        "KEY=VALUE, such as `pool=arm`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        let (key, value) = text.trim().split_once('=')?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        (!key.is_empty()).then_some(Self { key, value })
    }

    fn to_toml(&self) -> String {
        toml_string(&format!("{}={}", self.key, self.value))
    }
}

fn non_empty_path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

pub fn toml_string(text: &str) -> String {
    ::toml::Value::String(text.to_owned()).to_string()
}
