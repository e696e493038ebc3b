//! The error for a directory that cannot be a cache.

use super::CacheKind;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A directory that is refused. Nothing in it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    directory: PathBuf,
    purpose: CacheKind,
    pub(super) reason: RefusalReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The directory has no mark, but this entry.
    Foreign(PathBuf),
    /// The directory has no mark, but looks like a cache of a version that made none.
    Older,
    /// The directory has this mark of another kind of cache.
    OtherKind(String),
    /// The directory has this mark of another format.
    OtherFormat(String),
}

impl Refusal {
    pub fn new(directory: &Path, purpose: CacheKind, reason: RefusalReason) -> Self {
        Self {
            directory: directory.to_owned(),
            purpose,
            reason,
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (purpose, option) = match self.purpose {
            CacheKind::Root | CacheKind::Store => (
                "as a cache",
                "`--cache-root`; with `cargo maelstrom`, `--target-dir`",
            ),
            CacheKind::Worker => ("as a cache", "`--cache-root`"),
            CacheKind::Images => ("for images", "`--container-image-depot-root`"),
        };
        write!(f, "cannot use {} {purpose}: ", self.directory.display())?;
        match &self.reason {
            RefusalReason::Foreign(entry) => write!(
                f,
                "it holds `{}`, which no cache of Maelstrom made, and caches remove files; choose",
                entry.display()
            ),
            RefusalReason::Older => f.write_str(
                "it looks like the cache of an earlier version of Maelstrom, but is not marked as \
                 one; remove it if it is no more than that, or choose",
            ),
            RefusalReason::OtherKind(found) => {
                write!(f, "it is part of another cache ({found}); choose")
            }
            RefusalReason::OtherFormat(found) => write!(
                f,
                "another version of Maelstrom made it ({found}); remove it, or choose"
            ),
        }?;
        write!(f, " a new or empty directory ({option})")
    }
}

/// Whether a directory without a mark has the entries of a cache of an earlier version.
pub(super) fn seems_older(directory: &Path) -> bool {
    let has = |name: &str| fs::symlink_metadata(directory.join(name)).is_ok();
    let is_store = || {
        let version = directory.join("version");
        has("blobs")
            && fs::symlink_metadata(&version).is_ok_and(|found| found.is_file() && found.len() < 64)
            && fs::read(&version).is_ok_and(|found| found.starts_with(b"maelstrom store "))
    };
    let is_worker = || ["bot-id", "lock", "blobs", "actions"].into_iter().all(has);
    is_store() || is_worker()
}
