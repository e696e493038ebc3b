//! What an inode looks like, to notice that somebody wrote to it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What an inode looks like.
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

    /// Whether only links came or went, as far as can be told.
    pub fn differs_in_links_only(self, other: Self) -> bool {
        let changed = other.changed;
        Self { changed, ..self } == other
    }
}
