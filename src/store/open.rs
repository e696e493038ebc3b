//! Opening a store, and the state of a client.

use super::digest_cache::DigestCache;
use super::error::{Incompatibility, write_error};
use super::lock::{LockFile, Subject};
use super::removal::{remove, remove_tree};
use super::{Digest, StoreError};
use crate::cachedir::{self, CacheKind, DirectoryState, MARK};
use rustix::process::{getegid, geteuid};
use std::collections::{HashMap, HashSet};
use std::fs::{self, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The entries of a store, except `lock`, the mark and `tmp`.
const CONTENT: [&str; 8] = [
    "blobs",
    "manifests",
    "marks",
    "trees",
    "values",
    "memory",
    "usage",
    "cache-mounts",
];

/// A client of a store. Clones are the same client, which ends with the last of them.
#[derive(Clone)]
pub struct Store {
    pub(super) client: Arc<StoreClient>,
}

/// The state that the clones of a [`Store`] share.
pub(super) struct StoreClient {
    pub root: PathBuf,
    pub size_limit: u64,
    pub lock: LockFile,
    /// This client's directory in `tmp/`.
    pub temporary: PathBuf,
    next_temporary: AtomicU64,
    pub digest_cache: Mutex<DigestCache>,
    /// For each tree or blob that is being made, a mutex of this client's threads. Clients
    /// exclude each other with the lock file.
    digest_locks: Mutex<HashMap<Digest, Arc<Mutex<()>>>>,
    /// The trees whose use lock this client shares.
    pub in_use: Mutex<HashSet<Digest>>,
    pub eviction: Mutex<()>,
    /// The number of bytes added since `usage` was written.
    pub added: AtomicU64,
    /// The number of bytes of files that were read.
    pub read: AtomicU64,
    /// Whether the file system may support sharing extents between files.
    pub can_clone: AtomicBool,
    /// The id of the present boot of the machine.
    pub boot: String,
    pub user: u32,
    pub group: u32,
    discarded: Option<String>,
}

impl Store {
    /// Opens the store below the directory `cache_root`, and makes them if they do not exist. A
    /// directory that is neither empty nor a cache is an error. `size_limit` is in bytes, see
    /// [`Store::evict`].
    pub fn open(cache_root: &Path, size_limit: u64) -> Result<Self, StoreError> {
        // The kernel gets absolute paths of layers.
        let cache_root = std::path::absolute(cache_root).map_err(|cause| {
            write_error(
                cache_root,
                size_limit,
                "find the directory",
                cache_root,
                cause,
            )
        })?;
        let root = cachedir::claim(&cache_root, CacheKind::Store)
            .map_err(|error| StoreError::of_directory(&cache_root, size_limit, error))?
            .directory;
        let root = root.as_path();
        let failed = |doing, path: &Path, cause| write_error(root, size_limit, doing, path, cause);
        let path = root.join("lock");
        let lock = LockFile::open(&path).map_err(|cause| failed("open", &path, cause))?;
        let cannot_lock = |cause| StoreError::CannotLock {
            root: root.to_owned(),
            cause,
        };
        let discarded = {
            let _opening = lock.hold(Subject::Opening).map_err(cannot_lock)?;
            let discarded = discard_foreign(root, &lock, size_limit)?;
            lock.share(Subject::Store).map_err(cannot_lock)?;
            for name in ["blobs", "manifests", "marks", "trees", "values", "tmp"] {
                let path = root.join(name);
                make_directory(&path)
                    .map_err(|cause| failed("make the directory", &path, cause))?;
            }
            discarded
        };
        let temporary = temporary_directory(root, &lock)
            .map_err(|cause| failed("make a directory in", &root.join("tmp"), cause))?;
        let store = Self {
            client: Arc::new(StoreClient {
                size_limit,
                lock,
                temporary,
                next_temporary: AtomicU64::new(0),
                digest_cache: Mutex::new(DigestCache::new(root.join("memory"))),
                digest_locks: Mutex::default(),
                in_use: Mutex::default(),
                eviction: Mutex::new(()),
                added: AtomicU64::new(0),
                read: AtomicU64::new(0),
                can_clone: AtomicBool::new(true),
                boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                    .map(|id| id.trim().to_owned())
                    .unwrap_or_default(),
                user: geteuid().as_raw(),
                group: getegid().as_raw(),
                discarded: discarded.map(|foreign| {
                    format!(
                        "discarded the content of {}, which {foreign}",
                        root.display()
                    )
                }),
                root: root.to_owned(),
            }),
        };
        store.client.clear_leftovers();
        Ok(store)
    }

    pub fn root(&self) -> &Path {
        &self.client.root
    }

    /// The size limit in bytes.
    pub fn size_limit(&self) -> u64 {
        self.client.size_limit
    }

    /// The directory of the trees. Each is named by the digest of its manifest.
    pub fn trees(&self) -> PathBuf {
        self.client.root.join("trees")
    }

    /// A note for the user, if the content of the store had another format or owner and was
    /// discarded.
    pub fn discarded(&self) -> Option<&str> {
        self.client.discarded.as_deref()
    }

    /// A new directory for making content, on the file system of the trees. It is removed when it
    /// is dropped or this client ends.
    pub fn work_directory(&self) -> Result<WorkDirectory, StoreError> {
        let temporary = self.client.temporary();
        make_new_directory(&temporary.path).map_err(|cause| {
            self.client
                .failed("make a directory in", &temporary.path, cause)
        })?;
        Ok(WorkDirectory(temporary))
    }

    /// Writes the digest cache and the size for later clients. This is also done when the last
    /// clone is dropped, but errors are ignored then.
    pub fn save(&self) -> Result<(), StoreError> {
        self.client.save()
    }

    /// Removes this client's directory in `tmp/` if it is empty. The directory is also removed when
    /// the last clone is dropped, but the process may end while a thread still has a clone. This is
    /// called last: adding content fails afterwards.
    pub fn leave(&self) {
        // A directory that remains is removed by the next client.
        let _ = fs::remove_dir(&self.client.temporary);
    }
}

impl StoreClient {
    pub fn failed(&self, doing: &'static str, path: &Path, cause: io::Error) -> StoreError {
        write_error(&self.root, self.size_limit, doing, path, cause)
    }

    pub fn cannot_lock(&self, cause: io::Error) -> StoreError {
        StoreError::CannotLock {
            root: self.root.clone(),
            cause,
        }
    }

    /// An unused path in the temporary directory of this client.
    pub fn temporary(&self) -> TemporaryPath {
        let n = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        TemporaryPath {
            path: self.temporary.join(n.to_string()),
            kept: false,
        }
    }

    /// The mutex of the threads that make the tree or blob `digest`.
    pub fn digest_lock(&self, digest: &Digest) -> Arc<Mutex<()>> {
        Arc::clone(locked(&self.digest_locks).entry(*digest).or_default())
    }

    /// Removes the directories in `tmp/` of clients that have ended. Other clients may do so at
    /// the same time. Directories that cannot be removed are left to a later client.
    fn clear_leftovers(&self) {
        let Ok(directories) = fs::read_dir(self.root.join("tmp")) else {
            return;
        };
        for directory in directories.flatten() {
            let path = directory.path();
            if path == self.temporary {
                continue;
            }
            let name = directory.file_name();
            let id = name
                .to_str()
                .and_then(|id| u32::from_str_radix(id, 16).ok());
            if let Some(id) = id
                && let Ok(Some(_dead)) = self.lock.try_hold(Subject::Client(id))
            {
                let _ = remove_tree(&path);
            }
        }
    }

    pub fn save(&self) -> Result<(), StoreError> {
        self.save_digest_cache()?;
        self.save_usage()
    }

    fn save_digest_cache(&self) -> Result<(), StoreError> {
        let mut cache = locked(&self.digest_cache);
        let saving = self.lock.hold(Subject::DigestCache);
        let _saving = saving.map_err(|cause| self.cannot_lock(cause))?;
        match cache.take_changes() {
            Some(bytes) => self.write_file(&self.root.join("memory"), &bytes),
            None => Ok(()),
        }
    }

    /// Replaces a small file of the store atomically.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.temporary();
        fs::write(&temporary.path, bytes).map_err(|cause| self.failed("write", path, cause))?;
        temporary
            .rename(path)
            .map_err(|cause| self.failed("rename a new file to", path, cause))
    }
}

