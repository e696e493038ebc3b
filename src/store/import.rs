//! Adding content to the store.

use super::digest::Hasher;
use super::digest_cache::{FileIdentity, now};
use super::open::{StoreClient, locked};
use super::{Digest, Mode, Store, StoreError};
use rustix::fs::{AtFlags, CWD, ioctl_ficlone, linkat};
use rustix::io::Errno;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::Ordering;

/// Content up to this size, in bytes, is read into memory and written only if it is new.
const SMALL: u64 = 128 * 1024;
/// The number of times that a file is read if it changes while it is read.
const ATTEMPTS: u32 = 4;

/// How a file's content may be added. If the file system can share extents between files, this
/// is always used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Import {
    /// With a hard link if the owner and mode are those of a blob. For files that are replaced
    /// and not rewritten, such as the output of linkers.
    LinkIfSafe,
    Copy,
}

impl Store {
    /// Adds the content of a regular file, following symlinks.
    pub fn add_file(
        &self,
        path: &Path,
        executable: bool,
        how: Import,
    ) -> Result<Digest, StoreError> {
        let mode = Mode::executable(executable);
        let metadata = fs::metadata(path).map_err(|cause| unreadable(path, cause))?;
        if let Some(digest) = self.client.recall(path, &metadata, how)
            && self.client.has_blob(&digest, mode)
        {
            return Ok(digest);
        }
        self.client.import(path, mode, how)
    }

    /// The digest of a regular file with this metadata. If the digest is known from an earlier
    /// run, the content is not looked up: [`Store::add_tree`] reports if it is missing. Otherwise
    /// the content is added.
    pub fn add_file_unless_known(
        &self,
        path: &Path,
        metadata: &Metadata,
        executable: bool,
        how: Import,
    ) -> Result<Digest, StoreError> {
        match self.client.recall(path, metadata, how) {
            Some(digest) => Ok(digest),
            None => self.client.import(path, Mode::executable(executable), how),
        }
    }

    /// The digest of a regular file, without adding its content.
    pub fn hash_file(&self, path: &Path) -> Result<Digest, StoreError> {
        let client = &self.client;
        let metadata = fs::metadata(path).map_err(|cause| unreadable(path, cause))?;
        if let Some(digest) = client.recall(path, &metadata, Import::Copy) {
            return Ok(digest);
        }
        let (file, metadata) = open(path)?;
        let (before, started) = (FileIdentity::of(&metadata), now());
        let digest = client.hash(&file, path)?;
        client.remember_if_settled(&file, path, &before, started, &digest)?;
        Ok(digest)
    }

    /// The approximate number of bytes of files that this client has read, for progress displays.
    pub fn bytes_read(&self) -> u64 {
        self.client.read.load(Ordering::Relaxed)
    }

    pub fn add_bytes(&self, bytes: &[u8], executable: bool) -> Result<Digest, StoreError> {
        let name = Path::new("a file of a layer");
        self.client
            .add_bytes(bytes, Mode::executable(executable), name)
    }

    /// Adds content whose digest is known. `name` names it in errors.
    pub(crate) fn add_hashed(
        &self,
        content: &[u8],
        digest: &Digest,
        mode: Mode,
        name: &Path,
    ) -> Result<(), StoreError> {
        self.client.add_hashed(content, digest, mode, name)
    }

    /// Adds the content of a stream. `name` names it in errors.
    pub fn add_stream(
        &self,
        content: &mut dyn Read,
        mode: Mode,
        name: &Path,
    ) -> Result<Digest, StoreError> {
        self.client.add_stream(content, mode, name)
    }
}

impl StoreClient {
    /// The digest of a file that has not changed since it was hashed.
    fn recall(&self, path: &Path, metadata: &Metadata, how: Import) -> Option<Digest> {
        let mut cache = locked(&self.digest_cache);
        if how == Import::LinkIfSafe {
            cache.set_linked(path, metadata.ino());
        }
        cache.get(path, &FileIdentity::of(metadata))
    }

