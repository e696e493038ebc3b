//! A documentation test, and its result or executable.

use crate::listing::ListedTest;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// A documentation test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctest {
    pub listed: ListedTest,
    pub end: DoctestEnd,
}

/// How a documentation test ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoctestEnd {
    /// The result is that of this executable.
    Executable {
        path: Utf8PathBuf,
        /// The number of the test, if the executable holds several.
        number: Option<usize>,
        should_panic: bool,
    },
    /// The code was compiled, or was not and should not be.
    Passed,
    /// The code was not compiled, or was and should not be. Rustdoc printed this.
    Failed(String),
    /// Its source marks it as ignored, and rustdoc was not told to run ignored tests.
    Ignored,
    /// Only its name was asked for.
    Unknown,
}

impl DoctestEnd {
    pub fn has_program(&self) -> bool {
        matches!(self, Self::Executable { .. })
    }
}

impl Doctest {
    /// `name`: that of rustdoc, which breaks the lines of long types. This name has one line.
    pub fn new(name: &str, end: DoctestEnd) -> Self {
        let ignored = end == DoctestEnd::Ignored;
        let name = name.replace('\n', "");
        Self {
            listed: ListedTest { name, ignored },
            end,
        }
    }
}
