//! The cache of the blobs that actions need, on disk.
//!
//! A blob is downloaded to a temporary directory, verified, and renamed to its path in the
//! [`directory`]. A blob that is being downloaded counts towards the size, see [`super::fetch`].
//!
//! All methods block and must not be called by the event loop.
//!
//! Actions get blobs as hard links. An action can change the mode of a link and write to the inode,
//! which all actions share. The kernel records each change in the inode's change time, which no
//! process can set. The cache remembers the change time that each blob had when this worker last
//! used it. A blob with another change time, or one that an earlier worker left, is read and hashed
//! before it is used again.

mod directory;
mod state;

pub use state::BlobKey;

use super::blocking::{Stop, hash};
use super::error::WorkError;
use crate::store::Digest;
use directory::WorkerCacheDirectory;
use state::{CacheState, InodeStamp};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub struct Cache {
    files: WorkerCacheDirectory,
    /// In bytes.
    limit: u64,
    state: Mutex<CacheState>,
    /// Held by the action that downloads blobs, so that no blob is downloaded twice.
    pub(super) fetch_lock: Arc<tokio::sync::Mutex<()>>,
}

impl Cache {
    /// Opens the cache below `cache_root`. It must not be in use by another worker, and a directory
    /// that is not marked as a cache must be empty. `limit` is in bytes.
    pub fn open(cache_root: &Path, limit: u64) -> Result<Self, WorkError> {
        let files = WorkerCacheDirectory::open(cache_root)?;
        let cache = Self {
            state: Mutex::new(files.read_state()?),
            files,
            limit,
            fetch_lock: Arc::default(),
        };
        cache.evict();
        Ok(cache)
    }

    /// The directory of the cache.
    pub fn directory(&self) -> &Path {
        self.files.directory()
    }

    /// A new empty directory for an action.
    pub fn new_action(&self) -> Result<PathBuf, WorkError> {
        self.files.new_directory("actions")
    }

    /// A new empty directory for downloads.
    pub fn new_downloads(&self) -> Result<PathBuf, WorkError> {
        self.files.new_directory("tmp")
    }

    /// The content of a pinned blob.
    pub fn read(&self, digest: Digest) -> Result<Vec<u8>, WorkError> {
        let path = self.files.blob(BlobKey::plain(digest));
        fs::read(&path).map_err(|error| WorkError::local("read", &path, error))
    }

    /// Links a pinned blob to `path`, which must not exist.
    pub fn link(&self, key: BlobKey, path: &Path) -> Result<(), WorkError> {
        let from = self.files.blob(key);
        let failed = |error| WorkError::local("stage", path, error);
        // A new link changes the change time too, so no other thread may make one meanwhile.
        let mut state = self.state();
        let before = InodeStamp::read(&from).map_err(failed)?;
        let known = state.blobs.get(&key).and_then(|cached| cached.stamp);
        if known != Some(before) {
            return Err(WorkError::Altered(key.digest));
        }
        match fs::hard_link(&from, path) {
            // The inode has as many links as the file system allows: a copy takes its place.
            Err(error) if error.raw_os_error() == Some(nix::libc::EMLINK) => {
                let directory = self.new_downloads()?;
                let copy = directory.join(key.name());
                let copied = fs::copy(&from, &copy).and_then(|_| fs::rename(&copy, &from));
                let _ = fs::remove_dir_all(&directory);
                copied.map_err(failed)?;
                fs::hard_link(&from, path).map_err(failed)?;
                state.note(key, Some(InodeStamp::read(&from).map_err(failed)?));
            }
            linked => {
                linked.map_err(failed)?;
                let after = InodeStamp::read(&from).map_err(failed)?;
                state.note(key, after.differs_in_links_only(before).then_some(after));
            }
        }
        Ok(())
    }

    /// Calls `remove`, which removes a link of a blob, and records the new change time. An action
    /// may have replaced the link by another file.
    pub fn unlink(&self, key: BlobKey, remove: impl FnOnce()) {
        let from = self.files.blob(key);
        let mut state = self.state();
        let before = InodeStamp::read(&from).ok();
        let known = state.blobs.get(&key).and_then(|cached| cached.stamp);
        remove();
        let after = InodeStamp::read(&from).ok();
        let stamp = match (before, after) {
            (Some(before), Some(after)) if known == Some(before) => {
                after.differs_in_links_only(before).then_some(after)
            }
            _ => None,
        };
        state.note(key, stamp);
    }

