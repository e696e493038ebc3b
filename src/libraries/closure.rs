//! The result: which files of the host go where in the container.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::path::{Component, Path, PathBuf};

/// What is at a path in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file with the content of this file of the host, a path without
    /// symlinks.
    File(PathBuf),
    Symlink {
        /// Absolute.
        target: PathBuf,
        /// The file of the host that the symlink leads to in the end, which is
        /// in the closure, too.
        file: PathBuf,
    },
    /// A directory, needed only since a path leads through it (`bin/../lib`).
    Directory,
}

impl Entry {
    /// The host's file that opening the path gives.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::Symlink { file, .. } => Some(file),
            Self::Directory => None,
        }
    }
}

/// Files and symlinks by their paths in the container, which are absolute and
/// free of `.` and `..`. Directories above them are not listed. The order, and
/// hence what is made of it, depends on nothing but the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    entries: BTreeMap<PathBuf, Entry>,
}

/// Two different things that would have to be at one path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} would have to be both {} and {}; put what needs the one and what needs the other into layers of different containers, or name the directory to prefer in LD_LIBRARY_PATH",
    path.display(),
    describe(one),
    describe(other)
)]
pub struct Conflict {
    /// In the container.
    pub path: PathBuf,
    pub one: Entry,
    pub other: Entry,
}

fn describe(entry: &Entry) -> String {
    entry.file().map_or_else(
        || "a directory".to_owned(),
        |file| file.display().to_string(),
    )
}

impl Closure {
    /// What is at `path`, which must be free of `.` and `..`.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Entry> {
        self.entries.get(path.as_ref())
    }

    /// In the order of paths.
    pub fn iter(&self) -> btree_map::Iter<'_, PathBuf, Entry> {
        self.entries.iter()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds everything that is in `other`. Fails where both have a path but not
    /// the same file there; what was added until then stays.
    pub fn merge(&mut self, other: Self) -> Result<(), Conflict> {
        for (path, entry) in other.entries {
            self.insert(path, entry)?;
        }
        Ok(())
    }

    /// Puts `file`, a resolved path of the host, at `path` of the container.
    pub(super) fn add_file(&mut self, path: &Path, file: &Path) -> Result<(), Conflict> {
        let path = self.fold(path)?;
        self.insert(path, Entry::File(file.to_owned()))
    }

    /// Puts a symlink at `path` to `target`, both in the container, unless they
    /// are the same. `file` is what is at the target in the end.
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
        self.insert(path, Entry::Symlink { target, file })
    }

    fn fold(&mut self, path: &Path) -> Result<PathBuf, Conflict> {
        let (path, crossed) = fold(path);
        for directory in crossed {
            self.insert(directory, Entry::Directory)?;
        }
        Ok(path)
    }

    /// Keeps a file rather than a symlink to the same file, and of two symlinks
    /// the one with the lesser target, so that the order of calls is no matter.
    fn insert(&mut self, path: PathBuf, entry: Entry) -> Result<(), Conflict> {
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
                    (Entry::Symlink { .. }, Entry::File(_)) => true,
                    (Entry::Symlink { target: known, .. }, Entry::Symlink { target, .. }) => {
                        target < known
                    }
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
    type Item = (PathBuf, Entry);
    type IntoIter = btree_map::IntoIter<PathBuf, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a Closure {
    type Item = (&'a PathBuf, &'a Entry);
    type IntoIter = btree_map::Iter<'a, PathBuf, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `path` without `.` and `..`, as a file system without directory symlinks
/// understands it, and the directories that a `..` leaves: they have to exist.
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
    fn merging_takes_in_everything_once() {
        let (a, b) = (file("/a", "/h/a"), file("/b", "/h/b"));
        let whole = merged(&[&a, &b, &a]).unwrap();
        assert_eq!(whole.len(), 2);
        assert_eq!(whole, merged(&[&b, &a]).unwrap());
    }

    #[test]
    fn different_files_at_one_path_are_a_conflict_that_names_all_three() {
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
    fn dots_are_folded_and_the_directories_left_are_kept() {
        let closure = file("/opt/bin/../lib/./a.so", "/h/a.so");
        assert_eq!(closure.get("/opt/bin"), Some(&Entry::Directory));
        assert!(closure.get("/opt/lib/a.so").is_some());
        assert_eq!(fold(Path::new("/../a")), ("/a".into(), vec![]));
    }
}
