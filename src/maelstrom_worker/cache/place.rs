//! Where a worker's cache is: the directory `worker` of the cache root.
//!
//! ```text
//! maelstrom-cache          the mark, with the format; another one is discarded
//! lock                     held by the worker as long as it lives
//! bot-id                   what the engine knows the worker by
//! blobs/ab/abcd…-<size>    content, mode 444
//! blobs/ab/abcd…-<size>.x  the same as an executable, mode 555: modes belong to inodes
//! tmp/N/                   what is being downloaded for an action
//! actions/N/               what an action runs in
//! base/                    what every action's root is made of
//! ```
//!
//! A killed worker leaves garbage in `tmp/` and `actions/` only, which the next one removes.

use super::BlobKey;
use super::state::CacheState;
use crate::cachedir::{self, CacheDirError, CacheKind};
use crate::maelstrom_worker::error::WorkError;
use crate::store::remove_tree;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The directory, which no other worker uses.
pub struct WorkerCacheDirectory {
    directory: PathBuf,
    /// For names that occur once.
    counter: AtomicU64,
    _lock: Flock<File>,
}

impl WorkerCacheDirectory {
    /// Makes and marks what is not there; leaves no blob out, but all else that an earlier worker
    /// left.
    pub fn open(cache_root: &Path) -> Result<Self, WorkError> {
        let directory = cachedir::claim(cache_root, CacheKind::Worker)?.directory;
        let directory = directory
            .canonicalize()
            .map_err(failed("find the directory", &directory))?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(failed("open", &path))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, error)| match error {
            nix::errno::Errno::EWOULDBLOCK => WorkError::CacheInUse(cache_root.to_owned()),
            error => failed("lock", &path)(error.into()).into(),
        })?;
        discard_other_format(cache_root, &directory)?;
        for name in ["tmp", "actions"] {
            let path = directory.join(name);
            remove_tree(&path).map_err(failed("remove", &path))?;
            fs::create_dir(&path).map_err(failed("make the directory", &path))?;
        }
        let path = directory.join("blobs");
        fs::create_dir_all(&path).map_err(failed("make the directory", &path))?;
        Ok(Self {
            directory,
            counter: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// What an earlier worker left.
    pub fn read_state(&self) -> Result<CacheState, WorkError> {
        let path = self.directory.join("blobs");
        Ok(CacheState::read(&path).map_err(failed("look through", &path))?)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A new empty directory below the one called `below`.
    pub fn new_directory(&self, below: &str) -> Result<PathBuf, WorkError> {
        let number = self.counter.fetch_add(1, Relaxed);
        let path = self.directory.join(below).join(number.to_string());
        // What an action makes is the worker's user's, and may be set-user-ID: not for others.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| WorkError::local("create", &path, error))?;
        Ok(path)
    }

    /// Where a blob is, or would be.
    pub fn blob(&self, key: BlobKey) -> PathBuf {
        let name = key.name();
        self.directory.join("blobs").join(&name[..2]).join(name)
    }
}

/// Removes what a worker of another version left. The caller has the lock.
fn discard_other_format(cache_root: &Path, directory: &Path) -> Result<(), WorkError> {
    let Some(format) = cachedir::claim(cache_root, CacheKind::Worker)?.other_format else {
        return Ok(());
    };
    for name in ["blobs", "tmp", "actions", "base"] {
        let path = directory.join(name);
        remove_tree(&path).map_err(failed("remove", &path))?;
    }
    cachedir::replace_mark(directory, CacheKind::Worker).map_err(failed("write to", directory))?;
    tracing::warn!(
        "discarded the content of {}, which has another format ({format})",
        directory.display()
    );
    Ok(())
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheDirError {
    let path = path.to_owned();
    move |cause| CacheDirError::Io { doing, path, cause }
}
