//! Caches values read from files until the files change.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Identifies the state of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// The cached values by the paths of their files.
#[derive(Debug)]
pub(super) struct FileMemo<T> {
    values: Mutex<HashMap<PathBuf, (FileStamp, Arc<T>)>>,
}

impl<T> Default for FileMemo<T> {
    fn default() -> Self {
        Self {
            values: Mutex::default(),
        }
    }
}

impl<T> FileMemo<T> {
    /// The value of the file at `path`, whose current state is `metadata`. Calls `read` if there
    /// is none for that state. Two threads may both read; the last value stays.
    pub(super) fn get<E>(
        &self,
        path: &Path,
        metadata: &Metadata,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let stamp = FileStamp::of(metadata);
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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (FileStamp, Arc<T>)>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
