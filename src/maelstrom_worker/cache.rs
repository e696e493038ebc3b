//! The blobs that actions need, kept on disk.
//!
//! A blob is downloaded to a temporary file, verified and renamed to its [`place`].
//!
//! Actions get blobs as hard links, so that one that insists can write to the inode they share.
//! The kernel notes each change in the inode's change time, which nobody can set. What it was when
//! this worker last had to do with a blob is remembered; one for which it is different, or that an
//! earlier worker left, is read and hashed before it is used again.

mod key;
mod place;
mod stamp;
mod state;

pub use key::Key;

use super::error::WorkError;
use crate::engine::{Engine, Progress, Wanted};
use crate::store::{Digest, Hasher};
use place::Place;
use stamp::Stamp;
use state::State;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub struct Cache {
    place: Place,
    /// In bytes.
    limit: u64,
    state: Mutex<State>,
    /// One action at a time fetches, so that nothing is fetched twice.
    fetching: tokio::sync::Mutex<()>,
}

impl Cache {
    /// Opens the cache below `cache_root`, which must have no other worker and must be empty if
    /// it is not marked as a cache. `limit` is in bytes.
    pub fn open(cache_root: &Path, limit: u64) -> Result<Self, WorkError> {
        let place = Place::open(cache_root)?;
        let cache = Self {
            state: Mutex::new(place.read_state()?),
            place,
            limit,
            fetching: tokio::sync::Mutex::default(),
        };
        cache.evict();
        Ok(cache)
    }

    /// The directory of the cache, which is below the cache root.
    pub fn directory(&self) -> &Path {
        self.place.directory()
    }

    /// A new empty directory for an action.
    pub fn new_action(&self) -> Result<PathBuf, WorkError> {
        self.place.new_action()
    }

    /// Makes sure that these blobs are there and what they should be, and stay until they are let
    /// go. Tells how many bytes had to be downloaded.
    pub async fn fetch(
        self: &Arc<Self>,
        engine: &Engine,
        keys: Vec<Key>,
    ) -> Result<(Held, u64), WorkError> {
        let held = self.hold(keys);
        let _turn = self.fetching.lock().await;
        let cache = Arc::clone(self);
        let wanted = held.keys.clone();
        let absent = blocking(move || cache.absent(&wanted)).await;
        let mut bytes = 0;
        let mut wanted = Vec::with_capacity(absent.len());
        for key in &absent {
            bytes += key.digest.size;
            wanted.push(Wanted {
                digest: key.digest,
                path: self.place.temporary(*key),
                mode: key.mode(),
            });
        }
        if wanted.is_empty() {
            return Ok((held, 0));
        }
        let downloads = wanted.clone();
        if let Err(error) = engine
            .download(downloads, &Arc::new(Progress::default()))
            .await
        {
            for wanted in wanted {
                let _ = fs::remove_file(wanted.path);
            }
            return Err(error.into());
        }
        let cache = Arc::clone(self);
        blocking(move || {
            for (key, wanted) in absent.into_iter().zip(wanted) {
                let added = cache.add(key, &wanted.path);
                added.map_err(|error| WorkError::local("keep", &wanted.path, error))?;
            }
            Ok::<_, WorkError>(())
        })
        .await?;
        self.evict();
        Ok((held, bytes))
    }

    /// The content of a blob that is held.
    pub fn read(&self, digest: Digest) -> Result<Vec<u8>, WorkError> {
        let path = self.place.blob(Key::plain(digest));
        fs::read(&path).map_err(|error| WorkError::local("read", &path, error))
    }

