//! The depot: downloaded blobs, shared by all processes of a user.
//!
//! The directory has a mark ([`cachedir`]). Files in a directory without the mark are not changed.
//! Before the first blob is written, the directory is marked if it is empty, or if it contains
//! only files of an old version of the depot, which had no mark.
//!
//! `blobs/sha256/HEX` is a blob whose digest was verified. It is not written to again. `tmp/HEX`
//! is a partial blob. The process that holds the lock of the file appends to it, and renames it
//! when it is complete. A killed process leaves a partial blob without a lock; the next process
//! that downloads the blob resumes it. A partial blob that was not resumed for a week is removed.
//!
//! The time of the last change of a blob is that of its last use, up to a day:
//! [`Depot::remove_unused`] removes blobs that were not used for long.
//!
//! Files are not synced to disk. After a power failure a blob may be too short or contain zeros.
//! A wrong size is detected when the blob is opened, a wrong digest when it is read: see
//! [`LayerBlob::discard_damaged`](super::LayerBlob::discard_damaged).

use super::digest::{digest_of, oci_name};
use crate::cachedir::{self, CacheKind, DirectoryState, Refusal, RefusalReason};
use crate::store::{Hasher, size_on_disk};
use oci_spec::image::Sha256Digest;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// How long a partial blob is kept after the last write to it.
const ABANDONED_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A use is noted if the last one that was noted is this long ago.
const USE_NOTED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The size of a read, in bytes.
const CHUNK: usize = 64 << 10;

/// A directory of downloaded blobs. The first write creates it.
#[derive(Clone, Debug)]
pub struct Depot {
    root: PathBuf,
    /// Set when the directory is known to exist and to be marked.
    marked: Arc<OnceLock<()>>,
}

impl Depot {
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            marked: Arc::default(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a blob, whether it exists or not.
    pub fn path(&self, digest: &Sha256Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.digest())
    }

