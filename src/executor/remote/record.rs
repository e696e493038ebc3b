//! The records that a runner writes about its jobs.
//!
//! A record is a line of JSON. The record of a job's end is followed by what the job printed and by
//! the list of its outputs, whose lengths are in the line. A runner that is killed leaves at most
//! the last record incomplete. The complete records before it are read.

use crate::container::{ResourceUsage, StepError};
use crate::executor::outputs::OutputListing;
use crate::executor::{Captured, HeldLimits, Outcome, Status};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A record of a runner. Jobs are named by their index in the batch.
#[derive(Clone, Debug)]
pub enum RunnerRecord {
    Started(usize),
    /// The files of the listing are in the output of the action.
    Ended(usize, Box<Outcome>, OutputListing),
    /// The runner can run no job, for this reason.
    Unable(String),
}

/// The records of a runner that has ended.
#[derive(Clone, Debug, Default)]
pub struct BatchEnd {
    pub ended: BTreeMap<usize, Outcome>,
    /// The outputs of jobs that have ended, if there are any.
    pub listings: BTreeMap<usize, OutputListing>,
    /// The jobs that ran when the runner was killed.
    pub running: BTreeSet<usize>,
    /// The reason why the runner could run no job.
    pub unable: Option<String>,
}

/// Records that this version cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("the records of the runner are damaged at byte {offset}")]
pub struct RecordError {
    offset: usize,
    source: serde_json::Error,
}

impl RunnerRecord {
    pub fn to_bytes(&self) -> Vec<u8> {
        let (line, printed, listing): (_, &[&Captured], _) = match self {
            Self::Started(job) => (RecordLine::Started(*job), &[], Vec::new()),
            Self::Unable(why) => (RecordLine::Unable(why.clone()), &[], Vec::new()),
            Self::Ended(job, outcome, listing) => {
                let encoded = listing.encode();
                let outputs = OutputsLine {
                    length: encoded.len(),
                    problems: listing.problems.clone(),
                };
                (
                    RecordLine::Ended(Box::new(EndedJobLine::new(*job, outcome, outputs))),
                    &[&outcome.stdout, &outcome.stderr],
                    encoded,
                )
            }
        };
        let mut bytes = serde_json::to_vec(&line).expect("its keys are strings");
        bytes.push(b'\n');
        for captured in printed {
            bytes.extend_from_slice(&captured.head);
            bytes.extend_from_slice(&captured.tail);
        }
        bytes.extend(listing);
        bytes
    }
}

impl BatchEnd {
    /// Reads all complete records.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut ending = Self::default();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line = serde_json::from_slice(&rest[..end]).map_err(|source| RecordError {
                offset: bytes.len() - rest.len(),
                source,
            })?;
            rest = &rest[end + 1..];
            match line {
                RecordLine::Started(job) => {
                    ending.running.insert(job);
                }
                RecordLine::Unable(why) => ending.unable = Some(why),
                RecordLine::Ended(ended) => {
                    let Some((outcome, after)) = ended.outcome(rest) else {
                        break;
                    };
                    let Some((listing, after)) = after.split_at_checked(ended.outputs.length)
                    else {
                        break;
                    };
                    rest = after;
                    ending.running.remove(&ended.job);
                    ending.ended.insert(ended.job, outcome);
                    let listing = OutputListing::decode(listing, ended.outputs.problems);
                    if !listing.is_empty() {
                        ending.listings.insert(ended.job, listing);
                    }
                }
            }
        }
        Ok(ending)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RecordLine {
    Started(usize),
    Ended(Box<EndedJobLine>),
    Unable(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndedJobLine {
    job: usize,
    status: StatusField,
    /// This and the other times are in nanoseconds.
    duration: u64,
    user: u64,
    system: u64,
    max_resident: u64,
    limits: Option<HeldLimits>,
    scratch_full: bool,
    leaked: bool,
    changed_files: Vec<String>,
    stdout: CapturedLengths,
    stderr: CapturedLengths,
    outputs: OutputsLine,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StatusField {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    OutOfMemory { limit: u64 },
    NotStarted(StepError),
    Error(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapturedLengths {
    head: usize,
    omitted: u64,
    tail: usize,
}

/// The list of a job's outputs: its length in bytes, and its problems.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputsLine {
    length: usize,
    problems: Vec<String>,
}

impl EndedJobLine {
    fn new(job: usize, outcome: &Outcome, outputs: OutputsLine) -> Self {
        let lengths = |captured: &Captured| CapturedLengths {
            head: captured.head.len(),
            omitted: captured.omitted,
            tail: captured.tail.len(),
        };
        Self {
            job,
            status: match &outcome.status {
                Status::Exited(code) => StatusField::Exited(*code),
                Status::Signaled(signal) => StatusField::Signaled(*signal),
                Status::TimedOut => StatusField::TimedOut,
                Status::OutOfMemory { limit } => StatusField::OutOfMemory { limit: *limit },
                Status::NotStarted(error) => StatusField::NotStarted(error.clone()),
                Status::Error(message) => StatusField::Error(message.clone()),
            },
            duration: outcome.duration.as_nanos() as u64,
            user: outcome.usage.user.as_nanos() as u64,
            system: outcome.usage.system.as_nanos() as u64,
            max_resident: outcome.usage.max_resident,
            limits: outcome.limits,
            scratch_full: outcome.scratch_full,
            leaked: outcome.leaked,
            changed_files: outcome.changed_files.clone(),
            stdout: lengths(&outcome.stdout),
            stderr: lengths(&outcome.stderr),
            outputs,
        }
    }

    /// The outcome with its output from `bytes`, and the rest of `bytes`. `None` if a part of the
    /// output is missing.
    fn outcome<'a>(&self, bytes: &'a [u8]) -> Option<(Outcome, &'a [u8])> {
        let (stdout, rest) = self.stdout.take(bytes)?;
        let (stderr, rest) = self.stderr.take(rest)?;
        let outcome = Outcome {
            status: match &self.status {
                StatusField::Exited(code) => Status::Exited(*code),
                StatusField::Signaled(signal) => Status::Signaled(*signal),
                StatusField::TimedOut => Status::TimedOut,
                StatusField::OutOfMemory { limit } => Status::OutOfMemory { limit: *limit },
                StatusField::NotStarted(error) => Status::NotStarted(error.clone()),
                StatusField::Error(message) => Status::Error(message.clone()),
            },
            stdout,
            stderr,
            duration: Duration::from_nanos(self.duration),
            usage: ResourceUsage {
                user: Duration::from_nanos(self.user),
                system: Duration::from_nanos(self.system),
                max_resident: self.max_resident,
            },
            limits: self.limits,
            scratch_full: self.scratch_full,
            leaked: self.leaked,
            changed_files: self.changed_files.clone(),
            outputs: None,
            cached: false,
        };
        Some((outcome, rest))
    }
}

impl CapturedLengths {
    fn take<'a>(&self, bytes: &'a [u8]) -> Option<(Captured, &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(self.head)?;
        let (tail, rest) = rest.split_at_checked(self.tail)?;
        let captured = Captured {
            head: head.to_vec(),
            omitted: self.omitted,
            tail: tail.to_vec(),
        };
        Some((captured, rest))
    }
}

#[cfg(test)]
mod tests;
