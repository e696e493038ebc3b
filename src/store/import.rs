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

/// Up to this size, content goes through memory and is written only if it is new.
const SMALL: u64 = 128 * 1024;
/// How often a file that changes while it is read is read again.
const ATTEMPTS: u32 = 4;

/// What may be done to bring a file's content into the store. Where the file system
/// can share extents between files, that is done in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Import {
    /// The file is replaced, not rewritten, when it changes, as linkers do: a hard
    /// link will do, if owner and mode are those of a blob.
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

    /// The digest of a regular file, given what `stat` says about it. The content
    /// of a file that is not remembered is added; that of one that is remembered is
    /// not even looked for: [`Store::add_tree`] says if it is missing.
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

    /// How many bytes of files this client has read so far, about: for people who
    /// wait.
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

    /// Adds what `content` yields. `name` names it in errors.
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
    /// The digest of a file that has not changed since it was remembered.
    fn recall(&self, path: &Path, metadata: &Metadata, how: Import) -> Option<Digest> {
        let mut cache = locked(&self.digest_cache);
        if how == Import::LinkIfSafe {
            cache.set_linked(path, metadata.ino());
        }
        cache.get(path, &FileIdentity::of(metadata))
    }

    /// Adds a file's content by the cheapest way there is. The digest is of what is
    /// in the store, whatever happens to the file meanwhile; a file that keeps
    /// changing ends up as a copy of what was read.
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

    /// Whether the file is as it was `before`; if so, and it was settled when it
    /// was started to be hashed, it is remembered as it looks now.
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

    /// Shares the file's extents, if the file system can.
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
            // Another file system, most often. Whatever it is, copying tells.
            Err(_) => return Ok(None),
        }
        let digest = self.hash(&clone, path)?;
        if !self.has_blob(&digest, mode) {
            self.set_blob_attributes(&clone, mode, path)?;
            self.put_blob(temporary, &digest, mode)?;
        }
        Ok(Some(digest))
    }

    /// Whether a hard link to the file would pass for a file of the store's own.
    fn may_link(&self, metadata: &Metadata, mode: Mode) -> bool {
        metadata.uid() == self.user
            && metadata.gid() == self.group
            && metadata.mode() & 0o7777 == mode.bits()
    }

    /// Makes a hard link to the file; `None` if that cannot be or it changed.
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
            // Another file system, too many links, not allowed: copying tells.
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

    /// The digest of a file from where it stands, which is its start.
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

/// Opens a regular file for reading; never waits for the other end of a pipe.
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

/// Back to the start, to be copied after all.
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
