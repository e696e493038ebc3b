//! The digests of files outside of the store, kept between runs.
//!
//! A file counts as unchanged if its inode, size, modification time and change time are. The
//! clock of file systems has a coarse granularity: a file that changed less than a second before
//! it was hashed could change again without a new time. The digest of such a file is not kept.

mod format;

use super::Digest;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const SECOND: i64 = 1_000_000_000;
/// The number of days after which the digest of a file that no client looked up is removed.
const FORGOTTEN_AFTER: u32 = 30;
/// The greatest number of files.
const CAPACITY: usize = 1_000_000;

/// The attributes that show whether a file changed. Times are in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    pub inode: u64,
    pub size: u64,
    pub modified: i64,
    pub changed: i64,
}

impl FileIdentity {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last change was long enough before `now` that a later change has a new time.
    pub fn is_settled(&self, now: i64) -> bool {
        now.saturating_sub(self.modified.max(self.changed)) > SECOND
    }

    /// Whether inode, size and modification time are the same. Links and renames only change the
    /// change time.
    pub fn same_content(&self, other: &Self) -> bool {
        (self.inode, self.size, self.modified) == (other.inode, other.size, other.modified)
    }
}

/// Nanoseconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_nanos() as i64)
}

fn nanoseconds(seconds: i64, fraction: i64) -> i64 {
    seconds.saturating_mul(SECOND).saturating_add(fraction)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CachedDigest {
    identity: FileIdentity,
    sha256: [u8; 32],
    /// The day of the last lookup, counted since 1970.
    seen: u32,
    /// Whether this client changed the entry since the file was read.
    changed_here: bool,
}

/// Digests by the path and identity of a file.
pub(super) struct DigestCache {
    file: PathBuf,
    today: u32,
    /// `None` until the file is read, on first use.
    entries: Option<HashMap<Box<[u8]>, CachedDigest>>,
    /// The paths of files that blobs are hard links to, by inode.
    linked: HashMap<u64, PathBuf>,
}

impl DigestCache {
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            today: (now() / SECOND / 86_400) as u32,
            entries: None,
            linked: HashMap::new(),
        }
    }

    fn entries(&mut self) -> &mut HashMap<Box<[u8]>, CachedDigest> {
        self.entries
            .get_or_insert_with(|| read(&self.file).unwrap_or_default())
    }

    /// The digest of an unchanged file.
    pub fn get(&mut self, path: &Path, identity: &FileIdentity) -> Option<Digest> {
        let today = self.today;
        let entry = self.entries().get_mut(path.as_os_str().as_bytes())?;
        if entry.identity != *identity {
            return None;
        }
        // With a granularity of a week, most runs need not rewrite the file.
        if entry.seen + 7 <= today {
            entry.seen = today;
            entry.changed_here = true;
        }
        Some(Digest {
            sha256: entry.sha256,
            size: identity.size,
        })
    }

    /// Adds the digest of a file that was settled when it was hashed.
    pub fn insert(&mut self, path: &Path, identity: FileIdentity, digest: &Digest) {
        let entry = CachedDigest {
            identity,
            sha256: digest.sha256,
            seen: self.today,
            changed_here: true,
        };
        self.entries()
            .insert(path.as_os_str().as_bytes().into(), entry);
    }

    /// Records that the blob with this inode is a hard link to `path`.
    pub fn set_linked(&mut self, path: &Path, inode: u64) {
        self.linked.insert(inode, path.to_owned());
    }

    /// Updates the change time of a file after this client made a hard link to it.
    pub fn change_time_moved(&mut self, before: &FileIdentity, after: &FileIdentity) {
        let Some(path) = self.linked.get(&before.inode).cloned() else {
            return;
        };
        if let Some(entry) = self.entries().get_mut(path.as_os_str().as_bytes())
            && entry.identity == *before
        {
            entry.identity = *after;
            entry.changed_here = true;
        }
    }

    /// The bytes of the file with the changes of this client and of others since it was read.
    /// `None` if this client changed nothing.
    pub fn take_changes(&mut self) -> Option<Vec<u8>> {
        let ours = self.entries.as_mut()?;
        if !ours.values().any(|entry| entry.changed_here) {
            return None;
        }
        let mut merged = read(&self.file).unwrap_or_default();
        for (path, entry) in ours {
            if std::mem::take(&mut entry.changed_here) {
                merged.insert(path.clone(), *entry);
            }
        }
        merged.retain(|_, entry| entry.seen + FORGOTTEN_AFTER > self.today);
        let mut sorted: Vec<(&[u8], _)> = merged
            .iter()
            .map(|(path, entry)| (&**path, entry))
            .collect();
        if sorted.len() > CAPACITY {
            sorted.sort_unstable_by_key(|(_, entry)| std::cmp::Reverse(entry.seen));
            sorted.truncate(CAPACITY);
        }
        sorted.sort_unstable_by_key(|(path, _)| *path);
        Some(format::write(&sorted))
    }
}

/// The entries of the file. `None` if it is damaged or of another version.
fn read(file: &Path) -> Option<HashMap<Box<[u8]>, CachedDigest>> {
    format::read(&fs::read(file).ok()?)
}

#[cfg(test)]
mod tests;
