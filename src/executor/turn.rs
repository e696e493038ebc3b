//! One job at a time for directories that only one may use: overlayfs promises
//! nothing for an upper directory that two mounts share.

use camino::Utf8PathBuf;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io;

/// The right to use some directories, until it is dropped. It holds for the jobs
/// of other clients too.
#[derive(Debug)]
pub struct Turn {
    _locks: Vec<Flock<File>>,
}

impl Turn {
    /// Waits until nobody else uses any of the directories.
    pub async fn wait(mut directories: Vec<Utf8PathBuf>) -> io::Result<Self> {
        // Everybody in the same order, so that nobody waits in a circle.
        directories.sort_unstable();
        directories.dedup();
        let locking = tokio::task::spawn_blocking(move || {
            let lock = |path: &Utf8PathBuf| {
                Flock::lock(File::open(path)?, FlockArg::LockExclusive)
                    .map_err(|(_, error)| io::Error::from(error))
            };
            directories.iter().map(lock).collect::<io::Result<_>>()
        });
        Ok(Self {
            _locks: locking.await.map_err(io::Error::other)??,
        })
    }
}
