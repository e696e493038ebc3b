//! The blobs that actions need, kept on disk.
//!
//! ```text
//! lock                     held by the worker as long as it lives
//! bot-id                   what the engine knows the worker by
//! blobs/ab/abcd…-<size>    content, mode 444
//! blobs/ab/abcd…-<size>.x  the same as an executable, mode 555: modes belong to inodes
//! tmp/N/                   what is being downloaded for an action
//! actions/N/               what an action runs in
//! base/                    what every action's root is made of
//! ```
//!
//! A blob is downloaded to `tmp/`, verified and renamed: a killed worker leaves garbage in `tmp/`
//! and `actions/` only, which the next one removes. What is being downloaded counts as if it were
//! there, see [`super::fetch`].
//!
//! All that is done here blocks, so that none of it is for the event loop.
//!
//! Actions get blobs as hard links, so that one that insists can write to the inode they share.
//! The kernel notes each change in the inode's change time, which nobody can set. What it was when
//! this worker last had to do with a blob is remembered; one for which it is different, or that an
//! earlier worker left, is read and hashed before it is used again.

use super::blocking::{Stop, hash};
use super::error::WorkError;
use crate::store::Digest;
use nix::fcntl::{Flock, FlockArg};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A blob as one inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub digest: Digest,
    pub executable: bool,
}

pub struct Cache {
    root: PathBuf,
    /// In bytes.
    limit: u64,
    state: Mutex<State>,
    /// One action at a time fetches, so that nothing is fetched twice.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    /// For names that occur once.
    counter: AtomicU64,
    _lock: Flock<File>,
}

#[derive(Default)]
struct State {
    blobs: HashMap<Key, Kept>,
    /// Of all blobs and downloads, in bytes.
    size: u64,
    /// Counts uses.
    clock: u64,
}

#[derive(Default)]
struct Kept {
    /// `None`: not verified.
    stamp: Option<Stamp>,
    used: u64,
    /// How many actions need it now.
    holders: usize,
    /// Whether it is there; if not, it is about to be.
    present: bool,
}

/// What an inode looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_of(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|metadata| Self::of(&metadata))
    }

    /// Whether only links came or went, as far as can be told.
    fn differs_in_links_only(self, other: Self) -> bool {
        let changed = other.changed;
        Self { changed, ..self } == other
    }
}

impl Cache {
    /// Opens the cache below `root`, which must have no other worker.
    pub fn open(root: &Path, limit: u64) -> Result<Self, WorkError> {
        let failed = |error| WorkError::local("use the cache", root, error);
        fs::create_dir_all(root).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        let lock = File::create(root.join("lock")).map_err(failed)?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|_| WorkError::CacheInUse(root.clone()))?;
        for directory in ["tmp", "actions"] {
            let directory = root.join(directory);
            crate::store::remove_tree(&directory).map_err(failed)?;
            fs::create_dir(&directory).map_err(failed)?;
        }
        fs::create_dir_all(root.join("blobs")).map_err(failed)?;
        let cache = Self {
            state: Mutex::new(State::read(&root.join("blobs")).map_err(failed)?),
            root,
            limit,
            turn: Arc::default(),
            counter: AtomicU64::new(0),
            _lock: lock,
        };
        cache.evict();
        Ok(cache)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new empty directory for an action.
    pub fn new_action(&self) -> Result<PathBuf, WorkError> {
        self.new_directory("actions")
    }

    /// A new empty directory for downloads.
    pub fn new_downloads(&self) -> Result<PathBuf, WorkError> {
        self.new_directory("tmp")
    }

    fn new_directory(&self, below: &str) -> Result<PathBuf, WorkError> {
        let number = self.counter.fetch_add(1, Relaxed);
        let path = self.root.join(below).join(number.to_string());
        // What an action makes is the worker's user's, and may be set-user-ID: not for others.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| WorkError::local("create", &path, error))?;
        Ok(path)
    }

    /// The content of a blob that is held.
    pub fn read(&self, digest: Digest) -> Result<Vec<u8>, WorkError> {
        let path = self.path(Key::plain(digest));
        fs::read(&path).map_err(|error| WorkError::local("read", &path, error))
    }

