//! The result of a search: the files of the host by their paths in the container.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::path::{Component, Path, PathBuf};

/// An entry at a path in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosureEntry {
    /// A regular file with the content of this file of the host, a path without
    /// symlinks.
    File(PathBuf),
    Symlink {
        /// An absolute path.
        target: PathBuf,
        /// The file of the host that the symlink finally leads to. The closure contains it.
        file: PathBuf,
    },
    /// A directory that must exist because a path leads through it (`bin/../lib`).
    Directory,
}

impl ClosureEntry {
    /// The file of the host that is opened at the path.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::Symlink { file, .. } => Some(file),
            Self::Directory => None,
        }
    }
}

/// Files and symlinks by their paths in the container, which are absolute and free of `.` and
/// `..`. Their parent directories are not listed. The entries depend only on the files, not on
/// the order of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    entries: BTreeMap<PathBuf, ClosureEntry>,
}

/// Two different files that are needed at the same path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} would have to be both {} and {}; use different containers for the programs that need them, or name the preferred directory in LD_LIBRARY_PATH",
    path.display(),
    describe(one),
    describe(other)
)]
pub struct Conflict {
    /// The path in the container.
    pub path: PathBuf,
    pub one: ClosureEntry,
    pub other: ClosureEntry,
}

fn describe(entry: &ClosureEntry) -> String {
    entry.file().map_or_else(
        || "a directory".to_owned(),
        |file| file.display().to_string(),
    )
}

impl Closure {
    /// The entry at `path`, which must be free of `.` and `..`.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&ClosureEntry> {
        self.entries.get(path.as_ref())
    }

    /// The entries in the order of their paths.
    pub fn iter(&self) -> btree_map::Iter<'_, PathBuf, ClosureEntry> {
        self.entries.iter()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds all entries of `other`. Fails if a path has different files in both. Entries added
    /// before the failure stay.
    pub fn merge(&mut self, other: Self) -> Result<(), Conflict> {
        for (path, entry) in other.entries {
            self.insert(path, entry)?;
        }
        Ok(())
    }

    /// Adds `file`, a resolved path of the host, at `path` in the container.
    pub(super) fn add_file(&mut self, path: &Path, file: &Path) -> Result<(), Conflict> {
        let path = self.fold(path)?;
        self.insert(path, ClosureEntry::File(file.to_owned()))
    }

    /// Adds a symlink at `path` to `target`, both in the container, unless they are the same.
    /// `file` is the file of the host that the symlink finally leads to.
    pub(super) fn add_symlink(
        &mut self,
        path: &Path,
        target: &Path,
        file: &Path,
    ) -> Result<(), Conflict> {
        let path = self.fold(path)?;
        let target = fold(target).0;
        if path == target {
            return Ok(());
        }
        let file = file.to_owned();
        self.insert(path, ClosureEntry::Symlink { target, file })
    }

    fn fold(&mut self, path: &Path) -> Result<PathBuf, Conflict> {
        let (path, crossed) = fold(path);
        for directory in crossed {
            self.insert(directory, ClosureEntry::Directory)?;
        }
        Ok(path)
    }

    /// Prefers a file to a symlink to the same file, and of two symlinks the one with the lesser
    /// target, so that the order of calls does not matter.
    fn insert(&mut self, path: PathBuf, entry: ClosureEntry) -> Result<(), Conflict> {
        match self.entries.entry(path) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(entry);
            }
            btree_map::Entry::Occupied(mut occupied) => {
                let known = occupied.get();
                if known.file() != entry.file() {
                    return Err(Conflict {
                        path: occupied.key().clone(),
                        one: known.clone(),
                        other: entry,
                    });
                }
                let better = match (known, &entry) {
                    (ClosureEntry::Symlink { .. }, ClosureEntry::File(_)) => true,
                    (
                        ClosureEntry::Symlink { target: known, .. },
                        ClosureEntry::Symlink { target, .. },
                    ) => target < known,
                    _ => false,
                };
                if better {
                    occupied.insert(entry);
                }
            }
        }
        Ok(())
    }
}

impl IntoIterator for Closure {
    type Item = (PathBuf, ClosureEntry);
    type IntoIter = btree_map::IntoIter<PathBuf, ClosureEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a Closure {
    type Item = (&'a PathBuf, &'a ClosureEntry);
    type IntoIter = btree_map::Iter<'a, PathBuf, ClosureEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `path` without `.` and `..`, as a file system without directory symlinks resolves it. Also
/// returns the directories before each `..`, which must exist.
pub(super) fn fold(path: &Path) -> (PathBuf, Vec<PathBuf>) {
    let mut folded = PathBuf::from("/");
    let mut crossed = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => folded.push(name),
            Component::ParentDir => {
                if folded.parent().is_some() {
                    crossed.push(folded.clone());
                }
                folded.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    (folded, crossed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(at: &str, from: &str) -> Closure {
        let mut closure = Closure::default();
        closure.add_file(Path::new(at), Path::new(from)).unwrap();
        closure
    }

    fn symlink(at: &str, to: &str, file: &str) -> Closure {
        let mut closure = Closure::default();
        let [at, to, file] = [at, to, file].map(Path::new);
        closure.add_symlink(at, to, file).unwrap();
        closure
    }

    fn merged(parts: &[&Closure]) -> Result<Closure, Conflict> {
        let mut whole = Closure::default();
        for &part in parts {
            whole.merge(part.clone())?;
        }
        Ok(whole)
    }

    #[test]
    fn merging_adds_every_entry_once() {
        let (a, b) = (file("/a", "/h/a"), file("/b", "/h/b"));
        let whole = merged(&[&a, &b, &a]).unwrap();
        assert_eq!(whole.len(), 2);
        assert_eq!(whole, merged(&[&b, &a]).unwrap());
    }

    #[test]
    fn different_files_at_one_path_are_a_conflict_that_names_the_path_and_both_files() {
        let conflict = merged(&[&file("/a", "/h/a"), &file("/a", "/h/b")]).unwrap_err();
        let message = conflict.to_string();
        assert!(message.starts_with("/a would have to be both /h/a and /h/b;"));
    }

    #[test]
    fn a_file_beats_a_symlink_to_itself_in_any_order() {
        let (file, symlink) = (file("/l", "/h/a"), symlink("/l", "/a", "/h/a"));
        assert_eq!(merged(&[&file, &symlink]).unwrap(), file);
        assert_eq!(merged(&[&symlink, &file]).unwrap(), file);
    }

    #[test]
    fn dots_are_folded_and_the_directories_before_them_are_returned() {
        let closure = file("/opt/bin/../lib/./a.so", "/h/a.so");
        assert_eq!(closure.get("/opt/bin"), Some(&ClosureEntry::Directory));
        assert!(closure.get("/opt/lib/a.so").is_some());
        assert_eq!(fold(Path::new("/../a")), ("/a".into(), vec![]));
    }
}
