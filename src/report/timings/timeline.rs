//! The rows of slots, and the bars in them.

use super::recording::{RecordedAttempt, RecordedPlace, RunRecording};
use crate::report::event::BatchNumber;
use std::collections::BTreeMap;
use std::time::Duration;

/// The slots of a run, and when they were taken by which test.
pub struct Timeline {
    pub rows: Vec<TimelineRow>,
    /// In the order of their starts.
    pub bars: Vec<TimelineBar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineRow {
    /// A slot of this machine, by its number from 0.
    Slot(usize),
    /// What an engine ran at once: a batch is in the first row that is free. From 0.
    Engine(usize),
}

/// The time in which an attempt at a test, or a second look at it, took its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineBar {
    /// The index of the test.
    pub test: usize,
    /// The index of the attempt.
    pub attempt: usize,
    pub is_look: bool,
    /// The indexes of the rows.
    pub rows: Vec<usize>,
    pub start: Duration,
    pub end: Duration,
}

impl TimelineBar {
    pub fn duration(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// The time of all its slots together.
    pub fn slot_time(&self) -> Duration {
        self.duration() * self.rows.len() as u32
    }
}

impl Timeline {
    /// `slots`: the number of slots of this machine, all of which have a row. `None`: only those that
    /// were taken have one.
    pub fn of(recording: &RunRecording, slots: Option<usize>) -> Self {
        let mut timeline = Self {
            rows: Vec::new(),
            bars: Vec::new(),
        };
        let mut slot_rows: BTreeMap<usize, usize> = BTreeMap::new();
        slot_rows.extend((0..slots.unwrap_or_default()).map(|slot| (slot, 0)));
        let mut batches: BTreeMap<BatchNumber, Vec<(usize, usize)>> = BTreeMap::new();
        for (index, test) in recording.tests.iter().enumerate() {
            for (number, attempt) in test.attempts.iter().enumerate() {
                match &attempt.place {
                    RecordedPlace::Slots(slots) => {
                        slot_rows.extend(slots.iter().map(|slot| (*slot, 0)));
                    }
                    RecordedPlace::Batch(batch) => {
                        batches.entry(*batch).or_default().push((index, number));
                    }
                }
                let looked = attempt.look.iter().flat_map(|look| &look.slots);
                slot_rows.extend(looked.map(|slot| (*slot, 0)));
            }
        }
        for (slot, row) in &mut slot_rows {
            *row = timeline.rows.len();
            timeline.rows.push(TimelineRow::Slot(*slot));
        }
        let rows = |slots: &[usize]| slots.iter().map(|slot| slot_rows[slot]).collect();
        for (test, recorded) in recording.tests.iter().enumerate() {
            for (number, attempt) in recorded.attempts.iter().enumerate() {
                let end = attempt.end.unwrap_or(recording.end);
                if let RecordedPlace::Slots(slots) = &attempt.place {
                    timeline.bars.push(TimelineBar {
                        test,
                        attempt: number,
                        is_look: false,
                        rows: rows(slots),
                        start: attempt.start,
                        end: attempt.look.as_ref().map_or(end, |look| look.start),
                    });
                }
                if let Some(look) = &attempt.look {
                    timeline.bars.push(TimelineBar {
                        test,
                        attempt: number,
                        is_look: true,
                        rows: rows(&look.slots),
                        start: look.start,
                        end,
                    });
                }
            }
        }
        timeline.add_batches(recording, batches);
        timeline.bars.sort_by_key(|bar| (bar.start, bar.test));
        timeline
    }

    /// Adds the tests of batches, which run one after the other.
    fn add_batches(
        &mut self,
        recording: &RunRecording,
        batches: BTreeMap<BatchNumber, Vec<(usize, usize)>>,
    ) {
        let attempt = |(test, number): (usize, usize)| &recording.tests[test].attempts[number];
        let mut batches: Vec<_> = batches.into_values().collect();
        batches.sort_by_key(|tests| tests.first().map(|place| attempt(*place).start));
        let first_row = self.rows.len();
        // The time from which each row is free.
        let mut free: Vec<Duration> = Vec::new();
        for tests in batches {
            let Some(start) = tests.first().map(|place| attempt(*place).start) else {
                continue;
            };
            let row = free.iter().position(|free| *free <= start);
            let row = row.unwrap_or_else(|| {
                self.rows.push(TimelineRow::Engine(free.len()));
                free.push(Duration::ZERO);
                free.len() - 1
            });
            let mut end = start;
            for place in tests {
                let start = end;
                end = end_in_batch(attempt(place), start, recording.end);
                self.bars.push(TimelineBar {
                    test: place.0,
                    attempt: place.1,
                    is_look: false,
                    rows: vec![first_row + row],
                    start,
                    end,
                });
            }
            free[row] = end;
        }
    }
}

/// The end of a test of a batch that started at this time.
fn end_in_batch(attempt: &RecordedAttempt, start: Duration, end_of_run: Duration) -> Duration {
    match attempt.end {
        Some(_) => start + attempt.seconds,
        None => end_of_run.max(start),
    }
}
