//! How far a transfer is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of a transfer, in bytes of blobs, which whoever shows them may share. They only add
/// up: one serves any number of transfers.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// How much there is to transfer, as far as is known by now.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// How much of that has been. Becomes less when a transfer starts anew.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    pub(super) fn plan(&self, bytes: u64) {
        self.total.fetch_add(bytes, Relaxed);
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }

    pub(super) fn fall_back(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Relaxed);
    }
}
