//! The approximate size of the store, so that eviction need not count it each time.
//!
//! The file `usage` has the size in bytes and the time at which it was last counted, in seconds
//! since 1970. Each client adds the size of its own additions. A killed client does not, so the
//! size is counted again after some days.

use super::StoreError;
use super::lock::Subject;
use super::open::{StoreClient, locked};
use std::fs;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// The age after which the size is counted again, in seconds.
const MAX_COUNT_AGE: u64 = 7 * 24 * 60 * 60;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub bytes: u64,
    counted: u64,
}

impl Usage {
    /// The size as it was counted now.
    pub fn counted(bytes: u64) -> Self {
        let counted = now();
        Self { bytes, counted }
    }

    pub fn is_recent(&self) -> bool {
        now().abs_diff(self.counted) < MAX_COUNT_AGE
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

impl StoreClient {
    /// Adds the size of this client's additions since the last call.
    pub fn save_usage(&self) -> Result<(), StoreError> {
        let _alone = locked(&self.eviction);
        self.add_to_usage().map(|_| ())
    }

    /// Like [`Self::save_usage`], for a caller that has locked `eviction`.
    pub fn add_to_usage(&self) -> Result<Usage, StoreError> {
        let writing = self.lock.hold(Subject::Usage);
        let _writing = writing.map_err(|cause| self.cannot_lock(cause))?;
        let mut usage = self.read_usage().unwrap_or_default();
        let added = self.added.swap(0, Ordering::Relaxed);
        if added > 0 {
            usage.bytes = usage.bytes.saturating_add(added);
            self.write_usage(&usage)?;
        }
        Ok(usage)
    }

    pub fn write_usage(&self, usage: &Usage) -> Result<(), StoreError> {
        let text = format!("{} {}\n", usage.bytes, usage.counted);
        self.write_file(&self.root.join("usage"), text.as_bytes())
    }

    fn read_usage(&self) -> Option<Usage> {
        let text = fs::read_to_string(self.root.join("usage")).ok()?;
        let (bytes, counted) = text.trim_end().split_once(' ')?;
        Some(Usage {
            bytes: bytes.parse().ok()?,
            counted: counted.parse().ok()?,
        })
    }
}
