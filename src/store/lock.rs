//! The store's one lock file.
//!
//! Every lock is one byte of it, locked by the open file description: any number
//! of locks costs one descriptor, and whatever way a client ends, the kernel gives
//! up all of its locks. Such locks do not exclude threads that share the
//! description: the callers see to that.

use super::Digest;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// What a lock is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The store as it is; shared by every client for as long as it lives.
    Store,
    /// Finding out the version and laying out the directories.
    Opening,
    /// Looking for what can be removed.
    Eviction,
    /// Rewriting the file of remembered digests.
    DigestCache,
    /// Rewriting the file that says how large the store is.
    Usage,
    /// A client, and so its directory in `tmp/`; exclusive as long as it lives.
    Client(u32),
    /// Using a tree: shared by the clients that do, for as long as they live.
    Use(Digest),
    /// Putting a tree or a linked blob in its place.
    Build(Digest),
}

impl Subject {
    /// Digests share the upper half of what offsets there are. Two that share an
    /// offset too would wait for each other needlessly, and nothing worse.
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
        // Unlocking cannot fail, and if it did the lock would last until the end.
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

    /// `None`: there is none.
    pub fn open_existing(path: &Path) -> io::Result<Option<Self>> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Ok(Some(Self(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Shares a lock until it is released; waits while somebody has it alone.
    pub fn share(&self, subject: Subject) -> io::Result<()> {
        self.apply(libc::F_RDLCK, subject, true)
    }

    /// Has a lock alone, once nobody else has it.
    pub fn hold(&self, subject: Subject) -> io::Result<HeldLock<'_>> {
        self.apply(libc::F_WRLCK, subject, true)?;
        Ok(HeldLock {
            file: self,
            subject,
        })
    }

    /// Has a lock alone if nobody else has it now.
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