    /// Makes a blob that is held appear at `path`, which must not exist.
    pub fn link(&self, key: Key, path: &Path) -> Result<(), WorkError> {
        let from = self.place.blob(key);
        let failed = |error| WorkError::local("stage", path, error);
        // Links are counted by the change time as well: nobody else may make one meanwhile.
        let mut state = self.state();
        let before = Stamp::is_of(&from).map_err(failed)?;
        let known = state.blobs.get(&key).and_then(|kept| kept.stamp);
        if known != Some(before) {
            return Err(WorkError::Altered(key.digest));
        }
        match fs::hard_link(&from, path) {
            // So many links that there can be no more: a new inode takes over.
            Err(error) if error.raw_os_error() == Some(nix::libc::EMLINK) => {
                let copy = self.place.temporary(key);
                fs::copy(&from, &copy).map_err(failed)?;
                fs::rename(&copy, &from).map_err(failed)?;
                fs::hard_link(&from, path).map_err(failed)?;
                state.note(key, Some(Stamp::is_of(&from).map_err(failed)?));
            }
            linked => {
                linked.map_err(failed)?;
                let after = Stamp::is_of(&from).map_err(failed)?;
                state.note(key, after.differs_in_links_only(before).then_some(after));
            }
        }
        Ok(())
    }

    /// Removes a link, of which it cannot be known that it still is one.
    pub fn unlink(&self, key: Key, path: &Path) {
        let from = self.place.blob(key);
        let mut state = self.state();
        let before = Stamp::is_of(&from).ok();
        let known = state.blobs.get(&key).and_then(|kept| kept.stamp);
        let _ = fs::remove_file(path);
        let after = Stamp::is_of(&from).ok();
        let stamp = match (before, after) {
            (Some(before), Some(after)) if known == Some(before) => {
                after.differs_in_links_only(before).then_some(after)
            }
            _ => None,
        };
        state.note(key, stamp);
    }

    fn hold(self: &Arc<Self>, mut keys: Vec<Key>) -> Held {
        keys.sort_unstable();
        keys.dedup();
        let mut state = self.state();
        for key in &keys {
            let used = state.tick();
            let kept = state.blobs.entry(*key).or_default();
            kept.holders += 1;
            kept.used = used;
        }
        Held {
            cache: Arc::clone(self),
            keys,
        }
    }

    /// Which of these must be downloaded. Reads those that are in doubt.
    fn absent(&self, keys: &[Key]) -> Vec<Key> {
        let is_there = |key: &Key| {
            let path = self.place.blob(*key);
            let known = self.state().blobs.get(key).and_then(|kept| kept.stamp);
            let Ok(stamp) = Stamp::is_of(&path) else {
                self.state().forget(*key);
                return false;
            };
            if known == Some(stamp) {
                return true;
            }
            let mode_fits = stamp.mode & 0o7777 == key.mode();
            let verified = mode_fits && hash(&path).is_ok_and(|digest| digest == key.digest);
            // What was read is what is there only if nobody has written since.
            let verified = verified && Stamp::is_of(&path).is_ok_and(|now| now == stamp);
            let mut state = self.state();
            if verified {
                state.note(*key, Some(stamp));
            } else {
                tracing::warn!("{} in the cache was changed; fetching it again", key.digest);
                let _ = fs::remove_file(&path);
                state.forget(*key);
            }
            verified
        };
        let mut absent = keys.to_vec();
        absent.retain(|key| !is_there(key));
        absent
    }

    fn add(&self, key: Key, from: &Path) -> io::Result<()> {
        let to = self.place.blob(key);
        // The umask may have taken something away.
        fs::set_permissions(from, fs::Permissions::from_mode(key.mode()))?;
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, &to)?;
        let stamp = Stamp::is_of(&to)?;
        let mut state = self.state();
        state.size += key.digest.size;
        state.note(key, Some(stamp));
        if let Some(kept) = state.blobs.get_mut(&key) {
            kept.present = true;
        }
        Ok(())
    }

    /// Removes what has not been used for longest until the rest is within the limit.
    fn evict(&self) {
        let mut state = self.state();
        if state.size <= self.limit {
            return;
        }
        let mut unused: Vec<_> = state
            .blobs
            .iter()
            .filter(|(_, kept)| kept.present && kept.holders == 0)
            .map(|(key, kept)| (kept.used, *key))
            .collect();
        unused.sort_unstable();
        let (mut blobs, mut bytes) = (0, 0);
        for (_, key) in unused {
            if state.size <= self.limit {
                break;
            }
            let _ = fs::remove_file(self.place.blob(key));
            state.blobs.remove(&key);
            state.size = state.size.saturating_sub(key.digest.size);
            blobs += 1;
            bytes += key.digest.size;
        }
        tracing::debug!("evicted {blobs} blobs, {bytes} bytes");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blobs that stay in the cache until this is dropped.
pub struct Held {
    cache: Arc<Cache>,
    keys: Vec<Key>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        for key in &self.keys {
            if let Some(kept) = state.blobs.get_mut(key) {
                kept.holders -= 1;
                if kept.holders == 0 && !kept.present {
                    state.blobs.remove(key);
                }
            }
        }
    }
}

