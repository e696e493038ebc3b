//! `--message-format json`: the events of a run for programs. The book's chapter on JSON
//! specifies the format.

use super::Reporter;
use super::event::{Event, Repeat};
use super::outcome::{Exit, Summary, TestOutcome, TestStatus};
use super::plain::ReportWriter;
use crate::executor::Captured;
use crate::filter::{TestBinaryName, TestCaseName};
use serde::Serialize;
use std::io::{self, Write};
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

    fn line(&mut self, value: &impl Serialize) {
        // Values of these types can always be serialized.
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            self.sink.write(&line);
        }
    }

    fn test_finished(
        &mut self,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        outcome: &TestOutcome,
    ) {
        let mut line = TestLine::new("finished", case, repeat);
        line.status = Some(outcome.status.word());
        line.cached = outcome.cached;
        line.seconds = Some(seconds(outcome.duration));
        match outcome.status {
            TestStatus::Failed(Exit::Code(code)) => line.exit_code = Some(code),
            TestStatus::Failed(exit @ Exit::Signal(number)) => {
                line.signal = Some(number);
                line.signal_name = exit.signal_name();
            }
            _ => {}
        }
        line.message = outcome.status.reason();
        line.outputs = &outcome.outputs;
        if outcome.status.is_failure() {
            line.hints = &outcome.hints;
            line.written = &outcome.written;
        }
        if outcome.status.is_failure() || self.show_output {
            line.stdout = text(&outcome.stdout);
            line.stdout_omitted = outcome.stdout.omitted;
            line.stderr = text(&outcome.stderr);
            line.stderr_omitted = outcome.stderr.omitted;
        }
        line.usage = outcome.usage.map(|usage| UsageValue {
            user_seconds: seconds(usage.user),
            system_seconds: seconds(usage.system),
            max_rss: usage.max_resident,
        });
        self.line(&line);
    }

    fn run_finished(&mut self, summary: &Summary) {
        let tally = summary.tally;
        self.line(&RunFinishedLine {
            r#type: "run",
            event: "finished",
            passed: tally.passed,
            cached: tally.cached,
            failed: tally.failed,
            timed_out: tally.timed_out,
            errors: tally.errors,
            ignored: tally.ignored,
            not_run: summary.not_run,
            cancelled: summary.cancelled.map(super::Cancellation::word),
            seconds: seconds(summary.duration),
        });
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn report(&mut self, event: &Event<'_>) {
        match event {
            Event::RunStarted => self.line(&RunStartedLine {
                r#type: "run",
                event: "started",
                version: VERSION,
                program: env!("CARGO_PKG_NAME"),
                program_version: env!("CARGO_PKG_VERSION"),
            }),
            Event::BuildStarted => self.line(&BuildLine {
                r#type: "build",
                event: "started",
                success: None,
                seconds: None,
            }),
            Event::BuildFinished { success, duration } => self.line(&BuildLine {
                r#type: "build",
                event: "finished",
                success: Some(*success),
                seconds: Some(seconds(*duration)),
            }),
            Event::Listed { binary, count } => {
                let mut line = BinaryLine::new("listed", binary);
                line.count = Some(*count);
                self.line(&line);
            }
            Event::ListingFailed { binary, message } => {
                let mut line = BinaryLine::new("error", binary);
                line.message = Some(message);
                self.line(&line);
            }
            Event::TestStarted { case, repeat, .. } => {
                self.line(&TestLine::new("started", case, *repeat));
            }
            Event::Slow {
                case,
                repeat,
                elapsed,
            } => {
                let mut line = TestLine::new("slow", case, *repeat);
                line.seconds = Some(seconds(*elapsed));
                self.line(&line);
            }
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } => self.test_finished(case, *repeat, outcome),
            Event::Warning(message) => self.line(&MessageLine::new("warning", message)),
            Event::Note(message) => self.line(&MessageLine::new("note", message)),
            Event::Cancelled(reason) => self.line(&CancelledLine {
                r#type: "run",
                event: "cancelled",
                reason: reason.word(),
                message: reason.to_string(),
            }),
            Event::Finished(summary) => {
                for note in &summary.notes {
                    self.line(&MessageLine::new("note", note));
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
            | Event::Queued(_)
            | Event::Output { .. } => {}
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.sink.finish()
    }
}

#[derive(Serialize)]
struct RunStartedLine {
    r#type: &'static str,
    event: &'static str,
    version: u32,
    program: &'static str,
    program_version: &'static str,
}

#[derive(Serialize)]
struct BuildLine {
    r#type: &'static str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

#[derive(Serialize)]
struct BinaryLine<'a> {
    r#type: &'static str,
    event: &'static str,
    package: &'a str,
    target: TargetValue<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> BinaryLine<'a> {
    fn new(event: &'static str, binary: &TestBinaryName<'a>) -> Self {
        Self {
            r#type: "binary",
            event,
            package: binary.package,
            target: TargetValue::from(*binary),
            count: None,
            message: None,
        }
    }
}

#[derive(Serialize)]
struct TestLine<'a> {
    r#type: &'static str,
    event: &'static str,
    package: &'a str,
    target: TargetValue<'a>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    stdout_omitted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    stderr_omitted: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    written: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    outputs: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageValue>,
}

impl<'a> TestLine<'a> {
    fn new(event: &'static str, case: &TestCaseName<'a>, repeat: Option<Repeat>) -> Self {
        Self {
            r#type: "test",
            event,
            package: case.package,
            target: TargetValue::from(case.binary()),
            name: case.name,
            status: None,
            cached: false,
            seconds: None,
            repeat: repeat.map(|repeat| repeat.number),
            exit_code: None,
            signal: None,
            signal_name: None,
            message: None,
            stdout: None,
            stdout_omitted: 0,
            stderr: None,
            stderr_omitted: 0,
            hints: &[],
            written: &[],
            outputs: &[],
            usage: None,
        }
    }
}

#[derive(Serialize)]
struct TargetValue<'a> {
    kind: &'static str,
    name: &'a str,
}

impl<'a> From<TestBinaryName<'a>> for TargetValue<'a> {
    fn from(binary: TestBinaryName<'a>) -> Self {
        Self {
            kind: binary.kind.into_str(),
            name: binary.target,
        }
    }
}

#[derive(Serialize)]
struct UsageValue {
    user_seconds: f64,
    system_seconds: f64,
    max_rss: u64,
}

#[derive(Serialize)]
struct MessageLine<'a> {
    r#type: &'static str,
    event: &'static str,
    message: &'a str,
}

impl<'a> MessageLine<'a> {
    fn new(event: &'static str, message: &'a str) -> Self {
        Self {
            r#type: "message",
            event,
            message,
        }
    }
}

#[derive(Serialize)]
struct CancelledLine {
    r#type: &'static str,
    event: &'static str,
    reason: &'static str,
    message: String,
}

#[derive(Serialize)]
struct RunFinishedLine {
    r#type: &'static str,
    event: &'static str,
    passed: u64,
    cached: u64,
    failed: u64,
    timed_out: u64,
    errors: u64,
    ignored: u64,
    not_run: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<&'static str>,
    seconds: f64,
}

/// A duration in seconds, rounded down to microseconds.
fn seconds(duration: Duration) -> f64 {
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests;
