//! The events of a run that reporters show.

use super::outcome::{Cancellation, DividedRun, Summary, TestOutcome};
use crate::coverage::CoverageTotals;
use crate::filter::{TestBinaryName, TestCaseName};
use crate::observe::Facts;
use camino::Utf8Path;
use std::fmt;
use std::time::Duration;

/// Something that happened in a run.
///
/// The conductor sends the events in order, [`RunStarted`](Self::RunStarted)
/// first and [`Finished`](Self::Finished) last.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    RunStarted,
    BuildStarted,
    /// The tests of the run are divided, and one part of them runs (`--partition`). Tests may have
    /// started before.
    Divided(&'a DividedRun),
    /// A line that Cargo wrote to stderr, without its newline.
    CargoLine(&'a str),
    BuildFinished {
        success: bool,
        duration: Duration,
    },
    /// Cargo has built a test binary, and its container is being prepared.
    Built(TestBinaryName<'a>),
    ListingStarted(TestBinaryName<'a>),
    Listed {
        binary: TestBinaryName<'a>,
        /// How many test cases the binary has, before any filter.
        count: usize,
    },
    /// A binary whose test cases could not be listed. Counts as one error.
    ListingFailed {
        binary: TestBinaryName<'a>,
        message: &'a str,
    },
    /// A layer is being built.
    Packing {
        what: &'a str,
        /// How many bytes were packed in the whole run so far.
        bytes: u64,
    },
    /// An image of the layer being built is being downloaded.
    Downloading {
        image: &'a str,
        /// In bytes.
        done: u64,
        /// In bytes.
        total: u64,
    },
    /// The command of the layer being built is running.
    RunningCommand {
        layer: &'a str,
    },
    /// Inputs of tests are being uploaded to the engine.
    Uploading {
        /// In bytes.
        done: u64,
        /// In bytes.
        total: u64,
    },
    /// Currently no layer is being built.
    Packed,
    /// A test case is waiting for a slot. Each of its repetitions ends with a
    /// [`TestFinished`](Self::TestFinished) unless the run is cancelled. Ignored test cases do not
    /// wait.
    Queued {
        case: TestCaseName<'a>,
        /// How many repetitions wait; 1 if the test is not repeated.
        repetitions: u64,
    },
    TestStarted {
        id: TestId,
        case: TestCaseName<'a>,
        repeat: Option<Repeat>,
        attempt: TestAttempt,
        place: TestPlace<'a>,
    },
    /// A second look at a failed test starts. It ends when the test does.
    LookStarted {
        id: TestId,
        /// The slots that the look takes.
        slots: &'a [usize],
    },
    /// An attempt at a test failed, and the test waits for the next one. The outcome has the number
    /// of the attempt.
    AttemptFailed {
        id: TestId,
        case: TestCaseName<'a>,
        repeat: Option<Repeat>,
        outcome: &'a TestOutcome,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// A running test wrote output (`--nocapture`).
    Output(&'a [u8]),
    /// A test is still running after the time that counts as slow.
    Slow {
        case: TestCaseName<'a>,
        repeat: Option<Repeat>,
        elapsed: Duration,
    },
    /// A test case has an outcome: one event for each test case and repetition. There was no
    /// [`TestStarted`](Self::TestStarted) before if the test was ignored or could not be started.
    TestFinished {
        id: TestId,
        case: TestCaseName<'a>,
        repeat: Option<Repeat>,
        outcome: &'a TestOutcome,
    },
    /// What a test asked for (`--observe`), after its outcome.
    Observed {
        case: TestCaseName<'a>,
        facts: &'a Facts,
    },
    /// How much of the code the tests run (`--coverage`), when all have ended.
    Covered {
        totals: &'a CoverageTotals,
        /// The file with the report, if it was written to one.
        file: Option<&'a Utf8Path>,
    },
    Warning(&'a str),
    /// The run is cancelled for this reason: no further test starts.
    Cancelled(Cancellation),
    Finished(&'a Summary),
}

/// Identifies a running test. Unique within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestId(pub u64);

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestPlace<'a> {
    /// On this machine, on these slots.
    Slots(&'a [usize]),
    /// On an engine. The tests of a batch start at the same time, and run one after the other.
    Batch(BatchNumber),
}

/// Identifies a batch of tests. Unique within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub u64);

/// Which attempt at a test this is (`--retries`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestAttempt {
    /// From 1.
    pub number: u32,
    /// The most attempts at the test.
    pub of: u32,
}

impl TestAttempt {
    /// The attempt at a test without retries.
    pub const ONLY: Self = Self { number: 1, of: 1 };

    /// `None`: the test has no retries.
    pub fn if_several(self) -> Option<Self> {
        (self.of > 1).then_some(self)
    }
}

impl fmt::Display for TestAttempt {
    /// `attempt 2 of 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} of {}", self.number, self.of)
    }
}

/// The name of a test case with its repetition: `[2/5] fd-find test/cli search`.
pub fn name_with_repeat(case: &TestCaseName<'_>, repeat: Option<Repeat>) -> String {
    match repeat {
        Some(repeat) => format!("{repeat} {case}"),
        None => case.to_string(),
    }
}

/// Which repetition of a test case this is (`--repeat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// From 1.
    pub number: u32,
    pub of: u32,
}

impl fmt::Display for Repeat {
    /// `[2/5]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}/{}]", self.number, self.of)
    }
}
