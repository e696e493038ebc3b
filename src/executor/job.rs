//! What goes into an executor and what comes out.

use super::output::Captured;
use crate::container::{ResourceUsage, StepError};
use crate::spec::{Mount, Network, RootOverlay};
use crate::store::Digest;
use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A container whose layers are in the store. Shared by the jobs that use it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// Bottom first.
    pub layers: Vec<Digest>,
    pub environment: BTreeMap<String, String>,
    /// Local paths in them are absolute.
    pub mounts: Vec<Mount>,
    pub network: Network,
    /// Local paths in it are absolute.
    pub root_overlay: RootOverlay,
    pub working_directory: Utf8PathBuf,
    pub user: u32,
    pub group: u32,
    pub init: bool,
    pub hostname: String,
    /// Directories below which the files that a failed job wrote are told.
    pub watched: Vec<Utf8PathBuf>,
}

/// A program ready to run. Pure data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub container: Arc<Container>,
    pub program: Arc<str>,
    pub arguments: Vec<String>,
    /// Whether it finds the number of its slot in `MAELSTROM_SLOT`.
    pub slot_variable: bool,
    /// `None`: as long as it takes.
    pub timeout: Option<Duration>,
}

/// How a job went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: Status,
    pub stdout: Captured,
    pub stderr: Captured,
    /// Wall time from its program's start to its end.
    pub duration: Duration,
    pub usage: ResourceUsage,
    /// The space for what the job writes was used up when it ended.
    pub scratch_full: bool,
    /// Files below the watched directories that the job wrote, if it failed.
    pub changed_files: Vec<String>,
    /// The job was not run now: all this is of an earlier time.
    pub cached: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    /// Its container could not be made, or its program not be executed.
    NotStarted(StepError),
    /// It was not run, or not to its end, for another reason: this message.
    Error(String),
}

impl Outcome {
    /// The outcome of a job that never ran.
    pub fn error(message: String) -> Self {
        Self::without_output(Status::Error(message))
    }

    /// The outcome of a job whose program did not start.
    pub fn not_started(error: StepError) -> Self {
        Self::without_output(Status::NotStarted(error))
    }

    fn without_output(status: Status) -> Self {
        Self {
            status,
            stdout: Captured::default(),
            stderr: Captured::default(),
            duration: Duration::ZERO,
            usage: ResourceUsage::default(),
            scratch_full: false,
            changed_files: Vec::new(),
            cached: false,
        }
    }

    /// Whether its job did what it should.
    pub fn is_success(&self) -> bool {
        self.status == Status::Exited(0)
    }
}
