//! Limits how much archives may unpack.

use super::TarError;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The limit in bytes for a store that may hold less: a store may exceed its size while it is in
/// use.
const MIN_LIMIT: u64 = 1 << 30;

/// The memory that the paths of archives may take, in bytes.
const MAX_PATH_BYTES: u64 = 1 << 30;

/// The remaining budget of some archives. Threads may share it.
#[derive(Debug)]
pub(crate) struct UnpackBudget {
    /// The budget of content in bytes, when nothing was taken.
    limit: u64,
    content: AtomicU64,
    paths: AtomicU64,
}

impl UnpackBudget {
    /// The budget for a store that may hold `size_limit` bytes.
    pub fn of_store(size_limit: u64) -> Self {
        Self::new(size_limit.max(MIN_LIMIT))
    }

    /// A budget of `limit` bytes of content.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            content: AtomicU64::new(limit),
            paths: AtomicU64::new(MAX_PATH_BYTES),
        }
    }

    /// Takes bytes of content for an archive.
    pub fn take(&self, bytes: u64, archive: &Path) -> Result<(), TarError> {
        take(&self.content, bytes).map_err(|()| TarError::TooLarge {
            archive: archive.to_owned(),
            limit: self.limit,
        })
    }

    /// Takes bytes of paths for an archive.
    pub fn take_paths(&self, bytes: u64, archive: &Path) -> Result<(), TarError> {
        take(&self.paths, bytes).map_err(|()| TarError::TooMany {
            archive: archive.to_owned(),
        })
    }
}

fn take(from: &AtomicU64, bytes: u64) -> Result<(), ()> {
    from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(bytes)
    })
    .map(drop)
    .map_err(drop)
}
