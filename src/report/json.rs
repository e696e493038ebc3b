//! `--message-format json`: the events of a run for programs. The book's chapter on JSON
//! specifies the format.

use super::event::{Event, Repeat};
use super::observed;
use super::outcome::{Exit, Summary, TestOutcome, TestStatus};
use super::plain::ReportWriter;
use super::{ReportError, Reporter};
use crate::coverage::{Counted, CoverageTotals};
use crate::executor::Captured;
use crate::filter::{TestBinaryName, TestCaseName};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

/// The version of the format. It rises with each incompatible change. New fields and events are
/// compatible: readers skip those that they do not know.
const VERSION: u32 = 1;

/// Writes one JSON object per line, each line in one write.
pub struct Json<W> {
    sink: ReportWriter<W>,
    show_output: bool,
}

impl<W: Write> Json<W> {
    /// `show_output`: whether events of tests that passed contain the output.
    pub fn new(writer: W, show_output: bool) -> Self {
        Self {
            sink: ReportWriter::new(writer),
            show_output,
        }
    }

    fn line(&mut self, line: &Line) {
        self.sink.write(format!("{}\n", line.0).as_bytes());
    }

    /// The fields of an outcome.
    fn with_outcome(&self, line: Line, repeat: Option<Repeat>, outcome: &TestOutcome) -> Line {
        let status = &outcome.status;
        let (exit_code, signal) = match status {
            TestStatus::Failed(Exit::Code(code)) => (Some(*code), None),
            TestStatus::Failed(exit @ Exit::Signal(number)) => {
                (None, Some((*number, exit.signal_name())))
            }
            _ => (None, None),
        };
        let memory_limit = match status {
            TestStatus::OutOfMemory { limit } => Some(*limit),
            _ => None,
        };
        let attempt = outcome.attempt.if_several();
        let mut line = line
            .with("status", status.word())
            .with_some("cached", outcome.cached.then_some(true))
            .with("seconds", seconds(outcome.duration))
            .with_some("repeat", repeat.map(|repeat| repeat.number))
            .with_some("attempt", attempt.map(|attempt| attempt.number))
            .with_some("attempts", attempt.map(|attempt| attempt.of))
            .with_some("flaky", outcome.is_flaky().then_some(true))
            .with_some("leaked", outcome.leaked.then_some(true))
            .with_some("timed_out_after", outcome.timed_out.map(seconds))
            .with_some("exit_code", exit_code)
            .with_some("signal", signal.map(|(number, _)| number))
            .with_some("signal_name", signal.and_then(|(_, name)| name))
            .with_some("out_of_memory", memory_limit.map(|_| true))
            .with_some("memory_limit", memory_limit)
            .with_some("message", status.reason());
        if !outcome.has_output_of_success() || self.show_output {
            line = line
                .with_output("stdout", &outcome.stdout)
                .with_output("stderr", &outcome.stderr);
        }
        if status.is_failure() {
            line = line
                .with_list("hints", &outcome.hints)
                .with_list("written", &outcome.written);
        }
        let usage = outcome.usage.map(|usage| {
            json!({
                "user_seconds": seconds(usage.user),
                "system_seconds": seconds(usage.system),
                "max_rss": usage.max_resident,
            })
        });
        line.with_list("needs", &outcome.needs)
            .with_list("outputs", &outcome.outputs)
            .with_some("usage", usage)
    }

