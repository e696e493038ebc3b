//! Locks on directories that one job at a time may use: those of `cache` mounts, and those of an
//! overlay, as the behaviour of overlayfs is undefined if two mounts share an upper directory.

use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The exclusive use of some directories until this is dropped, also against other clients.
#[derive(Debug)]
pub struct DirectoryLock {
    _locks: Vec<Flock<File>>,
}

impl DirectoryLock {
    /// Waits until no other job uses any of the directories.
    pub async fn wait(directories: Vec<PathBuf>) -> io::Result<Self> {
        tokio::task::spawn_blocking(move || Self::lock(&directories))
            .await
            .map_err(io::Error::other)?
    }

    fn lock(directories: &[PathBuf]) -> io::Result<Self> {
        // Each directory is locked once, whatever its paths are: a second lock on another
        // descriptor of this process would wait for the first.
        let mut files = BTreeMap::new();
        for path in directories {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            files.insert((metadata.dev(), metadata.ino()), file);
        }
        // All jobs lock in the same order, so that there is no deadlock.
        let lock = |file| {
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))
        };
        Ok(Self {
            _locks: files.into_values().map(lock).collect::<io::Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc;
    use std::time::Duration;

    /// A lock that waits for itself never ends. This is longer than any machine needs for it.
    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_directory_with_several_paths_does_not_wait_for_itself() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        symlink(root.join("a"), root.join("link")).unwrap();
        let paths = ["a/b", "a/../a/b", "link/b", "./a/b/"].map(|path| root.join(path));
        let (sender, turn) = mpsc::channel();
        std::thread::spawn(move || sender.send(DirectoryLock::lock(&paths)));
        turn.recv_timeout(LIMIT).unwrap().unwrap();
    }

    #[test]
    fn a_directory_is_taken_by_whatever_path() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        let free = || {
            let directory = File::open(root.join("a/b")).unwrap();
            Flock::lock(directory, FlockArg::LockExclusiveNonblock).is_ok()
        };
        let turn = DirectoryLock::lock(&[root.join("a/../a/b")]).unwrap();
        assert!(!free());
        drop(turn);
        assert!(free());
    }
}
