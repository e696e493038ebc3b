//! What happened in a run, and when. All times are since the start of the run.

use crate::container::ResourceUsage;
use crate::filter::{TestBinaryName, TestCaseName};
use crate::report::event::{BatchNumber, Event, Repeat, TestAttempt, TestId, TestPlace};
use crate::report::outcome::{Summary, TestOutcome, TestStatus};
use crate::report::output::captured;
use crate::report::panics::panic_message;
use crate::schedule::CaseId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The number of characters of a reason that are kept.
const LONGEST_REASON: usize = 600;

/// The events of a run with their times.
#[derive(Default)]
pub struct RunRecording {
    pub build: Option<RecordedBuild>,
    /// In the order in which they were built.
    pub binaries: Vec<RecordedBinary>,
    /// In the order in which they started, or ended if they did not start.
    pub tests: Vec<RecordedTest>,
    pub divided: Option<String>,
    /// `None`: the run ended with an error.
    pub summary: Option<Summary>,
    /// The time of the last event.
    pub end: Duration,
    started: Option<Instant>,
    /// The indexes of the binaries, by their names.
    binary_of_name: HashMap<String, usize>,
    /// The times at which tests became ready.
    ready: HashMap<(usize, String), Duration>,
    /// The indexes of the tests that run.
    running: HashMap<TestId, usize>,
    /// The indexes of the tests that wait for another attempt.
    retried: HashMap<(usize, String, Option<u32>), usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedBuild {
    pub start: Duration,
    /// `None`: the build was interrupted.
    pub end: Option<Duration>,
    pub seconds: Duration,
    pub success: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBinary {
    pub package: String,
    pub kind: &'static str,
    pub target: String,
    /// As in the output for people.
    pub title: String,
    /// `None`: the binary is that of an archive, or documentation tests.
    pub built: Option<Duration>,
    /// `None`: the list of tests was known.
    pub listing: Option<Duration>,
    /// `None`: the list was interrupted.
    pub listed: Option<Duration>,
    /// The number of its test cases, before any filter.
    pub count: usize,
    /// The reason why its tests could not be listed.
    pub error: Option<String>,
}

/// A test case, or one repetition of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedTest {
    pub case: CaseId,
    pub binary: usize,
    pub name: String,
    pub repeat: Option<Repeat>,
    /// Without attempts if it was not run.
    pub attempts: Vec<RecordedAttempt>,
    /// `None`: the run ended first.
    pub result: Option<RecordedResult>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// From 1.
    pub number: u32,
    /// The time since which the attempt waited for a slot.
    pub ready: Option<Duration>,
    pub start: Duration,
    /// `None`: the run ended first.
    pub end: Option<Duration>,
    pub place: RecordedPlace,
    pub look: Option<RecordedLook>,
    /// As in the JSON events. Empty if the run ended first.
    pub status: &'static str,
    /// The duration of the program.
    pub seconds: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedPlace {
    /// The numbers of slots of this machine.
    Slots(Vec<usize>),
    Batch(BatchNumber),
}

/// A second look, which ends when the attempt does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLook {
    pub start: Duration,
    pub slots: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordedResult {
    /// As in the JSON events.
    pub status: &'static str,
    pub seconds: Duration,
    pub attempt: TestAttempt,
    pub cached: bool,
    pub flaky: bool,
    pub leaked: bool,
    pub usage: Option<ResourceUsage>,
    pub needs: Vec<String>,
    pub reason: Option<String>,
}

impl RunRecording {
    pub fn add(&mut self, now: Instant, event: &Event<'_>) {
        let time = now - *self.started.get_or_insert(now);
        self.end = time;
        match event {
            Event::BuildStarted => {
                self.build = Some(RecordedBuild {
                    start: time,
                    end: None,
                    seconds: Duration::ZERO,
                    success: false,
                });
            }
            Event::BuildFinished { success, duration } => {
                if let Some(build) = &mut self.build {
                    build.end = Some(time);
                    build.seconds = *duration;
                    build.success = *success;
                }
            }
            Event::Built(binary) => self.binary(*binary).built = Some(time),
            Event::ListingStarted(binary) => self.binary(*binary).listing = Some(time),
            Event::Listed { binary, count } => {
                let binary = self.binary(*binary);
                binary.listed = Some(time);
                binary.count = *count;
            }
            Event::ListingFailed { binary, message } => {
                let binary = self.binary(*binary);
                binary.listed = Some(time);
                binary.error = Some((*message).to_owned());
            }
            Event::Divided(divided) => self.divided = Some(divided.to_string()),
            Event::Queued { case, .. } => {
                let binary = self.binary_index(case.binary());
                self.ready.insert((binary, case.name.to_owned()), time);
            }
            Event::TestStarted {
                id,
                case,
                repeat,
                attempt,
                place,
            } => self.test_started(time, *id, case, *repeat, attempt.number, *place),
            Event::LookStarted { id, slots } => {
                if let Some(attempt) = self.attempt(*id) {
                    attempt.look = Some(RecordedLook {
                        start: time,
                        slots: slots.to_vec(),
                    });
                }
            }
            Event::AttemptFailed {
                id,
                case,
                repeat,
                outcome,
                delay,
            } => {
                self.attempt_ended(time, *id, outcome);
                if let Some(test) = self.running.remove(id) {
                    let key = self.key(case, *repeat);
                    self.retried.insert(key, test);
                    let ready = (self.binary_index(case.binary()), case.name.to_owned());
                    self.ready.insert(ready, time + *delay);
                }
            }
            Event::TestFinished {
                id,
                case,
                repeat,
                outcome,
            } => self.test_finished(time, *id, case, *repeat, outcome),
            Event::Finished(summary) => self.summary = Some((*summary).clone()),
            _ => {}
        }
    }

    fn binary_index(&mut self, name: TestBinaryName<'_>) -> usize {
        let title = name.to_string();
        if let Some(index) = self.binary_of_name.get(&title) {
            return *index;
        }
        let index = self.binaries.len();
        self.binary_of_name.insert(title.clone(), index);
        self.binaries.push(RecordedBinary {
            package: name.package.to_owned(),
            kind: name.kind.into_str(),
            target: name.target.to_owned(),
            title,
            built: None,
            listing: None,
            listed: None,
            count: 0,
            error: None,
        });
        index
    }

    fn binary(&mut self, name: TestBinaryName<'_>) -> &mut RecordedBinary {
        let index = self.binary_index(name);
        &mut self.binaries[index]
    }

    fn key(
        &mut self,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
    ) -> (usize, String, Option<u32>) {
        let binary = self.binary_index(case.binary());
        let repeat = repeat.map(|repeat| repeat.number);
        (binary, case.name.to_owned(), repeat)
    }

    /// The current attempt at a test that runs.
    fn attempt(&mut self, id: TestId) -> Option<&mut RecordedAttempt> {
        let test = self.running.get(&id)?;
        self.tests[*test].attempts.last_mut()
    }

    fn new_test(&mut self, case: &TestCaseName<'_>, repeat: Option<Repeat>) -> usize {
        let binary = self.binary_index(case.binary());
        self.tests.push(RecordedTest {
            case: CaseId::new(case.package, case.kind.into_str(), case.target, case.name),
            binary,
            name: case.name.to_owned(),
            repeat,
            attempts: Vec::new(),
            result: None,
        });
        self.tests.len() - 1
    }

    fn test_started(
        &mut self,
        time: Duration,
        id: TestId,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        attempt: u32,
        place: TestPlace<'_>,
    ) {
        let key = self.key(case, repeat);
        let ready = self.ready.get(&(key.0, key.1.clone())).copied();
        let test = match self.retried.remove(&key) {
            Some(test) => test,
            None => self.new_test(case, repeat),
        };
        self.running.insert(id, test);
        self.tests[test].attempts.push(RecordedAttempt {
            number: attempt,
            ready,
            start: time,
            end: None,
            place: match place {
                TestPlace::Slots(slots) => RecordedPlace::Slots(slots.to_vec()),
                TestPlace::Batch(number) => RecordedPlace::Batch(number),
            },
            look: None,
            status: "",
            seconds: Duration::ZERO,
        });
    }

    fn attempt_ended(&mut self, time: Duration, id: TestId, outcome: &TestOutcome) {
        if let Some(attempt) = self.attempt(id) {
            attempt.end = Some(time);
            attempt.status = outcome.status.word();
            attempt.seconds = outcome.duration;
        }
    }

    fn test_finished(
        &mut self,
        time: Duration,
        id: TestId,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        outcome: &TestOutcome,
    ) {
        self.attempt_ended(time, id, outcome);
        let key = self.key(case, repeat);
        let test = match self
            .running
            .remove(&id)
            .or_else(|| self.retried.remove(&key))
        {
            Some(test) => test,
            None => self.new_test(case, repeat),
        };
        self.tests[test].result = Some(RecordedResult {
            status: outcome.status.word(),
            seconds: outcome.duration,
            attempt: outcome.attempt,
            cached: outcome.cached,
            flaky: outcome.is_flaky(),
            leaked: outcome.leaked,
            usage: outcome.usage,
            needs: outcome.needs.clone(),
            reason: reason(outcome),
        });
    }
}

/// Why a test did not pass, and the message of its panic.
fn reason(outcome: &TestOutcome) -> Option<String> {
    if matches!(outcome.status, TestStatus::Passed | TestStatus::Ignored) {
        return None;
    }
    let stderr = captured(&outcome.stderr, false);
    let reason = outcome.status.reason();
    let panic = panic_message(&stderr).map(str::to_owned);
    let text: Vec<String> = reason.into_iter().chain(panic).collect();
    let text = text.join("\n");
    Some(match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}
