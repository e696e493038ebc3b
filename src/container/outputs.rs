//! Files that come out of a container: the client reads them in the job's scratch space.
//!
//! When no process of a job is left, its init sends the client a descriptor of the scratch space,
//! if the job may have written below the directories that the client named. The file system
//! lives until the client closes the descriptor. The client trusts nothing in it: it opens no
//! path that leads through a symbolic link or out of the scratch space, and reads regular files
//! and symbolic links only. So a FIFO does not block it, and a device is never opened.
//!
//! Where overlayfs keeps what a job changed, a character device with the number 0 is its record that
//! the job removed what had this name in a layer. Anywhere else, the job can make such a device.

use super::protocol::{MountKind, ReceivedRequest, Root, path_bytes};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, fstat, openat2, readlinkat, statat,
};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The size of the buffer for a part of a directory, in bytes. The longest name fits.
const PART: usize = 4096;

/// A directory that a job may have written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenDirectory {
    /// Its path in the job.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// Its path in the scratch space. It contains only what the job wrote.
    #[serde(with = "path_bytes")]
    pub scratch: PathBuf,
    /// Whether overlayfs keeps in it what changed, and marks what was removed.
    pub is_overlay: bool,
}

/// Those parts of the directories `request.outputs` that are in the scratch space and not empty.
/// `uppers` are further directories with changes to the root.
pub fn written_directories(
    scratch: &OwnedFd,
    request: &ReceivedRequest<'_>,
    uppers: &[WrittenDirectory],
) -> Vec<WrittenDirectory> {
    let path = |text: &CStr| PathBuf::from(OsStr::from_bytes(text.to_bytes()));
    let root = matches!(request.root, Root::Scratch);
    let root = root.then(|| ("/".into(), "upper".into(), true));
    let uppers = uppers.iter();
    let uppers = uppers.map(|upper| (upper.path.clone(), upper.scratch.clone(), true));
    let mounts = request.mounts.iter().enumerate();
    let mounts = mounts.filter_map(|(index, mount)| match mount.kind {
        MountKind::Tmp => Some((path(&mount.mount_point), index.to_string().into(), false)),
        MountKind::DiscardingBind(_) => {
            let upper = format!("{index}-upper").into();
            Some((path(&mount.mount_point), upper, true))
        }
        _ => None,
    });
    let mut found: Vec<WrittenDirectory> = Vec::new();
    let all = root.into_iter().chain(uppers).chain(mounts);
    for (mount_point, upper, is_overlay) in all.collect::<Vec<(PathBuf, PathBuf, bool)>>() {
        for wanted in request.outputs.iter().map(|text| path(text)) {
            let directory = if let Ok(below) = wanted.strip_prefix(&mount_point) {
                let scratch = upper.join(below);
                WrittenDirectory {
                    path: wanted,
                    scratch,
                    is_overlay,
                }
            } else if mount_point.starts_with(&wanted) {
                WrittenDirectory {
                    path: mount_point.clone(),
                    scratch: upper.clone(),
                    is_overlay,
                }
            } else {
                continue;
            };
            if !found.contains(&directory) && !is_empty(scratch.as_fd(), &directory.scratch) {
                found.push(directory);
            }
        }
    }
    found
}

/// Whether a directory has no entries, or cannot be read.
fn is_empty(scratch: BorrowedFd<'_>, path: &Path) -> bool {
    let Ok(directory) = open(scratch, path, OFlags::DIRECTORY) else {
        return true;
    };
    let mut part = Vec::with_capacity(PART);
    let mut entries = RawDir::new(directory, part.spare_capacity_mut());
    while let Some(Ok(entry)) = entries.next() {
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return false;
        }
    }
    true
}

/// Whether an entry of a directory is overlayfs's mark for a removed name.
fn is_whiteout(directory: BorrowedFd<'_>, name: &OsStr) -> bool {
    let status = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    status.is_ok_and(|status| {
        FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice && status.st_rdev == 0
    })
}

/// Opens a file or directory of the scratch space for reading. Fails if a symbolic link or a mount
/// is on the way.
fn open(scratch: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    openat2(scratch, path, flags, Mode::empty(), resolve)
}

