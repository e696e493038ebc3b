//! Blobs: their names, their checks, and adding new ones.

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

/// The modification time of every blob that the store wrote, in seconds: the start of the year
/// 2000. Everything that is built from such a file is newer, and archive formats that count from
/// 1980 can represent it.
const BLOB_MTIME: i64 = 946_684_800;

/// Gives a file this mode, and the modification time that files have in containers.
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

/// The origin of a blob.
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

/// Whether a file is a regular file of this size and mode.
pub(super) fn has_size_and_mode(metadata: &Metadata, digest: &Digest, mode: Mode) -> bool {
    metadata.is_file() && metadata.size() == digest.size && metadata.mode() & 0o7777 == mode.bits()
}

/// The file name of a blob.
pub(super) fn name(digest: &Digest, mode: Mode) -> String {
    format!("{digest}.{:03o}", mode.bits())
}

/// The digest and mode in the file name of a blob.
pub(super) fn parse_name(name: &str) -> Option<(Digest, Mode)> {
    let (digest, mode) = name.split_once('.')?;
    let bits = u32::from_str_radix(mode, 8).ok()?;
    Some((digest.parse().ok()?, Mode::of_file(bits)))
}

/// The path of the record of a linked blob's inode.
pub(super) fn record_path(blob: &Path) -> PathBuf {
    let mut path = blob.as_os_str().to_owned();
    path.push(".link");
    path.into()
}

impl Store {
    /// The path of a content that a tree in use has. The file must not be changed.
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

    /// Gives a new file the mode and modification time of a blob. `source` names the content in
    /// errors.
    pub fn set_blob_attributes(
        &self,
        file: &File,
        mode: Mode,
        source: &Path,
    ) -> Result<(), StoreError> {
        set_mode_and_mtime(file, mode)
            .map_err(|cause| self.failed("write the content of", source, cause))
    }

    /// Moves a finished file to the path of the blob with this digest.
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

    /// Moves a hard link to a file outside of the store to the path of the blob with this digest.
    pub fn put_linked_blob(
        &self,
        link: TemporaryPath,
        identity: &FileIdentity,
        digest: &Digest,
        mode: Mode,
    ) -> Result<(), StoreError> {
        // Without the lock, two clients could leave the blob of one with the record of the
        // other.
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
        // If the blob is already a link to the same inode, rename(2) leaves both names.
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

/// Whether a blob at `path`, or a hard link to it, is unchanged.
pub(super) fn is_intact(metadata: &Metadata, path: &Path, digest: &Digest, mode: Mode) -> bool {
    has_size_and_mode(metadata, digest, mode)
        && match Origin::of(metadata) {
            Origin::Written => true,
            Origin::Linked => fs::read_link(record_path(path))
                .is_ok_and(|record| record == Path::new(&record_of(&FileIdentity::of(metadata)))),
        }
}

/// The record of a linked blob: its inode and modification time. Its size and mode are in its name.
fn record_of(identity: &FileIdentity) -> String {
    format!("{} {}", identity.inode, identity.modified)
}