impl Drop for StoreClient {
    fn drop(&mut self) {
        // Errors are ignored: the next client hashes files again and clears `tmp/`.
        let _ = self.save();
        let _ = remove_tree(&self.temporary);
    }
}

/// A directory for making content.
#[derive(Debug)]
pub struct WorkDirectory(TemporaryPath);

impl WorkDirectory {
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

/// A path in `tmp/`. Dropping this removes the file or directory unless it was renamed or kept.
#[derive(Debug)]
pub(super) struct TemporaryPath {
    pub path: PathBuf,
    kept: bool,
}

impl TemporaryPath {
    pub fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.kept = true;
        Ok(())
    }

    /// Leaves the file or directory in `tmp/` until the client ends.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        if !self.kept && fs::remove_file(&self.path).is_err() {
            let _ = remove_tree(&self.path);
        }
    }
}

/// Locks a mutex, also one that a thread poisoned: the state of the store in memory is never
/// left inconsistent.
pub(super) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the content of a store that has another format or owner, and returns the reason. The
/// store then has this format and owner. The caller has the lock on opening.
fn discard_foreign(
    root: &Path,
    lock: &LockFile,
    size_limit: u64,
) -> Result<Option<Incompatibility>, StoreError> {
    let failed = |doing, path: &Path, cause| write_error(root, size_limit, doing, path, cause);
    let mark = root.join(MARK);
    let state = cachedir::directory_state(root, CacheKind::Store)
        .map_err(|cause| failed("read", &mark, cause))?;
    let foreign = match state {
        DirectoryState::OtherFormat(format) => Incompatibility::Format(format),
        _ => match other_user(root, &mark) {
            Ok(None) => return Ok(None),
            Ok(Some(user)) => Incompatibility::User(user),
            Err(cause) => return Err(failed("look at", &mark, cause)),
        },
    };
    let alone = lock.try_hold(Subject::Store);
    let alone = alone.map_err(|cause| StoreError::CannotLock {
        root: root.to_owned(),
        cause,
    })?;
    let Some(_alone) = alone else {
        return Err(StoreError::IncompatibleInUse {
            root: root.to_owned(),
            foreign,
        });
    };
    remove_content(root)?;
    // The new mark belongs to this user.
    cachedir::replace_mark(root, CacheKind::Store)
        .map_err(|cause| failed("write", &mark, cause))?;
    Ok(Some(foreign))
}

