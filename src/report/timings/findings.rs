//! What a run says about itself, in words: what bounds it, and what would make it shorter.

use super::bounds::TestTimes;
use super::recording::{RecordedTest, RunRecording};
use super::timeline::{Timeline, TimelineRow};
use crate::report::units::Count;
use crate::schedule::PastDurations;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::fmt::{self, Write as _};
use std::time::Duration;

/// The share of the run from which something is worth a sentence.
const NOTABLE: f64 = 0.1;

/// The number of tests that are named as slower than usual.
const SLOWER_SHOWN: usize = 3;

/// A sentence or two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A word or two about its subject.
    pub about: &'static str,
    pub text: Vec<Segment>,
}

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Text(String),
    /// The name of the test with this index.
    Test(usize),
    /// What can be typed.
    Code(&'static str),
}

impl Serialize for Segment {
    /// Text as a string, and the others as objects.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            Self::Text(text) => return serializer.serialize_str(text),
            _ => serializer.serialize_map(Some(1))?,
        };
        match self {
            Self::Text(_) => {}
            Self::Test(index) => map.serialize_entry("test", index)?,
            Self::Code(code) => map.serialize_entry("code", code)?,
        }
        map.end()
    }
}

/// A duration: `0.4 ms`, `12 ms`, `1.23 s`, `12.3 s`, `2 min 05 s`. Lines do not break before units.
pub struct Lasting(pub Duration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1e3;
        if millis < 9.95 {
            return write!(f, "{millis:.1}\u{a0}ms");
        }
        if millis < 999.5 {
            return write!(f, "{millis:.0}\u{a0}ms");
        }
        let seconds = self.0.as_secs_f64();
        if seconds < 9.995 {
            return write!(f, "{seconds:.2}\u{a0}s");
        }
        if seconds < 59.95 {
            return write!(f, "{seconds:.1}\u{a0}s");
        }
        let whole = seconds.round() as u64;
        match whole {
            0..3600 => write!(f, "{}\u{a0}min {:02}\u{a0}s", whole / 60, whole % 60),
            _ => write!(f, "{}\u{a0}h {:02}\u{a0}min", whole / 3600, whole / 60 % 60),
        }
    }
}

/// What is said about a run.
pub fn findings(
    recording: &RunRecording,
    timeline: &Timeline,
    times: &TestTimes,
    past: &PastDurations,
) -> Vec<Finding> {
    let run = Observations {
        recording,
        timeline,
        times,
        past,
        total: total(recording),
    };
    let mut findings = Vec::new();
    findings.extend(run.bound());
    findings.extend(run.build());
    findings.extend(run.late_binary());
    findings.extend(run.last_test());
    findings.extend(run.looks());
    findings.extend(run.retries());
    findings.extend(run.slower());
    findings.extend(run.cached());
    findings
}

/// The duration of the whole run.
pub fn total(recording: &RunRecording) -> Duration {
    let summary = recording.summary.as_ref();
    summary.map_or(recording.end, |summary| summary.duration)
}

/// The facts about a run.
struct Observations<'a> {
    recording: &'a RunRecording,
    timeline: &'a Timeline,
    times: &'a TestTimes,
    past: &'a PastDurations,
    total: Duration,
}

/// The segments of a text.
macro_rules! text {
    ($($part:expr),* $(,)?) => { vec![$(Segment::from($part)),*] };
}

impl From<String> for Segment {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Segment {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Observations<'_> {
    /// What bounds the time of the tests.
    fn bound(&self) -> Option<Finding> {
        let times = self.times;
        let (longest, duration) = times.longest?;
        let ran = self.recording.tests.iter();
        let ran = ran.filter(|test| !test.attempts.is_empty()).count();
        let span = Lasting(times.span());
        let slots = self.slots(times.slots);
        if ran == 1 {
            let text = text![
                "One test ran, ",
                Segment::Test(longest),
                format!(", in {}.", Lasting(duration)),
            ];
            return Some(Finding {
                about: "One test",
                text,
            });
        }
        let ideal = Lasting(times.ideal());
        let took =
            format!("The tests took {span} on {slots}. They cannot take less than {ideal}, as ");
        let finding = if times.is_bound_by_longest() {
            let share = Lasting(times.work / times.slots.max(1) as u32);
            Finding {
                about: "Longest test",
                text: text![
                    took,
                    Segment::Test(longest),
                    format!(
                        " takes that long. More slots would not help. Shorter tests in its place would: all \
                         tests together are {share} for each slot."
                    ),
                ],
            }
        } else {
            let more = times.slots * 2;
            Finding {
                about: "All tests",
                text: text![format!(
                    "{took}that is the share of each slot of {} of tests. With {} it would be {}.",
                    Lasting(times.work),
                    self.slots(more),
                    Lasting(times.ideal_with(more)),
                )],
            }
        };
        Some(finding)
    }