    /// Pins these blobs: they are not evicted, also those that are downloaded later.
    pub fn pin(self: &Arc<Self>, mut keys: Vec<BlobKey>) -> PinnedBlobs {
        keys.sort_unstable();
        keys.dedup();
        let mut state = self.state();
        for key in &keys {
            let used = state.tick();
            let cached = state.blobs.entry(*key).or_default();
            cached.holders += 1;
            cached.used = used;
        }
        PinnedBlobs {
            cache: Arc::clone(self),
            keys,
        }
    }

    /// The blobs that must be downloaded. Blobs whose inode may have changed are read.
    pub fn absent(&self, keys: &[BlobKey], stop: &Stop) -> io::Result<Vec<BlobKey>> {
        let mut absent = Vec::new();
        for key in keys {
            stop.check()?;
            if !self.is_there(*key, stop)? {
                absent.push(*key);
            }
        }
        Ok(absent)
    }

    fn is_there(&self, key: BlobKey, stop: &Stop) -> io::Result<bool> {
        let path = self.files.blob(key);
        let known = self.state().blobs.get(&key).and_then(|cached| cached.stamp);
        let Ok(stamp) = InodeStamp::read(&path) else {
            self.state().forget(key);
            return Ok(false);
        };
        if known == Some(stamp) {
            return Ok(true);
        }
        let mode_fits = stamp.mode & 0o7777 == key.mode();
        let verified = mode_fits && hash(&path, stop).is_ok_and(|digest| digest == key.digest);
        // A blob that was not read to its end is still unverified.
        stop.check()?;
        // The file may have been written to while it was read.
        let verified = verified && InodeStamp::read(&path).is_ok_and(|now| now == stamp);
        let mut state = self.state();
        if verified {
            state.note(key, Some(stamp));
        } else {
            tracing::warn!(
                "{} in the cache was changed; downloading it again",
                key.digest
            );
            let _ = fs::remove_file(&path);
            state.forget(key);
        }
        Ok(verified)
    }

    /// Adds the size of a download to that of the cache, and evicts blobs to stay within the limit.
    pub fn reserve(&self, bytes: u64) {
        self.state().size += bytes;
        self.evict();
    }

    /// Takes back a reservation whose download failed.
    pub fn release(&self, bytes: u64) {
        self.state().size -= bytes;
    }

