//! The text for people about each event, the same for all reporters.

mod summary;

use super::cargo_line::CargoStatus;
use super::event::{Event, Repeat};
use super::failures::{FailureKind, FailureLine, Failures};
use super::final_outputs::FinalOutputs;
use super::outcome::{Cancellation, Exit, LEAK, TestOutcome, TestStatus, discarded};
use super::output::{captured, readable, without_frame};
use super::shown::{ShownTests, levels_of};
use super::terminal::{Paint, Role};
use super::units::{Bytes, Elapsed};
use crate::config::{FinalStatusLevel, OutputTime, StatusLevel};
use crate::filter::{TestBinaryName, TestCaseName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::time::Duration;

/// The most needs of a test that its line names.
const MOST_NEEDS: usize = 4;

/// The most files that a note names.
const MOST_FILES: usize = 5;

/// The level of detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Failures, warnings and the summary.
    Failures,
    /// In addition slow tests and notes. Used where progress is drawn.
    Notable,
    /// In addition a line for each test, and every line of Cargo.
    Everything,
}

/// Turns events into text. Keeps a line for the summary about each failed test, and by default
/// nothing about tests that passed. The text of an error that many tests share is shown once.
#[derive(Debug)]
pub struct Narrator {
    paint: Paint,
    detail: Detail,
    shown: ShownTests,
    /// The output of tests is shown while they run, and not again when they have ended.
    streamed: bool,
    failures: Failures,
    /// The tests that did not fail and get a line in the summary.
    others: BTreeMap<FinalStatusLevel, Vec<FailureLine>>,
    /// The names and repetitions of the tests that were reported as slow and still run.
    slow: BTreeSet<(String, u32)>,
    final_outputs: FinalOutputs,
    /// Whether a test was started or has an outcome.
    has_begun: bool,
    /// Whether the streamed output of a test ended without a newline.
    inside_line: bool,
    /// Whether the last text ended with an empty line, or there was no text yet.
    after_empty_line: bool,
}

impl Narrator {
    /// `show_output`: whether to show the output of tests that passed.
    pub fn new(paint: Paint, detail: Detail, show_output: bool) -> Self {
        Self {
            paint,
            detail,
            shown: ShownTests::by_default(detail, show_output),
            streamed: false,
            failures: Failures::default(),
            others: BTreeMap::new(),
            slow: BTreeSet::new(),
            final_outputs: FinalOutputs::default(),
            has_begun: false,
            inside_line: false,
            after_empty_line: true,
        }
    }

    /// The same narrator, for other tests and outputs than by default.
    pub fn showing(self, shown: ShownTests) -> Self {
        Self { shown, ..self }
    }

    /// The same narrator, for tests whose output is shown while they run.
    pub fn of_streamed_output(self) -> Self {
        Self {
            streamed: true,
            ..self
        }
    }

