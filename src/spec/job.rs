//! A job: a container, and the program that runs in it.

use super::{
    ContainerSpec, Containers, Deprecations, JobDocument, SpecProblem, SpecText, parse_json,
    read_job,
};
use crate::config::ByteSize;
use std::time::Duration;

/// A program to run in a container, with its limits and its priority.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    pub container: ContainerSpec,
    /// Path of the program in the container; without a `/` it is looked up in
    /// the job's `PATH`, otherwise it is relative to the working directory.
    pub program: String,
    pub arguments: Vec<String>,
    /// `None`: no limit.
    pub timeout: Option<Duration>,
    /// The memory that the job may use. `None`: no limit.
    pub memory_limit: Option<ByteSize>,
    /// The number of processes and threads that the job may have at once. `None`: no limit.
    pub process_limit: Option<u32>,
    /// `None`: unknown.
    pub estimated_duration: Option<Duration>,
    /// Jobs with a higher priority start earlier.
    pub priority: i8,
    /// The number of slots that the running job occupies; at least 1.
    pub slots: u32,
}

/// The error of [`JobSpec::from_json`]. Its message starts with line and column, and shows the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JobSpecError(String);

impl JobSpec {
    /// A job without arguments, limits or priority.
    pub fn new(program: impl Into<String>, container: ContainerSpec) -> Self {
        Self {
            container,
            program: program.into(),
            arguments: Vec::new(),
            timeout: None,
            memory_limit: None,
            process_limit: None,
            estimated_duration: None,
            priority: 0,
            slots: 1,
        }
    }

    /// Reads a text with one job, in the format of [`read_job`].
    pub fn from_json(text: &str) -> Result<Self, JobSpecError> {
        let mut deprecations = Deprecations::default();
        let job = parse_json(text).and_then(|node| {
            match read_job(&node, &mut Containers::new(), &mut deprecations)? {
                JobDocument::Job(job) => Ok(*job),
                JobDocument::Containers => Err(node.error(SpecProblem::NoJob)),
            }
        });
        job.map_err(|error| {
            let explained = SpecText { name: "", text }.explain_error(&error);
            JobSpecError(explained.trim_start_matches(':').to_owned())
        })
    }
}
