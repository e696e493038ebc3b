//! Applies the changes of an archive to the layers below.

use super::EntryProblem;
use super::TarError;
use super::budget::UnpackBudget;
use super::listing::{LONGEST_PATH, TarAction, TarChange};
use crate::store::{Entry, Manifest, PathInContainer};
use std::collections::HashSet;
use std::path::Path;

/// The number of symlinks that the kernel follows on a path: see `path_resolution(7)`.
const MOST_SYMLINKS: usize = 40;

/// The number of components of a path and of the symlinks on it that are followed.
const MOST_PARTS: usize = 4096;

/// Applies the changes of one archive to the layers below. Returns the whiteouts that removed
/// nothing.
pub(super) fn merge(
    manifest: &mut Manifest,
    changes: Vec<TarChange>,
    name: &Path,
    budget: &UnpackBudget,
) -> Result<Vec<PathInContainer>, TarError> {
    let mut merging = Merging {
        manifest,
        own: HashSet::new(),
    };
    // Whiteouts apply to the layers below, wherever they are in the archive.
    let without_effect = merging.white_out(&changes);
    for TarChange { path, action } in changes {
        let shown = path.clone();
        let failed = |problem| TarError::Entry {
            archive: name.to_owned(),
            entry: shown.relative().display().to_string(),
            problem,
        };
        let put = match action {
            TarAction::Put(entry) => Ok(entry),
            TarAction::Link(target) => merging.linked(&target),
            TarAction::WhiteOut | TarAction::MakeOpaque => continue,
        };
        let put = put.and_then(|entry| Ok((merging.resolve_symlinks(&path)?, entry)));
        let (path, entry) = put.map_err(failed)?;
        budget.take_paths(merging.weight(&path), name)?;
        merging.put(path, entry).map_err(failed)?;
    }
    Ok(without_effect)
}

struct Merging<'a> {
    manifest: &'a mut Manifest,
    /// The files and symlinks of this archive.
    own: HashSet<PathInContainer>,
}

impl Merging<'_> {
    fn white_out(&mut self, changes: &[TarChange]) -> Vec<PathInContainer> {
        let is_whiteout = |change: &&TarChange| {
            matches!(change.action, TarAction::WhiteOut | TarAction::MakeOpaque)
        };
        if !changes.iter().any(|change| is_whiteout(&change)) {
            return Vec::new();
        }
        let directories: HashSet<&PathInContainer> = changes
            .iter()
            .filter(|change| matches!(change.action, TarAction::Put(Entry::Directory { .. })))
            .map(|change| &change.path)
            .collect();
        let mut without_effect = Vec::new();
        for change in changes.iter().filter(is_whiteout) {
            let opaque = change.action == TarAction::MakeOpaque;
            let Some(path) = self.below(&change.path, opaque, &directories) else {
                without_effect.push(change.path.clone());
                continue;
            };
            let had_effect = if opaque {
                self.manifest.clear(&path)
            } else {
                self.manifest.remove(&path)
            };
            if !had_effect {
                without_effect.push(change.path.clone());
            }
        }
        without_effect
    }

    /// The path in the layers below that a whiteout removes. `None`: they do not have it.
    fn below(
        &self,
        path: &PathInContainer,
        opaque: bool,
        directories: &HashSet<&PathInContainer>,
    ) -> Option<PathInContainer> {
        let is_symlink =
            |path: &PathInContainer| matches!(self.manifest.get(path), Some(Entry::Symlink { .. }));
        // A directory of the archive replaces the symlink, so its target is not affected.
        let mut ancestor = if opaque {
            Some(path.clone())
        } else {
            path.parent()
        };
        while let Some(directory) = ancestor {
            if directories.contains(&directory) && is_symlink(&directory) {
                return None;
            }
            ancestor = directory.parent();
        }
        if opaque {
            // The directory itself may be a symlink.
            let inside = path.join(b"x").ok()?;
            return self.resolve_symlinks(&inside).ok()?.parent();
        }
        self.resolve_symlinks(path).ok()
    }

    /// The entry that a hard link leads to.
    fn linked(&self, target: &PathInContainer) -> Result<Entry, EntryProblem> {
        let found = self.manifest.get(&self.resolve_symlinks(target)?);
        let found = found.filter(|entry| !matches!(entry, Entry::Directory { .. }));
        found.cloned().ok_or_else(|| {
            let target = target.relative().display().to_string();
            EntryProblem::LinkToNothing(target)
        })
    }

    fn resolve_symlinks(&self, path: &PathInContainer) -> Result<PathInContainer, EntryProblem> {
        resolve_symlinks(self.manifest, path, |link| !self.own.contains(link))
    }

    /// The size of the path and of its missing parents, in bytes.
    fn weight(&self, path: &PathInContainer) -> u64 {
        let missing = |path: &PathInContainer| self.manifest.get(path).is_none();
        let mut weight = 0;
        let mut ancestor = Some(path.clone());
        while let Some(path) = ancestor.filter(|path| !path.is_root() && missing(path)) {
            weight += path.as_bytes().len() as u64;
            ancestor = path.parent();
        }
        weight
    }

    /// Puts an entry at a path, and replaces what the layers below have there.
    fn put(&mut self, path: PathInContainer, entry: Entry) -> Result<(), EntryProblem> {
        let mut ancestor = path.parent();
        while let Some(directory) = ancestor.filter(|directory| !directory.is_root()) {
            match self.manifest.get(&directory) {
                Some(Entry::Directory { .. }) => break,
                // For a file of the archive itself, inserting into the manifest fails.
                Some(_) if !self.own.contains(&directory) => {
                    self.manifest.remove(&directory);
                }
                _ => {}
            }
            ancestor = directory.parent();
        }
        if matches!(entry, Entry::Directory { .. }) {
            self.manifest.insert(path, entry)?;
        } else {
            self.manifest.remove(&path);
            self.manifest.insert(path.clone(), entry)?;
            self.own.insert(path);
        }
        Ok(())
    }
}

