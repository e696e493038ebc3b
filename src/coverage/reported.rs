//! Which source files belong into a report: those of the selected members, without their tests,
//! examples and benchmarks. The same as `cargo llvm-cov` reports.

use crate::cargo::{Package, Workspace, cargo_home, rustup_home};
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::Arc;

/// The directories in a package that do not hold what is tested.
const OF_TESTS: [&str; 3] = ["tests", "examples", "benches"];

/// The rules for the files of a workspace.
#[derive(Clone, Debug, Default)]
pub struct ReportedFiles {
    root: Utf8PathBuf,
    /// Directories that hold no sources of the workspace.
    left_out: Vec<Utf8PathBuf>,
    /// The directories of members, and whether they are selected.
    members: Vec<(Utf8PathBuf, bool)>,
}

impl ReportedFiles {
    /// `selected`: the packages whose files are reported. Empty: all.
    pub fn of(workspace: &Workspace, selected: &[Arc<Package>]) -> Self {
        let cargo = cargo_home().into_iter();
        let cargo = cargo.flat_map(|home| [home.join("registry"), home.join("git")]);
        let rustup = rustup_home().map(|home| home.join("toolchains"));
        let is_selected = |package: &Arc<Package>| {
            selected.is_empty() || selected.iter().any(|selected| selected.id == package.id)
        };
        let members = workspace.packages.iter();
        Self {
            root: workspace.root.clone(),
            left_out: std::iter::once(workspace.target_directory.clone())
                .chain(workspace.build_directory.clone())
                .chain(cargo)
                .chain(rustup)
                .chain([workspace.toolchain.sysroot.clone()])
                .collect(),
            members: members
                .map(|package| (package.directory.clone(), is_selected(package)))
                .collect(),
        }
    }

    /// Whether a file belongs into a report.
    pub fn contain(&self, file: &Utf8Path) -> bool {
        let is_in = |directory: &Utf8PathBuf| file.starts_with(directory);
        if self.left_out.iter().any(is_in) || is_of_standard_library(file) {
            return false;
        }
        // A file without a root is relative to the workspace: its path was remapped.
        let in_workspace = match file.strip_prefix(&self.root) {
            Ok(relative) => Some(relative),
            Err(_) => file.is_relative().then_some(file),
        };
        if in_workspace.is_some_and(is_of_tests) {
            return false;
        }
        let path = self.root.join(file);
        let members = self.members.iter();
        let owners = members.filter(|(directory, _)| path.starts_with(directory));
        let owner = owners.max_by_key(|(directory, _)| directory.as_str().len());
        owner.is_none_or(|(_, is_selected)| *is_selected)
    }
}

/// Whether a path is one of those in the sources of the standard library: `/rustc/` and a commit or a
/// version.
fn is_of_standard_library(file: &Utf8Path) -> bool {
    let mut parts = file.components().map(|part| part.as_str());
    let is_commit = |part: &str| part.chars().all(|c| c.is_ascii_hexdigit() || c == '.');
    while let Some(part) = parts.next() {
        if part == "rustc" {
            return parts.clone().count() > 1 && parts.next().is_some_and(is_commit);
        }
    }
    false
}

/// Whether a path in the workspace is that of a file with tests, examples or benchmarks.
fn is_of_tests(file: &Utf8Path) -> bool {
    let directories = file.parent().into_iter().flat_map(Utf8Path::components);
    let mut directories = directories.map(|part| part.as_str());
    let stem = file.file_name().and_then(|name| name.strip_suffix(".rs"));
    let is_tests = |stem: &str| {
        stem == "tests" || stem.len() > 6 && (stem.ends_with("_tests") || stem.ends_with("-tests"))
    };
    directories.any(|part| OF_TESTS.contains(&part)) || stem.is_some_and(is_tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_that_is_tested_is_reported() {
        let files = ReportedFiles {
            root: "/tests/ws".into(),
            left_out: vec!["/tests/ws/target".into(), "/home/.cargo/registry".into()],
            members: vec![
                ("/tests/ws".into(), true),
                ("/tests/ws/a".into(), true),
                ("/tests/ws/b".into(), false),
            ],
        };
        for file in [
            "/tests/ws/src/lib.rs",
            "/tests/ws/a/src/testing.rs",
            "/tests/ws/a/src/tests_of.rs",
            "/tests/ws/b2/src/lib.rs",
            "/elsewhere/tests/lib.rs",
            "src/lib.rs",
            "/tests/ws/src/rustc/parse.rs",
        ] {
            assert!(files.contain(file.into()), "{file}");
        }
        for file in [
            "/tests/ws/tests/it.rs",
            "/tests/ws/a/src/x/tests/y.rs",
            "/tests/ws/a/src/tests.rs",
            "/tests/ws/src/unit_tests.rs",
            "/tests/ws/a/benches/b.rs",
            "/tests/ws/examples/e/main.rs",
            "tests/it.rs",
            "/tests/ws/b/src/lib.rs",
            "b/src/lib.rs",
            "/tests/ws/target/debug/build/x/out/gen.rs",
            "/home/.cargo/registry/src/x/lib.rs",
            "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/ops.rs",
            "/rustc/1.95.0/library/core/src/ops.rs",
        ] {
            assert!(!files.contain(file.into()), "{file}");
        }
    }
}
