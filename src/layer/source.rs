//! The `source` layer: the source files in a directory.
//!
//! In a git work tree these are the files that git tracks or does not ignore, including those of
//! submodules and nested repositories. Without a git program, or where git refuses (the checkout
//! of another user), the ignore files alone decide. Elsewhere all files are source. So are all
//! files of a directory that the surrounding work tree ignores as a whole, as a test of an empty
//! source is useless. `Cargo.lock` in the directory is source even if it is ignored: programs that
//! start Cargo need it, and Cargo creates it if a fresh clone lacks it.
//!
//! Cargo's target and build directories, `.git`, sockets, pipes and devices are not source.
//! Files that were deleted meanwhile or may not be read are left out.

use super::assembly::{Assembly, HostEntry, ReadOptions};
use super::git::{self, GitListing};
use super::{Entry, LayerProblem, paths};
use crate::store::{Import, parallel};
use camino::{Utf8Path, Utf8PathBuf};
use ignore::WalkBuilder;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file in which Cargo records the versions of dependencies. Repositories of libraries often
/// ignore it.
const LOCK_FILE: &str = "Cargo.lock";

/// Source files are copied, as editors rewrite them in place.
const READING: ReadOptions = ReadOptions {
    follow: false,
    how: Import::Copy,
};

/// Adds the source in each directory, at its own path. Directories in `excluded` are left out.
pub(super) fn add(
    directories: &[Utf8PathBuf],
    excluded: &[Utf8PathBuf],
    assembly: &mut Assembly<'_>,
) -> Result<(), LayerProblem> {
    let mut search = SourceSearch {
        excluded,
        repositories: Vec::new(),
        done: HashSet::new(),
    };
    for directory in directories {
        add_start(directory, assembly)?;
        // It is source even if an ignore file excludes it.
        add_found(vec![directory.join(LOCK_FILE).into()], assembly)?;
        search.repositories.push(directory.into());
        while let Some(repository) = search.repositories.pop() {
            if search.done.insert(repository.clone()) {
                let paths = search.list(&repository, &mut assembly.content.warnings)?;
                // Git lists a directory only if it is a repository.
                search.repositories.extend(add_found(paths, assembly)?);
            }
        }
    }
    Ok(())
}

fn add_start(directory: &Utf8Path, assembly: &mut Assembly<'_>) -> Result<(), LayerProblem> {
    paths::must_exist(directory.as_std_path())?;
    if !directory.is_dir() {
        return Err(LayerProblem::NotADirectory(directory.into()));
    }
    assembly.add_directory(paths::in_container(directory.as_std_path())?)
}

/// Adds files, symlinks and directories. Returns the repositories among them, which are not
/// added.
fn add_found(
    paths: Vec<PathBuf>,
    assembly: &mut Assembly<'_>,
) -> Result<Vec<PathBuf>, LayerProblem> {
    let mut repositories = Vec::new();
    let found = parallel::map(&paths, 64, |path| assembly.read(path, READING));
    for (path, found) in paths.into_iter().zip(found) {
        match found {
            Ok(HostEntry::Entry(Entry::Directory { .. })) if path.join(".git").exists() => {
                repositories.push(path);
            }
            Ok(HostEntry::Entry(entry)) => assembly
                .content
                .manifest
                .insert(paths::in_container(&path)?, entry)?,
            Ok(HostEntry::Special) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) if error.is_permission_denied() => {
                assembly
                    .content
                    .warnings
                    .push(format!("{error}; the file is left out"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(repositories)
}

struct SourceSearch<'a> {
    excluded: &'a [Utf8PathBuf],
    /// Repositories still to be listed.
    repositories: Vec<PathBuf>,
    done: HashSet<PathBuf>,
}

impl SourceSearch<'_> {
    /// The files, symlinks, empty directories and other repositories in a directory that may be
    /// source.
    fn list(
        &self,
        directory: &Path,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<PathBuf>, LayerProblem> {
        // An excluded directory does not exclude the directory itself that is listed.
        let excluded: Vec<&Path> = self
            .excluded
            .iter()
            .map(|path| path.as_std_path())
            .filter(|excluded| !directory.starts_with(excluded))
            .collect();
        let is_left_out = |path: &Path| {
            path.file_name().is_some_and(|name| name == ".git")
                || excluded.contains(&path)
                || is_a_target_directory(path)
        };
        if !git::is_in_work_tree(directory) {
            return everything(directory, is_left_out, warnings);
        }
        let relative: Vec<&Path> = excluded
            .iter()
            .filter_map(|excluded| excluded.strip_prefix(directory).ok())
            .collect();
        let paths: Vec<PathBuf> = match git::list(directory, &relative) {
            GitListing::Files(paths) if paths.is_empty() => {
                return everything(directory, is_left_out, warnings);
            }
            GitListing::Files(paths) => paths.iter().map(|path| directory.join(path)).collect(),
            GitListing::NotInstalled => not_ignored(directory, &excluded),
            GitListing::Refused(complaint) => {
                warnings.push(format!(
                    "git cannot list the files of {} ({complaint}), so `.gitignore` alone decides which are \
                        source",
                    directory.display()
                ));
                not_ignored(directory, &excluded)
            }
        };
        Ok(paths)
    }
}

/// The files that the ignore files do not exclude.
fn not_ignored(directory: &Path, excluded: &[&Path]) -> Vec<PathBuf> {
    let excluded: Vec<PathBuf> = excluded.iter().map(PathBuf::from).collect();
    let walk = WalkBuilder::new(directory)
        .hidden(false)
        .ignore(false)
        .follow_links(false)
        .filter_entry(move |entry| {
            entry.file_name() != ".git" && !excluded.iter().any(|excluded| excluded == entry.path())
        })
        .build();
    // Files that cannot be read are left out.
    walk.flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()))
        .map(ignore::DirEntry::into_path)
        .collect()
}

/// The files, symlinks and empty directories below a directory.
fn everything(
    directory: &Path,
    is_left_out: impl Fn(&Path) -> bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, LayerProblem> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let unreadable = |cause| LayerProblem::Read {
            path: directory.clone(),
            cause,
        };
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                warnings.push(format!(
                    "cannot read {}: {error}; its files are left out",
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

/// Whether a directory is the target directory of another workspace, such as a fuzzer's. Cargo
/// puts a `CACHEDIR.TAG` into it.
fn is_a_target_directory(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "target") && path.join("CACHEDIR.TAG").exists()
}
