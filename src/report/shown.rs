//! Which tests the report for people names, and when it shows their output.

use super::narrator::Detail;
use super::outcome::{TestOutcome, TestStatus};
use crate::config::{FinalStatusLevel, OutputTime, StatusLevel};

/// Which tests get a line when they end and in the summary, and when their output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownTests {
    pub status_level: StatusLevel,
    pub final_status_level: FinalStatusLevel,
    pub success_output: OutputTime,
    pub failure_output: OutputTime,
}

impl ShownTests {
    /// What a level of detail shows by default.
    pub fn by_default(detail: Detail, show_output: bool) -> Self {
        Self {
            status_level: match detail {
                Detail::Failures => StatusLevel::Fail,
                Detail::Notable => StatusLevel::Leak,
                Detail::Everything => StatusLevel::All,
            },
            final_status_level: FinalStatusLevel::Flaky,
            success_output: if show_output {
                OutputTime::Immediate
            } else {
                OutputTime::Never
            },
            failure_output: OutputTime::Immediate,
        }
    }

    /// When the output of a test is shown. A test that was not run has none.
    pub fn output_of(self, status: &TestStatus) -> OutputTime {
        match status {
            TestStatus::Passed | TestStatus::Flaky(_) => self.success_output,
            TestStatus::Ignored => OutputTime::Never,
            TestStatus::Failed(_)
            | TestStatus::TimedOut { .. }
            | TestStatus::Leaked
            | TestStatus::OutOfMemory { .. }
            | TestStatus::Error { .. } => self.failure_output,
        }
    }
}

/// The lowest levels at which a test gets a line when it ends, and in the summary. `was_slow`: it
/// was reported as slow.
pub fn levels_of(outcome: &TestOutcome, was_slow: bool) -> (StatusLevel, FinalStatusLevel) {
    match &outcome.status {
        status if status.is_failure() => (StatusLevel::Fail, FinalStatusLevel::Fail),
        _ if outcome.is_flaky() => (StatusLevel::Retry, FinalStatusLevel::Flaky),
        TestStatus::Passed if was_slow => (StatusLevel::Slow, FinalStatusLevel::Slow),
        _ if outcome.leaked => (StatusLevel::Leak, FinalStatusLevel::Leak),
        TestStatus::Ignored => (StatusLevel::Skip, FinalStatusLevel::Skip),
        _ => (StatusLevel::Pass, FinalStatusLevel::Pass),
    }
}

/// The title of a list of tests in the summary.
pub fn title(level: FinalStatusLevel) -> &'static str {
    match level {
        FinalStatusLevel::None | FinalStatusLevel::Fail => "Failures",
        FinalStatusLevel::Flaky => "Flaky",
        FinalStatusLevel::Slow => "Slow",
        FinalStatusLevel::Skip => "Not run",
        FinalStatusLevel::Leak => "Leaky",
        FinalStatusLevel::Pass | FinalStatusLevel::All => "Passed",
    }
}