    fn run_finished(&mut self, summary: &Summary) {
        let tally = summary.tally;
        self.line(
            &Line::new("run", "finished")
                .with("passed", tally.passed)
                .with("cached", tally.cached)
                .with("flaky", tally.flaky)
                .with("leaky", tally.leaky)
                .with("failed", tally.failed)
                .with("timed_out", tally.timed_out)
                .with("errors", tally.errors)
                .with("ignored", tally.ignored)
                .with("not_run", summary.not_run)
                .with_some(
                    "cancelled",
                    summary.cancelled.map(super::Cancellation::word),
                )
                .with("seconds", seconds(summary.duration)),
        );
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn report(&mut self, event: &Event<'_>) {
        match event {
            Event::RunStarted => self.line(
                &Line::new("run", "started")
                    .with("version", VERSION)
                    .with("program", env!("CARGO_PKG_NAME"))
                    .with("program_version", env!("CARGO_PKG_VERSION")),
            ),
            Event::Divided(divided) => self.line(
                &Line::new("run", "divided")
                    .with("partition", &divided.partition)
                    .with("digest", &divided.digest)
                    .with("tests", divided.tests)
                    .with("of", divided.of),
            ),
            Event::BuildStarted => self.line(&Line::new("build", "started")),
            Event::BuildFinished { success, duration } => self.line(
                &Line::new("build", "finished")
                    .with("success", success)
                    .with("seconds", seconds(*duration)),
            ),
            Event::Listed { binary, count } => {
                self.line(&Line::of_binary("listed", binary).with("count", count));
            }
            Event::ListingFailed { binary, message } => {
                self.line(&Line::of_binary("error", binary).with("message", message));
            }
            Event::TestStarted {
                case,
                repeat,
                attempt,
                ..
            } => {
                let repeat = repeat.map(|repeat| repeat.number);
                let attempt = attempt.if_several().map(|attempt| attempt.number);
                let line = Line::of_test("started", case).with_some("repeat", repeat);
                self.line(&line.with_some("attempt", attempt));
            }
            Event::AttemptFailed {
                case,
                repeat,
                outcome,
                delay,
                ..
            } => {
                let line = Line::of_test("attempt", case);
                let line = self.with_outcome(line, *repeat, outcome);
                self.line(&line.with("retry_in", seconds(*delay)));
            }
            Event::Slow {
                case,
                repeat,
                elapsed,
            } => {
                let repeat = repeat.map(|repeat| repeat.number);
                let line = Line::of_test("slow", case).with("seconds", seconds(*elapsed));
                self.line(&line.with_some("repeat", repeat));
            }
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } => {
                let line = Line::of_test("finished", case);
                self.line(&self.with_outcome(line, *repeat, outcome));
            }
            Event::Observed { case, facts } => {
                let line = Line::of_test("observed", case);
                let fields = observed::facts_json(facts).into_iter();
                self.line(&fields.fold(line, |line, (name, value)| line.with(name, value)));
            }
            Event::Covered { totals, file } => {
                let CoverageTotals {
                    lines,
                    regions,
                    functions,
                } = totals;
                self.line(
                    &Line::new("coverage", "finished")
                        .with("lines", counted(*lines))
                        .with("regions", counted(*regions))
                        .with("functions", counted(*functions))
                        .with_some("report", *file),
                );
            }
            Event::Warning(message) => self.line(&Line::message("warning", message)),
            Event::Cancelled(reason) => self.line(
                &Line::new("run", "cancelled")
                    .with("reason", reason.word())
                    .with("message", reason.to_string()),
            ),
            Event::Finished(summary) => {
                for note in &summary.notes {
                    self.line(&Line::message("note", note));
                }
                self.run_finished(summary);
            }
            Event::CargoLine(_)
            | Event::ListingStarted(_)
            | Event::Packing { .. }
            | Event::Downloading { .. }
            | Event::Uploading { .. }
            | Event::RunningCommand { .. }
            | Event::Packed
            | Event::Built(_)
            | Event::Queued { .. }
            | Event::LookStarted { .. }
            | Event::Output(_) => {}
        }
    }

    fn finish(&mut self) -> Result<(), ReportError> {
        self.sink.finish().map_err(|source| ReportError {
            to: "standard output".to_owned(),
            source,
        })
    }
}

/// An object with the fields of an event, in order.
struct Line(Value);

impl Line {
    fn new(of: &str, event: &str) -> Self {
        Self(json!({ "type": of, "event": event }))
    }

    fn of_binary(event: &str, binary: &TestBinaryName<'_>) -> Self {
        Self::new("binary", event).with_target(*binary)
    }

    fn of_test(event: &str, case: &TestCaseName<'_>) -> Self {
        Self::new("test", event)
            .with_target(case.binary())
            .with("name", case.name)
    }

    fn message(event: &str, message: &str) -> Self {
        Self::new("message", event).with("message", message)
    }

    fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.0[name] = json!(value);
        self
    }

    fn with_some(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn with_list(self, name: &str, list: &[String]) -> Self {
        self.with_some(name, (!list.is_empty()).then_some(list))
    }

    fn with_output(self, name: &str, output: &Captured) -> Self {
        let omitted = (output.omitted > 0).then_some(output.omitted);
        self.with_some(name, text(output))
            .with_some(&format!("{name}_omitted"), omitted)
    }

    fn with_target(self, binary: TestBinaryName<'_>) -> Self {
        let target = json!({ "kind": binary.kind.into_str(), "name": binary.target });
        self.with("package", binary.package).with("target", target)
    }
}

/// How much of something is covered. The share is rounded down to hundredths of a percent.
fn counted(counted: Counted) -> Value {
    let Counted { count, covered } = counted;
    let percent = (counted.percent() * 100.0).floor() / 100.0;
    json!({ "count": count, "covered": covered, "percent": percent })
}

/// A duration in seconds, rounded down to microseconds.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

/// Output as a JSON string. Bytes that are not UTF-8 become U+FFFD.
fn text(output: &Captured) -> Option<String> {
    if output.is_empty() {
        return None;
    }
    let head = String::from_utf8_lossy(&output.head);
    let tail = String::from_utf8_lossy(&output.tail);
    Some(match output.omitted {
        0 => head.into_owned(),
        omitted => format!("{head}\n[... {omitted} bytes left out ...]\n{tail}"),
    })
}

#[cfg(test)]
mod tests;
