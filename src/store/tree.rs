//! Trees: unpacked manifests, which are lower directories of overlays.

use super::blob::{self, Origin};
use super::digest_cache::FileIdentity;
use super::lock::Subject;
use super::open::{StoreClient, TemporaryPath, locked};
use super::tree_stamp::{LinkedFile, TreeStamp};
use super::{Digest, Entry, Manifest, Mode, PathInContainer, Store, StoreError, parallel};
use rustix::fs::{
    AtFlags, CWD, RenameFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, renameat_with,
    utimensat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Blobs up to this size, in bytes, are never hard links to files outside of the store.
const MAX_NEVER_LINKED: u64 = 128 * 1024;

impl Store {
    /// Unpacks a manifest, if its tree does not exist, and returns its digest, which is the name
    /// of the tree in [`Store::trees`]. The tree is not evicted before this client ends. The
    /// content of its files must have been added before.
    pub fn add_tree(&self, manifest: &Manifest) -> Result<Digest, StoreError> {
        let bytes = manifest.to_bytes();
        let digest = Digest::of(&bytes);
        let client = &self.client;
        let digest_lock = client.digest_lock(&digest);
        let _digest_lock = locked(&digest_lock);
        client.use_tree(&digest)?;
        if !client.has_whole_tree(&digest) {
            let building = client.lock.hold(Subject::Build(digest));
            let _building = building.map_err(|cause| client.cannot_lock(cause))?;
            // Another client may have made the tree while this one waited.
            if !client.has_whole_tree(&digest) {
                client.check_or_build(&digest, manifest, &bytes)?;
            }
        }
        client.touch_stamp(&digest);
        Ok(digest)
    }

    /// The path of a tree.
    pub fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.client.tree_path(digest)
    }

    /// The manifest of a tree, if the store has it.
    pub fn manifest(&self, digest: &Digest) -> Option<Manifest> {
        let bytes = fs::read(self.client.manifest_path(digest)).ok()?;
        if Digest::of(&bytes) != *digest {
            return None;
        }
        Manifest::parse(&bytes).ok()
    }
}

