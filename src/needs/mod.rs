//! What a test needs of this machine that its container does not have.
//!
//! [`derive()`] finds in the facts of an observed run what the test may need, [`Needs::add_to`] adds
//! needs to the specification of a test, and [`KnownNeeds`] keeps them from one run to the next.
//! [`learn`] turns them into directives, which [`merge`](fn@merge) adds to a file. This room proves
//! nothing: whether a test really needs something is known when it has been run with and without
//! it.

mod derive;
mod known;
mod learning;
mod search_path;
mod variables;

pub use derive::{
    Candidates, ClientMachine, DATA_DIRECTORIES, LINKERS, OF_CONTAINER, TOOLCHAIN_PROGRAMS, derive,
};
pub use known::{KnownNeeds, KnownNeedsError, NeedsRecord};
pub use learning::{
    CommentedDirective, Learned, LearnedDirective, Places, Suite, SuiteTest, absent_needs, learn,
    merge,
};
pub use search_path::{is_set as has_search_path, of_client as client_search_path};
pub use variables::{NamesInFiles, client_variables, may_be_secret};

use crate::directive::TestSpec;
use crate::spec::{EnvironmentStep, LayerSpec, PrefixOptions, escaped_path};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The name that stands for the whole toolchain in a layer of programs.
pub const TOOLCHAIN: &str = "cargo";

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
    /// The name and address of somebody who makes commits, as [`git_identity`], in this file, where
    /// Git looks for the configuration of the machine.
    #[serde(rename = "git-identity")]
    GitIdentity(Utf8PathBuf),
}

/// The needs of one test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Needs(pub BTreeSet<Need>);

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names for people, in a reader's order: first the toolchain, programs and variables, then
    /// directories and files. Paths below `workspace` are relative to it.
    pub fn names(&self, workspace: &Utf8Path) -> Vec<String> {
        let (paths, names): (Vec<_>, Vec<_>) =
            (self.0.iter()).partition(|need| matches!(need, Need::Directory(_) | Need::File(_)));
        let relative = |need: &Need| {
            let name = need.to_string();
            let relative = name.strip_prefix(workspace.as_str());
            let relative = relative.and_then(|rest| rest.strip_prefix('/'));
            relative.map_or_else(|| name.clone(), str::to_owned)
        };
        names.into_iter().chain(paths).map(relative).collect()
    }

    /// The names of variables that may be secret.
    pub fn secrets(&self) -> Vec<String> {
        let secrets = self.0.iter().filter_map(|need| match need {
            Need::Variable(name) if may_be_secret(name) => Some(name.clone()),
            _ => None,
        });
        secrets.collect()
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
        let mut identities = BTreeMap::new();
        for need in &self.0 {
            match need {
                Need::Toolchain => programs.push(TOOLCHAIN.to_owned()),
                Need::Program(program) => {
                    programs.push(escaped_path(Utf8Path::new(program)).into_string());
                }
                Need::File(path) => paths.push(escaped_path(path)),
                Need::Directory(directory) => spec.container.layers.push(LayerSpec::Glob {
                    glob: everything_below(escaped_path(directory).as_str()),
                    prefix: PrefixOptions::default(),
                }),
                Need::GitIdentity(file) => {
                    identities.insert(escaped_path(file), git_identity());
                }
                Need::Variable(name) => {
                    let pattern = escape_glob(name);
                    if !spec.pass_environment.contains(&pattern) {
                        spec.pass_environment.push(pattern);
                    }
                }
            }
        }
        let client_path = search_path::of_client();
        let directories = self.search_path(&client_path, &spec.container.environment);
        if !directories.is_empty() {
            let previous = search_path::PREVIOUS_OR_DEFAULT;
            let path = search_path::with_directories(previous, &directories);
            spec.container.environment.push(EnvironmentStep {
                vars: BTreeMap::from([("PATH".to_owned(), path)]),
                extend: true,
            });
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
        // They take the place of files of this machine.
        if !identities.is_empty() {
            let files = identities;
            spec.container.layers.push(LayerSpec::Files { files });
        }
    }
}

/// The configuration of Git that tests get in place of the user's own. It is the same for
/// everybody, so that no test depends on who runs it.
pub fn git_identity() -> String {
    "[user]\n\tname = Test\n\temail = test@example.org\n".to_owned()
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
            Self::GitIdentity(_) => f.write_str("git identity"),
        }
    }
}
