//! The whole of a job spec: a container and what runs in it.

use super::ContainerSpec;
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