    /// Adds a file's content in the cheapest way. The digest is that of the content in the store,
    /// also if the file changes meanwhile. If the file keeps changing, the content is a copy of
    /// what was read last.
    fn import(&self, path: &Path, mode: Mode, how: Import) -> Result<Digest, StoreError> {
        let mut attempt = 1;
        loop {
            let (file, metadata) = open(path)?;
            let (before, started) = (FileIdentity::of(&metadata), now());
            let digest = self.add_open_file(&file, path, &metadata, mode, how)?;
            let unchanged = self.remember_if_settled(&file, path, &before, started, &digest)?;
            if unchanged || attempt == ATTEMPTS {
                return Ok(digest);
            }
            attempt += 1;
        }
    }

    /// Returns whether the file is unchanged since `before`. If it is, and its times were settled
    /// when hashing started, its digest is kept.
    fn remember_if_settled(
        &self,
        file: &File,
        path: &Path,
        before: &FileIdentity,
        started: i64,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let after = file.metadata().map_err(|cause| unreadable(path, cause))?;
        let after = FileIdentity::of(&after);
        let unchanged = after.same_content(before) && after.size == digest.size;
        if unchanged && before.is_settled(started) {
            locked(&self.digest_cache).insert(path, after, digest);
        }
        Ok(unchanged)
    }

    fn add_open_file(
        &self,
        file: &File,
        path: &Path,
        metadata: &Metadata,
        mode: Mode,
        how: Import,
    ) -> Result<Digest, StoreError> {
        if metadata.len() > SMALL {
            if let Some(digest) = self.add_clone(file, path, mode)? {
                return Ok(digest);
            }
            if how == Import::LinkIfSafe
                && self.may_link(metadata, mode)
                && let Some(digest) = self.add_link(file, path, metadata, mode)?
            {
                return Ok(digest);
            }
        }
        let mut content = file;
        self.add_stream(&mut content, mode, path)
    }

