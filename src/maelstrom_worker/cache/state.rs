//! What is known of the blobs.

use super::BlobKey;
use super::stamp::InodeStamp;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Default)]
pub struct CacheState {
    pub blobs: HashMap<BlobKey, CachedBlob>,
    /// Of all blobs and downloads, in bytes.
    pub size: u64,
    /// Counts uses.
    clock: u64,
}

#[derive(Default)]
pub struct CachedBlob {
    /// `None`: not verified.
    pub stamp: Option<InodeStamp>,
    pub used: u64,
    /// How many actions need it now.
    pub holders: usize,
    /// Whether it is there; if not, it is about to be.
    pub present: bool,
}

impl CacheState {
    /// What an earlier worker left, the oldest change taken for the longest unused.
    pub fn read(blobs: &Path) -> io::Result<Self> {
        let mut found = Vec::new();
        for directory in fs::read_dir(blobs)? {
            let directory = directory?;
            if !directory.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(directory.path())? {
                let file = file?;
                // What has another name is not the worker's.
                let Some(key) = file.file_name().to_str().and_then(BlobKey::named) else {
                    continue;
                };
                let metadata = file.metadata()?;
                if metadata.len() == key.digest.size {
                    found.push((metadata.ctime(), key));
                } else {
                    fs::remove_file(file.path())?;
                }
            }
        }
        found.sort_unstable();
        let mut state = Self::default();
        for (_, key) in found {
            let used = state.tick();
            state.size += key.digest.size;
            let cached = CachedBlob {
                used,
                present: true,
                ..CachedBlob::default()
            };
            state.blobs.insert(key, cached);
        }
        Ok(state)
    }

    pub fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub fn note(&mut self, key: BlobKey, stamp: Option<InodeStamp>) {
        if let Some(cached) = self.blobs.get_mut(&key) {
            cached.stamp = stamp;
        }
    }

    /// Its file is gone.
    pub fn forget(&mut self, key: BlobKey) {
        if let Some(cached) = self.blobs.get_mut(&key) {
            if std::mem::take(&mut cached.present) {
                self.size = self.size.saturating_sub(key.digest.size);
            }
            cached.stamp = None;
        }
    }
}
