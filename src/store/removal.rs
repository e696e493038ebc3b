//! Removing directories that jobs wrote. They may have any modes, may be nested deeper than a path
//! can express, and processes that are being killed may still rename entries.
//!
//! Therefore only the first directory is looked up by a path. The others are opened relative to a
//! descriptor and without following symlinks, so that nothing outside of the tree is changed. A
//! process may not have a descriptor for each level, so the parent is opened as `..`. It is checked
//! that this is the directory from which the child was entered.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, fchmod, fstat, openat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A directory whose content is being removed.
struct DirectoryLevel {
    /// Its name in the directory above.
    name: CString,
    identity: DirectoryIdentity,
    /// The directories in it that are still to be removed.
    directories: Vec<CString>,
}

/// Device and inode.
type DirectoryIdentity = (u64, u64);

/// Removes a directory and everything in it, also if its modes forbid the owner to read or write
/// it. A symlink is removed itself. A path where nothing exists is no error.
pub fn remove_tree(directory: &Path) -> io::Result<()> {
    let name = directory.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let above = match directory.parent() {
        Some(above) if above != "" => above,
        _ => Path::new("."),
    };
    let mut current = match openat(CWD, above, OPEN_PATH, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    let mut levels = vec![DirectoryLevel {
        name: CString::default(),
        identity: identity(&current)?,
        directories: vec![CString::new(name.as_bytes())?],
    }];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.directories.pop() {
            if let Some(directory) = enter(&current, &name)? {
                levels.push(DirectoryLevel {
                    name,
                    identity: identity(&directory)?,
                    directories: remove_files(&directory)?,
                });
                current = directory;
            }
        } else {
            let name = std::mem::take(&mut level.name);
            levels.pop();
            let Some(above) = levels.last() else { break };
            current = openat(&current, "..", OPEN_PATH, Mode::empty())?;
            if identity(&current)? != above.identity {
                return Err(io::Error::other(
                    "a directory in it was moved while it was being removed",
                ));
            }
            unlink(&current, &name, AtFlags::REMOVEDIR)?;
        }
    }
    Ok(())
}

/// Removes the file or directory at a path, if one exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove_tree(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Flags to open a directory for lookups in it, which needs no read permission.
const OPEN_PATH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Flags to open a directory for listing it.
const OPEN_LIST: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

fn identity(directory: &OwnedFd) -> io::Result<DirectoryIdentity> {
    let stat = fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Opens a directory and gives its owner all permissions. If the entry is not a directory (any
/// more), it is removed and the result is `None`.
fn enter(above: &OwnedFd, name: &CStr) -> io::Result<Option<OwnedFd>> {
    let directory = match openat(above, name, OPEN_LIST | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            unlink(above, name, AtFlags::empty())?;
            return Ok(None);
        }
        Err(Errno::ACCESS) => {
            let closed = openat(above, name, OPEN_PATH | OFlags::NOFOLLOW, Mode::empty())?;
            // The only way to change the mode of a directory that cannot be opened and may have
            // been renamed.
            let path = format!("/proc/self/fd/{}", closed.as_raw_fd());
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
            openat(&closed, ".", OPEN_LIST, Mode::empty())?
        }
        opened => opened?,
    };
    let mode = Mode::from_raw_mode(fstat(&directory)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        fchmod(&directory, Mode::RWXU)?;
    }
    Ok(Some(directory))
}

/// Removes the files in a directory, and returns the names of its subdirectories.
fn remove_files(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut directories = Vec::new();
    let mut buffer = Vec::<u8>::with_capacity(8192);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type().is_dir() {
            directories.push(name.to_owned());
            continue;
        }
        match unlink(directory, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => directories.push(name.to_owned()),
            result => result?,
        }
    }
    Ok(directories)
}