    /// Makes a blob that is held appear at `path`, which must not exist.
    pub fn link(&self, key: Key, path: &Path) -> Result<(), WorkError> {
        let from = self.path(key);
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
                let directory = self.new_downloads()?;
                let copy = directory.join(key.name());
                let copied = fs::copy(&from, &copy).and_then(|_| fs::rename(&copy, &from));
                let _ = fs::remove_dir_all(&directory);
                copied.map_err(failed)?;
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

    /// Has a link of a blob removed, of which it cannot be known that it still is one.
    pub fn unlink(&self, key: Key, remove: impl FnOnce()) {
        let from = self.path(key);
        let mut state = self.state();
        let before = Stamp::is_of(&from).ok();
        let known = state.blobs.get(&key).and_then(|kept| kept.stamp);
        remove();
        let after = Stamp::is_of(&from).ok();
        let stamp = match (before, after) {
            (Some(before), Some(after)) if known == Some(before) => {
                after.differs_in_links_only(before).then_some(after)
            }
            _ => None,
        };
        state.note(key, stamp);
    }

    /// Keeps these blobs in the cache, if they are there or as soon as they are.
    pub fn hold(self: &Arc<Self>, mut keys: Vec<Key>) -> Held {
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
    pub fn absent(&self, keys: &[Key], stop: &Stop) -> io::Result<Vec<Key>> {
        let mut absent = Vec::new();
        for key in keys {
            stop.check()?;
            if !self.is_there(*key, stop)? {
                absent.push(*key);
            }
        }
        Ok(absent)
    }

    fn is_there(&self, key: Key, stop: &Stop) -> io::Result<bool> {
        let path = self.path(key);
        let known = self.state().blobs.get(&key).and_then(|kept| kept.stamp);
        let Ok(stamp) = Stamp::is_of(&path) else {
            self.state().forget(key);
            return Ok(false);
        };
        if known == Some(stamp) {
            return Ok(true);
        }
        let mode_fits = stamp.mode & 0o7777 == key.mode();
        let verified = mode_fits && hash(&path, stop).is_ok_and(|digest| digest == key.digest);
        // A blob that was not read to its end is still in doubt.
        stop.check()?;
        // What was read is what is there only if nobody has written since.
        let verified = verified && Stamp::is_of(&path).is_ok_and(|now| now == stamp);
        let mut state = self.state();
        if verified {
            state.note(key, Some(stamp));
        } else {
            tracing::warn!("{} in the cache was changed; fetching it again", key.digest);
            let _ = fs::remove_file(&path);
            state.forget(key);
        }
        Ok(verified)
    }

    /// Counts what is about to be downloaded as if it were there, and makes room for it.
    pub fn reserve(&self, bytes: u64) {
        self.state().size += bytes;
        self.evict();
    }

    /// What was reserved is not there, and will not be.
    pub fn release(&self, bytes: u64) {
        self.state().size -= bytes;
    }

    /// Takes in a blob that is held, and was reserved.
    pub fn add(&self, key: Key, from: &Path) -> io::Result<()> {
        let to = self.path(key);
        // The umask may have taken something away.
        fs::set_permissions(from, fs::Permissions::from_mode(key.mode()))?;
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, &to)?;
        let stamp = Stamp::is_of(&to)?;
        let mut state = self.state();
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
            let _ = fs::remove_file(self.path(key));
            state.blobs.remove(&key);
            state.size = state.size.saturating_sub(key.digest.size);
            blobs += 1;
            bytes += key.digest.size;
        }
        tracing::debug!("evicted {blobs} blobs, {bytes} bytes");
    }