/// The digest of a file's content.
pub fn hash(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut chunk = vec![0; 256 << 10];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&chunk[..length]),
        }
    }
}

/// Does what blocks on a thread for that.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(cache: &Arc<Cache>, content: &[u8]) -> Key {
        let key = Key::plain(Digest::of(content));
        let held = cache.hold(vec![key]);
        let from = cache.place.temporary(key);
        fs::write(&from, content).unwrap();
        cache.add(key, &from).unwrap();
        drop(held);
        key
    }

    fn open(root: &Path, limit: u64) -> Arc<Cache> {
        Arc::new(Cache::open(root, limit).unwrap())
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_unless_it_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 2);
        let keys = [b"a", b"b", b"c", b"d"].map(|content| put(&cache, content));
        let held = cache.hold(vec![keys[0]]);
        cache.evict();
        assert_eq!(cache.absent(&keys), [keys[1], keys[2]]);
        drop(held);
        drop(cache);
        // What another worker left counts as well.
        let cache = open(root.path(), 1);
        assert_eq!(cache.absent(&keys).len(), 3);
    }

    #[test]
    fn links_come_and_go_without_a_blob_being_in_doubt() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let key = put(&cache, b"a");
        let held = cache.hold(vec![key]);
        let link = root.path().join("link");
        for _ in 0..3 {
            cache.link(key, &link).unwrap();
            cache.unlink(key, &link);
        }
        // Somebody else's link.
        fs::hard_link(cache.place.blob(key), &link).unwrap();
        let other = root.path().join("other");
        assert!(matches!(
            cache.link(key, &other),
            Err(WorkError::Altered(_))
        ));
        assert!(cache.absent(&[key]).is_empty());
        cache.link(key, &other).unwrap();
        drop(held);
    }

    #[test]
    fn a_blob_that_was_changed_or_cut_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let (one, two) = (put(&cache, b"one"), put(&cache, b"two"));
        fs::set_permissions(cache.place.blob(one), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(cache.place.blob(one), "eno").unwrap();
        drop(cache);
        fs::write(root.path().join("worker/tmp").join("rest"), "").unwrap();
        let cache = open(root.path(), 1000);
        assert_eq!(cache.absent(&[one, two]), [one]);
        assert!(!cache.place.blob(one).exists());
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
    fn the_cache_of_a_worker_of_another_version_is_discarded() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let key = put(&cache, b"a");
        let mark = cache.directory().join(crate::cachedir::MARK);
        fs::write(&mark, "maelstrom worker 2\n").unwrap();
        fs::write(cache.directory().join("bot-id"), "host-1").unwrap();
        // Not while it runs.
        let error = Cache::open(root.path(), 1000).err().unwrap();
        assert!(matches!(error, WorkError::CacheInUse(_)), "{error}");
        assert!(cache.absent(&[key]).is_empty());
        drop(cache);
        let cache = open(root.path(), 1000);
        assert_eq!(cache.absent(&[key]), [key]);
        assert_eq!(fs::read_to_string(mark).unwrap(), "maelstrom worker 1\n");
        assert!(cache.directory().join("bot-id").exists());
    }
}
