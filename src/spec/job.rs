//! The whole of a job spec: a container and what runs in it.

use super::{
    ContainerSpec, Containers, Deprecations, JobDocument, Mistake, Problem, Source, parse_json,
    read_job,
};
use std::time::Duration;

/// A program to run in a container, and how to run it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    pub container: ContainerSpec,
    /// Path of the program in the container; without a `/` it is looked up in
    /// the job's `PATH`, otherwise it is relative to the working directory.
    pub program: String,
    pub arguments: Vec<String>,
    /// `None`: the job may take as long as it likes.
    pub timeout: Option<Duration>,
    pub estimated_duration: Option<Duration>,
    /// Higher runs earlier.
    pub priority: i8,
    /// How many slots the job takes while it runs; at least 1.
    pub slots: u32,
}

/// Why text is not a job: the message starts with line and column, and shows the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAJob(String);

impl JobSpec {
    /// A job without arguments, limits or wishes.
    pub fn new(program: impl Into<String>, container: ContainerSpec) -> Self {
        Self {
            container,
            program: program.into(),
            arguments: Vec::new(),
            timeout: None,
            estimated_duration: None,
            priority: 0,
            slots: 1,
        }
    }

    /// Reads the one job of a text.
    pub fn from_json(text: &str) -> Result<Self, NotAJob> {
        let mut notes = Deprecations::default();
        let node = parse_json(text);
        let document =
            node.and_then(
                |node| match read_job(&node, &mut Containers::new(), &mut notes)? {
                    JobDocument::Job(job) => Ok(*job),
                    JobDocument::Containers => Err(Mistake::new(&node.span, Problem::NoJob)),
                },
            );
        document.map_err(|mistake| {
            let source = Source { name: "", text };
            let explained = source.explain(&mistake.span, &mistake.problem);
            NotAJob(explained.trim_start_matches(':').to_owned())
        })
    }
}
