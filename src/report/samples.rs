//! Sample events and outcomes for the tests of this room.

use super::event::{Event, Repeat, TestAttempt, TestId, TestPlace};
use super::outcome::{Exit, TestOutcome, TestStatus};
use crate::container::ResourceUsage;
use crate::executor::Captured;
use crate::filter::TargetKind;
use crate::filter::{TestBinaryName, TestCaseName};
use std::time::Duration;

pub const BINARY: TestBinaryName<'_> = TestBinaryName {
    package: "fd-find",
    kind: TargetKind::Test,
    target: "cli",
};

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn case(name: &str) -> TestCaseName<'_> {
    TestCaseName {
        package: BINARY.package,
        kind: BINARY.kind,
        target: BINARY.target,
        name,
    }
}

pub fn started(id: u64, name: &str) -> Event<'_> {
    Event::TestStarted {
        id: TestId(id),
        case: case(name),
        repeat: None,
        attempt: TestAttempt::ONLY,
        place: TestPlace::Slots(&[0]),
    }
}

/// Tests that wait, as one that is repeated so often.
pub fn queued(repetitions: u64) -> Event<'static> {
    Event::Queued {
        case: case("waits"),
        repetitions,
    }
}

pub fn finished<'a>(id: u64, name: &'a str, outcome: &'a TestOutcome) -> Event<'a> {
    Event::TestFinished {
        id: TestId(id),
        case: case(name),
        repeat: None,
        outcome,
    }
}

pub fn repeated<'a>(number: u32, name: &'a str, outcome: &'a TestOutcome) -> Event<'a> {
    Event::TestFinished {
        id: TestId(number.into()),
        case: case(name),
        repeat: Some(Repeat { number, of: 5 }),
        outcome,
    }
}

pub fn passed() -> TestOutcome {
    TestOutcome {
        stdout: Captured::from(&b"running 1 test\nsearching\n"[..]),
        usage: Some(ResourceUsage {
            user: millis(8),
            system: millis(3),
            max_resident: 4 << 20,
        }),
        ..TestOutcome::new(TestStatus::Passed, millis(12))
    }
}

/// A test that passed in an earlier run.
pub fn cached() -> TestOutcome {
    TestOutcome {
        cached: true,
        ..passed()
    }
}

pub fn failed() -> TestOutcome {
    TestOutcome {
        stdout: Captured::from(&b"\nrunning 1 test\nsearching\n"[..]),
        stderr: Captured::from(&b"thread 'search' panicked at tests/cli.rs:7:5:\nno such file"[..]),
        ..TestOutcome::new(TestStatus::Failed(Exit::Code(101)), millis(1203))
    }
}

pub fn aborted() -> TestOutcome {
    TestOutcome {
        usage: Some(ResourceUsage {
            user: millis(20),
            system: millis(10),
            max_resident: 12 << 20,
        }),
        ..TestOutcome::new(TestStatus::Failed(Exit::Signal(6)), millis(40))
    }
}

pub fn timed_out() -> TestOutcome {
    let status = TestStatus::TimedOut {
        after: Duration::from_secs(60),
    };
    TestOutcome {
        stderr: Captured::from(&b"waiting for the server"[..]),
        usage: Some(ResourceUsage {
            user: millis(20),
            system: millis(10),
            max_resident: 12 << 20,
        }),
        ..TestOutcome::new(status, millis(60_003))
    }
}

pub fn ignored() -> TestOutcome {
    TestOutcome::new(TestStatus::Ignored, Duration::ZERO)
}

pub fn error() -> TestOutcome {
    let message = "failed to build the layer `tar = \"data.tar\"`\nno such file".to_owned();
    TestOutcome::new(TestStatus::Error { message }, Duration::ZERO)
}

pub fn truncated() -> TestOutcome {
    TestOutcome {
        stdout: Captured {
            head: b"line 1\nline 2\nli".to_vec(),
            tail: b"ne 99998\nline 99999\n".to_vec(),
            omitted: 1_234_567,
        },
        ..TestOutcome::new(TestStatus::Failed(Exit::Code(1)), millis(300))
    }
}

pub fn binary_output() -> TestOutcome {
    TestOutcome {
        stdout: Captured::from(&b"caf\xe9 \x00 \x1b[31mred \x1b[2Jand \x1b[1"[..]),
        ..TestOutcome::new(TestStatus::Failed(Exit::Code(1)), millis(5))
    }
}

pub fn hinted() -> TestOutcome {
    let written = ["a", "b", "c", "d", "e", "f", "g"];
    TestOutcome {
        stderr: Captured::from(&b"git: not found\n"[..]),
        hints: vec![
            "the test looked for `git`, which is not in its container; to add it:\n\
             [[directives]]\nadded_layers = [{ programs = [\"git\"] }]"
                .to_owned(),
        ],
        written: written.map(|name| format!("snapshots/{name}.new")).to_vec(),
        outputs: vec!["snapshots/cli.snap.new".to_owned()],
        ..TestOutcome::new(TestStatus::Failed(Exit::Code(101)), millis(7))
    }
}
