//! Values that are text in the configuration: directories, files, properties of machines.

use super::value::Value;
use std::path::PathBuf;

/// A directory, absolute or relative to where the program was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(pub PathBuf);

impl Value for Directory {
    fn expected() -> String {
        "the path of a directory".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    fn to_toml(&self) -> String {
        ::toml::Value::String(self.0.to_string_lossy().into_owned()).to_string()
    }
}

/// A file, absolute or relative to where the program was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl Value for FilePath {
    fn expected() -> String {
        "the path of a file".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    fn to_toml(&self) -> String {
        ::toml::Value::String(self.0.to_string_lossy().into_owned()).to_string()
    }
}

/// What a worker offers, or an action wants, such as `pool=arm`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Property {
    pub key: String,
    pub value: String,
}

impl Value for Property {
    fn expected() -> String {
        "KEY=VALUE, such as `pool=arm`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        let (key, value) = text.trim().split_once('=')?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        (!key.is_empty()).then_some(Self { key, value })
    }

    fn to_toml(&self) -> String {
        ::toml::Value::String(format!("{}={}", self.key, self.value)).to_string()
    }
}
