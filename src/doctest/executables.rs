//! The directories with the executables of documentation tests.
//!
//! A directory is removed at the end of the run, or kept for later runs if its name is a key. It is
//! locked as long as a run uses it. The directory of the library is locked while directories in it are
//! created or removed, so that none is removed between its creation and its own lock.

use super::listing::Doctest;
use camino::{Utf8Path, Utf8PathBuf};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io;

/// The file with the tests. It is written last, so a directory without it is not complete.
const LISTING: &str = "listing.json";

/// The start of the names of directories without a key.
const WITHOUT_KEY: &str = "run-";

/// The start of the keys of tests without executables.
pub const NAMES_ONLY: &str = "names-";

/// A directory with the executables of a library's tests, in use by this run.
#[derive(Debug)]
pub struct ExecutableDirectory {
    pub path: Utf8PathBuf,
    has_key: bool,
    is_kept: bool,
    _lock: Flock<File>,
}

impl ExecutableDirectory {
    /// The directory of an earlier run with this key, and its tests. `of_library` is the directory
    /// with all directories of the library.
    pub fn find(of_library: &Utf8Path, key: &str) -> Option<(Self, Vec<Doctest>)> {
        let path = of_library.join(key);
        let lock = Flock::lock(File::open(&path).ok()?, FlockArg::LockSharedNonblock).ok()?;
        let tests = serde_json::from_slice(&fs::read(path.join(LISTING)).ok()?).ok()?;
        let directory = Self {
            path,
            has_key: true,
            is_kept: true,
            _lock: lock,
        };
        Some((directory, tests))
    }

    /// An empty directory. With a key, later runs find it once it is complete. Directories of the
    /// library that no run uses are removed, those with keys only if this one has a key, too, and those
    /// with executables only if this one is for executables, too.
    pub fn create(of_library: &Utf8Path, key: Option<&str>) -> io::Result<Self> {
        fs::create_dir_all(of_library)?;
        let _exclusive = lock(of_library, FlockArg::LockExclusive)?;
        remove_unused_of(of_library, |name| {
            let replaces = |key: &str| name.starts_with(NAMES_ONLY) || !key.starts_with(NAMES_ONLY);
            name.starts_with(WITHOUT_KEY) || key.is_some_and(replaces)
        })?;
        if let Some(key) = key
            && let path = of_library.join(key)
            && fs::create_dir(&path).is_ok()
        {
            return Self::locked(path, true);
        }
        let path = of_library.join(format!("{WITHOUT_KEY}{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path)?;
        Self::locked(path, false)
    }

    fn locked(path: Utf8PathBuf, has_key: bool) -> io::Result<Self> {
        Ok(Self {
            _lock: lock(&path, FlockArg::LockShared)?,
            path,
            has_key,
            is_kept: false,
        })
    }

    /// Makes later runs find the tests, if the directory has a key.
    pub fn complete(&mut self, tests: &[Doctest]) -> io::Result<()> {
        if self.has_key {
            let listing = serde_json::to_vec(tests)?;
            fs::write(self.path.join(LISTING), listing)?;
            self.is_kept = true;
        }
        Ok(())
    }

    /// Leaves the directory where it is. A later run removes it.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for ExecutableDirectory {
    fn drop(&mut self) {
        if !self.is_kept {
            // The next run removes it.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Waits for the lock of a directory.
fn lock(directory: &Utf8Path, kind: FlockArg) -> io::Result<Flock<File>> {
    let lock = Flock::lock(File::open(directory)?, kind);
    lock.map_err(|(_, error)| error.into())
}

/// Removes the directories that no run uses, of all libraries below this directory.
pub fn remove_unused(root: &Utf8Path) -> io::Result<()> {
    let libraries = match root.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        libraries => libraries?,
    };
    for library in libraries {
        let library = library?.into_path();
        let _exclusive = lock(&library, FlockArg::LockExclusive)?;
        remove_unused_of(&library, |_| true)?;
        // It has directories that are used.
        let _ = fs::remove_dir(&library);
    }
    Ok(())
}

/// Removes the directories of a library that no run uses and whose names are chosen.
fn remove_unused_of(library: &Utf8Path, is_chosen: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in library.read_dir_utf8()? {
        let path = entry?.into_path();
        if !path.file_name().is_some_and(&is_chosen) {
            continue;
        }
        // Its run may have removed it.
        let Ok(directory) = File::open(&path) else {
            continue;
        };
        if let Ok(_lock) = Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            match fs::remove_dir_all(&path) {
                // Its run has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctest::DoctestEnd;

    fn library() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path())
            .unwrap()
            .join("doctests/a-a");
        (directory, path)
    }

    fn entries(library: &Utf8Path) -> usize {
        library.read_dir_utf8().unwrap().count()
    }

    #[test]
    fn a_complete_directory_is_found_by_its_key() {
        let (_directory, library) = library();
        let tests = [Doctest::new("a (line 1)", DoctestEnd::Passed)];
        let mut created = ExecutableDirectory::create(&library, Some("key")).unwrap();
        assert!(ExecutableDirectory::find(&library, "key").is_none());
        created.complete(&tests).unwrap();
        drop(created);
        assert!(ExecutableDirectory::find(&library, "other").is_none());
        let (_, found) = ExecutableDirectory::find(&library, "key").unwrap();
        assert_eq!(found, tests);
    }

    #[test]
    fn one_without_a_key_is_removed_at_its_end() {
        let (_directory, library) = library();
        let mut created = ExecutableDirectory::create(&library, None).unwrap();
        created.complete(&[]).unwrap();
        assert_eq!(entries(&library), 1);
        drop(created);
        assert_eq!(entries(&library), 0);
    }

    #[test]
    fn a_directory_in_use_is_not_removed_and_not_shared_before_it_is_complete() {
        let (_directory, library) = library();
        let first = ExecutableDirectory::create(&library, Some("key")).unwrap();
        let second = ExecutableDirectory::create(&library, Some("key")).unwrap();
        assert_ne!(first.path, second.path);
        assert!(first.path.is_dir());
        drop(second);
        // It is left incomplete, as by a run that was killed.
        fs::rename(&first.path, library.join("left")).unwrap();
        drop(first);
        fs::rename(library.join("left"), library.join("key")).unwrap();
        let third = ExecutableDirectory::create(&library, Some("key")).unwrap();
        assert_eq!(entries(&library), 1);
        let root = library.parent().unwrap();
        remove_unused(root).unwrap();
        assert!(third.path.is_dir());
        drop(third);
        remove_unused(root).unwrap();
        assert!(!library.exists());
        remove_unused(&root.join("nothing")).unwrap();
    }

    #[test]
    fn runs_that_create_directories_at_the_same_time_keep_theirs() {
        let (_directory, library) = library();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let created = ExecutableDirectory::create(&library, None).unwrap();
                        assert!(created.path.is_dir());
                    }
                });
            }
        });
    }
}
