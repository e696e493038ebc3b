//! What waited for what: the chain of events that ends with the last test of the run.
//!
//! Each step could begin only when the one before it had ended. So the run is shorter only if a step
//! of the chain is.

use super::recording::RunRecording;
use super::timeline::{Timeline, TimelineBar};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// A test that starts later than this after it became ready has waited for a slot.
const WAITED: Duration = Duration::from_millis(5);

/// The share of the run from which a test has a step of its own.
const OWN_STEP: f64 = 0.03;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum ChainStep {
    Build,
    /// The container of a binary is made, and its tests are listed.
    List {
        binary: usize,
    },
    /// A test ran, or was looked at.
    Test {
        test: usize,
        look: bool,
    },
    /// Tests that ran one after the other on the same slot.
    Tests {
        count: usize,
    },
    /// A test waited for something else, such as the delay before a further attempt.
    Wait {
        test: usize,
    },
}

/// A step and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedStep {
    pub step: ChainStep,
    pub start: Duration,
    pub end: Duration,
}

/// The steps that end with the last test, the first one first.
pub fn chain(recording: &RunRecording, timeline: &Timeline) -> Vec<TimedStep> {
    let ends = ends_by_row(timeline);
    let last = (0..timeline.bars.len()).max_by_key(|bar| timeline.bars[*bar].end);
    let (mut steps, mut bar) = (Vec::new(), last);
    while let Some(index) = bar {
        let taken = &timeline.bars[index];
        steps.push(TimedStep {
            step: ChainStep::Test {
                test: taken.test,
                look: taken.is_look,
            },
            start: taken.start,
            end: taken.end,
        });
        bar = before(recording, timeline, &ends, index);
        if bar.is_none() {
            steps.extend(preparation(recording, taken));
        }
    }
    steps.reverse();
    let span = steps.last().map(|step| step.end).unwrap_or_default();
    merge_short(steps, span)
}

/// For each row, its bars by their ends.
fn ends_by_row(timeline: &Timeline) -> HashMap<usize, Vec<(Duration, usize)>> {
    let mut ends: HashMap<usize, Vec<(Duration, usize)>> = HashMap::new();
    for (index, bar) in timeline.bars.iter().enumerate() {
        for row in &bar.rows {
            ends.entry(*row).or_default().push((bar.end, index));
        }
    }
    for ends in ends.values_mut() {
        ends.sort_unstable();
    }
    ends
}

/// The bar that had to end before this one could start.
fn before(
    recording: &RunRecording,
    timeline: &Timeline,
    ends: &HashMap<usize, Vec<(Duration, usize)>>,
    index: usize,
) -> Option<usize> {
    let bar = &timeline.bars[index];
    let attempt = &recording.tests[bar.test].attempts[bar.attempt];
    let ready = attempt.ready.unwrap_or_default();
    if !bar.is_look && bar.start.saturating_sub(ready) <= WAITED {
        // An attempt follows the one before.
        let earlier = timeline.bars.iter().enumerate().filter(|(_, other)| {
            other.test == bar.test && other.attempt + 1 == bar.attempt && other.end <= bar.start
        });
        return earlier
            .max_by_key(|(_, other)| other.end)
            .map(|(index, _)| index);
    }
    let of_rows = bar.rows.iter().filter_map(|row| {
        let ends = &ends[row];
        let position = ends.partition_point(|(end, _)| *end <= bar.start);
        let earlier = ends[..position].iter().rev();
        earlier.copied().find(|(_, other)| *other < index)
    });
    of_rows.max().map(|(_, index)| index)
}

/// The steps before the first test of the chain, the last one first.
fn preparation(recording: &RunRecording, bar: &TimelineBar) -> Vec<TimedStep> {
    let mut steps = Vec::new();
    let index = recording.tests[bar.test].binary;
    let binary = &recording.binaries[index];
    let begun = binary.built.or(binary.listing);
    if let (Some(start), Some(_)) = (begun, binary.listed)
        && start < bar.start
    {
        steps.push(TimedStep {
            step: ChainStep::List { binary: index },
            start,
            end: bar.start,
        });
    }
    if let Some(build) = recording.build {
        let end = begun.unwrap_or(bar.start).min(bar.start);
        steps.push(TimedStep {
            step: ChainStep::Build,
            start: build.start,
            end,
        });
    }
    steps
}

/// Puts consecutive short tests together.
fn merge_short(steps: Vec<TimedStep>, span: Duration) -> Vec<TimedStep> {
    let last = steps.len().saturating_sub(1);
    let mut merged: Vec<TimedStep> = Vec::new();
    for (index, step) in steps.into_iter().enumerate() {
        let share = step.end.saturating_sub(step.start).as_secs_f64();
        let is_test = matches!(step.step, ChainStep::Test { .. });
        let is_short = is_test && index != last && share < OWN_STEP * span.as_secs_f64();
        match merged.last_mut() {
            Some(TimedStep {
                step: ChainStep::Tests { count },
                end,
                ..
            }) if is_short => {
                *count += 1;
                *end = step.end;
            }
            _ if is_short => merged.push(TimedStep {
                step: ChainStep::Tests { count: 1 },
                ..step
            }),
            before => {
                let test = match step.step {
                    ChainStep::Test { test, .. } => Some(test),
                    _ => None,
                };
                let waited = before
                    .map(|before| before.end)
                    .filter(|end| *end < step.start);
                if let (Some(start), Some(test)) = (waited, test)
                    && step.start.saturating_sub(start) > WAITED
                {
                    merged.push(TimedStep {
                        step: ChainStep::Wait { test },
                        start,
                        end: step.start,
                    });
                }
                merged.push(step);
            }
        }
    }
    merged
}