    /// The text about an event: whole lines, except for streamed output, which is returned
    /// unchanged.
    pub fn text_of(&mut self, event: &Event<'_>) -> Vec<u8> {
        if let Event::Output(bytes) = event {
            self.inside_line = bytes.last().map_or(self.inside_line, |&last| last != b'\n');
            self.after_empty_line = false;
            return bytes.to_vec();
        }
        self.has_begun |= match event {
            Event::TestStarted { .. } | Event::ListingFailed { .. } => true,
            Event::TestFinished { outcome, .. } => outcome.status != TestStatus::Ignored,
            _ => false,
        };
        let text = match event {
            Event::CargoLine(line) => self.cargo_line(line),
            Event::ListingFailed { binary, message } => self.listing_failed(binary, message),
            Event::Slow {
                case,
                repeat,
                elapsed,
            } => self.slow(case, *repeat, *elapsed),
            Event::AttemptFailed {
                case,
                repeat,
                outcome,
                ..
            } => self.attempt_failed(case, *repeat, outcome),
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } => self.test_finished(case, *repeat, outcome),
            Event::Divided(divided) if self.detail >= Detail::Notable => {
                self.paragraph(Role::Strong, "note", &divided.to_string())
            }
            Event::Warning(text) => self.paragraph(Role::Caution, "warning", text),
            // Cargo has reported the reason.
            Event::Cancelled(Cancellation::BuildFailed) if !self.has_begun => String::new(),
            Event::Cancelled(reason) => self.cancelled(*reason),
            Event::Finished(summary) => self.summary(summary),
            _ => String::new(),
        };
        if text.is_empty() {
            return Vec::new();
        }
        self.after_empty_line = text.ends_with("\n\n");
        if std::mem::take(&mut self.inside_line) {
            let reset = if self.paint.is_colored() {
                "\x1b[0m"
            } else {
                ""
            };
            return format!("{reset}\n{text}").into_bytes();
        }
        text.into_bytes()
    }

    fn cargo_line(&self, line: &str) -> String {
        let plain = readable(line.as_bytes(), false);
        let shown = match CargoStatus::parse(&plain) {
            Some(status) if status.verb == "Finished" => self.detail >= Detail::Notable,
            Some(_) => self.detail >= Detail::Everything,
            None => true,
        };
        if shown {
            format!("{line}\n")
        } else {
            String::new()
        }
    }

    fn listing_failed(&mut self, binary: &TestBinaryName<'_>, message: &str) -> String {
        let failure = FailureLine {
            subject: binary.to_string(),
            repetition: 0,
            kind: FailureKind::Binary,
            label: self.label(Role::Bad, "ERROR").to_string(),
            text: format!("{}: its tests could not be listed", self.binary(binary)),
        };
        let details = self.indented(message) + "\n";
        self.error(failure, &details, message, OutputTime::Immediate)
    }

    /// The text about a test or binary that could not be run. The details are shown for the first
    /// one with the same error.
    fn error(
        &mut self,
        failure: FailureLine,
        details: &str,
        message: &str,
        shown: OutputTime,
    ) -> String {
        let header = format!("{} {} {}\n", failure.label, Clock(None), failure.text);
        let message = readable(message.as_bytes(), self.paint.is_colored());
        let line = failure.clone();
        let has_line = self.shown.status_level >= StatusLevel::Fail || shown.is_immediate();
        match self.failures.add_error(failure, details, &message) {
            0 => self.ended(line, &header, details, shown, has_line),
            1 if has_line => {
                format!("{} (the same error: see the summary)\n", header.trim_end())
            }
            _ => String::new(),
        }
    }

    fn slow(
        &mut self,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        elapsed: Duration,
    ) -> String {
        self.slow.insert((case.to_string(), number_of(repeat)));
        if self.shown.status_level < StatusLevel::Slow {
            return String::new();
        }
        let label = self.label(Role::Caution, "SLOW");
        let case = self.case(case, repeat);
        format!("{label} {} {case} (still running)\n", Clock(Some(elapsed)))
    }

    /// The text about an attempt after which the test is run again.
    fn attempt_failed(
        &self,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        outcome: &TestOutcome,
    ) -> String {
        if self.shown.status_level < StatusLevel::Retry {
            return String::new();
        }
        let label = self.label(Role::Caution, "RETRY");
        let clock = Clock(Some(outcome.duration));
        let case_name = case.name;
        let case = self.case(case, repeat);
        let reason = outcome.status.reason().unwrap_or_default();
        // The details have the message of an error.
        let reason = match outcome.status {
            TestStatus::Error { .. } => "error",
            _ => &reason,
        };
        let header = format!(
            "{label} {clock} {case} ({} failed: {reason})\n",
            outcome.attempt
        );
        if self.shown.failure_output.is_immediate() {
            header + &self.details(case_name, outcome)
        } else {
            header
        }
    }

    fn test_finished(
        &mut self,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        outcome: &TestOutcome,
    ) -> String {
        let (role, label) = match &outcome.status {
            TestStatus::Passed if outcome.cached => (Role::Good, "CACHED"),
            TestStatus::Passed if outcome.is_flaky() => (Role::Caution, "FLAKY"),
            TestStatus::Passed if outcome.timed_out.is_some() => (Role::Caution, "TMPASS"),
            TestStatus::Passed if outcome.leaked => (Role::Caution, "LEAK"),
            TestStatus::Passed => (Role::Good, "PASS"),
            TestStatus::Leaked => (Role::Bad, "LEAK"),
            TestStatus::Flaky(_) => (Role::Bad, "FLAKY"),
            TestStatus::Failed(_) => (Role::Bad, "FAIL"),
            TestStatus::OutOfMemory { .. } => (Role::Bad, "OOM"),
            TestStatus::TimedOut { .. } => (Role::Bad, "TIMEOUT"),
            TestStatus::Ignored => (Role::Caution, "IGNORED"),
            TestStatus::Error { .. } => (Role::Bad, "ERROR"),
        };
        let subject = case.to_string();
        let repetition = number_of(repeat);
        let was_slow = self.slow.remove(&(subject.clone(), repetition));
        let (level, final_level) = levels_of(outcome, was_slow);
        let output = self.shown.output_of(&outcome.status);
        let has_line = output.is_immediate() || self.shown.status_level >= level;
        let is_listed = self.shown.final_status_level >= final_level;
        if !has_line && !is_listed && !output.is_final() {
            return String::new();
        }
        let clock = match &outcome.status {
            TestStatus::Ignored => Clock(None),
            _ => Clock(Some(outcome.duration)),
        };
        let label = self.label(role, label);
        let mut text = self.case(case, repeat);
        let failure = |text: String| FailureLine {
            subject,
            repetition,
            kind: FailureKind::Test,
            label: label.to_string(),
            text,
        };
        if let TestStatus::Error { message } = &outcome.status {
            return self.error(
                failure(text),
                &self.details(case.name, outcome),
                message,
                output,
            );
        }
        if let TestStatus::Flaky(_) = outcome.status {
            text = format!("{text} ({})", outcome.status.reason().unwrap_or_default());
        } else if let Some(reason) = outcome.status.reason() {
            let attempt = (outcome.attempt.if_several())
                .map_or(String::new(), |attempt| format!(", {attempt}"));
            text = format!("{text} ({reason}{attempt})");
        } else if outcome.is_flaky() {
            text = format!("{text} (passed at {})", outcome.attempt);
        } else if let Some(after) = outcome.timed_out {
            text = format!("{text} (timed out after {}s)", after.as_secs_f64());
        } else if outcome.leaked {
            text = format!("{text} ({LEAK})");
        } else if let Some(needs) = first_of(&outcome.needs, MOST_NEEDS) {
            text = format!("{text} (needs {needs})");
        }
        let header = format!("{label} {clock} {text}\n");
        let line = failure(text);
        if is_listed && outcome.status.is_failure() {
            self.failures.add(line.clone());
        } else if is_listed {
            self.others
                .entry(final_level)
                .or_default()
                .push(line.clone());
        }
        if output == OutputTime::Never {
            return if has_line { header } else { String::new() };
        }
        let details = self.details(case.name, outcome);
        self.ended(line, &header, &details, output, has_line)
    }

    /// The text about a test that has ended. The output of the test is in `details`, and is kept if it
    /// is to be shown at the end of the run.
    fn ended(
        &mut self,
        line: FailureLine,
        header: &str,
        details: &str,
        output: OutputTime,
        has_line: bool,
    ) -> String {
        if output.is_final() {
            let text = format!("{header}{details}");
            self.final_outputs.keep(line, text, output);
        }
        match (output.is_immediate(), has_line) {
            (true, _) => format!("{header}{details}"),
            (false, true) => header.to_owned(),
            (false, false) => String::new(),
        }
    }

    /// The text below the line about a test with this name, which ends with an empty line.
    fn details(&self, name: &str, outcome: &TestOutcome) -> String {
        let mut text = String::new();
        if let TestStatus::Error { message } = &outcome.status {
            text.push_str(&self.indented(message));
        }
        text.push_str(&self.usage(outcome));
        if !self.streamed {
            let [stdout, stderr] = [&outcome.stdout, &outcome.stderr]
                .map(|stream| captured(stream, self.paint.is_colored()));
            text.push_str(&self.section("stdout", &without_frame(&stdout, name)));
            text.push_str(&self.section("stderr", &stderr));
        }
        if outcome.status.is_failure() {
            if let Some(files) = first_of(&outcome.written, MOST_FILES) {
                text.push_str(&self.paragraph(Role::Strong, "note", &discarded(&files)));
            }
            if let Some(files) = first_of(&outcome.outputs, MOST_FILES) {
                let note =
                    format!("these files of the test were copied out of its container: {files}");
                text.push_str(&self.paragraph(Role::Strong, "note", &note));
            }
            for hint in &outcome.hints {
                text.push_str(&self.paragraph(Role::Activity, "hint", hint));
            }
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    /// The resource usage of a test that timed out or was killed: it shows whether the test was
    /// waiting or working, and whether it ran out of memory.
    fn usage(&self, outcome: &TestOutcome) -> String {
        let ended = matches!(
            outcome.status,
            TestStatus::TimedOut { .. } | TestStatus::Failed(Exit::Signal(_))
        );
        let Some(usage) = outcome.usage.filter(|_| ended) else {
            return String::new();
        };
        let cpu = Elapsed(usage.user + usage.system);
        let memory = Bytes(usage.max_resident);
        let line = format!("used {cpu} of CPU time and at most {memory} of memory");
        format!("    {}\n", self.paint.apply(Role::Aside, line))
    }

    fn section(&self, name: &str, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let rule = self.paint.apply(Role::Aside, format!("--- {name} ---"));
        format!("{rule}\n{text}")
    }

    fn cancelled(&self, reason: Cancellation) -> String {
        let label = self.paint.apply(Role::Caution, "Cancelling");
        let again = match reason {
            Cancellation::Interrupted => " (press it again to exit at once)",
            _ => "",
        };
        format!("{label}: {reason}{again}\n")
    }

    fn label(&self, role: Role, label: &str) -> impl fmt::Display + use<> {
        self.paint.apply(role, format!("{label:<7}"))
    }

    fn case(&self, case: &TestCaseName<'_>, repeat: Option<Repeat>) -> String {
        let binary = self.binary(&case.binary());
        let name = readable(case.name.as_bytes(), false);
        let name = self.paint.apply(Role::Strong, name);
        match repeat {
            Some(repeat) => format!("{repeat} {binary} {name}"),
            None => format!("{binary} {name}"),
        }
    }

    fn binary(&self, binary: &TestBinaryName<'_>) -> String {
        let package = self.paint.apply(Role::Package, binary.package);
        let target = format!("{}/{}", binary.kind, binary.target);
        format!("{package} {}", self.paint.apply(Role::Aside, target))
    }

    /// Text with a label. Further lines are indented to align with the first.
    fn paragraph(&self, role: Role, label: &str, text: &str) -> String {
        let text = readable(text.trim_end().as_bytes(), self.paint.is_colored());
        let indent = format!("\n{:1$}", "", label.len() + 2);
        let text = text.replace('\n', &indent);
        format!("{}: {text}\n", self.paint.apply(role, label))
    }

    fn indented(&self, text: &str) -> String {
        let mut indented = String::new();
        for line in readable(text.trim_end().as_bytes(), self.paint.is_colored()).lines() {
            indented.push_str("    ");
            indented.push_str(line);
            indented.push('\n');
        }
        indented
    }
}

fn push_line(text: &mut String, line: impl fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// The number of a repetition. Zero: the test is not repeated.
fn number_of(repeat: Option<Repeat>) -> u32 {
    repeat.map_or(0, |repeat| repeat.number)
}

/// The time column: `[   0.012s]`.
struct Clock(Option<Duration>);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "[{:>8.3}s]", time.as_secs_f64()),
            None => write!(f, "[{:>9}]", "-"),
        }
    }
}

/// The first names and the number of the others, as in `git, /usr/share/git-core/ and 2 more`.
/// `None`: there are no names.
fn first_of(names: &[String], most: usize) -> Option<String> {
    match names.len() {
        0 => None,
        count if count <= most => Some(names.join(", ")),
        count => Some(format!(
            "{} and {} more",
            names[..most].join(", "),
            count - most
        )),
    }
}

#[cfg(test)]
mod tests;
