//! Small values that are kept between runs, by kind and key.

use super::checksum::{seal, unseal};
use super::{Digest, Store, StoreError};
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The granularity of the time of last use, which eviction reads.
const LAST_USE_GRANULARITY: Duration = Duration::from_secs(24 * 60 * 60);

impl Store {
    /// The last value that [`Store::cache`] wrote for this kind and key, unless it was evicted
    /// or damaged.
    pub fn cached(&self, kind: &str, key: &str) -> Option<Vec<u8>> {
        let mut file = File::open(self.value_path(kind, key)).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let value = unseal(&bytes)?;
        let used = file.metadata().and_then(|metadata| metadata.modified());
        if used.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > LAST_USE_GRANULARITY)) {
            // An error is ignored: the value is only evicted earlier.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(value.to_vec())
    }

    /// Keeps a small value. `kind` is a file name. If the format of its values changes, the name
    /// must change too.
    pub fn cache(&self, kind: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let path = self.value_path(kind, key);
        let directory = self.client.root.join("values").join(kind);
        fs::create_dir_all(&directory)
            .map_err(|cause| self.client.failed("make the directory", &directory, cause))?;
        self.client.write_file(&path, &seal(value.to_vec()))
    }

    fn value_path(&self, kind: &str, key: &str) -> PathBuf {
        let mut path = self.client.root.join("values");
        path.push(kind);
        path.push(Digest::of(key.as_bytes()).to_string());
        path
    }
}
