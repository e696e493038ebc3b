//! Outcomes of tests and of runs, as reporters show them.

use super::event::TestAttempt;
use super::units::Count;
use crate::container::ResourceUsage;
use crate::executor::{Captured, out_of_memory};
use crate::process::Interrupt;
use nix::sys::signal::Signal;
use std::fmt;
use std::time::Duration;

/// The outcome of one run of one test case: that of its last attempt, and the attempts before it.
#[derive(Clone, Debug, PartialEq)]
pub struct TestOutcome {
    pub status: TestStatus,
    pub stdout: Captured,
    pub stderr: Captured,
    /// The wall-clock time from the start of the program to its end.
    pub duration: Duration,
    /// `None`: no program ran.
    pub usage: Option<ResourceUsage>,
    /// Possible causes of the failure with their remedies, a paragraph each.
    pub hints: Vec<String>,
    /// What the test needs of this machine besides its container: the names of programs and
    /// variables, and paths.
    pub needs: Vec<String>,
    /// Files of the source tree that the test wrote. The container discarded them.
    pub written: Vec<String>,
    /// The files on this machine that are copies of files that the test wrote.
    pub outputs: Vec<String>,
    /// The test was not run: this is the outcome of an earlier run, in which the test passed.
    pub cached: bool,
    /// Processes that the test had started lived on when it had ended.
    pub leaked: bool,
    /// The time limit that the test reached, if such a test counts as passed.
    pub timed_out: Option<Duration>,
    pub attempt: TestAttempt,
    /// The outcomes of the attempts before this one, which failed.
    pub earlier: Vec<TestOutcome>,
}

impl TestOutcome {
    /// An outcome without output, resource usage and hints.
    pub fn new(status: TestStatus, duration: Duration) -> Self {
        Self {
            status,
            stdout: Captured::default(),
            stderr: Captured::default(),
            duration,
            usage: None,
            hints: Vec::new(),
            needs: Vec::new(),
            written: Vec::new(),
            outputs: Vec::new(),
            cached: false,
            leaked: false,
            timed_out: None,
            attempt: TestAttempt::ONLY,
            earlier: Vec::new(),
        }
    }

    /// Whether the last attempt passed, and one before it failed.
    pub fn is_flaky(&self) -> bool {
        let has_passed = matches!(self.status, TestStatus::Passed | TestStatus::Flaky(_));
        has_passed && !self.earlier.is_empty()
    }

    /// The explanations of a failure besides the output, a paragraph each.
    pub fn explanations(&self) -> Vec<String> {
        let hints = self.hints.iter().map(|hint| format!("hint: {hint}"));
        let written = (!self.written.is_empty())
            .then(|| format!("note: {}", discarded(&self.written.join(", "))));
        hints.chain(written).collect()
    }

    /// Whether the output is shown only if that of tests that pass is.
    pub fn has_output_of_success(&self) -> bool {
        matches!(self.status, TestStatus::Passed | TestStatus::Flaky(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestStatus {
    Passed,
    /// This attempt passed and one before it failed, and such a test counts as failed.
    Flaky(TestAttempt),
    Failed(Exit),
    TimedOut {
        /// The time limit.
        after: Duration,
    },
    /// The kernel killed the test, as it used more memory than it may.
    OutOfMemory {
        /// In bytes.
        limit: u64,
    },
    /// The test passed and left processes behind, and such a test counts as failed.
    Leaked,
    /// The test was not run, because the source or a directive marks it as ignored.
    Ignored,
    /// The test could not be run.
    Error {
        message: String,
    },
}

/// The note about files of the source tree that a test wrote.
pub fn discarded(files: &str) -> String {
    format!("the test wrote to the source tree; its container discarded these files: {files}")
}

/// What is said about a test that left processes behind.
pub const LEAK: &str = "left processes behind";

impl TestStatus {
    /// The word for this in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) | Self::Flaky(_) | Self::Leaked | Self::OutOfMemory { .. } => "failed",
            Self::TimedOut { .. } => "timed-out",
            Self::Ignored => "ignored",
            Self::Error { .. } => "error",
        }
    }

    /// Whether this status makes the run fail.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Passed | Self::Ignored => false,
            Self::Flaky(_)
            | Self::Failed(_)
            | Self::TimedOut { .. }
            | Self::OutOfMemory { .. }
            | Self::Leaked
            | Self::Error { .. } => true,
        }
    }

    /// The reason of a failure in a few words; for an error, the whole message.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Passed | Self::Ignored => None,
            Self::Flaky(attempt) => Some(format!(
                "passed at {attempt}, but counts as failed because it is flaky"
            )),
            Self::Failed(exit) => Some(exit.to_string()),
            Self::OutOfMemory { limit } => Some(out_of_memory(*limit)),
            Self::Leaked => Some(LEAK.to_owned()),
            Self::TimedOut { after } => Some(format!("timed out after {}s", after.as_secs_f64())),
            Self::Error { message } => Some(message.clone()),
        }
    }

    /// The first line of the reason of a failure. Empty: this is no failure.
    pub fn brief_reason(&self) -> String {
        let reason = self.reason().unwrap_or_default();
        reason.lines().next().unwrap_or_default().to_owned()
    }
}

