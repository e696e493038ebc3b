//! The executables that the tool has kept.

use super::bundle::{self, BundledTest};
use super::compile::{CompileError, IgnoredTests};
use super::listing::{Doctest, DoctestEnd};
use super::{runtool, unnamed};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;

/// The executables that the tool has kept.
pub struct Kept {
    directory: Utf8PathBuf,
    /// Those with one test, in the order in which they were kept.
    pub alone: Vec<String>,
    /// Those with several tests.
    pub bundles: Vec<(String, Vec<BundledTest>)>,
}

impl Kept {
    pub fn read(directory: &Utf8Path) -> Result<Self, CompileError> {
        let failed = |error| CompileError::Files(directory.to_owned(), error);
        let mut kept = Self {
            directory: directory.to_owned(),
            alone: Vec::new(),
            bundles: Vec::new(),
        };
        let mut seen = HashSet::new();
        for name in runtool::order(directory.as_std_path()).map_err(failed)? {
            if !seen.insert(name.clone()) {
                return Err(CompileError::Unexpected(format!("{name} was run twice")));
            }
            match bundle::read(&directory.join(&name))? {
                Some(tests) => kept.bundles.push((name, tests)),
                None => kept.alone.push(name),
            }
        }
        Ok(kept)
    }

    /// The tests of the executables with several.
    pub fn bundled(&self, ignored: IgnoredTests) -> Vec<Doctest> {
        let mut tests = Vec::new();
        for (directory, bundled) in &self.bundles {
            let path = executable_path(&self.directory, directory);
            for test in bundled {
                let end = if test.runs {
                    DoctestEnd::Executable {
                        path: path.clone(),
                        number: Some(test.number),
                        should_panic: test.should_panic,
                    }
                } else {
                    // The test is only compiled, or is ignored: such a test has no program here.
                    DoctestEnd::Passed
                };
                if test.ignored || ignored != IgnoredTests::Only {
                    let mut test_case = Doctest::new(&test.name, end);
                    test_case.listed.ignored = test.ignored;
                    tests.push(test_case);
                }
            }
        }
        tests
    }
}

/// The name that rustdoc gives to executables.
const EXECUTABLE: &str = "rust_out";

pub fn executable(directory: &Utf8Path, name: &str, should_panic: bool) -> DoctestEnd {
    DoctestEnd::Executable {
        path: executable_path(directory, name),
        number: None,
        should_panic,
    }
}

fn executable_path(directory: &Utf8Path, name: &str) -> Utf8PathBuf {
    directory.join(name).join(EXECUTABLE)
}

/// The symbols of tests in each of these executables. They have some megabytes each, so they are
/// read on another thread.
pub async fn symbols(
    directory: &Utf8Path,
    names: &[&String],
) -> Result<Vec<BTreeSet<String>>, CompileError> {
    let paths: Vec<_> = names
        .iter()
        .map(|name| executable_path(directory, name))
        .collect();
    let reading = tokio::task::spawn_blocking(move || {
        let of_executable = |path| match fs::read(&path) {
            Ok(content) => Ok(unnamed::symbols(&content)),
            Err(error) => Err(CompileError::Files(path, error)),
        };
        paths.into_iter().map(of_executable).collect()
    });
    let failed =
        |error: tokio::task::JoinError| CompileError::Files(directory.into(), error.into());
    reading.await.map_err(failed)?
}

/// Removes everything that was kept in a directory.
pub fn remove(directory: &Utf8Path) -> Result<(), CompileError> {
    let failed = |error| CompileError::Files(directory.to_owned(), error);
    for entry in directory.read_dir_utf8().map_err(failed)? {
        let path = entry.map_err(failed)?.into_path();
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(failed)?;
    }
    Ok(())
}

/// Gives executables paths that are the same in the next run if the tests are the same: cached results
/// depend on them.
pub fn settle(directory: &Utf8Path, tests: &mut [Doctest]) -> Result<(), CompileError> {
    tests.sort_by(|one, other| one.listed.name.cmp(&other.listed.name));
    let mut settled: HashMap<Utf8PathBuf, Utf8PathBuf> = HashMap::new();
    for test in tests {
        let DoctestEnd::Executable { path, .. } = &mut test.end else {
            continue;
        };
        if !settled.contains_key(path) {
            let to = directory.join(settled.len().to_string());
            let from = path.parent().unwrap_or(path);
            fs::rename(from, &to).map_err(|error| CompileError::Files(to.clone(), error))?;
            settled.insert(path.clone(), to.join(EXECUTABLE));
        }
        path.clone_from(&settled[path]);
    }
    Ok(())
}
