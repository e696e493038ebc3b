//! The directory of a worker's cache: `worker` in the cache root.
//!
//! ```text
//! maelstrom-cache          the mark with the format; content of another format is discarded
//! lock                     locked by the worker as long as it runs
//! bot-id                   the id of the worker at the engine
//! blobs/ab/abcd…-<size>    a blob, mode 444
//! blobs/ab/abcd…-<size>.x  the same blob as an executable, mode 555: modes belong to inodes
//! tmp/N/                   the blobs that are being downloaded for an action
//! actions/N/               the directory of an action
//! base/                    the lower directory of all actions
//! ```
//!
//! A killed worker leaves files only in `tmp/` and `actions/`, and the next worker removes them.

use super::state::{BlobKey, CacheState};
use crate::cachedir::{self, CacheDirError, CacheKind};
use crate::maelstrom_worker::error::WorkError;
use crate::store::remove_tree;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The directory of a cache, locked by this worker.
pub struct WorkerCacheDirectory {
    directory: PathBuf,
    /// The number of the next directory in `tmp` and `actions`.
    counter: AtomicU64,
    _lock: Flock<File>,
}

impl WorkerCacheDirectory {
    /// Makes and marks the directory if it does not exist. Removes everything that an earlier
    /// worker left except its blobs.
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

    /// The blobs that an earlier worker left.
    pub fn read_state(&self) -> Result<CacheState, WorkError> {
        let path = self.directory.join("blobs");
        Ok(CacheState::read(&path).map_err(failed("look through", &path))?)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A new empty directory in `tmp` or `actions`.
    pub fn new_directory(&self, below: &str) -> Result<PathBuf, WorkError> {
        let number = self.counter.fetch_add(1, Relaxed);
        let path = self.directory.join(below).join(number.to_string());
        // The files of an action belong to the user of the worker and may be set-user-ID, so no
        // other user may reach them.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| WorkError::local("create", &path, error))?;
        Ok(path)
    }

    /// The path of a blob, whether it exists or not.
    pub fn blob(&self, key: BlobKey) -> PathBuf {
        let name = key.name();
        self.directory.join("blobs").join(&name[..2]).join(name)
    }
}

/// Removes the content of a cache that a worker of another version made. The caller has the lock.
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
