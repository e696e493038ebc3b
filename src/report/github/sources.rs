//! The source files of a repository, and links to them.

use crate::filter::{TargetKind, TestCaseName};
use crate::report::panics::{SourcePlace, panic_places, source_place};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::{Component, Path, PathBuf};

/// The characters of a file's path that are encoded in an address.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'_')
    .remove(b'-');

/// The checkout of the repository on the runner.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The directory of the package or workspace that is tested.
    start: PathBuf,
    /// The root directory of the repository (`GITHUB_WORKSPACE`).
    repository: PathBuf,
    /// The address of the files of the commit.
    address: Option<String>,
}

/// A place in a file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPlace {
    /// Relative to the root of the repository.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl Sources {
    pub fn new(start: PathBuf, variable: impl Fn(&str) -> Option<String>) -> Self {
        let repository = variable("GITHUB_WORKSPACE").map_or_else(|| start.clone(), PathBuf::from);
        let [server, name, commit] =
            ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"].map(&variable);
        let address = match (server, name, commit) {
            (Some(server), Some(name), Some(commit)) => {
                Some(format!("{server}/{name}/blob/{commit}"))
            }
            _ => None,
        };
        Self {
            start,
            repository,
            address,
        }
    }

    /// The place of a failure: that of a documentation test, whose name has it, or that of the last
    /// panic in the output.
    pub fn place_of(&self, case: &TestCaseName<'_>, stderr: &str) -> Option<FoundPlace> {
        match case.kind {
            TargetKind::Doctest => self.find(doctest_place(case.name)?),
            _ => self.place_of_panic(stderr),
        }
    }

    /// The innermost place in the repository of the last panic in the output of a test.
    fn place_of_panic(&self, stderr: &str) -> Option<FoundPlace> {
        let mut places = panic_places(stderr).into_iter();
        places.find_map(|place| self.find(place))
    }

    /// The place of a message of the compiler, whose second line has an arrow.
    pub fn place_of_arrow(&self, line: &str) -> Option<FoundPlace> {
        self.find(source_place(line.trim_start().strip_prefix("--> ")?)?)
    }

    /// Finds a file of the compiler's. Its path is relative to the root of a workspace, which is
    /// not known while nothing is built: it is one of the directories above `start`.
    fn find(&self, place: SourcePlace<'_>) -> Option<FoundPlace> {
        let path = Path::new(place.file);
        let mut roots = self.start.ancestors();
        let path = roots.find_map(|root| {
            let path = normal(&root.join(path));
            (path.starts_with(&self.repository) && path.is_file()).then_some(path)
        })?;
        let file = path.strip_prefix(&self.repository).ok()?;
        Some(FoundPlace {
            file: file.to_str()?.to_owned(),
            line: place.line,
            column: place.column,
        })
    }

    /// The address of the page that shows a place.
    pub fn link(&self, place: &FoundPlace) -> Option<String> {
        let address = self.address.as_ref()?;
        let file = utf8_percent_encode(&place.file, ENCODED);
        Some(format!("{address}/{file}#L{}", place.line))
    }
}

/// The place in the name of a documentation test, `src/lib.rs - item (line 7)`.
fn doctest_place(name: &str) -> Option<SourcePlace<'_>> {
    let (file, _) = name.split_once(" - ")?;
    let (_, line) = name.rsplit_once("(line ")?;
    let line = line.split_once(')')?.0.parse().ok()?;
    Some(SourcePlace {
        file,
        line,
        column: 1,
    })
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
