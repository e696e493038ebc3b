//! How tests and runs ended, as reporters are told it.

use super::units::Count;
use crate::container::ResourceUsage;
use crate::executor::Captured;
use crate::process::Interrupt;
use nix::sys::signal::Signal;
use std::fmt;
use std::time::Duration;

/// How one run of one test case ended.
#[derive(Clone, Debug, PartialEq)]
pub struct TestOutcome {
    pub status: TestStatus,
    pub stdout: Captured,
    pub stderr: Captured,
    /// Wall time from the start of the program to its end.
    pub duration: Duration,
    /// `None`: no program ran.
    pub usage: Option<ResourceUsage>,
    /// What may be wrong and how to mend it, a paragraph each.
    pub hints: Vec<String>,
    /// Source files that the test wrote, in a container that is gone by now.
    pub written: Vec<String>,
    /// It was not run now: this is how it went at an earlier time, when it passed.
    pub cached: bool,
}

impl TestOutcome {
    /// An outcome of which no more is known than this.
    pub fn new(status: TestStatus, duration: Duration) -> Self {
        Self {
            status,
            stdout: Captured::default(),
            stderr: Captured::default(),
            duration,
            usage: None,
            hints: Vec::new(),
            written: Vec::new(),
            cached: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestStatus {
    Passed,
    Failed(Exit),
    TimedOut {
        /// The limit that it ran into.
        after: Duration,
    },
    /// Was not run: marked so in the source or by a directive.
    Ignored,
    /// Could not be run.
    Error {
        message: String,
    },
}

impl TestStatus {
    /// The word for it in machine-readable output.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::TimedOut { .. } => "timed-out",
            Self::Ignored => "ignored",
            Self::Error { .. } => "error",
        }
    }

    /// Whether it makes the run fail.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Passed | Self::Ignored => false,
            Self::Failed(_) | Self::TimedOut { .. } | Self::Error { .. } => true,
        }
    }

    /// What a person wants to know about a failure, in a few words. For an error
    /// it is the whole message.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Passed | Self::Ignored => None,
            Self::Failed(exit) => Some(exit.to_string()),
            Self::TimedOut { after } => Some(format!("timed out after {}s", after.as_secs_f64())),
            Self::Error { message } => Some(message.clone()),
        }
    }
}

/// How a program ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// The name of the signal, if it was one that has a name.
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

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those among them that are known from an earlier time, too.
    pub passed: u64,
    /// Passed at an earlier time, and not run now.
    pub cached: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub errors: u64,
    pub ignored: u64,
}

impl Tally {
    pub fn add(&mut self, outcome: &TestOutcome) {
        self.cached += u64::from(outcome.cached);
        match &outcome.status {
            TestStatus::Passed => self.passed += 1,
            TestStatus::Failed(_) => self.failed += 1,
            TestStatus::TimedOut { .. } => self.timed_out += 1,
            TestStatus::Ignored => self.ignored += 1,
            TestStatus::Error { .. } => self.errors += 1,
        }
    }

    /// How many were run, or were to be and could not.
    pub fn run(&self) -> u64 {
        self.passed + self.failures() - self.cached
    }

    /// How many there is nothing more to do about, of those that were to be run.
    pub fn done(&self) -> u64 {
        self.run() + self.cached
    }

    /// How many were selected.
    pub fn selected(&self) -> u64 {
        self.done() + self.ignored
    }

    /// How many make the run fail.
    pub fn failures(&self) -> u64 {
        self.failed + self.timed_out + self.errors
    }
}

/// How the whole run ended.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub tally: Tally,
    pub duration: Duration,
    pub cancelled: Option<Cancellation>,
    /// Known test cases (and repetitions) that were neither run nor ignored.
    pub not_run: u64,
    /// Said last, a line each.
    pub notes: Vec<String>,
}

/// Why a run ends before all its tests were run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// As many tests failed as `--stop-after` allows.
    Failures(u64),
    BuildFailed,
}

impl From<Interrupt> for Cancellation {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Interrupted => Self::Interrupted,
            Interrupt::Terminated => Self::Terminated,
        }
    }
}

impl Cancellation {
    /// The word for it in machine-readable output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::Failures(_) => "failures",
            Self::BuildFailed => "build-failed",
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
            Self::BuildFailed => f.write_str("the build failed"),
        }
    }
}