    fn path(&self, key: Key) -> PathBuf {
        let name = key.name();
        self.root.join("blobs").join(&name[..2]).join(name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What an earlier worker left, the oldest change taken for the longest unused.
    fn read(blobs: &Path) -> io::Result<Self> {
        let mut found = Vec::new();
        for directory in fs::read_dir(blobs)? {
            for file in fs::read_dir(directory?.path())? {
                let file = file?;
                let metadata = file.metadata()?;
                let key = file.file_name().to_str().and_then(Key::named);
                match key {
                    Some(key) if metadata.len() == key.digest.size => {
                        found.push((metadata.ctime(), key));
                    }
                    _ => fs::remove_file(file.path())?,
                }
            }
        }
        found.sort_unstable();
        let mut state = Self::default();
        for (_, key) in found {
            let used = state.tick();
            state.size += key.digest.size;
            let kept = Kept {
                used,
                present: true,
                ..Kept::default()
            };
            state.blobs.insert(key, kept);
        }
        Ok(state)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn note(&mut self, key: Key, stamp: Option<Stamp>) {
        if let Some(kept) = self.blobs.get_mut(&key) {
            kept.stamp = stamp;
        }
    }

    /// Its file is gone.
    fn forget(&mut self, key: Key) {
        if let Some(kept) = self.blobs.get_mut(&key) {
            if std::mem::take(&mut kept.present) {
                self.size = self.size.saturating_sub(key.digest.size);
            }
            kept.stamp = None;
        }
    }
}

impl Key {
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

    fn named(name: &str) -> Option<Self> {
        let (digest, executable) = match name.strip_suffix(".x") {
            Some(digest) => (digest, true),
            None => (name, false),
        };
        let digest = digest.parse().ok()?;
        Some(Self { digest, executable })
    }
}

/// Blobs that stay in the cache until this is dropped. To drop it blocks.
pub struct Held {
    cache: Arc<Cache>,
    keys: Vec<Key>,
}

impl Held {
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
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
        drop(state);
        self.cache.evict();
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn put(cache: &Arc<Cache>, content: &[u8]) -> Key {
        let key = Key::plain(Digest::of(content));
        let held = cache.hold(vec![key]);
        cache.reserve(key.digest.size);
        let directory = cache.new_downloads().unwrap();
        let from = directory.join("blob");
        fs::write(&from, content).unwrap();
        cache.add(key, &from).unwrap();
        fs::remove_dir(directory).unwrap();
        drop(held);
        key
    }

    pub fn open(root: &Path, limit: u64) -> Arc<Cache> {
        Arc::new(Cache::open(root, limit).unwrap())
    }

    fn absent(cache: &Cache, keys: &[Key]) -> Vec<Key> {
        cache.absent(keys, &Stop::default()).unwrap()
    }

    impl Cache {
        /// Of all blobs and downloads, in bytes.
        pub fn size(&self) -> u64 {
            self.state().size
        }

        pub fn has(&self, key: Key) -> bool {
            self.path(key).exists()
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_unless_it_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 4);
        let keys = [b"a", b"b", b"c", b"d"].map(|content| put(&cache, content));
        let held = cache.hold(vec![keys[0]]);
        // Something to come.
        cache.reserve(2);
        assert_eq!(absent(&cache, &keys), [keys[1], keys[2]]);
        cache.release(2);
        drop(held);
        drop(cache);
        // What another worker left counts as well.
        let cache = open(root.path(), 1);
        assert_eq!(absent(&cache, &keys).len(), 3);
    }

    #[test]
    fn what_was_kept_only_because_it_was_needed_goes_when_it_is_not() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 2);
        let one = put(&cache, b"1");
        let held = cache.hold(vec![one]);
        let large = put(&cache, b"22");
        assert_eq!(absent(&cache, &[one, large]), [large]);
        assert_eq!(cache.size(), 1);
        cache.reserve(2);
        assert!(cache.has(one));
        drop(held);
        assert!(!cache.has(one));
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
            cache.unlink(key, || fs::remove_file(&link).unwrap());
        }
        // Somebody else's link.
        fs::hard_link(cache.path(key), &link).unwrap();
        let other = root.path().join("other");
        assert!(matches!(
            cache.link(key, &other),
            Err(WorkError::Altered(_))
        ));
        assert!(absent(&cache, &[key]).is_empty());
        cache.link(key, &other).unwrap();
        drop(held);
    }

    #[test]
    fn a_blob_that_was_changed_or_cut_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let (one, two) = (put(&cache, b"one"), put(&cache, b"two"));
        fs::set_permissions(cache.path(one), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(cache.path(one), "eno").unwrap();
        drop(cache);
        fs::write(root.path().join("tmp").join("rest"), "").unwrap();
        let cache = open(root.path(), 1000);
        assert_eq!(absent(&cache, &[one, two]), [one]);
        assert!(!cache.path(one).exists());
        assert!(
            fs::read_dir(root.path().join("tmp"))
                .unwrap()
                .next()
                .is_none()
        );
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