/// Removes an entry. An entry that is gone is no error.
fn unlink(directory: &OwnedFd, name: &CStr, flags: AtFlags) -> rustix::io::Result<()> {
    match unlinkat(directory, name, flags) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{RenameFlags, mkdirat, renameat_with};
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    /// Runs a function without root's capability to ignore modes.
    fn by_the_modes<T: Send>(run: impl FnOnce() -> T + Send) -> T {
        let run = || {
            let mut sets = capabilities(None).unwrap();
            sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            set_capabilities(None, sets).unwrap();
            run()
        };
        thread::scope(|scope| scope.spawn(run).join().unwrap())
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_tree_goes_whatever_its_modes_are() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        for mode in [0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600, 0o700] {
            for inner in [0o000, 0o500, 0o700] {
                fs::create_dir_all(tree.join("a/b")).unwrap();
                fs::write(tree.join("a/b/file"), "").unwrap();
                fs::write(tree.join("a/file"), "").unwrap();
                symlink("missing", tree.join("a/symlink")).unwrap();
                set_mode(&tree.join("a/b"), inner);
                set_mode(&tree.join("a"), mode);
                set_mode(&tree, mode);
                by_the_modes(|| remove_tree(&tree)).unwrap();
                assert!(!tree.exists());
            }
        }
    }

    #[test]
    fn what_a_symlink_leads_to_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let (tree, outside) = (place.path().join("tree"), place.path().join("outside"));
        fs::create_dir_all(tree.join("closed")).unwrap();
        fs::create_dir_all(outside.join("inner")).unwrap();
        set_mode(&outside, 0o755);
        symlink(&outside, tree.join("closed/link")).unwrap();
        set_mode(&tree.join("closed"), 0o500);
        // The link cannot be removed: its directory is not in the tree, and so keeps its mode.
        by_the_modes(|| remove_tree(&tree.join("closed/link"))).unwrap_err();
        assert_eq!(mode(&outside), 0o755);
        by_the_modes(|| remove_tree(&tree)).unwrap();
        assert!(!tree.exists());
        assert_eq!(mode(&outside), 0o755);
        assert!(outside.join("inner").exists());
    }

    #[test]
    fn a_symlink_that_takes_the_place_of_a_directory_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let (tree, outside) = (place.path().join("tree"), place.path().join("outside"));
        let link = place.path().join("link");
        fs::create_dir(&outside).unwrap();
        set_mode(&outside, 0o755);
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let names = (&link, &tree.join("directory"));
                    let _ = renameat_with(CWD, names.0, CWD, names.1, RenameFlags::EXCHANGE);
                }
            });
            for _ in 0..300 {
                let _ = fs::remove_dir(&link);
                if fs::symlink_metadata(&link).is_err() {
                    symlink(&outside, &link).unwrap();
                }
                for directory in ["directory", "other"] {
                    fs::create_dir_all(tree.join(directory)).unwrap();
                }
                set_mode(&tree.join("other"), 0o000);
                set_mode(&tree, 0o500);
                // It may fail because an entry changed meanwhile.
                let _ = by_the_modes(|| remove_tree(&tree));
                let _ = fs::set_permissions(&tree, Permissions::from_mode(0o700));
            }
            ended.store(true, Ordering::Relaxed);
        });
        assert_eq!(mode(&outside), 0o755);
    }

    #[test]
    fn a_tree_goes_that_is_deeper_than_a_path_can_say() {
        const DEPTH: usize = 5000;
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let mut directory = openat(CWD, &tree, OPEN_PATH, Mode::empty()).unwrap();
        for _ in 0..DEPTH {
            mkdirat(&directory, "deeper", Mode::RWXU).unwrap();
            directory = openat(&directory, "deeper", OPEN_PATH, Mode::empty()).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn where_there_is_nothing_there_is_nothing_to_do() {
        let place = tempfile::tempdir().unwrap();
        remove_tree(&place.path().join("a")).unwrap();
        remove_tree(&place.path().join("a/b")).unwrap();
        assert!(place.path().exists());
    }
}
