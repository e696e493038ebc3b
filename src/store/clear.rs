//! Removing the content of a store at the user's request.

use super::disk_usage::disk_usage;
use super::lock::{LockFile, Subject};
use super::open::remove_content;
use super::{Store, StoreError};
use crate::cachedir::{self, CacheKind, DirectoryState};
use std::path::Path;

impl Store {
    /// Removes the content of the store below `cache_root`, also the directories of `cache` mounts.
    /// Returns the bytes on the disk that were freed, or `None` if there was no store. Fails if a
    /// client uses it, or if the directory is not a cache.
    pub fn clear(cache_root: &Path) -> Result<Option<u64>, StoreError> {
        let state = cachedir::directory_state(cache_root, CacheKind::Root);
        let state = state.map_err(|cause| StoreError::Read {
            path: cache_root.to_owned(),
            cause,
        })?;
        if state == DirectoryState::Free {
            return Ok(None);
        }
        // An error of a directory that is not a cache. Nothing is made in one that is a cache.
        let claimed = cachedir::claim(cache_root, CacheKind::Store)
            .map_err(|error| StoreError::of_directory(cache_root, u64::MAX, error))?;
        let root = claimed.directory;
        let cannot_lock = |cause| StoreError::CannotLock {
            root: root.clone(),
            cause,
        };
        let lock = LockFile::open(&root.join("lock")).map_err(cannot_lock)?;
        let _opening = lock.hold(Subject::Opening).map_err(cannot_lock)?;
        let alone = lock.try_hold(Subject::Store).map_err(cannot_lock)?;
        let Some(_alone) = alone else {
            return Err(StoreError::InUse { root });
        };
        let used = || disk_usage(&root).unwrap_or_default();
        let before = used();
        remove_content(&root)?;
        let freed = before.saturating_sub(used());
        if claimed.other_format.is_some() {
            cachedir::replace_mark(&root, CacheKind::Store).map_err(|cause| StoreError::Io {
                doing: "write the mark in",
                path: root.clone(),
                cause,
            })?;
        }
        Ok(Some(freed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_cleared_store_is_empty_and_can_be_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("cache");
        let store = Store::open(&root, 1 << 30).unwrap();
        let path = store.root().to_owned();
        store.cache("kind", "key", b"value").unwrap();
        let kept = path.join("cache-mounts/name");
        fs::create_dir_all(&kept).unwrap();
        fs::write(kept.join("file"), "something").unwrap();
        drop(store);
        let freed = Store::clear(&root).unwrap().unwrap();
        assert!(freed >= 4096, "{freed}");
        assert!(!path.join("values").exists() && !kept.exists());
        let store = Store::open(&root, 1 << 30).unwrap();
        assert_eq!(store.cached("kind", "key"), None);
    }

    #[test]
    fn a_store_that_a_client_uses_is_not_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 1 << 30).unwrap();
        store.cache("kind", "key", b"value").unwrap();
        let error = Store::clear(directory.path()).unwrap_err();
        assert!(matches!(error, StoreError::InUse { .. }), "{error}");
        assert_eq!(store.cached("kind", "key").as_deref(), Some(&b"value"[..]));
    }

    #[test]
    fn a_directory_that_is_no_cache_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("blobs/precious")).unwrap();
        assert!(Store::clear(directory.path()).is_err());
        assert!(directory.path().join("blobs/precious").exists());
        assert_eq!(
            Store::clear(&directory.path().join("missing")).unwrap(),
            None
        );
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(Store::clear(empty.path()).unwrap(), None);
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    }
}