impl StoreClient {
    pub fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("trees").join(digest.to_string())
    }

    pub fn stamp_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("marks").join(digest.to_string())
    }

    pub fn manifest_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("manifests").join(digest.to_string())
    }

    /// Keeps other clients from evicting the tree.
    fn use_tree(&self, digest: &Digest) -> Result<(), StoreError> {
        if !locked(&self.in_use).contains(digest) {
            self.lock
                .share(Subject::Use(*digest))
                .map_err(|cause| self.cannot_lock(cause))?;
            locked(&self.in_use).insert(*digest);
        }
        Ok(())
    }

    /// Whether the tree exists, was checked in this boot, and its linked files are unchanged.
    fn has_whole_tree(&self, digest: &Digest) -> bool {
        TreeStamp::read(&self.stamp_path(digest)).is_some_and(|stamp| {
            let tree = self.tree_path(digest);
            stamp.boot == self.boot
                && !self.boot.is_empty()
                && tree.is_dir()
                && stamp.linked_files_are_intact(&tree)
        })
    }

    /// Checks each file of a tree from an earlier boot, or makes a new tree. The caller has the
    /// build lock.
    fn check_or_build(
        &self,
        digest: &Digest,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let old = TreeStamp::read(&self.stamp_path(digest))
            .filter(|stamp| stamp.matches_tree(&self.tree_path(digest), manifest));
        let stamp = match old {
            Some(old) => TreeStamp {
                boot: self.boot.clone(),
                ..old
            },
            None => self.build(digest, manifest)?,
        };
        self.write_file(&self.manifest_path(digest), bytes)?;
        self.write_file(&self.stamp_path(digest), &stamp.to_bytes())
    }

    /// Makes a new tree, and moves it to its path. The caller writes its stamp.
    fn build(&self, digest: &Digest, manifest: &Manifest) -> Result<TreeStamp, StoreError> {
        let temporary = self.temporary();
        let linked = self.unpack(manifest, &temporary.path)?;
        let stamp = self.stamp_path(digest);
        match fs::remove_file(&stamp) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed("remove", &stamp, cause));
            }
            _ => {}
        }
        let tree = self.tree_path(digest);
        self.put_tree(temporary, &tree)
            .map_err(|cause| self.failed("rename a new tree to", &tree, cause))?;
        let size = size(manifest);
        self.added.fetch_add(size, Ordering::Relaxed);
        Ok(TreeStamp {
            boot: self.boot.clone(),
            size,
            linked,
        })
    }

    /// Moves a new tree to its path. A tree that it replaces is kept in `tmp/` until this client
    /// ends, as jobs of other clients may still use it.
    fn put_tree(&self, new: TemporaryPath, tree: &Path) -> io::Result<()> {
        match renameat_with(CWD, &new.path, CWD, tree, RenameFlags::EXCHANGE) {
            Ok(()) => {
                new.keep();
                Ok(())
            }
            Err(Errno::NOENT) => new.rename(tree),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                let old = self.temporary();
                match fs::rename(tree, &old.path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => old.keep(),
                }
                new.rename(tree)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn unpack(&self, manifest: &Manifest, tree: &Path) -> Result<Vec<LinkedFile>, StoreError> {
        make_directory(tree, Mode::DIRECTORY)
            .map_err(|cause| self.failed("make the directory", tree, cause))?;
        let mut files = Vec::new();
        for (path, entry) in manifest.entries() {
            let host = tree.join(path.relative());
            match entry {
                Entry::Directory { mode } => make_directory(&host, *mode),
                Entry::Symlink { target } => symlink(OsStr::from_bytes(target), &host),
                Entry::File { digest, mode } => {
                    files.push((path, *digest, *mode));
                    Ok(())
                }
            }
            .map_err(|cause| self.failed("make", &host, cause))?;
        }
        let linked = parallel::map(&files, 128, |(path, digest, mode)| {
            self.make_file(tree, path, digest, *mode)
        });
        linked.into_iter().filter_map(Result::transpose).collect()
    }

    /// Makes one file of a tree. Returns its record if files outside of the store share its inode.
    fn make_file(
        &self,
        tree: &Path,
        path: &PathInContainer,
        digest: &Digest,
        mode: Mode,
    ) -> Result<Option<LinkedFile>, StoreError> {
        let missing = || StoreError::MissingBlob {
            digest: *digest,
            path: path.clone(),
        };
        let blob = self.blob_path(digest, mode);
        let host = tree.join(path.relative());
        let before = (digest.size > MAX_NEVER_LINKED)
            .then(|| fs::symlink_metadata(&blob))
            .and_then(Result::ok);
        let mut attempts = 0;
        while let Err(error) = fs::hard_link(&blob, &host) {
            attempts += 1;
            match Errno::from_io_error(&error) {
                // The blob may be in the middle of being replaced by an equal one.
                Some(Errno::NOENT) if attempts < 10 && self.has_blob(digest, mode) => {}
                Some(Errno::NOENT) => return Err(missing()),
                Some(Errno::MLINK) => return self.copy_blob(&blob, &host, mode).map(|()| None),
                _ => return Err(self.failed("make", &host, error)),
            }
        }
        let metadata =
            fs::symlink_metadata(&host).map_err(|cause| self.failed("look at", &host, cause))?;
        if !blob::is_intact(&metadata, &blob, digest, mode) {
            return Err(missing());
        }
        if Origin::of(&metadata) == Origin::Written {
            return Ok(None);
        }
        if let Some(before) = before {
            let (before, after) = (FileIdentity::of(&before), FileIdentity::of(&metadata));
            locked(&self.digest_cache).change_time_moved(&before, &after);
        }
        Ok(Some(LinkedFile::new(path, digest, mode, &metadata)))
    }

    /// Copies a blob that has as many hard links as the file system allows.
    pub(super) fn copy_blob(&self, blob: &Path, host: &Path, mode: Mode) -> Result<(), StoreError> {
        let copy = || -> io::Result<File> {
            let mut from = File::open(blob)?;
            let mut to = OpenOptions::new().write(true).create_new(true).open(host)?;
            io::copy(&mut from, &mut to)?;
            Ok(to)
        };
        let file = copy().map_err(|cause| self.failed("copy a file to", host, cause))?;
        self.set_blob_attributes(&file, mode, host)
    }

    /// Records the time of use. An error is ignored, as only the order of eviction depends on it.
    fn touch_stamp(&self, digest: &Digest) {
        let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps {
            last_access: special(UTIME_OMIT),
            last_modification: special(UTIME_NOW),
        };
        let _ = utimensat(CWD, self.stamp_path(digest), &times, AtFlags::empty());
    }
}

/// Makes a directory with exactly this mode, whatever the umask is.
fn make_directory(path: &Path, mode: Mode) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode.bits()))
}

/// The approximate size of a tree on disk without its blobs, in bytes.
fn size(manifest: &Manifest) -> u64 {
    let entries = manifest.entries().map(|(path, entry)| match entry {
        Entry::Directory { .. } => 4096,
        Entry::File { .. } => path.as_bytes().len() as u64,
        Entry::Symlink { target } => 256 + target.len() as u64,
    });
    4096 + entries.sum::<u64>() + manifest.to_bytes().len() as u64
}
