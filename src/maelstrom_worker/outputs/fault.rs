//! Outputs that a result cannot hold.

use crate::engine::rpc;
use std::io;
use std::path::PathBuf;
use tonic::Code;

/// An output that a result cannot hold. The action is at fault.
#[derive(Debug, thiserror::Error)]
#[error("failed to collect the output `{output}`: {reason}")]
pub struct OutputFault {
    /// The name by which the client asked for the output.
    pub(super) output: String,
    pub(super) reason: FaultReason,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FaultReason {
    #[error("{0:?} has a name that is not UTF-8; give it another one")]
    Name(PathBuf),
    #[error("{0:?} is a symbolic link to a path that is not UTF-8; change its target")]
    Target(PathBuf),
    #[error(
        "{0:?} is a {1}, but a result can hold only files, directories and symbolic links; remove \
         it before the action ends"
    )]
    Special(PathBuf, &'static str),
    #[error("it is a {found}, but the client expects a {expected}")]
    Kind {
        found: &'static str,
        expected: &'static str,
    },
    #[error(
        "a symbolic link on its path leads out of the input root; write the output below the input root"
    )]
    LeadsOut,
    #[error("the outputs have more than {0} files and directories; pack them into an archive")]
    TooMany(usize),
    #[error(
        "the names in the outputs have more than {0} bytes in total; pack them into an archive"
    )]
    TooLong(usize),
    #[error("{0:?} is nested more than {1} directories deep; pack it into an archive")]
    TooDeep(PathBuf, usize),
    #[error("{0:?} has {1} bytes, and the engine accepts at most {2}; split it")]
    TooLarge(PathBuf, u64, u64),
    #[error("failed to read {0:?}: {1}")]
    Unreadable(PathBuf, io::Error),
}

impl OutputFault {
    /// The status of an action with this fault.
    pub fn status(&self, worker: &str) -> rpc::Status {
        let code = match self.reason {
            // The API specifies this code for an output of another kind.
            FaultReason::Kind { .. } => Code::FailedPrecondition,
            _ => Code::InvalidArgument,
        };
        rpc::Status {
            code: code as i32,
            message: format!("worker {worker}: {self}"),
            details: Vec::new(),
        }
    }
}
