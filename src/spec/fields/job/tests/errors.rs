//! The errors in a job, with their messages.

use super::read;
use crate::spec::explained_on_two_lines;

mod containers;
mod files;
mod jobs;
mod stream;
mod syntax;

/// The error of each line, as a job.
fn job_errors(jobs: &str) -> String {
    let error = |job| explained_on_two_lines(&read(&[job]).expect_err(job));
    let errors: Vec<_> = jobs.trim_matches('\n').lines().map(error).collect();
    errors.join("\n")
}