/// The files that a job wrote. Their file system lives as long as this value.
#[derive(Debug)]
pub struct WrittenFiles {
    scratch: OwnedFd,
    directories: Vec<WrittenDirectory>,
}

/// A regular file or symbolic link that a job wrote, or a name that it removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenFile {
    /// Its path in the job.
    pub path: PathBuf,
    /// Its path in the scratch space.
    pub scratch: PathBuf,
    pub kind: WrittenKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WrittenKind {
    File,
    Symlink,
    Removed,
}

/// The files that a job wrote, as far as they are wanted.
#[derive(Debug, Default)]
pub struct FoundFiles {
    /// Sorted.
    pub files: Vec<WrittenFile>,
    /// The number of wanted files beyond the limit, which are not in `files`.
    pub more: usize,
    /// The directories that could not be read.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// The content of a written file.
#[derive(Debug)]
pub enum WrittenContent {
    File {
        file: File,
        size: u64,
        executable: bool,
    },
    Symlink {
        target: OsString,
    },
    Removed,
}

impl WrittenFiles {
    /// `directories` are paths below `scratch`, with their paths in the job.
    pub fn new(scratch: OwnedFd, directories: Vec<WrittenDirectory>) -> Self {
        Self {
            scratch,
            directories,
        }
    }

    /// Makes [`Self::find`] search the directory with this path in the job first.
    pub fn search_first(&mut self, path: &Path) {
        // It takes the last one of those that wait.
        self.directories
            .sort_by_key(|directory| directory.path == path);
    }

    /// The regular files, symbolic links and removed names whose paths in the job are wanted, at
    /// most `limit`.
    pub fn find(&self, limit: usize, mut is_wanted: impl FnMut(&Path) -> bool) -> FoundFiles {
        let mut found = FoundFiles::default();
        let mut waiting = self.directories.clone();
        while let Some(directory) = waiting.pop() {
            let opened = open(self.scratch.as_fd(), &directory.scratch, OFlags::DIRECTORY);
            let opened = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    found.unreadable.push((directory.path, error.into()));
                    continue;
                }
            };
            let mut part = Vec::with_capacity(PART);
            let mut entries = RawDir::new(opened.as_fd(), part.spare_capacity_mut());
            while let Some(Ok(entry)) = entries.next() {
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") {
                    continue;
                }
                let name = OsStr::from_bytes(name);
                let path = directory.path.join(name);
                let scratch = directory.scratch.join(name);
                let kind = match entry.file_type() {
                    FileType::Directory => {
                        waiting.push(WrittenDirectory {
                            path,
                            scratch,
                            is_overlay: directory.is_overlay,
                        });
                        continue;
                    }
                    FileType::RegularFile => WrittenKind::File,
                    FileType::Symlink => WrittenKind::Symlink,
                    FileType::CharacterDevice
                        if directory.is_overlay && is_whiteout(opened.as_fd(), name) =>
                    {
                        WrittenKind::Removed
                    }
                    _ => continue,
                };
                if !is_wanted(&path) {
                    continue;
                }
                if found.files.len() < limit {
                    found.files.push(WrittenFile {
                        path,
                        scratch,
                        kind,
                    });
                } else {
                    found.more += 1;
                }
            }
        }
        found.files.sort_unstable();
        found.files.dedup();
        found
    }

    /// Opens a file, or reads a symbolic link.
    pub fn open(&self, file: &WrittenFile) -> io::Result<WrittenContent> {
        let scratch = self.scratch.as_fd();
        if file.kind == WrittenKind::Removed {
            return Ok(WrittenContent::Removed);
        }
        if file.kind == WrittenKind::Symlink {
            let parent = file.scratch.parent();
            let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            let name = file.scratch.file_name().unwrap_or_default();
            let parent = open(scratch, parent, OFlags::DIRECTORY)?;
            let target = readlinkat(&parent, name, Vec::new())?;
            return Ok(WrittenContent::Symlink {
                target: OsString::from_vec(target.into_bytes()),
            });
        }
        let opened = open(scratch, &file.scratch, OFlags::NOFOLLOW)?;
        let status = fstat(&opened)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is not a regular file any more"));
        }
        Ok(WrittenContent::File {
            file: opened.into(),
            size: status.st_size as u64,
            executable: status.st_mode & 0o100 != 0,
        })
    }
}
