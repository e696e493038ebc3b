//! Errors of an action or of the whole worker.

use crate::cachedir::CacheDirError;
use crate::container::LauncherError;
use crate::engine::{EngineError, Problem, missing_blobs_status, rpc};
use crate::store::Digest;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use tonic::Code;

#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("failed to {verb} {}: {error}", path.display())]
    Local {
        verb: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error(
        "another running worker uses the cache {}; give this worker its own with `cache-root`",
        .0.display()
    )]
    CacheInUse(PathBuf),
    /// The directory of the cache cannot be used.
    #[error(transparent)]
    CacheDir(#[from] CacheDirError),
    #[error("failed to make a container: {}", crate::process::error_chain(.0))]
    Container(#[from] LauncherError),
    /// The action is invalid, with the reason.
    #[error("{0}")]
    BadAction(String),
    #[error("{0} was changed in the cache by another action")]
    Altered(Digest),
    #[error("the worker is ending")]
    Ending,
}

impl WorkError {
    pub fn local(verb: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Local {
            verb,
            path: path.to_owned(),
            error,
        }
    }

    /// Whether this machine is at fault, so that the next action would fail too.
    pub fn is_worker_fault(&self) -> bool {
        matches!(self, Self::Local { .. } | Self::Container(_))
            || matches!(self, Self::Engine(error) if matches!(error.problem, Problem::Local { .. }))
    }

    /// The status for the engine. With `UNAVAILABLE` and `INTERNAL` it tries another worker.
    pub fn status(&self) -> rpc::Status {
        let code = match self {
            Self::Engine(EngineError {
                problem: Problem::Missing(digests),
                ..
            }) => return missing_blobs_status(digests),
            Self::BadAction(_) => Code::InvalidArgument,
            Self::Engine(error) => match error.problem.code() {
                Some(Code::InvalidArgument) => Code::InvalidArgument,
                _ => Code::Unavailable,
            },
            // Usually a full disk. Another worker may have space.
            Self::Local { .. }
            | Self::Altered(_)
            | Self::CacheInUse(_)
            | Self::CacheDir(_)
            | Self::Ending => Code::Unavailable,
            Self::Container(_) => Code::Internal,
        };
        rpc::Status {
            code: code as i32,
            message: self.to_string(),
            details: Vec::new(),
        }
    }
}

/// Whether an error of the file system is the fault of this machine (its disk, memory or limits)
/// and not of the files that an action made.
pub fn is_worker_fault(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::DQUOT
                | Errno::IO
                | Errno::MFILE
                | Errno::NFILE
                | Errno::NODEV
                | Errno::NOMEM
                | Errno::NOSPC
                | Errno::NOTCONN
                | Errno::ROFS
                | Errno::STALE
                | Errno::TIMEDOUT
                | Errno::UCLEAN
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_asks_for_another_worker_and_a_wrong_action_does_not() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let full = WorkError::local("stage", Path::new("/x"), full).status();
        assert_eq!(full.code, Code::Unavailable as i32);
        let wrong = WorkError::BadAction("no command".to_owned()).status();
        assert_eq!(wrong.code, Code::InvalidArgument as i32);
    }
}