/// Removes everything but the mark and the lock. The caller is the only client.
pub(super) fn remove_content(root: &Path) -> Result<(), StoreError> {
    for name in CONTENT.into_iter().chain(["tmp"]) {
        let path = root.join(name);
        remove(&path).map_err(|cause| StoreError::Io {
            doing: "remove",
            path,
            cause,
        })?;
    }
    Ok(())
}

/// The owner of a file in `root`, if files that this process makes there have another owner.
fn other_user(root: &Path, file: &Path) -> io::Result<Option<u32>> {
    let owner = fs::metadata(file)?.uid();
    if owner == geteuid().as_raw() {
        return Ok(None);
    }
    // On some file systems all files belong to one user.
    let ours = tempfile::NamedTempFile::new_in(root)?
        .as_file()
        .metadata()?
        .uid();
    Ok((owner != ours).then_some(owner))
}

/// Makes a directory of the store. Its files belong to this user and group, also if the
/// directory above is set-group-ID.
fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let metadata = fs::metadata(path)?;
    let group = getegid().as_raw();
    if metadata.gid() != group {
        chown(path, None, Some(group))?;
    }
    if metadata.mode() & 0o6000 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Makes the temporary directory of this client, and locks its id.
fn temporary_directory(root: &Path, lock: &LockFile) -> io::Result<PathBuf> {
    loop {
        let id = RandomState::new().hash_one(std::process::id()) as u32;
        let Some(client) = lock.try_hold(Subject::Client(id))? else {
            continue;
        };
        let path = root.join("tmp").join(format!("{id:08x}"));
        match make_new_directory(&path) {
            Ok(()) => {
                // A command may make files here that are set-uid of this user.
                fs::set_permissions(&path, Permissions::from_mode(0o700))?;
                client.keep();
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn make_new_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    make_directory(path)
}