    fn slots(&self, count: usize) -> String {
        let is_engine = |row: &TimelineRow| matches!(row, TimelineRow::Engine(_));
        if self.timeline.rows.iter().any(is_engine) {
            return format!("{count} at once on the engine");
        }
        Count(count as u64, "slot", "slots").to_string()
    }

    fn build(&self) -> Option<Finding> {
        let build = self.recording.build?;
        let seconds = build.seconds;
        self.share(seconds).filter(|share| *share >= NOTABLE)?;
        let mut text = format!(
            "The build took {} of {}, {}\u{a0}% of the run.",
            Lasting(seconds),
            Lasting(self.total),
            percent(seconds, self.total)
        );
        let end = build.end?;
        if self.times.longest.is_some() && self.times.start < end {
            let beside = end.min(self.times.end).saturating_sub(self.times.start);
            let _ = write!(text, " Tests ran beside it for {}.", Lasting(beside));
        }
        Some(Finding {
            about: "Build",
            text: text![text],
        })
    }

    /// The binary whose tests came last, if slots were free before.
    fn late_binary(&self) -> Option<Finding> {
        let times = self.times;
        let all = times.span() * times.slots as u32;
        if all.is_zero() || times.unready.as_secs_f64() < NOTABLE * all.as_secs_f64() {
            return None;
        }
        let ready = self.recording.tests.iter();
        let ready = ready.filter_map(|test| Some((test.attempts.first()?.ready?, test.binary)));
        let (at, binary) = ready.max_by_key(|(time, _)| *time)?;
        let binary = &self.recording.binaries[binary];
        Some(Finding {
            about: "Late tests",
            text: text![format!(
                "Slots were free for {} in total before all tests were ready. The tests of {} came \
                 last, {} after the start of the run.",
                Lasting(times.unready),
                binary.title,
                Lasting(at)
            )],
        })
    }

    /// The test that ran alone at the end.
    fn last_test(&self) -> Option<Finding> {
        let times = self.times;
        let last = self.timeline.bars.iter().max_by_key(|bar| bar.end)?;
        let others = self
            .timeline
            .bars
            .iter()
            .filter(|bar| bar.test != last.test);
        let before = others.map(|bar| bar.end).max()?;
        let alone = last.end.saturating_sub(before.max(last.start));
        let is_notable = alone.as_secs_f64() >= NOTABLE * times.span().as_secs_f64();
        if times.slots < 2 || !is_notable {
            return None;
        }
        let recorded = &self.recording.tests[last.test];
        let mut text = text![
            format!("In the last {}, only ", Lasting(alone)),
            Segment::Test(last.test),
        ];
        let waited = recorded.attempts.first().and_then(|first| {
            let waited = first.start.saturating_sub(first.ready?);
            (waited > Duration::from_millis(50)).then_some(waited)
        });
        let is_new = self.past.of(recorded.case).is_empty();
        text.push(Segment::from(match waited {
            Some(waited) if is_new => format!(
                " ran. It had waited {} for a slot, as it was not known to be long. The next run \
                 starts it earlier.",
                Lasting(waited)
            ),
            _ => " ran.".to_owned(),
        }));
        Some(Finding {
            about: "Last test",
            text,
        })
    }

