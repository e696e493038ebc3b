//! What a reporter is told: the events of a run, in the order they happened.

use super::outcome::{Cancellation, Summary, TestOutcome};
use crate::executor::Stream;
use crate::filter::{TestBinaryName, TestCaseName};
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
    /// One line of what Cargo writes to stderr, without its newline.
    CargoLine(&'a str),
    BuildFinished {
        success: bool,
        duration: Duration,
    },
    ListingStarted(TestBinaryName<'a>),
    Listed {
        binary: TestBinaryName<'a>,
        /// How many test cases it has, before any filter.
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
        /// Packed so far in the whole run.
        bytes: u64,
    },
    /// An image is being downloaded, for what is being packed.
    Downloading {
        image: &'a str,
        /// In bytes.
        done: u64,
        /// In bytes.
        total: u64,
    },
    /// The command of this layer runs, for what is being packed.
    RunningCommand {
        layer: &'a str,
    },
    /// What tests need is being sent to the engine that runs them.
    Uploading {
        /// In bytes.
        done: u64,
        /// In bytes.
        total: u64,
    },
    /// No layer is being built any more, for now.
    Packed,
    /// So many more test cases (and repetitions) are waiting for a slot. Each
    /// ends in a [`TestFinished`](Self::TestFinished) unless the run is cancelled.
    /// Those that are ignored never wait, and are not counted.
    Queued(u64),
    TestStarted {
        id: TestId,
        case: TestCaseName<'a>,
        repeat: Option<Repeat>,
    },
    /// What a running test writes, as it writes it (`--nocapture`).
    Output {
        case: TestCaseName<'a>,
        stream: Stream,
        bytes: &'a [u8],
    },
    /// A test has been running for long, and still is.
    Slow {
        case: TestCaseName<'a>,
        repeat: Option<Repeat>,
        elapsed: Duration,
    },
    /// Exactly one for each test case and repetition. A test that was ignored or
    /// could not be started has no [`TestStarted`](Self::TestStarted) before it.
    TestFinished {
        id: TestId,
        case: TestCaseName<'a>,
        repeat: Option<Repeat>,
        outcome: &'a TestOutcome,
    },
    Warning(&'a str),
    Note(&'a str),
    /// No further test starts, for this reason.
    Cancelled(Cancellation),
    Finished(&'a Summary),
}

/// Tells running tests apart. Unique within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestId(pub u64);

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
