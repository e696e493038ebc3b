//! One job at a time for directories that only one may use: overlayfs promises
//! nothing for an upper directory that two mounts share.

use camino::Utf8PathBuf;
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

/// The right to use some directories, until it is dropped. It holds for the jobs
/// of other clients too.
#[derive(Debug)]
pub struct OverlayDirLock {
    _locks: Vec<Flock<File>>,
}

impl OverlayDirLock {
    /// Waits until nobody else uses any of the directories.
    pub async fn wait(directories: Vec<Utf8PathBuf>) -> io::Result<Self> {
        tokio::task::spawn_blocking(move || Self::lock(&directories))
            .await
            .map_err(io::Error::other)?
    }

    fn lock(directories: &[Utf8PathBuf]) -> io::Result<Self> {
        // By what a directory is, not by its path: two paths may lead to one directory, and
        // a lock waits for one on another descriptor, although both are ours.
        let mut files = BTreeMap::new();
        for path in directories {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            files.insert((metadata.dev(), metadata.ino()), file);
        }
        // Everybody in the same order, so that nobody waits in a circle.
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

    /// More than any machine takes for it: a turn that waits for itself waits for ever.
    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_directory_with_several_paths_does_not_wait_for_itself() {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(place.path().to_owned()).unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        symlink(root.join("a"), root.join("link")).unwrap();
        let paths = ["a/b", "a/../a/b", "link/b", "./a/b/"].map(|path| root.join(path));
        let (sender, turn) = mpsc::channel();
        std::thread::spawn(move || sender.send(OverlayDirLock::lock(&paths)));
        turn.recv_timeout(LIMIT).unwrap().unwrap();
    }

    #[test]
    fn a_directory_is_taken_by_whatever_path() {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(place.path().to_owned()).unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        let free = || {
            let directory = File::open(root.join("a/b")).unwrap();
            Flock::lock(directory, FlockArg::LockExclusiveNonblock).is_ok()
        };
        let turn = OverlayDirLock::lock(&[root.join("a/../a/b")]).unwrap();
        assert!(!free());
        drop(turn);
        assert!(free());
    }
}
