//! The files that a job wrote: those in the upper directory of its root.
//!
//! Processes of the job may still run and change the directory, so no symbolic link is followed
//! and nothing outside of the upper directory is opened. The number of names is limited, since
//! they are kept in the launcher's memory.

use super::outputs::WrittenDirectory;
use super::protocol::ReceivedString;
use rustix::fs::{FileType, Mode, OFlags, RawDir, ResolveFlags, openat2};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The number of files that are reported.
const MOST: usize = 20;

/// The number of entries that are examined. A job may have written a million files.
const MOST_LOOKED_AT: usize = 10_000;

/// The depth to which directories are examined. The stack of this process is small.
const DEEPEST: usize = 64;

/// The size of the buffer for a part of a directory, in bytes. The longest name fits.
const PART: usize = 4096;

/// The files that the job wrote below `directories`, which are absolute paths in the job.
/// Directories that cannot be read are left out. `uppers` are further directories with changes to
/// the root.
pub fn below(
    scratch: &OwnedFd,
    directories: &[ReceivedString<'_>],
    uppers: &[WrittenDirectory],
) -> Vec<String> {
    let mut search = ChangedFilesSearch {
        found: Vec::new(),
        looked_at: 0,
        depth: 0,
    };
    for directory in directories {
        let path = Path::new(OsStr::from_bytes(directory.to_bytes()));
        if let Ok(relative) = path.strip_prefix("/") {
            let upper = Path::new("upper").join(relative);
            if let Some(directory) = open(scratch.as_fd(), &upper) {
                search.visit(directory.as_fd(), path);
            }
        }
        for upper in uppers {
            let (at, scratch_path) = match path.strip_prefix(&upper.path) {
                Ok(below) => (path, upper.scratch.join(below)),
                Err(_) if upper.path.starts_with(path) => {
                    (upper.path.as_path(), upper.scratch.clone())
                }
                Err(_) => continue,
            };
            if let Some(directory) = open(scratch.as_fd(), &scratch_path) {
                search.visit(directory.as_fd(), at);
            }
        }
    }
    search.found.sort_unstable();
    search.found
}

/// Opens a directory below another one. `None` if a symbolic link or mount is on the way.
fn open(parent: BorrowedFd<'_>, path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    openat2(parent, path, flags, Mode::empty(), resolve).ok()
}

struct ChangedFilesSearch {
    found: Vec<String>,
    looked_at: usize,
    depth: usize,
}

impl ChangedFilesSearch {
    fn visit(&mut self, directory: BorrowedFd<'_>, path: &Path) {
        let mut part = Vec::with_capacity(PART);
        let mut entries = RawDir::new(directory, part.spare_capacity_mut());
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let name = Path::new(OsStr::from_bytes(name));
            self.looked_at += 1;
            if self.found.len() >= MOST || self.looked_at > MOST_LOOKED_AT {
                return;
            }
            if entry.file_type() != FileType::Directory {
                let path = path.join(name);
                self.found.push(path.to_string_lossy().into_owned());
            } else if self.depth < DEEPEST
                && let Some(directory) = open(directory, name)
            {
                self.depth += 1;
                self.visit(directory.as_fd(), &path.join(name));
                self.depth -= 1;
            }
        }
    }
}