    /// Adds a clone that shares the file's extents, if the file system supports this.
    fn add_clone(
        &self,
        file: &File,
        path: &Path,
        mode: Mode,
    ) -> Result<Option<Digest>, StoreError> {
        if !self.can_clone.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let failed = |cause| self.failed("write the content of", path, cause);
        let temporary = self.temporary();
        let clone = create(&temporary.path).map_err(failed)?;
        match ioctl_ficlone(&clone, file) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS) => {
                self.can_clone.store(false, Ordering::Relaxed);
                return Ok(None);
            }
            // Usually the file is on another file system. Copying reports other errors.
            Err(_) => return Ok(None),
        }
        let digest = self.hash(&clone, path)?;
        if !self.has_blob(&digest, mode) {
            self.set_blob_attributes(&clone, mode, path)?;
            self.put_blob(temporary, &digest, mode)?;
        }
        Ok(Some(digest))
    }

    /// Whether the file has the owner and mode of a blob.
    fn may_link(&self, metadata: &Metadata, mode: Mode) -> bool {
        metadata.uid() == self.user
            && metadata.gid() == self.group
            && metadata.mode() & 0o7777 == mode.bits()
    }

    /// Adds a hard link to the file. `None` if it cannot be linked or changed meanwhile.
    fn add_link(
        &self,
        file: &File,
        path: &Path,
        metadata: &Metadata,
        mode: Mode,
    ) -> Result<Option<Digest>, StoreError> {
        let before = FileIdentity::of(metadata);
        locked(&self.digest_cache).set_linked(path, before.inode);
        let digest = self.hash(file, path)?;
        if self.has_blob(&digest, mode) {
            return Ok(Some(digest));
        }
        let link = self.temporary();
        if linkat(CWD, path, CWD, &link.path, AtFlags::SYMLINK_FOLLOW).is_err() {
            // The file may be on another file system or have too many links. Copying reports
            // other errors.
            return rewound(file, path);
        }
        let linked = fs::symlink_metadata(&link.path)
            .map_err(|cause| self.failed("look at a link to", path, cause))?;
        let unchanged = linked.dev() == metadata.dev()
            && FileIdentity::of(&linked).same_content(&before)
            && linked.len() == digest.size;
        if !unchanged || !self.may_link(&linked, mode) {
            return rewound(file, path);
        }
        self.put_linked_blob(link, &before, &digest, mode)?;
        Ok(Some(digest))
    }

    fn add_stream(
        &self,
        content: &mut dyn Read,
        mode: Mode,
        name: &Path,
    ) -> Result<Digest, StoreError> {
        let mut start = Vec::new();
        content
            .take(SMALL + 1)
            .read_to_end(&mut start)
            .map_err(|cause| unreadable(name, cause))?;
        if start.len() as u64 <= SMALL {
            return self.add_bytes(&start, mode, name);
        }
        let failed = |cause| self.failed("write the content of", name, cause);
        let temporary = self.temporary();
        let mut copy = create(&temporary.path).map_err(failed)?;
        let mut hasher = Hasher::default();
        let mut piece = start;
        loop {
            hasher.update(&piece);
            self.read.fetch_add(piece.len() as u64, Ordering::Relaxed);
            copy.write_all(&piece).map_err(failed)?;
            piece.resize(SMALL as usize, 0);
            match read(content, &mut piece).map_err(|cause| unreadable(name, cause))? {
                0 => break,
                length => piece.truncate(length),
            }
        }
        let digest = hasher.finish();
        if !self.has_blob(&digest, mode) {
            self.set_blob_attributes(&copy, mode, name)?;
            self.put_blob(temporary, &digest, mode)?;
        }
        Ok(digest)
    }

    /// The digest of a file that is at its start.
    fn hash(&self, mut file: &File, path: &Path) -> Result<Digest, StoreError> {
        let mut hasher = Hasher::default();
        let mut piece = vec![0; SMALL as usize];
        loop {
            match read(&mut file, &mut piece).map_err(|cause| unreadable(path, cause))? {
                0 => return Ok(hasher.finish()),
                length => hasher.update(&piece[..length]),
            }
            self.read.fetch_add(SMALL, Ordering::Relaxed);
        }
    }

    fn add_bytes(&self, bytes: &[u8], mode: Mode, name: &Path) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.add_hashed(bytes, &digest, mode, name)?;
        Ok(digest)
    }

    fn add_hashed(
        &self,
        bytes: &[u8],
        digest: &Digest,
        mode: Mode,
        name: &Path,
    ) -> Result<(), StoreError> {
        if self.has_blob(digest, mode) {
            return Ok(());
        }
        let temporary = self.temporary();
        let file = create(&temporary.path).and_then(|mut file| {
            file.write_all(bytes)?;
            Ok(file)
        });
        let file = file.map_err(|cause| self.failed("write the content of", name, cause))?;
        self.set_blob_attributes(&file, mode, name)?;
        self.put_blob(temporary, digest, mode)
    }
}

/// Opens a regular file for reading. Does not wait for the writer of a FIFO.
fn open(path: &Path) -> Result<(File, Metadata), StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(|cause| unreadable(path, cause))?;
    let metadata = file.metadata().map_err(|cause| unreadable(path, cause))?;
    if !metadata.is_file() {
        return Err(StoreError::NotAFile {
            path: path.to_owned(),
        });
    }
    Ok((file, metadata))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
}

fn read(content: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match content.read(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Seeks to the start of the file, so that it can be copied.
fn rewound(mut file: &File, path: &Path) -> Result<Option<Digest>, StoreError> {
    io::Seek::rewind(&mut file).map_err(|cause| unreadable(path, cause))?;
    Ok(None)
}

fn unreadable(path: &Path, cause: io::Error) -> StoreError {
    StoreError::Read {
        path: path.to_owned(),
        cause,
    }
}
