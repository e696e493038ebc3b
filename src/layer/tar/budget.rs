//! How much may be unpacked.

use super::TarError;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// So much may be unpacked even where the store is to hold less: it may hold more while it
/// is in use.
const LEAST: u64 = 1 << 30;

/// What the paths of archives may take in memory, in bytes.
const MOST_PATHS: u64 = 1 << 30;

/// What is left of what some archives may take together. To be shared by threads.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In bytes.
    limit: u64,
    content: AtomicU64,
    paths: AtomicU64,
}

impl Budget {
    /// As fits a store that may hold this many bytes.
    pub fn of_store(size_limit: u64) -> Self {
        Self::new(size_limit.max(LEAST))
    }

    /// `limit` is in bytes, of content.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            content: AtomicU64::new(limit),
            paths: AtomicU64::new(MOST_PATHS),
        }
    }

    /// Takes so many bytes of content for an archive.
    pub fn take(&self, bytes: u64, archive: &Path) -> Result<(), TarError> {
        take(&self.content, bytes).map_err(|()| TarError::TooLarge {
            archive: archive.to_owned(),
            limit: self.limit,
        })
    }

    /// Takes so many bytes of paths for an archive.
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
