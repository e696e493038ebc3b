//! The cache's state in memory: its blobs, and what their inodes looked like.

use crate::store::Digest;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The name of a blob in the cache. A blob that is needed with both modes has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey {
    pub digest: Digest,
    pub executable: bool,
}

impl BlobKey {
    pub fn plain(digest: Digest) -> Self {
        Self {
            digest,
            executable: false,
        }
    }

    pub fn mode(self) -> u32 {
        if self.executable { 0o555 } else { 0o444 }
    }

    pub fn name(self) -> String {
        let suffix = if self.executable { ".x" } else { "" };
        format!("{}{suffix}", self.digest)
    }

    pub fn named(name: &str) -> Option<Self> {
        let (digest, executable) = match name.strip_suffix(".x") {
            Some(digest) => (digest, true),
            None => (name, false),
        };
        let digest = digest.parse().ok()?;
        Some(Self { digest, executable })
    }
}

/// The attributes of an inode that show whether it was changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InodeStamp {
    inode: u64,
    size: u64,
    pub mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl InodeStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub fn read(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|metadata| Self::of(&metadata))
    }

    /// Whether only the change time differs, as it does when a link was made or removed.
    pub fn differs_in_links_only(self, other: Self) -> bool {
        let changed = other.changed;
        Self { changed, ..self } == other
    }
}

#[derive(Default)]
pub struct CacheState {
    pub blobs: HashMap<BlobKey, CachedBlob>,
    /// The size of all blobs and downloads, in bytes.
    pub size: u64,
    /// The number of uses so far.
    clock: u64,
}

#[derive(Default)]
pub struct CachedBlob {
    /// The inode as it was last verified.
    pub stamp: Option<InodeStamp>,
    pub used: u64,
    /// The number of actions that have pinned the blob.
    pub holders: usize,
    /// Whether the file exists. If not, it is being downloaded.
    pub present: bool,
}

impl CacheState {
    /// Finds the blobs that an earlier worker left. The blob with the oldest change time counts as
    /// the least recently used.
    pub fn read(blobs: &Path) -> io::Result<Self> {
        let mut found = Vec::new();
        for directory in fs::read_dir(blobs)? {
            let directory = directory?;
            if !directory.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(directory.path())? {
                let file = file?;
                // The worker did not make files with other names.
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

    /// Records that the file of a blob is gone.
    pub fn forget(&mut self, key: BlobKey) {
        if let Some(cached) = self.blobs.get_mut(&key) {
            if std::mem::take(&mut cached.present) {
                self.size = self.size.saturating_sub(key.digest.size);
            }
            cached.stamp = None;
        }
    }
}
