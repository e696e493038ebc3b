//! What a test needs of this machine that its container does not have.
//!
//! [`derive()`] finds in the facts of an observed run what the test may need, [`Needs::add_to`] adds
//! needs to the specification of a test, and [`KnownNeeds`] keeps them from one run to the next.
//! This room proves nothing: whether a test really needs something is known when it has been run
//! with and without it.

mod derive;
mod known;
mod variables;

pub use derive::{Candidates, ClientMachine, LINKERS, TOOLCHAIN_PROGRAMS, derive};
pub use known::{KnownNeeds, KnownNeedsError, NeedsRecord};
pub use variables::{NamesInFiles, client_variables};

use crate::directive::TestSpec;
use crate::spec::{LayerSpec, PrefixOptions, escaped_path};
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The name that stands for the whole toolchain in a layer of programs.
pub const TOOLCHAIN: &str = "cargo";

/// The names that a short text lists.
const SHOWN: usize = 4;

/// One thing of this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// The toolchain of the workspace: Cargo, the compiler and a linker.
    Toolchain,
    /// A program with its interpreter and libraries, by its name on the client's `PATH` or by its
    /// absolute path.
    Program(String),
    /// All files below a directory, by its absolute path.
    Directory(Utf8PathBuf),
    /// A file, by its absolute path.
    File(Utf8PathBuf),
    /// A variable of the client, by its name.
    Variable(String),
}

/// The needs of one test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Needs(pub BTreeSet<Need>);

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These needs and the others.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).cloned().collect())
    }

    /// Adds layers and variables for these needs to the specification of a test.
    pub fn add_to(&self, spec: &mut TestSpec) {
        let mut programs = Vec::new();
        let mut paths = Vec::new();
        for need in &self.0 {
            match need {
                Need::Toolchain => programs.push(TOOLCHAIN.to_owned()),
                Need::Program(program) => programs.push(program.clone()),
                Need::File(path) => paths.push(escaped_path(path)),
                Need::Directory(directory) => spec.container.layers.push(LayerSpec::Glob {
                    glob: everything_below(escaped_path(directory).as_str()),
                    prefix: PrefixOptions::default(),
                }),
                Need::Variable(name) => {
                    let pattern = escape_glob(name);
                    if !spec.pass_environment.contains(&pattern) {
                        spec.pass_environment.push(pattern);
                    }
                }
            }
        }
        if !programs.is_empty() {
            spec.container.layers.push(LayerSpec::Programs { programs });
        }
        if !paths.is_empty() {
            spec.container.layers.push(LayerSpec::Paths {
                paths,
                prefix: PrefixOptions {
                    follow_symlinks: true,
                    ..PrefixOptions::default()
                },
            });
        }
    }
}

/// The glob of all files below a directory. Placeholders in the path are kept.
pub fn everything_below(directory: &str) -> String {
    format!("{}/**", escape_glob(directory))
}

/// Text as a glob that matches only this text.
pub fn escape_glob(text: &str) -> String {
    globset::escape(text)
}

impl fmt::Display for Need {
    /// The name for a person: of a program, the path of a file, the path
    /// of a directory with a slash at its end, `$NAME` for a variable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toolchain => f.write_str("toolchain"),
            Self::Program(name) => f.write_str(name),
            Self::Directory(path) => write!(f, "{path}/"),
            Self::File(path) => write!(f, "{path}"),
            Self::Variable(name) => write!(f, "${name}"),
        }
    }
}

impl fmt::Display for Needs {
    /// The first names, as in `git, /usr/share/git-core/ and 2 more`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.0.iter().take(SHOWN).map(Need::to_string).collect();
        f.write_str(&shown.join(", "))?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
