//! About how many bytes the store holds, so that eviction need not count each time.
//!
//! The file `usage` holds the bytes and when they were last counted, in seconds
//! since 1970. Every client adds what it added; a killed one does not, so they are
//! counted again every so often.

use super::StoreError;
use super::lock::Subject;
use super::open::{StoreClient, locked};
use std::fs;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds after which the count is not believed any more.
const MAX_COUNT_AGE: u64 = 7 * 24 * 60 * 60;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub bytes: u64,
    counted: u64,
}

impl Usage {
    /// As counted just now.
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
    /// Adds what this client added since it last did so.
    pub fn save_usage(&self) -> Result<(), StoreError> {
        let _alone = locked(&self.eviction);
        self.add_to_usage().map(|_| ())
    }

    /// The caller has the mutex on eviction.
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