/// Resolves the symlinks in the parent directories of a path, as a process with this root would.
/// The last part of the path is not resolved. `may_be_absolute` decides whether the target of a
/// symlink may be an absolute path.
pub(in crate::layer) fn resolve_symlinks(
    manifest: &Manifest,
    path: &PathInContainer,
    may_be_absolute: impl Fn(&PathInContainer) -> bool,
) -> Result<PathInContainer, EntryProblem> {
    let is_directory =
        |path: &PathInContainer| matches!(manifest.get(path), Some(Entry::Directory { .. }));
    let Some(parent) = path.parent() else {
        return Ok(path.clone());
    };
    if parent.is_root() || is_directory(&parent) {
        return Ok(path.clone());
    }
    let mut parts = parts_of(path.as_bytes());
    let Some(last) = (!parts.is_empty()).then(|| parts.remove(0)) else {
        return Ok(path.clone());
    };
    let mut real = PathInContainer::root();
    let mut followed = None;
    let mut symlinks = 0;
    for _ in 0..MOST_PARTS {
        let Some(part) = parts.pop() else {
            return checked(real.join(&last)?);
        };
        if part == b".." {
            real = match (real.parent(), followed.clone()) {
                (Some(parent), _) => parent,
                (None, Some(link)) => return Err(EntryProblem::ThroughSymlink(link)),
                (None, None) => return Err(EntryProblem::Upwards),
            };
            continue;
        }
        let next = real.join(&part)?;
        let Some(Entry::Symlink { target }) = manifest.get(&next) else {
            real = next;
            continue;
        };
        symlinks += 1;
        let absolute = target.starts_with(b"/");
        if symlinks > MOST_SYMLINKS || absolute && !may_be_absolute(&next) {
            return Err(EntryProblem::ThroughSymlink(next));
        }
        if absolute {
            real = PathInContainer::root();
        }
        parts.extend(parts_of(target));
        followed = Some(next);
    }
    Err(EntryProblem::TooLong)
}

/// Refuses a path that is longer than the kernel allows. Resolving symlinks can make a path longer
/// than all paths in the archive.
fn checked(path: PathInContainer) -> Result<PathInContainer, EntryProblem> {
    if path.as_bytes().len() > LONGEST_PATH {
        return Err(EntryProblem::TooLong);
    }
    Ok(path)
}

/// Last part first.
fn parts_of(path: &[u8]) -> Vec<Vec<u8>> {
    path.rsplit(|&byte| byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .map(<[u8]>::to_vec)
        .collect()
}
