//! The outcome of a test, from the outcome of its job.

use super::hints;
use crate::executor::{Outcome, SavedOutputs, Status};
use crate::report::{self, Exit, TestOutcome};
use std::path::Path;
use std::time::Duration;

/// The outcome of a documentation test without a program. `failure`: what rustdoc printed about it.
pub fn without_program(failure: Option<&str>) -> TestOutcome {
    let status = match failure {
        None => report::TestStatus::Passed,
        Some(_) => report::TestStatus::Failed(Exit::Code(101)),
    };
    let mut outcome = TestOutcome::new(status, Duration::ZERO);
    if let Some(text) = failure {
        outcome.stdout.append(text.as_bytes());
        outcome.stdout.append(b"\n");
    }
    outcome
}

/// The outcome of a test, with hints about a failure.
pub fn judge(outcome: Outcome, limit: Option<Duration>) -> TestOutcome {
    let status = match &outcome.status {
        Status::Exited(0) => report::TestStatus::Passed,
        Status::Exited(code) => report::TestStatus::Failed(Exit::Code(*code)),
        Status::Signaled(signal) => report::TestStatus::Failed(Exit::Signal(*signal)),
        Status::TimedOut => report::TestStatus::TimedOut {
            after: limit.unwrap_or(outcome.duration),
        },
        Status::NotStarted(error) => report::TestStatus::Error {
            message: error.message(),
        },
        Status::Error(message) => report::TestStatus::Error {
            message: message.clone(),
        },
    };
    let hints = if status.is_failure() {
        hints::hints(&outcome)
    } else {
        Vec::new()
    };
    let ran = !matches!(status, report::TestStatus::Error { .. });
    TestOutcome {
        status,
        duration: outcome.duration,
        cached: outcome.cached,
        usage: ran.then_some(outcome.usage),
        written: outcome.changed_files,
        stdout: outcome.stdout,
        stderr: outcome.stderr,
        hints,
        needs: Vec::new(),
        outputs: Vec::new(),
    }
}

/// Adds the outputs of a test that were copied. Its container did not discard these, nor what was
/// removed.
pub fn add_outputs(verdict: &mut TestOutcome, saved: &SavedOutputs) {
    (verdict.written).retain(|file| {
        let mut changed = saved.source_files.iter().chain(&saved.removed_files);
        !changed.any(|changed| changed == Path::new(file))
    });
    verdict.outputs = (saved.source_files.iter().chain(&saved.other_files))
        .map(|copy| copy.to_string_lossy().into_owned())
        .collect();
}
