//! The lock file of the store.
//!
//! Each lock is one byte of the file, locked with an open file description lock, see `fcntl(2)`.
//! Any number of locks needs one descriptor, and the kernel releases all locks of a client when it
//! ends. Threads that share the description do not exclude each other; the callers use mutexes for
//! that.

use super::Digest;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// The subject of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The store, shared by every client until it ends.
    Store,
    /// Checking the format and making the directories.
    Opening,
    /// Evicting.
    Eviction,
    /// Rewriting the file of the digest cache.
    DigestCache,
    /// Rewriting the file with the size of the store.
    Usage,
    /// A client and its directory in `tmp/`, exclusive until it ends.
    Client(u32),
    /// Using a tree, shared by the clients that use it until they end.
    Use(Digest),
    /// Making or replacing a tree or a linked blob.
    Build(Digest),
}

impl Subject {
    /// The byte of this lock. Digests are mapped to the upper half of the offsets. Two digests with
    /// the same offset would only wait for each other needlessly.
    fn offset(self) -> i64 {
        match self {
            Self::Store => 0,
            Self::Opening => 1,
            Self::Eviction => 2,
            Self::DigestCache => 3,
            Self::Usage => 4,
            Self::Client(id) => 1 << 32 | i64::from(id),
            Self::Use(digest) => of_digest(&digest),
            Self::Build(digest) => of_digest(&digest) | 1,
        }
    }
}

fn of_digest(digest: &Digest) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&digest.sha256[..8]);
    1 << 61 | (i64::from_le_bytes(first) & ((1 << 60) - 1)) << 1
}

#[derive(Debug)]
pub(super) struct LockFile(File);

/// A lock that ends with this value.
pub(super) struct HeldLock<'a> {
    file: &'a LockFile,
    subject: Subject,
}

impl Drop for HeldLock<'_> {
    fn drop(&mut self) {
        // Unlocking does not fail. If it did, the lock would be held until the client ends.
        let _ = self.file.release(self.subject);
    }
}

impl LockFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map(Self)
    }

    /// Takes a shared lock until the file is closed. Waits while another client has it exclusively.
    pub fn share(&self, subject: Subject) -> io::Result<()> {
        self.apply(libc::F_RDLCK, subject, true)
    }

    /// Takes an exclusive lock. Waits while another client has it.
    pub fn hold(&self, subject: Subject) -> io::Result<HeldLock<'_>> {
        self.apply(libc::F_WRLCK, subject, true)?;
        Ok(HeldLock {
            file: self,
            subject,
        })
    }

    /// Takes an exclusive lock. `None` if another client has it.
    pub fn try_hold(&self, subject: Subject) -> io::Result<Option<HeldLock<'_>>> {
        match self.apply(libc::F_WRLCK, subject, false) {
            Ok(()) => Ok(Some(HeldLock {
                file: self,
                subject,
            })),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::ACCESS) => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn release(&self, subject: Subject) -> io::Result<()> {
        self.apply(libc::F_UNLCK, subject, false)
    }

    fn apply(&self, kind: i32, subject: Subject, wait: bool) -> io::Result<()> {
        let lock = libc::flock {
            l_type: kind as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: subject.offset(),
            l_len: 1,
            l_pid: 0,
        };
        loop {
            let argument = if wait {
                FcntlArg::F_OFD_SETLKW(&lock)
            } else {
                FcntlArg::F_OFD_SETLK(&lock)
            };
            match fcntl(&self.0, argument) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl HeldLock<'_> {
    /// Keeps the lock until the lock file is closed.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> (tempfile::TempDir, LockFile, LockFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let (one, other) = (
            LockFile::open(&path).unwrap(),
            LockFile::open(&path).unwrap(),
        );
        (directory, one, other)
    }

    #[test]
    fn a_lock_is_had_by_many_or_by_one() {
        let (_directory, one, other) = two();
        let tree = Subject::Use(Digest::of(b"tree"));
        one.share(tree).unwrap();
        other.share(tree).unwrap();
        assert!(one.try_hold(tree).unwrap().is_none());
        drop(other);
        assert!(one.try_hold(tree).unwrap().is_some());
    }

    #[test]
    fn locks_about_different_things_are_independent() {
        let (_directory, one, other) = two();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let _held = one.hold(Subject::Build(a)).unwrap();
        for subject in [
            Subject::Use(a),
            Subject::Build(b),
            Subject::Client(u32::MAX),
            Subject::Client(0),
            Subject::Store,
        ] {
            assert!(other.try_hold(subject).unwrap().is_some(), "{subject:?}");
        }
        assert!(other.try_hold(Subject::Build(a)).unwrap().is_none());
    }

    #[test]
    fn a_held_lock_ends_with_its_value() {
        let (_directory, one, other) = two();
        drop(one.hold(Subject::DigestCache).unwrap());
        assert!(other.try_hold(Subject::DigestCache).unwrap().is_some());
    }
}
