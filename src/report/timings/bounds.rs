//! How long the tests took, the least time that they could take, and where the time of the slots
//! went.

use super::recording::RunRecording;
use super::timeline::{Timeline, TimelineBar};
use std::time::Duration;

/// The times of all tests together. Times of slots are added up over all slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestTimes {
    /// From the first start of a test.
    pub start: Duration,
    /// To the last end.
    pub end: Duration,
    /// The number of slots.
    pub slots: usize,
    /// The durations of the tests' programs. A test with several slots counts for each.
    pub work: Duration,
    /// The index and the duration of the longest test, all of its attempts together.
    pub longest: Option<(usize, Duration)>,
    /// The time from taking a slot to the start of the program, and from its end to freeing the slot.
    pub overhead: Duration,
    pub looks: Duration,
    /// The time in which slots were free, as a test was not yet built, listed or prepared.
    pub unready: Duration,
    /// The time in which slots were free although tests waited: for their group, for more slots than were
    /// free, or for the delay before a further attempt.
    pub blocked: Duration,
    /// The time in which slots were free, as there were no tests left that wait.
    pub left: Duration,
}

impl TestTimes {
    pub fn of(recording: &RunRecording, timeline: &Timeline) -> Self {
        let bars = &timeline.bars;
        let Some(start) = bars.iter().map(|bar| bar.start).min() else {
            return Self::default();
        };
        let end = bars.iter().map(|bar| bar.end).max().unwrap_or(start);
        let (mut work, mut overhead, mut looks) = Default::default();
        let mut programs = vec![Duration::ZERO; recording.tests.len()];
        for bar in bars {
            if bar.is_look {
                looks += bar.slot_time();
                continue;
            }
            let program = program_time(recording, bar);
            work += program * bar.rows.len() as u32;
            overhead += (bar.slot_time()).saturating_sub(program * bar.rows.len() as u32);
            programs[bar.test] += program;
        }
        let longest = programs.into_iter().enumerate();
        let longest = longest.max_by_key(|(index, duration)| (*duration, usize::MAX - index));
        let ready = recording
            .tests
            .iter()
            .filter_map(|test| test.attempts.first()?.ready);
        let ready = ready.max().unwrap_or(start).clamp(start, end);
        let last_start = bars.iter().map(|bar| bar.start).max().unwrap_or(end);
        let slots = timeline.rows.len();
        let free = |from: Duration, to: Duration| {
            let taken = |bar: &TimelineBar| {
                let taken = bar.end.min(to).saturating_sub(bar.start.max(from));
                taken * bar.rows.len() as u32
            };
            let taken = bars.iter().map(taken).sum();
            (to.saturating_sub(from) * slots as u32).saturating_sub(taken)
        };
        Self {
            start,
            end,
            slots,
            work,
            longest,
            overhead,
            looks,
            unready: free(start, ready),
            blocked: free(ready, last_start.max(ready)),
            left: free(last_start.max(ready), end),
        }
    }

    /// The time from the first start of a test to the last end.
    pub fn span(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// The least time in which these slots could run the programs of the tests: each slot has work
    /// all the time, and no test is longer than that.
    pub fn ideal(&self) -> Duration {
        self.ideal_with(self.slots)
    }

    /// The least time with this number of slots.
    pub fn ideal_with(&self, slots: usize) -> Duration {
        let share = self.work / u32::try_from(slots.max(1)).unwrap_or(u32::MAX);
        let longest = self.longest.map_or(Duration::ZERO, |(_, longest)| longest);
        share.max(longest)
    }

    /// Whether the longest test takes more time than the share of a slot.
    pub fn is_bound_by_longest(&self) -> bool {
        let longest = self.longest.map_or(Duration::ZERO, |(_, longest)| longest);
        longest > self.work / self.slots.max(1) as u32
    }
}

/// How long the program of a bar ran.
pub fn program_time(recording: &RunRecording, bar: &TimelineBar) -> Duration {
    let attempt = &recording.tests[bar.test].attempts[bar.attempt];
    match attempt.end {
        Some(_) => attempt.seconds.min(bar.duration()),
        None => bar.duration(),
    }
}
