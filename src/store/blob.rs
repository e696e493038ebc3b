//! Blobs: what they are called, whether one is what its name says, and putting
//! new ones in their place.

use super::digest_cache::FileIdentity;
use super::lock::Subject;
use super::open::{StoreClient, TemporaryPath, locked};
use super::{Digest, Mode, Store, StoreError};
use rustix::fs::{Timespec, Timestamps, futimens};
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// The modification time of every blob that the store wrote, in seconds: the start
/// of the year 2000. Old enough for anything made from such a file to be newer, and
/// late enough for archive formats that count from 1980.
const BLOB_MTIME: i64 = 946_684_800;

/// Gives a file the mode and the modification time that files have in containers.
pub(crate) fn set_mode_and_mtime(file: &File, mode: Mode) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode.bits()))?;
    let written = Timespec {
        tv_sec: BLOB_MTIME,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: written,
        last_modification: written,
    };
    Ok(futimens(file, &times)?)
}

/// How a blob came into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Written,
    /// A hard link to a file outside, with its modification time.
    Linked,
}

impl Origin {
    pub fn of(metadata: &Metadata) -> Self {
        if metadata.mtime() == BLOB_MTIME && metadata.mtime_nsec() == 0 {
            Self::Written
        } else {
            Self::Linked
        }
    }
}

/// Whether a file can have this content and mode, by all but its times.
pub(super) fn has_size_and_mode(metadata: &Metadata, digest: &Digest, mode: Mode) -> bool {
    metadata.is_file() && metadata.size() == digest.size && metadata.mode() & 0o7777 == mode.bits()
}

/// What a blob is called, within its directory.
pub(super) fn name(digest: &Digest, mode: Mode) -> String {
    format!("{digest}.{:03o}", mode.bits())
}

/// The digest and mode that a blob's name says.
pub(super) fn parse_name(name: &str) -> Option<(Digest, Mode)> {
    let (digest, mode) = name.split_once('.')?;
    let bits = u32::from_str_radix(mode, 8).ok()?;
    Some((digest.parse().ok()?, Mode::of_file(bits)))
}

/// The file that records what a linked blob looked like.
pub(super) fn record_path(blob: &Path) -> PathBuf {
    let mut path = blob.as_os_str().to_owned();
    path.push(".link");
    path.into()
}

impl Store {
    /// Where content of a tree in use is as a single file; for reading only.
    pub fn blob_path(&self, digest: &Digest, mode: Mode) -> PathBuf {
        self.client.blob_path(digest, mode)
    }
}

impl StoreClient {
    pub fn blob_path(&self, digest: &Digest, mode: Mode) -> PathBuf {
        let mut path = self.root.join("blobs");
        path.push(format!("{:02x}", digest.sha256[0]));
        path.push(name(digest, mode));
        path
    }

    pub fn has_blob(&self, digest: &Digest, mode: Mode) -> bool {
        let path = self.blob_path(digest, mode);
        fs::symlink_metadata(&path).is_ok_and(|metadata| is_intact(&metadata, &path, digest, mode))
    }

    /// Gives a new file the look of a blob. `source` names the content in errors.
    pub fn set_blob_attributes(
        &self,
        file: &File,
        mode: Mode,
        source: &Path,
    ) -> Result<(), StoreError> {
        set_mode_and_mtime(file, mode)
            .map_err(|cause| self.failed("write the content of", source, cause))
    }

    /// Makes a finished file the blob of this digest.
    pub fn put_blob(
        &self,
        temporary: TemporaryPath,
        digest: &Digest,
        mode: Mode,
    ) -> Result<(), StoreError> {
        let path = self.blob_path(digest, mode);
        self.rename_to_blob(temporary, &path)?;
        self.added.fetch_add(digest.size, Ordering::Relaxed);
        Ok(())
    }

    /// Makes a hard link to a file outside the blob of this digest.
    pub fn put_linked_blob(
        &self,
        link: TemporaryPath,
        identity: &FileIdentity,
        digest: &Digest,
        mode: Mode,
    ) -> Result<(), StoreError> {
        // Two clients that did this at once could leave the blob of one with the
        // record of the other.
        let digest_lock = self.digest_lock(digest);
        let _digest_lock = locked(&digest_lock);
        let building = self.lock.hold(Subject::Build(*digest));
        let _building = building.map_err(|cause| self.cannot_lock(cause))?;
        if self.has_blob(digest, mode) {
            return Ok(());
        }
        let path = self.blob_path(digest, mode);
        let old_name = link.path.clone();
        self.rename_to_blob(link, &path)?;
        // A file that was touched and linked again is the blob already, and then
        // renaming leaves both names.
        let _ = fs::remove_file(old_name);
        let record = self.temporary();
        let record_path = record_path(&path);
        symlink(record_of(identity), &record.path)
            .and_then(|()| record.rename(&record_path))
            .map_err(|cause| self.failed("write", &record_path, cause))?;
        self.added.fetch_add(digest.size, Ordering::Relaxed);
        Ok(())
    }

    fn rename_to_blob(&self, temporary: TemporaryPath, path: &Path) -> Result<(), StoreError> {
        let directory = path.parent().unwrap_or(&self.root);
        if !directory.exists()
            && let Err(cause) = fs::create_dir(directory)
            && cause.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(self.failed("make the directory", directory, cause));
        }
        temporary
            .rename(path)
            .map_err(|cause| self.failed("rename a new file to", path, cause))
    }
}

/// Whether a blob at `path`, or a hard link to it, is still what it was.
pub(super) fn is_intact(metadata: &Metadata, path: &Path, digest: &Digest, mode: Mode) -> bool {
    has_size_and_mode(metadata, digest, mode)
        && match Origin::of(metadata) {
            Origin::Written => true,
            Origin::Linked => fs::read_link(record_path(path))
                .is_ok_and(|record| record == Path::new(&record_of(&FileIdentity::of(metadata)))),
        }
}

/// What a linked blob looks like; its size and mode are in its name.
fn record_of(identity: &FileIdentity) -> String {
    format!("{} {}", identity.inode, identity.modified)
}
