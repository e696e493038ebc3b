//! Directories as configuration values.

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
