//! Errors of the store.

use super::{Digest, PathInContainer};
use crate::cachedir::{CacheDirError, Refusal};
use crate::config::ByteSize;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the store. Its message includes the cause.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "no space left on the file system of the store {} while writing {what}: free some, or \
         let the store hold less than {} (`cache-size`)",
        root.display(), ByteSize(*limit)
    )]
    Full {
        what: String,
        root: PathBuf,
        limit: u64,
    },
    #[error(
        "cannot write to the store {}: {cause}; make the directory writable for this user, \
         remove it if another user made it, or choose another place for it",
        root.display()
    )]
    NotWritable { root: PathBuf, cause: io::Error },
    #[error(
        "cannot lock files in the store {}: {cause}; choose a place for it on a local file system",
        root.display()
    )]
    CannotLock { root: PathBuf, cause: io::Error },
    #[error(
        "the store {} {foreign}, and a running client uses it; wait for that client to end, or \
         choose another place for the store",
        root.display()
    )]
    IncompatibleInUse {
        root: PathBuf,
        foreign: Incompatibility,
    },
    #[error("a running client uses the store {}; wait for that client to end", root.display())]
    InUse { root: PathBuf },
    /// The directory is not a store and may have other files.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    /// The content was removed or changed since it was added. It must be added again.
    #[error("the store no longer has the content {digest} of `{path}`")]
    MissingBlob {
        digest: Digest,
        path: PathInContainer,
    },
}

/// Why this client cannot use the content of a store; a part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatibility {
    #[error("has another format ({0})")]
    Format(String),
    /// Jobs cannot read files of another owner.
    #[error("belongs to another user (uid {0})")]
    User(u32),
}

impl StoreError {
    /// The error for a directory that cannot be the root of a store.
    pub(super) fn of_directory(root: &Path, limit: u64, error: CacheDirError) -> Self {
        match error {
            CacheDirError::Refused(refusal) => refusal.into(),
            CacheDirError::Io { doing, path, cause } => {
                write_error(root, limit, doing, &path, cause)
            }
        }
    }

    /// Whether the file to add does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Read { cause, .. }
            if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }

    /// Whether this user may not read the file to add.
    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::Read { cause, .. }
            if cause.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// The error for a failed write below `root`, with a remedy.
pub(super) fn write_error(
    root: &Path,
    limit: u64,
    doing: &'static str,
    path: &Path,
    cause: io::Error,
) -> StoreError {
    let root = root.to_owned();
    match Errno::from_io_error(&cause) {
        Some(Errno::NOSPC | Errno::DQUOT) => StoreError::Full {
            what: path.display().to_string(),
            root,
            limit,
        },
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => StoreError::NotWritable { root, cause },
        _ => StoreError::Io {
            doing,
            path: path.to_owned(),
            cause,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_that_says_what_was_written_and_how_much_the_store_may_hold() {
        let cause = io::Error::from(Errno::NOSPC);
        let error = write_error(
            Path::new("/c"),
            10 << 30,
            "write",
            Path::new("/w/target/debug/app"),
            cause,
        );
        assert_eq!(
            error.to_string(),
            "no space left on the file system of the store /c while writing /w/target/debug/app: \
             free some, or let the store hold less than 10 GiB (`cache-size`)"
        );
    }

    #[test]
    fn a_read_only_store_is_an_error_with_a_remedy() {
        let cause = io::Error::from(Errno::ROFS);
        let error = write_error(Path::new("/c"), 0, "write", Path::new("x"), cause);
        assert!(
            error.to_string().starts_with(
                "cannot write to the store /c: Read-only file system (os error 30); make the \
                 directory writable"
            ),
            "{error}"
        );
    }
}
