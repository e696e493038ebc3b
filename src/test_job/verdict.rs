//! The outcome of a test, from the outcome of its job.

use super::hints;
use crate::config::CountsAs;
use crate::executor::{Outcome, SavedOutputs, Status};
use crate::report::{self, Exit, TestAttempt, TestOutcome};
use std::path::Path;
use std::time::Duration;

/// What the outcome of a test depends on, besides that of its job.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The time limit of the test.
    pub limit: Option<Duration>,
    /// What a test counts as that reached its limit.
    pub on_timeout: CountsAs,
    /// What a test counts as that passed and left processes behind.
    pub on_leak: CountsAs,
}

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
pub fn judge(outcome: Outcome, rules: &Rules) -> TestOutcome {
    // The time limit of the whole run may come first.
    let after = rules.limit.filter(|limit| *limit <= outcome.duration);
    let mut timed_out = None;
    let status = match &outcome.status {
        Status::Exited(0) if outcome.leaked && rules.on_leak == CountsAs::Fail => {
            report::TestStatus::Leaked
        }
        Status::Exited(0) => report::TestStatus::Passed,
        Status::Exited(code) => report::TestStatus::Failed(Exit::Code(*code)),
        Status::Signaled(signal) => report::TestStatus::Failed(Exit::Signal(*signal)),
        Status::TimedOut if after.is_some() && rules.on_timeout == CountsAs::Pass => {
            timed_out = after;
            report::TestStatus::Passed
        }
        Status::TimedOut => report::TestStatus::TimedOut {
            after: after.unwrap_or(outcome.duration),
        },
        Status::OutOfMemory { limit } => report::TestStatus::OutOfMemory { limit: *limit },
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
        leaked: outcome.leaked,
        timed_out,
        attempt: TestAttempt::ONLY,
        earlier: Vec::new(),
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