/// How an unsuccessful program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// The name of the signal, if the program was ended by a signal that has a name.
    pub fn signal_name(self) -> Option<&'static str> {
        match self {
            Self::Code(_) => None,
            Self::Signal(number) => Signal::try_from(number).ok().map(Signal::as_str),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.signal_name()) {
            (Self::Code(code), _) => write!(f, "exit code {code}"),
            (Self::Signal(_), Some(name)) => write!(f, "signal {name}"),
            (Self::Signal(number), None) => write!(f, "signal {number}"),
        }
    }
}

/// The number of tests with each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Including those in `cached`.
    pub passed: u64,
    /// Passed in an earlier run, and were not run in this one.
    pub cached: u64,
    /// Passed, and an earlier attempt failed. Included in `passed`.
    pub flaky: u64,
    /// Passed, and left processes behind. Included in `passed`.
    pub leaky: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub errors: u64,
    pub ignored: u64,
}

impl Tally {
    pub fn add(&mut self, outcome: &TestOutcome) {
        self.cached += u64::from(outcome.cached);
        self.leaky += u64::from(outcome.leaked && outcome.status == TestStatus::Passed);
        self.flaky += u64::from(outcome.is_flaky() && outcome.status == TestStatus::Passed);
        match &outcome.status {
            TestStatus::Passed => self.passed += 1,
            TestStatus::Failed(_)
            | TestStatus::Flaky(_)
            | TestStatus::Leaked
            | TestStatus::OutOfMemory { .. } => {
                self.failed += 1;
            }
            TestStatus::TimedOut { .. } => self.timed_out += 1,
            TestStatus::Ignored => self.ignored += 1,
            TestStatus::Error { .. } => self.errors += 1,
        }
    }

    /// The counts that `passed` includes and that are not zero, with a word for each.
    pub fn among_passed(&self) -> impl Iterator<Item = (u64, &'static str)> + use<> {
        let counts = [
            (self.cached, "cached"),
            (self.flaky, "flaky"),
            (self.leaky, "leaky"),
        ];
        counts.into_iter().filter(|(count, _)| *count > 0)
    }

    /// How many tests were run or could not be run.
    pub fn run(&self) -> u64 {
        self.passed + self.failures() - self.cached
    }

    /// How many tests have an outcome, without ignored tests.
    pub fn done(&self) -> u64 {
        self.run() + self.cached
    }

    /// How many tests have an outcome, including ignored tests.
    pub fn selected(&self) -> u64 {
        self.done() + self.ignored
    }

    /// How many tests make the run fail.
    pub fn failures(&self) -> u64 {
        self.failed + self.timed_out + self.errors
    }
}

/// The result of the whole run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub tally: Tally,
    pub duration: Duration,
    pub cancelled: Option<Cancellation>,
    /// How many known test cases (and repetitions) were neither run nor ignored.
    pub not_run: u64,
    /// Notes at the end of the report, a line each.
    pub notes: Vec<String>,
}

/// A run of one part of the tests (`--partition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DividedRun {
    /// As on the command line.
    pub partition: String,
    /// Identifies the division of the tests. It is the same for all parts of one division.
    pub digest: String,
    /// The number of test cases in this part.
    pub tests: u64,
    /// The number of selected test cases of all parts.
    pub of: u64,
}

impl fmt::Display for DividedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            digest,
            tests,
            of,
        } = self;
        let of = Count(*of, "test", "tests");
        write!(
            f,
            "the partition {partition} has {tests} of {of}; the digest of the division is {digest}"
        )
    }
}

/// Why a run ends before all of its tests were run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// This many tests failed, which is the limit of `--stop-after`.
    Failures(u64),
    /// The tests took longer than this, the time limit of the run.
    TimedOut(Duration),
    BuildFailed,
    /// Another run follows, as files have changed or a key asks for it (`--watch`).
    Superseded,
    /// The user ended the program by a key (`--watch`).
    Quit,
}

impl From<Interrupt> for Cancellation {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Interrupted => Self::Interrupted,
            Interrupt::Terminated => Self::Terminated,
            Interrupt::Superseded => Self::Superseded,
            Interrupt::Quit => Self::Quit,
        }
    }
}

impl Cancellation {
    /// The word for this in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::Failures(_) => "failures",
            Self::TimedOut(_) => "timed-out",
            Self::BuildFailed => "build-failed",
            Self::Superseded => "superseded",
            Self::Quit => "quit",
        }
    }
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted by Ctrl-C"),
            Self::Terminated => f.write_str("terminated by SIGTERM"),
            Self::Failures(count) => {
                write!(f, "stopped after {}", Count(*count, "failure", "failures"))
            }
            Self::TimedOut(limit) => write!(
                f,
                "the tests took longer than the global timeout of {}s",
                limit.as_secs_f64()
            ),
            Self::BuildFailed => f.write_str("the build failed"),
            Self::Superseded => f.write_str("another run follows"),
            Self::Quit => f.write_str("ended by a key"),
        }
    }
}
