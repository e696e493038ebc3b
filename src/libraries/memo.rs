//! Remembers what was read from files for as long as they do not change.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A value per file, from its path.
#[derive(Debug)]
pub(super) struct Memo<T> {
    values: Mutex<HashMap<PathBuf, (Stamp, Arc<T>)>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self {
            values: Mutex::default(),
        }
    }
}

impl<T> Memo<T> {
    /// The value of the file at `path`, whose current state is `metadata`; made
    /// by `read` if not known yet. Two threads may both read; one value wins.
    pub(super) fn get<E>(
        &self,
        path: &Path,
        metadata: &Metadata,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let stamp = Stamp::of(metadata);
        if let Some((known, value)) = self.lock().get(path)
            && *known == stamp
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(read()?);
        self.lock()
            .insert(path.to_owned(), (stamp, Arc::clone(&value)));
        Ok(value)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (Stamp, Arc<T>)>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
