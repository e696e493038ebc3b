//! From how a test's job ended to what is reported of it.

use super::hints;
use crate::cargo::TestBinary;
use crate::directive::TestSpec;
use crate::executor::{Outcome, Status};
use crate::report::{self, Exit, TestOutcome};
use std::time::Duration;

/// What to report, with hints where something seems to be missing.
pub fn judge(
    outcome: Outcome,
    limit: Option<Duration>,
    binary: &TestBinary,
    spec: &TestSpec,
) -> TestOutcome {
    let status = match &outcome.status {
        Status::Exited(0) => report::Status::Passed,
        Status::Exited(code) => report::Status::Failed(Exit::Code(*code)),
        Status::Signaled(signal) => report::Status::Failed(Exit::Signal(*signal)),
        Status::TimedOut => report::Status::TimedOut {
            after: limit.unwrap_or(outcome.duration),
        },
        Status::Error(message) => report::Status::Error {
            message: message.clone(),
        },
    };
    let hints = if status.is_failure() {
        hints::hints(&outcome, binary, &spec.container)
    } else {
        Vec::new()
    };
    let ran = !matches!(status, report::Status::Error { .. });
    TestOutcome {
        status,
        duration: outcome.duration,
        usage: ran.then_some(outcome.usage),
        written: outcome.written,
        stdout: outcome.stdout,
        stderr: outcome.stderr,
        hints,
    }
}