    /// Opens a blob. `None`: it does not exist. A blob of another size than `size` bytes is
    /// removed.
    pub fn open(&self, digest: &Sha256Digest, size: u64) -> io::Result<Option<File>> {
        self.examine()?;
        let file = match File::open(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() == size {
            return Ok(Some(file));
        }
        self.remove(digest)?;
        Ok(None)
    }

    /// Reads a small blob. `None`: it does not exist. A damaged blob is removed.
    pub fn read(&self, digest: &Sha256Digest) -> io::Result<Option<Vec<u8>>> {
        self.examine()?;
        let bytes = match fs::read(self.path(digest)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if digest_of(&bytes) == format!("sha256:{digest}") {
            self.note_use(digest);
            return Ok(Some(bytes));
        }
        self.remove(digest)?;
        Ok(None)
    }

    /// Stores bytes. The caller has verified that they have this digest.
    pub fn write(&self, digest: &Sha256Digest, bytes: &[u8]) -> io::Result<()> {
        self.create_directories()?;
        let mut file = tempfile::NamedTempFile::new_in(self.root.join("tmp"))?;
        file.write_all(bytes)?;
        file.persist(self.path(digest))?;
        Ok(())
    }

    pub fn remove(&self, digest: &Sha256Digest) -> io::Result<()> {
        self.examine()?;
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Starts or resumes the download of a blob. Hashes the bytes of an existing partial blob,
    /// which takes time.
    pub fn begin(&self, digest: &Sha256Digest, size: u64) -> io::Result<DownloadStart> {
        self.create_directories()?;
        let path = self.partial_path(digest);
        loop {
            if self.open(digest, size)?.is_some() {
                return Ok(DownloadStart::Complete);
            }
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)?;
            if !try_lock(&file)? {
                return Ok(DownloadStart::OtherProcess {
                    bytes_done: file.metadata()?.len(),
                });
            }
            // Another process may have renamed or removed the file before it was locked.
            if is_at(&file, &path)? && self.open(digest, size)?.is_none() {
                let target = self.path(digest);
                return Ok(DownloadStart::Started(PartialBlob::of(file, path, target)?));
            }
        }
    }

    /// Notes that a blob is used. It need not exist.
    pub fn note_use(&self, digest: &Sha256Digest) {
        let note = || {
            if self.examine()? != DirectoryState::Ours {
                return Ok(());
            }
            let path = self.path(digest);
            if is_older(&fs::metadata(&path)?, USE_NOTED_AFTER) {
                let file = OpenOptions::new().write(true).open(&path)?;
                file.set_modified(SystemTime::now())?;
            }
            Ok::<_, io::Error>(())
        };
        // A use that cannot be noted only makes the blob older.
        let _ = note();
    }

    /// Removes blobs that were not used for this time, and partial blobs that were not resumed for a
    /// week. Returns the number of blobs and their bytes on the disk.
    pub fn remove_unused(&self, unused: Duration) -> io::Result<RemovedBlobs> {
        let mut removed = RemovedBlobs::default();
        if self.examine()? != DirectoryState::Ours {
            return Ok(removed);
        }
        self.remove_abandoned();
        let blobs = match fs::read_dir(self.root.join("blobs/sha256")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
            blobs => blobs?,
        };
        for blob in blobs {
            let blob = blob?;
            if !is_blob(&blob) {
                continue;
            }
            let metadata = match blob.metadata() {
                // Another process has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if is_older(&metadata, unused) {
                match fs::remove_file(blob.path()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                }
                removed.blobs += 1;
                removed.bytes += size_on_disk(&metadata);
            }
        }
        Ok(removed)
    }

    /// Removes partial blobs that were not resumed for a week.
    pub fn remove_abandoned(&self) {
        if !matches!(self.examine(), Ok(DirectoryState::Ours)) {
            return;
        }
        let Ok(entries) = fs::read_dir(self.root.join("tmp")) else {
            return;
        };
        for entry in entries.flatten().filter(is_temporary) {
            // A failure leaves the file to the next run.
            let _ = remove_if_abandoned(&entry.path());
        }
    }

    /// Whether the directory is a depot, or may become one. Fails with the reason if it may not.
    fn examine(&self) -> io::Result<DirectoryState> {
        if self.marked.get().is_some() {
            return Ok(DirectoryState::Ours);
        }
        let state =
            cachedir::directory_state_ignoring(&self.root, CacheKind::Images, &["blobs", "tmp"])?;
        let reason = match state {
            DirectoryState::Free => match foreign_entry(&self.root)? {
                None => return Ok(state),
                Some(entry) => RefusalReason::Foreign(entry),
            },
            DirectoryState::Ours => {
                let _ = self.marked.set(());
                return Ok(state);
            }
            DirectoryState::Foreign(entry) => RefusalReason::Foreign(entry.into()),
            DirectoryState::OtherKind(found) => RefusalReason::OtherKind(found),
            DirectoryState::OtherFormat(found) => RefusalReason::OtherFormat(found),
        };
        Err(io::Error::other(Refusal::new(
            &self.root,
            CacheKind::Images,
            reason,
        )))
    }

    fn create_directories(&self) -> io::Result<()> {
        if self.examine()? != DirectoryState::Ours {
            fs::create_dir_all(&self.root)?;
            cachedir::mark(&self.root, CacheKind::Images)?;
        }
        fs::create_dir_all(self.root.join("blobs/sha256"))?;
        fs::create_dir_all(self.root.join("tmp"))
    }

    fn partial_path(&self, digest: &Sha256Digest) -> PathBuf {
        self.root.join("tmp").join(digest.digest())
    }
}

/// What [`Depot::remove_unused`] has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovedBlobs {
    pub blobs: u64,
    pub bytes: u64,
}

/// The state of a blob when its download is to start.
#[derive(Debug)]
pub enum DownloadStart {
    /// The blob is complete.
    Complete,
    /// Another process is downloading the blob, and has written this many bytes.
    OtherProcess {
        bytes_done: u64,
    },
    Started(PartialBlob),
}

/// A partial blob. This process holds its lock.
#[derive(Debug)]
pub struct PartialBlob {
    file: File,
    path: PathBuf,
    target: PathBuf,
    hasher: Hasher,
    length: u64,
}

impl PartialBlob {
    fn of(mut file: File, path: PathBuf, target: PathBuf) -> io::Result<Self> {
        let (mut hasher, mut length) = (Hasher::default(), 0);
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => {
                    hasher.update(&buffer[..read]);
                    length += read as u64;
                }
            }
        }
        Ok(Self {
            file,
            path,
            target,
            hasher,
            length,
        })
    }

    /// The number of bytes written.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Removes all bytes.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.hasher = Hasher::default();
        self.length = 0;
        Ok(())
    }

    /// The digest of the bytes written, as `sha256:…`.
    pub fn digest(&self) -> String {
        oci_name(&self.hasher.clone().finish())
    }

    /// Makes the blob available. The caller has verified the digest.
    pub fn commit(self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)
    }

    /// Removes the partial blob.
    pub fn discard(self) {
        // Truncating frees the space even if the file cannot be removed.
        if fs::remove_file(&self.path).is_err() {
            let _ = self.file.set_len(0);
        }
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The path of an entry of an unmarked directory that is not part of an old depot without a mark.
/// Examines only `blobs` and `tmp`.
fn foreign_entry(root: &Path) -> io::Result<Option<PathBuf>> {
    let is_sha256 = |entry: &DirEntry| {
        entry.file_name() == "sha256" && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    let parts = [
        ("blobs", is_sha256 as fn(&DirEntry) -> bool),
        ("blobs/sha256", is_blob),
        ("tmp", is_temporary),
    ];
    // The depot creates `tmp` after `blobs/sha256`. Without the latter, `tmp` may belong to
    // another program.
    if root.join("tmp").exists() && !root.join("blobs/sha256").exists() {
        return Ok(Some("tmp".into()));
    }
    for (part, is_own) in parts {
        let entries = match fs::read_dir(root.join(part)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Ok(Some(part.into()));
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if !is_own(&entry) {
                return Ok(Some(Path::new(part).join(entry.file_name())));
            }
        }
    }
    Ok(None)
}

/// Whether an entry is a file with the name of a blob.
fn is_blob(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.len() == 64
        && name.as_bytes().iter().all(is_hex)
        && entry.file_type().is_ok_and(|kind| kind.is_file())
}

/// Whether an entry is a file with the name of a partial blob, or of a temporary file of
/// [`Depot::write`].
fn is_temporary(entry: &DirEntry) -> bool {
    let is_written = || {
        entry.file_name().as_bytes().starts_with(b".tmp")
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    is_blob(entry) || is_written()
}

/// Whether the last change of a file is this long ago.
fn is_older(metadata: &fs::Metadata, age: Duration) -> bool {
    let modified = metadata.modified();
    let elapsed = modified.map(|modified| SystemTime::now().duration_since(modified));
    matches!(elapsed, Ok(Ok(elapsed)) if elapsed >= age)
}

/// Whether a path still names an open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    if is_older(&file.metadata()?, ABANDONED_AFTER) && try_lock(&file)? && is_at(&file, path)? {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cachedir::{MARK, TAG};
    use std::fs::FileTimes;

    fn depot() -> (tempfile::TempDir, Depot) {
        let directory = tempfile::tempdir().unwrap();
        let depot = Depot::new(directory.path().join("depot"));
        (directory, depot)
    }

    fn sha256(bytes: &[u8]) -> Sha256Digest {
        super::super::digest::parse(&digest_of(bytes)).unwrap()
    }

    /// A depot of a version without marks.
    fn without_mark() -> (tempfile::TempDir, Depot) {
        let (directory, depot) = depot();
        depot.write(&sha256(b"hello"), b"hello").unwrap();
        started(depot.begin(&sha256(b"other"), 5).unwrap());
        fs::write(depot.root.join("tmp/.tmpAbCdEf"), "").unwrap();
        for name in [MARK, TAG] {
            fs::remove_file(depot.root.join(name)).unwrap();
        }
        let again = Depot::new(depot.root.clone());
        (directory, again)
    }

    #[test]
    fn a_depot_without_a_mark_is_read_and_is_marked_before_it_is_written_to() {
        let (_directory, depot) = without_mark();
        let read = || depot.read(&sha256(b"hello")).unwrap().unwrap();
        assert_eq!(read(), b"hello");
        assert!(!depot.root.join(MARK).exists());
        depot.write(&sha256(b"more"), b"more").unwrap();
        let mark = fs::read_to_string(depot.root.join(MARK)).unwrap();
        assert_eq!(mark, "maelstrom images 1\n");
        assert!(depot.root.join(TAG).exists());
        assert_eq!(read(), b"hello");
    }

    #[test]
    fn a_directory_with_anything_else_in_it_is_refused_and_left_as_it_is() {
        let old = SystemTime::now() - ABANDONED_AFTER - Duration::from_secs(60);
        let image = sha256(b"hello").digest().to_owned();
        for foreign in [
            "index.json",
            "blobs/notes",
            "blobs/sha256/notes",
            "tmp/notes",
        ] {
            let (_directory, depot) = without_mark();
            let path = depot.root.join(foreign);
            fs::write(&path, "mine").unwrap();
            let times = FileTimes::new().set_modified(old);
            let file = File::options().write(true).open(&path).unwrap();
            file.set_times(times).unwrap();
            let error = depot.open(&sha256(b"hello"), 4).unwrap_err().to_string();
            assert!(error.contains(&format!("it holds `{foreign}`")), "{error}");
            assert!(depot.remove(&sha256(b"hello")).is_err());
            assert!(depot.write(&sha256(b"more"), b"more").is_err());
            assert!(depot.begin(&sha256(b"more"), 4).is_err());
            depot.remove_abandoned();
            assert!(path.exists());
            assert!(depot.root.join("blobs/sha256").join(&image).exists());
            assert!(!depot.root.join(MARK).exists());
        }
        let (_directory, depot) = without_mark();
        fs::remove_dir_all(depot.root.join("blobs")).unwrap();
        assert!(depot.write(&sha256(b"more"), b"more").is_err());
    }

    #[track_caller]
    fn started(beginning: DownloadStart) -> PartialBlob {
        match beginning {
            DownloadStart::Started(partial) => partial,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_partial_blob_is_resumed() {
        let (_directory, depot) = depot();
        let digest = sha256(b"hello world");
        let mut partial = started(depot.begin(&digest, 11).unwrap());
        partial.append(b"hello ").unwrap();
        let other = depot.begin(&digest, 11).unwrap();
        assert!(
            matches!(other, DownloadStart::OtherProcess { bytes_done: 6 }),
            "{other:?}"
        );
        drop(partial);
        let mut partial = started(depot.begin(&digest, 11).unwrap());
        assert_eq!(partial.length(), 6);
        partial.append(b"world").unwrap();
        assert_eq!(partial.digest(), format!("sha256:{digest}"));
        partial.commit().unwrap();
        assert!(matches!(
            depot.begin(&digest, 11).unwrap(),
            DownloadStart::Complete
        ));
        assert_eq!(depot.read(&digest).unwrap().unwrap(), b"hello world");
        assert_eq!(fs::read_dir(depot.root.join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_blob_that_was_truncated_or_changed_is_removed() {
        let (_directory, depot) = depot();
        let digest = sha256(b"hello");
        depot.write(&digest, b"hello").unwrap();
        assert!(depot.open(&digest, 5).unwrap().is_some());
        fs::write(depot.path(&digest), b"").unwrap();
        assert!(depot.open(&digest, 5).unwrap().is_none());
        depot.write(&digest, b"hello").unwrap();
        fs::write(depot.path(&digest), b"hallo").unwrap();
        assert!(depot.read(&digest).unwrap().is_none());
        assert!(!depot.path(&digest).exists());
    }

    #[test]
    fn only_old_partial_blobs_without_a_lock_are_removed() {
        let (_directory, depot) = depot();
        let old = SystemTime::now() - ABANDONED_AFTER - Duration::from_secs(60);
        let begin = |bytes: &[u8], age: SystemTime| {
            let partial = started(depot.begin(&sha256(bytes), 9).unwrap());
            let times = FileTimes::new().set_modified(age);
            partial.file.set_times(times).unwrap();
            partial
        };
        let (abandoned, held) = (begin(b"1", old), begin(b"2", old));
        // The name is not that of a partial blob.
        let foreign = depot.root.join("tmp/notes");
        let file = File::create(&foreign).unwrap();
        file.set_times(FileTimes::new().set_modified(old)).unwrap();
        let young = begin(b"3", SystemTime::now());
        let paths = [&abandoned, &held, &young].map(|partial| partial.path.clone());
        drop((abandoned, young));
        depot.remove_abandoned();
        assert_eq!(paths.map(|path| path.exists()), [false, true, true]);
        assert!(foreign.exists());
    }

    #[test]
    fn blobs_that_were_not_used_for_long_are_removed() {
        let (_directory, depot) = depot();
        let blobs = [&b"used"[..], b"unused", b"young"].map(|bytes| {
            depot.write(&sha256(bytes), bytes).unwrap();
            sha256(bytes)
        });
        let long = Duration::from_secs(30 * 24 * 60 * 60);
        for blob in &blobs[..2] {
            let file = File::options().write(true).open(depot.path(blob)).unwrap();
            let old = SystemTime::now() - long - Duration::from_secs(60);
            file.set_modified(old).unwrap();
        }
        depot.read(&blobs[0]).unwrap().unwrap();
        let removed = depot.remove_unused(long).unwrap();
        assert_eq!(removed.blobs, 1);
        assert!(removed.bytes >= 6, "{removed:?}");
        let exists = blobs.each_ref().map(|blob| depot.path(blob).exists());
        assert_eq!(exists, [true, false, true]);
        let others = depot.remove_unused(Duration::ZERO).unwrap();
        assert_eq!(others.blobs, 2);
    }

    #[test]
    fn a_use_is_noted_once_a_day() {
        let (_directory, depot) = depot();
        let digest = sha256(b"hello");
        // It is no error that there is no blob.
        depot.note_use(&digest);
        depot.write(&digest, b"hello").unwrap();
        let file = File::options()
            .write(true)
            .open(depot.path(&digest))
            .unwrap();
        let modified = || file.metadata().unwrap().modified().unwrap();
        for (age, is_noted) in [(60, false), (USE_NOTED_AFTER.as_secs() + 60, true)] {
            let then = SystemTime::now() - Duration::from_secs(age);
            file.set_modified(then).unwrap();
            depot.note_use(&digest);
            assert_eq!(
                modified() > then + Duration::from_secs(30),
                is_noted,
                "{age}"
            );
        }
    }
}