    /// Moves a downloaded file to the path of its blob, which is pinned and reserved.
    pub fn add(&self, key: BlobKey, from: &Path) -> io::Result<()> {
        let to = self.files.blob(key);
        // The umask may have removed permissions.
        fs::set_permissions(from, fs::Permissions::from_mode(key.mode()))?;
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, &to)?;
        let stamp = InodeStamp::read(&to)?;
        let mut state = self.state();
        state.note(key, Some(stamp));
        if let Some(cached) = state.blobs.get_mut(&key) {
            cached.present = true;
        }
        Ok(())
    }

    /// Removes the least recently used blobs until the cache is within its limit.
    fn evict(&self) {
        let mut state = self.state();
        if state.size <= self.limit {
            return;
        }
        let mut unused: Vec<_> = state
            .blobs
            .iter()
            .filter(|(_, cached)| cached.present && cached.holders == 0)
            .map(|(key, cached)| (cached.used, *key))
            .collect();
        unused.sort_unstable();
        let (mut blobs, mut bytes) = (0, 0);
        for (_, key) in unused {
            if state.size <= self.limit {
                break;
            }
            let _ = fs::remove_file(self.files.blob(key));
            state.blobs.remove(&key);
            state.size = state.size.saturating_sub(key.digest.size);
            blobs += 1;
            bytes += key.digest.size;
        }
        tracing::debug!("evicted {blobs} blobs, {bytes} bytes");
    }

    fn state(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blobs that are not evicted until this is dropped. Dropping it blocks.
pub struct PinnedBlobs {
    cache: Arc<Cache>,
    keys: Vec<BlobKey>,
}

impl PinnedBlobs {
    pub fn keys(&self) -> &[BlobKey] {
        &self.keys
    }
}

impl Drop for PinnedBlobs {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        for key in &self.keys {
            if let Some(cached) = state.blobs.get_mut(key) {
                cached.holders -= 1;
                if cached.holders == 0 && !cached.present {
                    state.blobs.remove(key);
                }
            }
        }
        drop(state);
        self.cache.evict();
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn put(cache: &Arc<Cache>, content: &[u8]) -> BlobKey {
        let key = BlobKey::plain(Digest::of(content));
        let pinned = cache.pin(vec![key]);
        cache.reserve(key.digest.size);
        let directory = cache.new_downloads().unwrap();
        let from = directory.join("blob");
        fs::write(&from, content).unwrap();
        cache.add(key, &from).unwrap();
        fs::remove_dir(directory).unwrap();
        drop(pinned);
        key
    }

    pub fn open(root: &Path, limit: u64) -> Arc<Cache> {
        Arc::new(Cache::open(root, limit).unwrap())
    }

    fn absent(cache: &Cache, keys: &[BlobKey]) -> Vec<BlobKey> {
        cache.absent(keys, &Stop::default()).unwrap()
    }

    impl Cache {
        /// The size of all blobs and downloads, in bytes.
        pub fn size(&self) -> u64 {
            self.state().size
        }

        pub fn has(&self, key: BlobKey) -> bool {
            self.files.blob(key).exists()
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_unless_it_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 4);
        let keys = [b"a", b"b", b"c", b"d"].map(|content| put(&cache, content));
        let pinned = cache.pin(vec![keys[0]]);
        // A download.
        cache.reserve(2);
        assert_eq!(absent(&cache, &keys), [keys[1], keys[2]]);
        cache.release(2);
        drop(pinned);
        drop(cache);
        // The blobs of an earlier worker count too.
        let cache = open(root.path(), 1);
        assert_eq!(absent(&cache, &keys).len(), 3);
    }

    #[test]
    fn what_was_kept_only_because_it_was_needed_goes_when_it_is_not() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 2);
        let one = put(&cache, b"1");
        let pinned = cache.pin(vec![one]);
        let large = put(&cache, b"22");
        assert_eq!(absent(&cache, &[one, large]), [large]);
        assert_eq!(cache.size(), 1);
        cache.reserve(2);
        assert!(cache.has(one));
        drop(pinned);
        assert!(!cache.has(one));
    }

    #[test]
    fn links_come_and_go_without_a_blob_being_in_doubt() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let key = put(&cache, b"a");
        let pinned = cache.pin(vec![key]);
        let link = root.path().join("link");
        for _ in 0..3 {
            cache.link(key, &link).unwrap();
            cache.unlink(key, || fs::remove_file(&link).unwrap());
        }
        // A link that the cache did not make.
        fs::hard_link(cache.files.blob(key), &link).unwrap();
        let other = root.path().join("other");
        assert!(matches!(
            cache.link(key, &other),
            Err(WorkError::Altered(_))
        ));
        assert!(absent(&cache, &[key]).is_empty());
        cache.link(key, &other).unwrap();
        drop(pinned);
    }

    #[test]
    fn a_blob_that_was_changed_or_cut_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let (one, two) = (put(&cache, b"one"), put(&cache, b"two"));
        fs::set_permissions(cache.files.blob(one), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(cache.files.blob(one), "eno").unwrap();
        drop(cache);
        fs::write(root.path().join("worker/tmp").join("rest"), "").unwrap();
        let cache = open(root.path(), 1000);
        assert_eq!(absent(&cache, &[one, two]), [one]);
        assert!(!cache.files.blob(one).exists());
        assert!(
            fs::read_dir(root.path().join("worker/tmp"))
                .unwrap()
                .next()
                .is_none()
        );
    }

    #[test]
    fn what_is_not_called_as_blobs_are_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path(), 1000));
        let blobs = root.path().join("worker/blobs");
        fs::create_dir(blobs.join("ab")).unwrap();
        for name in ["notes", "ab/notes"] {
            fs::write(blobs.join(name), "mine").unwrap();
        }
        drop(open(root.path(), 0));
        for name in ["notes", "ab/notes"] {
            assert_eq!(fs::read(blobs.join(name)).unwrap(), b"mine");
        }
    }

    #[test]
    fn a_blob_that_was_not_read_to_its_end_is_neither_there_nor_removed() {
        let root = tempfile::tempdir().unwrap();
        let one = put(&open(root.path(), 1000), b"one");
        let cache = open(root.path(), 1000);
        assert!(cache.absent(&[one], &Stop::told()).is_err());
        assert!(cache.has(one));
        assert!(absent(&cache, &[one]).is_empty());
    }

    #[test]
    fn only_the_worker_gets_into_an_action_s_directory() {
        let root = tempfile::tempdir().unwrap();
        let directory = open(root.path(), 1000).new_action().unwrap();
        let mode = fs::metadata(directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