    fn looks(&self) -> Option<Finding> {
        let looks: Vec<_> = (self.timeline.bars.iter())
            .filter(|bar| bar.is_look)
            .collect();
        let has_helped = |test: usize| {
            let result = self.recording.tests[test].result.as_ref();
            result.is_some_and(|result| result.status == "passed" && !result.needs.is_empty())
        };
        let count = looks.len() as u64;
        let took = format!(
            "{} took {} of slot time",
            Count(count, "second look", "second looks"),
            Lasting(self.times.looks),
        );
        let text = if looks.iter().any(|bar| has_helped(bar.test)) {
            text![
                format!("{took}. What was found is remembered for the next run; "),
                Segment::Code("cargo maelstrom --learn"),
                " writes it to ",
                Segment::Code("maelstrom-test.toml"),
                " for other machines.",
            ]
        } else {
            text![format!(
                "{took}, and found nothing with which the tests pass. A test is not looked at again \
                 until it changes."
            )]
        };
        (count > 0).then_some(Finding {
            about: "Second looks",
            text,
        })
    }

    fn retries(&self) -> Option<Finding> {
        let mut count = 0;
        let mut time = Duration::ZERO;
        for test in &self.recording.tests {
            let failed = test.attempts.len().saturating_sub(1);
            count += u64::from(failed > 0);
            let failed = &test.attempts[..failed];
            time += failed
                .iter()
                .map(|attempt| attempt.seconds)
                .sum::<Duration>();
        }
        (count > 0).then(|| Finding {
            about: "Retries",
            text: text![format!(
                "{} again after a failed attempt. The failed attempts took {}.",
                Count(count, "test was run", "tests were run"),
                Lasting(time),
            )],
        })
    }

    /// The tests that took much longer than usual.
    fn slower(&self) -> Option<Finding> {
        let tests = self.recording.tests.iter().enumerate();
        let mut slower: Vec<_> = tests
            .filter_map(|(index, test)| {
                let (now, usual) = slower_than_usual(test, &self.past.of(test.case))?;
                Some((now.saturating_sub(usual), index, now, usual))
            })
            .collect();
        slower.sort_by_key(|(more, index, ..)| (std::cmp::Reverse(*more), *index));
        let count = slower.len();
        let mut text = Vec::new();
        for (_, index, now, usual) in slower.into_iter().take(SLOWER_SHOWN) {
            if !text.is_empty() {
                text.push(Segment::from(" "));
            }
            text.push(Segment::Test(index));
            text.push(Segment::from(format!(
                " took {}, and usually takes {}.",
                Lasting(now),
                Lasting(usual)
            )));
        }
        if count > SLOWER_SHOWN {
            let more = count - SLOWER_SHOWN;
            text.push(Segment::from(format!(" So did {more} more.")));
        }
        (!text.is_empty()).then_some(Finding {
            about: "Slower than usual",
            text,
        })
    }

    fn cached(&self) -> Option<Finding> {
        let results = self.recording.tests.iter();
        let results = results.filter_map(|test| test.result.as_ref());
        let cached: Vec<_> = results.filter(|result| result.cached).collect();
        let time = cached.iter().map(|result| result.seconds).sum();
        (!cached.is_empty()).then(|| Finding {
            about: "Known results",
            text: text![format!(
                "{} known to pass and not run. In the run in which they passed, they took {}.",
                Count(cached.len() as u64, "test was", "tests were"),
                Lasting(time),
            )],
        })
    }

    /// The share of the run.
    fn share(&self, of: Duration) -> Option<f64> {
        (!self.total.is_zero()).then(|| of.as_secs_f64() / self.total.as_secs_f64())
    }
}

/// The duration of a test and the usual one, if it took at least twice as long and noticeably longer.
fn slower_than_usual(test: &RecordedTest, past: &[Duration]) -> Option<(Duration, Duration)> {
    const NOTICEABLE: Duration = Duration::from_millis(300);
    let result = test.result.as_ref().filter(|result| !result.cached)?;
    let mut past = past.to_vec();
    past.sort_unstable();
    let usual = *past.get(past.len() / 2)?;
    let is_slower = result.seconds >= usual * 2 && result.seconds >= usual + NOTICEABLE;
    is_slower.then_some((result.seconds, usual))
}

fn percent(part: Duration, whole: Duration) -> u64 {
    (part.as_secs_f64() / whole.as_secs_f64() * 100.0).round() as u64
}
