//! The names of the tests that were listed, which are kept for completing command lines: listing tests
//! needs a build.

use crate::cargo::{TestBinary, Workspace};
use crate::filter::TargetKind;
use crate::process::replace_file;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

/// The names of tests, by their test binaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestNames(BTreeMap<NamedBinary, BTreeSet<String>>);

/// A test binary by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedBinary {
    pub package: String,
    /// The word of [`TargetKind`].
    pub kind: String,
    pub target: String,
}

impl NamedBinary {
    /// The id of the binary in cargo-nextest.
    pub fn id(&self) -> String {
        let Self {
            package,
            kind,
            target,
        } = self;
        match kind.as_str() {
            "lib" | "proc-macro" | "doctest" => package.clone(),
            "test" => format!("{package}::{target}"),
            kind => format!("{package}::{kind}/{target}"),
        }
    }
}

/// An element of the file, which is a JSON array of them.
#[derive(Serialize, Deserialize)]
struct ListedNames {
    #[serde(flatten)]
    binary: NamedBinary,
    tests: BTreeSet<String>,
}

impl TestNames {
    /// Adds the tests of a binary.
    pub fn add<'a>(&mut self, binary: &TestBinary, tests: impl Iterator<Item = &'a str>) {
        let binary = NamedBinary {
            package: binary.package.name.clone(),
            kind: binary.kind.into_str().to_owned(),
            target: binary.target.clone(),
        };
        self.0.insert(binary, tests.map(str::to_owned).collect());
    }

    pub fn iter(&self) -> impl Iterator<Item = (&NamedBinary, &BTreeSet<String>)> {
        self.0.iter()
    }

    /// The names in a file. A file that does not exist, or that another version wrote, has none.
    pub fn load(path: &Utf8Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        let listed: Vec<ListedNames> = serde_json::from_slice(&text).unwrap_or_default();
        let names = listed.into_iter().map(|names| (names.binary, names.tests));
        Self(names.collect())
    }

    /// Saves the names. Those of other binaries that the file has are kept, if the workspace still has
    /// the target.
    pub fn save(self, path: &Utf8Path, workspace: &Workspace) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let old = Self::load(path);
        let mut all = old.clone();
        all.0.retain(|binary, _| exists(binary, workspace));
        all.0.extend(self.0);
        if all == old {
            return Ok(());
        }
        let listed = all.0.into_iter();
        let listed = listed.map(|(binary, tests)| ListedNames { binary, tests });
        let text = serde_json::to_string(&listed.collect::<Vec<_>>())?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        replace_file(path, text)
    }
}

/// Whether the workspace has the target of a binary.
fn exists(binary: &NamedBinary, workspace: &Workspace) -> bool {
    let is_library = |kind: TargetKind| matches!(kind, TargetKind::Library | TargetKind::ProcMacro);
    let is_doctest = binary.kind == TargetKind::Doctest.into_str();
    let mut packages = workspace.packages.iter();
    let package = packages.find(|package| package.name == binary.package);
    package.is_some_and(|package| {
        package.targets.iter().any(|target| {
            let same_kind = target.kind.into_str() == binary.kind;
            // The targets of documentation tests have the names of crates.
            is_doctest && is_library(target.kind) || same_kind && target.name == binary.target
        })
    })
}

/// The file of a workspace with this target directory.
pub fn file(target_directory: &Utf8Path) -> Utf8PathBuf {
    target_directory.join("maelstrom/test-names.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(kind: TargetKind, target: &str) -> NamedBinary {
        NamedBinary {
            package: "p".to_owned(),
            kind: kind.into_str().to_owned(),
            target: target.to_owned(),
        }
    }

    #[test]
    fn binaries_have_the_ids_of_nextest() {
        for (kind, id) in [
            (TargetKind::Library, "p"),
            (TargetKind::Test, "p::x"),
            (TargetKind::Binary, "p::bin/x"),
        ] {
            assert_eq!(binary(kind, "x").id(), id);
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_has_no_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path()).unwrap().join("names");
        assert_eq!(TestNames::load(&path), TestNames::default());
        for text in ["", "[1]", "[{\"package\": \"p\"}]"] {
            fs::write(&path, text).unwrap();
            assert_eq!(TestNames::load(&path), TestNames::default(), "{text}");
        }
        let listed = r#"[{"package":"p","kind":"lib","target":"x","tests":["b","a"]}]"#;
        fs::write(&path, listed).unwrap();
        let names = TestNames::load(&path);
        let (found, tests) = names.iter().next().unwrap();
        assert_eq!(*found, binary(TargetKind::Library, "x"));
        assert!(tests.iter().eq(["a", "b"]));
    }
}
