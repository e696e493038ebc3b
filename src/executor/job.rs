//! The input and output of an executor: jobs and outcomes.

use super::limits::HeldLimits;
use super::output::{Captured, Output, Stream};
use super::outputs::JobOutputs;
use crate::container::{JobLimits, ResourceUsage, StepError};
use crate::spec::{Mount, Network, RootOverlay};
use crate::store::Digest;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A container whose layers are in the store. Jobs share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// Bottom first.
    pub layers: Vec<Digest>,
    pub environment: BTreeMap<String, String>,
    /// Their local paths are absolute.
    pub mounts: Vec<Mount>,
    pub network: Network,
    /// Its local paths are absolute.
    pub root_overlay: RootOverlay,
    pub working_directory: Utf8PathBuf,
    pub user: u32,
    pub group: u32,
    pub init: bool,
    pub hostname: String,
    /// Directories below which the files that a failed job wrote are reported.
    pub watched: Vec<Utf8PathBuf>,
    /// Absolute globs of the files that are copied out of the container when the job has ended.
    pub outputs: Vec<String>,
}

/// A program and its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub container: Arc<Container>,
    pub program: Arc<str>,
    pub arguments: Vec<String>,
    /// Variables besides those of the container, which take precedence.
    pub variables: Vec<JobVariable>,
    /// `None` for no time limit.
    pub timeout: Option<Duration>,
    pub limits: JobLimits,
    /// The program is to fail: the outcome of one that fails is a success, and the other way round.
    pub should_panic: bool,
    /// A number that no other running job of the job's group has. `None`: the job is in no group, or
    /// has no such number.
    pub group_slot: Option<u32>,
}

impl Job {
    /// The longest time that the program and the processes that it leaves behind can take. `None`: any.
    pub fn longest(&self) -> Option<Duration> {
        let terminated = self.limits.terminate_after;
        let terminated = terminated.map(|after| after.saturating_add(self.limits.grace));
        let program = self.timeout.into_iter().chain(terminated).min()?;
        let limits = &self.limits;
        let others = (limits.leak.unwrap_or_default()).saturating_add(limits.farewell);
        Some(program.saturating_add(others))
    }

    /// The value of a [`JobVariable::GroupSlot`].
    pub fn group_slot_text(&self) -> String {
        let slot = self.group_slot.map(|slot| slot.to_string());
        slot.unwrap_or_else(|| "none".to_owned())
    }
}

/// A variable of a single job. The slots and the run are known when the job starts; they do not tell
/// one job from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum JobVariable {
    Text {
        name: String,
        value: String,
    },
    /// The number of the slot, which no other running job of this executor has.
    Slot {
        name: String,
    },
    /// [`Job::group_slot`], or `none`.
    GroupSlot {
        name: String,
    },
    /// The identifier of the executor's run ([`LocalSettings::run_id`]), and the suffix.
    ///
    /// [`LocalSettings::run_id`]: super::LocalSettings::run_id
    RunId {
        name: String,
        suffix: String,
    },
}

impl JobVariable {
    pub fn name(&self) -> &str {
        match self {
            Self::Text { name, .. }
            | Self::Slot { name }
            | Self::GroupSlot { name }
            | Self::RunId { name, .. } => name,
        }
    }
}

/// The end of a job.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: Status,
    pub stdout: Captured,
    pub stderr: Captured,
    /// The wall time from the start of the program to its end.
    pub duration: Duration,
    pub usage: ResourceUsage,
    /// `None`: the job had no limits of memory and processes.
    pub limits: Option<HeldLimits>,
    /// The scratch space was full when the program ended.
    pub scratch_full: bool,
    /// Other processes of the job lived longer than they may when the program had ended.
    pub leaked: bool,
    /// The files below the watched directories that the job wrote, if it failed.
    pub changed_files: Vec<String>,
    /// The files that may match the container's outputs. `None`: the job wrote none.
    pub outputs: Option<Arc<JobOutputs>>,
    /// The outcome is of an earlier run.
    pub cached: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    /// The kernel killed the processes of the job, as they used more memory than this limit, in bytes.
    OutOfMemory {
        limit: u64,
    },
    /// The container could not be made, or the program not be executed.
    NotStarted(StepError),
    /// The job did not run, or not to its end, for the reason in this message.
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
            limits: None,
            scratch_full: false,
            leaked: false,
            changed_files: Vec::new(),
            outputs: None,
            cached: false,
        }
    }

    /// Turns the outcome of a program that is to fail into that of its job. If the program has not
    /// failed, the output says so.
    pub(super) fn expect_panic(&mut self, output: &Output) {
        match self.status {
            Status::Exited(0) => {
                // The code of a test that should panic and does not.
                self.status = Status::Exited(101);
                let message = "Test executable succeeded, but it's marked `should_panic`.\n";
                self.stderr.append(message.as_bytes());
                if let Output::Stream { sink, .. } = output {
                    sink(Stream::Stderr, message.as_bytes());
                }
            }
            Status::Exited(_) | Status::Signaled(_) => self.status = Status::Exited(0),
            Status::TimedOut
            | Status::OutOfMemory { .. }
            | Status::NotStarted(_)
            | Status::Error(_) => {}
        }
    }

    /// Whether the program ended with exit code 0.
    pub fn is_success(&self) -> bool {
        self.status == Status::Exited(0)
    }
}
