//! Which files a job wrote: what lies in the upper directory of its root.

use nix::dir::{Dir, Type};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// More names than this tell no more.
const MOST: usize = 20;

/// Looked at, at most: a job may have written a million files.
const MOST_LOOKED_AT: usize = 10_000;

/// Deeper directories are not looked into: the stack here is small.
const DEEPEST: usize = 64;

/// The files written below `directories`, which are absolute paths of the job.
/// What cannot be read is passed over: this is a courtesy.
pub fn below(scratch: &OwnedFd, directories: &[&CStr]) -> Vec<String> {
    let mut search = Search {
        found: Vec::new(),
        looked_at: 0,
        depth: 0,
    };
    for directory in directories {
        let path = PathBuf::from(directory.to_string_lossy().into_owned());
        if let Ok(relative) = path.strip_prefix("/") {
            let upper = Path::new("upper").join(relative);
            search.visit(scratch.as_fd(), &upper, &path);
        }
    }
    search.found.sort_unstable();
    search.found
}

struct Search {
    found: Vec<String>,
    looked_at: usize,
    depth: usize,
}

impl Search {
    fn visit(&mut self, parent: BorrowedFd<'_>, name: &Path, path: &Path) {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let Ok(mut directory) = Dir::openat(parent, name, flags, Mode::empty()) else {
            return;
        };
        let entries: Vec<_> = directory.iter().flatten().collect();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            self.looked_at += 1;
            if self.found.len() >= MOST || self.looked_at > MOST_LOOKED_AT {
                return;
            }
            let path = path.join(&name);
            if entry.file_type() == Some(Type::Directory) {
                if self.depth < DEEPEST {
                    self.depth += 1;
                    self.visit(directory.as_fd(), Path::new(&name), &path);
                    self.depth -= 1;
                }
            } else {
                self.found.push(path.to_string_lossy().into_owned());
            }
        }
    }
}
