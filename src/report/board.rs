//! The current state of a run, and the lines that show it.

use super::cargo_line::CargoStatus;
use super::event::{Event, Repeat, TestId};
use super::outcome::{Tally, TestStatus};
use super::output::readable;
use super::terminal::{Paint, Role, ScreenSize};
use super::units::{Bytes, Elapsed, Thousands};
use crate::filter::{TestBinaryName, TestCaseName};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Tests that have run for less time are not named: their names would flicker.
const NAMING_THRESHOLD: Duration = Duration::from_millis(500);

/// How many running tests are named at most.
const NAMED_LIMIT: usize = 8;

/// The width of the label of a line, as in Cargo's output.
const LABEL: usize = 12;

/// The state of a run.
#[derive(Debug)]
pub struct Board {
    start: Instant,
    /// The verb and the rest of Cargo's last status line.
    build: Option<(String, String)>,
    listing: Vec<String>,
    /// The activity for layers: a verb and its object.
    layer_activity: Option<(&'static str, String)>,
    waiting: u64,
    running: BTreeMap<TestId, RunningTest>,
    tally: Tally,
    cancelled: bool,
    finished: bool,
}

#[derive(Debug)]
struct RunningTest {
    since: Instant,
    binary: String,
    name: String,
}

impl Board {
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            build: None,
            listing: Vec::new(),
            layer_activity: None,
            waiting: 0,
            running: BTreeMap::new(),
            tally: Tally::default(),
            cancelled: false,
            finished: false,
        }
    }

    pub fn update(&mut self, now: Instant, event: &Event<'_>) {
        match event {
            Event::BuildStarted => self.build = Some(("Building".to_owned(), String::new())),
            Event::CargoLine(line) => self.cargo_line(line),
            Event::BuildFinished { .. } => self.build = None,
            Event::ListingStarted(binary) => self.listing.push(binary.to_string()),
            Event::Listed { binary, .. } => self.listed(binary),
            Event::ListingFailed { binary, .. } => {
                self.listed(binary);
                self.tally.errors += 1;
            }
            Event::Packing { what, bytes } => {
                let what = readable(what.as_bytes(), false);
                let text = format!("{what} ({} so far)", Bytes(*bytes));
                self.layer_activity = Some(("Packing", text));
            }
            Event::Downloading { image, done, total } => {
                let image = readable(image.as_bytes(), false);
                let text = format!("{image} ({} of {})", Bytes(*done), Bytes(*total));
                self.layer_activity = Some(("Downloading", text));
            }
            Event::Uploading { done, total } => {
                let text = format!("to the engine ({} of {})", Bytes(*done), Bytes(*total));
                self.layer_activity = Some(("Uploading", text));
            }
            Event::RunningCommand { layer } => {
                self.layer_activity = Some(("Running", readable(layer.as_bytes(), false)));
            }
            Event::Packed => self.layer_activity = None,
            Event::Queued { repetitions, .. } => self.waiting += repetitions,
            Event::TestStarted {
                id, case, repeat, ..
            } => {
                self.waiting = self.waiting.saturating_sub(1);
                self.running
                    .insert(*id, RunningTest::new(now, case, *repeat));
            }
            Event::AttemptFailed { id, .. } => {
                if self.running.remove(id).is_some() {
                    self.waiting += 1;
                }
            }
            Event::TestFinished { id, outcome, .. } => {
                let ran = self.running.remove(id).is_some();
                if !ran && outcome.status != TestStatus::Ignored {
                    self.waiting = self.waiting.saturating_sub(1);
                }
                self.tally.add(outcome);
            }
            Event::Cancelled(_) => self.cancelled = true,
            Event::Finished(_) => self.finished = true,
            Event::RunStarted
            | Event::Divided(_)
            | Event::Built(_)
            | Event::LookStarted { .. }
            | Event::Output(_)
            | Event::Slow { .. }
            | Event::Observed { .. }
            | Event::Covered { .. }
            | Event::Warning(_) => {}
        }
    }

    /// Whether the run has ended.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    fn cargo_line(&mut self, line: &str) {
        let line = readable(line.as_bytes(), false);
        if let (Some(build), Some(status)) = (&mut self.build, CargoStatus::parse(&line)) {
            *build = (status.verb.to_owned(), status.rest.to_owned());
        }
    }

    fn listed(&mut self, binary: &TestBinaryName<'_>) {
        let binary = binary.to_string();
        if let Some(position) = self.listing.iter().position(|listed| *listed == binary) {
            self.listing.remove(position);
        }
    }

    /// The lines to draw; none after the run. They may be wider than the terminal, but there are
    /// fewer lines than the terminal has.
    pub fn lines(&self, now: Instant, paint: Paint, size: ScreenSize) -> Vec<String> {
        if self.finished {
            return Vec::new();
        }
        let mut lines = Vec::new();
        let age = now.saturating_duration_since(self.start);
        let label = |label: &str| {
            let label = format!("{} {label:>width$}", spinner(age), width = LABEL - 2);
            paint.apply(Role::Activity, label)
        };
        if let Some((verb, rest)) = &self.build {
            lines.push(format!("{} {rest}", label(verb)));
        }
        match self.listing.as_slice() {
            [] => {}
            [binary] => lines.push(format!("{} {binary}", label("Listing"))),
            [binary, rest @ ..] => {
                lines.push(format!(
                    "{} {binary} and {} more",
                    label("Listing"),
                    rest.len()
                ));
            }
        }
        if let Some((verb, what)) = &self.layer_activity {
            lines.push(format!("{} {what}", label(verb)));
        }
        if self.total() > 0 {
            let verb = if self.cancelled {
                "Stopping"
            } else {
                "Testing"
            };
            lines.push(format!("{} {}", label(verb), self.progress(paint, size)));
        }
        lines.truncate(size.height.saturating_sub(1));
        let room = size.height.saturating_sub(1 + lines.len());
        lines.extend(self.longest_running(now, paint, size, room.min(NAMED_LIMIT)));
        lines
    }

    fn total(&self) -> u64 {
        self.waiting + self.running.len() as u64 + self.tally.done()
    }

    /// The progress bar, if there is room for one, and the counts.
    fn progress(&self, paint: Paint, size: ScreenSize) -> String {
        let (done, total) = (self.tally.done(), self.total());
        let failures = self.tally.failures();
        let fraction = format!("{}/{}", Thousands(done), Thousands(total));
        let failed = format!("{} failed", Thousands(failures));
        let among: Vec<_> = (self.tally.among_passed())
            .map(|(count, word)| format!("{} {word}", Thousands(count)))
            .collect();
        let among = match among.join(", ") {
            none if none.is_empty() => none,
            among => format!(" ({among})"),
        };
        let passed = Thousands(self.tally.passed);
        let before = format!("{fraction}: {passed} passed{among}, ");
        let after = format!(
            ", {} running, {} queued",
            self.running.len(),
            Thousands(self.waiting)
        );
        let room = size
            .width
            .saturating_sub(LABEL + 5 + before.len() + failed.len() + after.len());
        let bar = match room.min(30) {
            0..8 => String::new(),
            width => format!("[{}] ", bar(done, total, width)),
        };
        let failed = match failures {
            0 => failed,
            _ => paint.apply(Role::Bad, failed).to_string(),
        };
        format!("{bar}{before}{failed}{after}")
    }

    /// The tests that have been running longest, in the order of their start.
    fn longest_running(
        &self,
        now: Instant,
        paint: Paint,
        size: ScreenSize,
        count: usize,
    ) -> impl Iterator<Item = String> {
        let age = move |test: &RunningTest| now.saturating_duration_since(test.since);
        let mut tests: Vec<_> = self
            .running
            .values()
            .filter(|test| age(test) >= NAMING_THRESHOLD)
            .collect();
        tests.sort_by_key(|test| test.since);
        tests.truncate(count);
        tests.into_iter().map(move |test| {
            let RunningTest { binary, name, .. } = test;
            let time = paint.apply(Role::Aside, format!("{:>LABEL$}", Elapsed(age(test))));
            // The name of the test is more useful than that of its binary.
            if LABEL + binary.len() + name.len() + 2 <= size.width {
                format!("{time} {binary} {name}")
            } else {
                format!("{time} {name}")
            }
        })
    }
}

impl RunningTest {
    fn new(now: Instant, case: &TestCaseName<'_>, repeat: Option<Repeat>) -> Self {
        let name = readable(case.name.as_bytes(), false);
        Self {
            since: now,
            binary: case.binary().to_string(),
            name: repeat.map_or(name.clone(), |repeat| format!("{name} {repeat}")),
        }
    }
}

fn spinner(age: Duration) -> char {
    const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
    FRAMES[(age.as_millis() / 100) as usize % FRAMES.len()]
}

fn bar(done: u64, total: u64, width: usize) -> String {
    let filled = (u128::from(done) * width as u128 / u128::from(total.max(1))) as usize;
    if filled >= width {
        return "=".repeat(width);
    }
    format!("{}>{}", "=".repeat(filled), " ".repeat(width - filled - 1))
}

#[cfg(test)]
mod tests;
