//! What a runner writes down about its jobs, and how it is read, whole or cut short.
//!
//! A record is a line of JSON; after one that tells of a job's end comes what the job
//! printed, as long as the line says. A runner that is killed leaves a record unfinished
//! at most: what was whole before it counts.

use crate::container::{ResourceUsage, StepError};
use crate::executor::{Captured, Outcome, Status};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One thing a runner has to tell; jobs by their place in the batch.
#[derive(Clone, Debug)]
pub enum Record {
    Started(usize),
    Ended(usize, Box<Outcome>),
    /// No job can be run here, and why.
    Unable(String),
}

/// What is known of the jobs of a batch whose runner has ended.
#[derive(Clone, Debug, Default)]
pub struct BatchEnd {
    pub ended: BTreeMap<usize, Outcome>,
    /// Those that were running when the runner ended: it did not end as it should.
    pub running: BTreeSet<usize>,
    /// Why no job could be run.
    pub unable: Option<String>,
}

/// The records are not what this version writes.
#[derive(Debug, thiserror::Error)]
#[error("what the runner wrote about its jobs is damaged at byte {offset}")]
pub struct RecordError {
    offset: usize,
    source: serde_json::Error,
}

impl Record {
    pub fn to_bytes(&self) -> Vec<u8> {
        let (line, printed): (_, &[&Captured]) = match self {
            Self::Started(job) => (Line::Started(*job), &[]),
            Self::Unable(why) => (Line::Unable(why.clone()), &[]),
            Self::Ended(job, outcome) => (
                Line::Ended(Box::new(Ended::new(*job, outcome))),
                &[&outcome.stdout, &outcome.stderr],
            ),
        };
        let mut bytes = serde_json::to_vec(&line).expect("its keys are strings");
        bytes.push(b'\n');
        for captured in printed {
            bytes.extend_from_slice(&captured.head);
            bytes.extend_from_slice(&captured.tail);
        }
        bytes
    }
}

impl BatchEnd {
    /// Reads all records that are whole.
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
                Line::Started(job) => {
                    ending.running.insert(job);
                }
                Line::Unable(why) => ending.unable = Some(why),
                Line::Ended(ended) => {
                    let Some((outcome, after)) = ended.outcome(rest) else {
                        break;
                    };
                    rest = after;
                    ending.running.remove(&ended.job);
                    ending.ended.insert(ended.job, outcome);
                }
            }
        }
        Ok(ending)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Started(usize),
    Ended(Box<Ended>),
    Unable(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    job: usize,
    status: WrittenStatus,
    /// All times in nanoseconds.
    duration: u64,
    user: u64,
    system: u64,
    max_resident: u64,
    scratch_full: bool,
    written: Vec<String>,
    stdout: Lengths,
    stderr: Lengths,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WrittenStatus {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    NotStarted(StepError),
    Error(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lengths {
    head: usize,
    omitted: u64,
    tail: usize,
}

impl Ended {
    fn new(job: usize, outcome: &Outcome) -> Self {
        let lengths = |captured: &Captured| Lengths {
            head: captured.head.len(),
            omitted: captured.omitted,
            tail: captured.tail.len(),
        };
        Self {
            job,
            status: match &outcome.status {
                Status::Exited(code) => WrittenStatus::Exited(*code),
                Status::Signaled(signal) => WrittenStatus::Signaled(*signal),
                Status::TimedOut => WrittenStatus::TimedOut,
                Status::NotStarted(error) => WrittenStatus::NotStarted(error.clone()),
                Status::Error(message) => WrittenStatus::Error(message.clone()),
            },
            duration: outcome.duration.as_nanos() as u64,
            user: outcome.usage.user.as_nanos() as u64,
            system: outcome.usage.system.as_nanos() as u64,
            max_resident: outcome.usage.max_resident,
            scratch_full: outcome.scratch_full,
            written: outcome.written.clone(),
            stdout: lengths(&outcome.stdout),
            stderr: lengths(&outcome.stderr),
        }
    }

    /// The outcome, and what comes after the bytes that belong to it; `None` if some of
    /// those are missing.
    fn outcome<'a>(&self, bytes: &'a [u8]) -> Option<(Outcome, &'a [u8])> {
        let (stdout, rest) = self.stdout.take(bytes)?;
        let (stderr, rest) = self.stderr.take(rest)?;
        let outcome = Outcome {
            status: match &self.status {
                WrittenStatus::Exited(code) => Status::Exited(*code),
                WrittenStatus::Signaled(signal) => Status::Signaled(*signal),
                WrittenStatus::TimedOut => Status::TimedOut,
                WrittenStatus::NotStarted(error) => Status::NotStarted(error.clone()),
                WrittenStatus::Error(message) => Status::Error(message.clone()),
            },
            stdout,
            stderr,
            duration: Duration::from_nanos(self.duration),
            usage: ResourceUsage {
                user: Duration::from_nanos(self.user),
                system: Duration::from_nanos(self.system),
                max_resident: self.max_resident,
            },
            scratch_full: self.scratch_full,
            written: self.written.clone(),
            cached: false,
        };
        Some((outcome, rest))
    }
}

impl Lengths {
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
