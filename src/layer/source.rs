//! The `source` layer: the files that people work on.
//!
//! In a git work tree these are the files that git tracks or does not ignore, of
//! submodules and other repositories inside too. Without a git program, or where
//! git refuses (a checkout that belongs to another user), the ignore files decide.
//! Anywhere else it is everything, and so it is for a directory that the work tree
//! around it ignores as a whole, since nobody would run tests of an empty source.
//!
//! Never part of it: Cargo's target and build directories, `.git`, sockets, pipes
//! and devices; nor what was deleted meanwhile or may not be read.

use super::assembly::{Assembly, Found, Reading};
use super::git::{self, Answer};
use super::{Entry, PathInContainer, Problem, paths};
use crate::store::{Import, parallel};
use camino::{Utf8Path, Utf8PathBuf};
use ignore::WalkBuilder;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Sources are rewritten in place by editors, so they are copied.
const READING: Reading = Reading {
    follow: false,
    how: Import::Copy,
};

/// Adds the source in each of `directories`, at their own paths.
pub(super) fn add(
    directories: &[Utf8PathBuf],
    never: &[Utf8PathBuf],
    assembly: &mut Assembly<'_>,
) -> Result<(), Problem> {
    let mut search = Search {
        never,
        repositories: Vec::new(),
        done: HashSet::new(),
    };
    for directory in directories {
        add_start(directory, assembly)?;
        search.repositories.push(directory.into());
        while let Some(repository) = search.repositories.pop() {
            if search.done.insert(repository.clone()) {
                let paths = search.list(&repository, &mut assembly.warnings)?;
                // Git names a directory only for the repository in it.
                search.repositories.extend(add_found(paths, assembly)?);
            }
        }
    }
    Ok(())
}

/// Adds all that is in a directory, at its own path.
pub(super) fn add_whole(directory: &Utf8Path, assembly: &mut Assembly<'_>) -> Result<(), Problem> {
    add_start(directory, assembly)?;
    let paths = everything(directory.as_std_path(), |_| false, &mut assembly.warnings)?;
    add_found(paths, assembly)?;
    Ok(())
}

fn add_start(directory: &Utf8Path, assembly: &mut Assembly<'_>) -> Result<(), Problem> {
    paths::must_exist(directory.as_std_path())?;
    if !directory.is_dir() {
        return Err(Problem::NotADirectory(directory.into()));
    }
    assembly.add_directory(in_container(directory.as_std_path())?)
}

/// Adds what was found, and returns the repositories among it, which are not added.
fn add_found(paths: Vec<PathBuf>, assembly: &mut Assembly<'_>) -> Result<Vec<PathBuf>, Problem> {
    let mut repositories = Vec::new();
    let found = parallel::map(&paths, 64, |path| assembly.read(path, READING));
    for (path, found) in paths.into_iter().zip(found) {
        match found {
            Ok(Found::Entry(Entry::Directory { .. })) if path.join(".git").exists() => {
                repositories.push(path);
            }
            Ok(Found::Entry(entry)) => assembly.manifest.insert(in_container(&path)?, entry)?,
            Ok(Found::Special) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) if error.is_permission_denied() => {
                assembly.warnings.push(format!("{error}; it is left out"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(repositories)
}

struct Search<'a> {
    never: &'a [Utf8PathBuf],
    /// Directories still to be looked at.
    repositories: Vec<PathBuf>,
    done: HashSet<PathBuf>,
}

impl Search<'_> {
    /// Everything that may be source in a directory: files, symlinks, empty
    /// directories and other repositories.
    fn list(&self, directory: &Path, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, Problem> {
        // A directory that tests are run in is source, wherever it is.
        let never: Vec<&Path> = self
            .never
            .iter()
            .map(|path| path.as_std_path())
            .filter(|never| !directory.starts_with(never))
            .collect();
        let is_left_out = |path: &Path| {
            path.file_name().is_some_and(|name| name == ".git")
                || never.contains(&path)
                || is_a_target_directory(path)
        };
        if !git::is_in_work_tree(directory) {
            return everything(directory, is_left_out, warnings);
        }
        let relative: Vec<&Path> = never
            .iter()
            .filter_map(|never| never.strip_prefix(directory).ok())
            .collect();
        match git::list(directory, &relative) {
            Answer::Files(paths) if paths.is_empty() => {
                everything(directory, is_left_out, warnings)
            }
            Answer::Files(paths) => Ok(paths.iter().map(|path| directory.join(path)).collect()),
            Answer::NotInstalled => Ok(not_ignored(directory, &never)),
            Answer::Refused(complaint) => {
                warnings.push(format!(
                    "git does not list the files of {} ({complaint}), so `.gitignore` alone \
                     decides which are source",
                    directory.display()
                ));
                Ok(not_ignored(directory, &never))
            }
        }
    }
}

/// What the ignore files leave, by their rules alone.
fn not_ignored(directory: &Path, never: &[&Path]) -> Vec<PathBuf> {
    let never: Vec<PathBuf> = never.iter().map(PathBuf::from).collect();
    let walk = WalkBuilder::new(directory)
        .hidden(false)
        .ignore(false)
        .follow_links(false)
        .filter_entry(move |entry| {
            entry.file_name() != ".git" && !never.iter().any(|never| never == entry.path())
        })
        .build();
    // What cannot be read is not source, here as elsewhere.
    walk.flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()))
        .map(ignore::DirEntry::into_path)
        .collect()
}

/// Files, symlinks and empty directories.
fn everything(
    directory: &Path,
    is_left_out: impl Fn(&Path) -> bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let unreadable = |cause| Problem::Read {
            path: directory.clone(),
            cause,
        };
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                warnings.push(format!(
                    "cannot read {}: {error}; what is in it is left out",
                    directory.display()
                ));
                continue;
            }
            Err(cause) => return Err(unreadable(cause)),
        };
        let mut is_empty = true;
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            is_empty = false;
            if is_left_out(&path) {
                continue;
            }
            if entry.file_type().map_err(unreadable)?.is_dir() {
                directories.push(path);
            } else {
                found.push(path);
            }
        }
        if is_empty {
            found.push(directory);
        }
    }
    Ok(found)
}

/// Of another workspace, such as a fuzzer's: Cargo marks what it may delete.
fn is_a_target_directory(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "target") && path.join("CACHEDIR.TAG").exists()
}

fn in_container(path: &Path) -> Result<PathInContainer, Problem> {
    Ok(PathInContainer::normalised(path.as_os_str().as_bytes())?)
}
