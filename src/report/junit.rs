//! `--junit`: the results of a run as a JUnit report, an XML file that CI systems read. The book's
//! chapter on output describes the report.

use super::event::{Event, Repeat};
use super::outcome::{TestOutcome, TestStatus};
use super::output::{captured, readable};
use super::{ReportError, Reporter};
use crate::filter::{TargetKind, TestBinaryName, TestCaseName};
use crate::process::replace_file;
use camino::Utf8PathBuf;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// The distance of the tab stops to which tabs are expanded.
const TAB_STOP: usize = 8;

/// Collects the results, and writes the report at the end.
pub struct Junit {
    path: Utf8PathBuf,
    show_output: bool,
    /// The results of each test binary, by its id.
    suites: BTreeMap<String, Vec<Case>>,
    duration: Option<Duration>,
}

/// A test case of the report, and its place in the suite. The places make reports of equal runs
/// equal, whichever test ends first.
struct Case {
    name: String,
    repeat: Option<u32>,
    element: TestCase,
}

impl Junit {
    /// `show_output`: whether the report has the output of tests that passed.
    pub fn new(path: Utf8PathBuf, show_output: bool) -> Self {
        Self {
            path,
            show_output,
            suites: BTreeMap::new(),
            duration: None,
        }
    }

    fn test_finished(
        &mut self,
        name: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        outcome: &TestOutcome,
    ) {
        let title = match repeat {
            Some(repeat) => format!("{} {repeat}", name.name),
            None => name.name.to_owned(),
        };
        let mut case = TestCase::new(xml_text(&title), status(outcome));
        case.set_time(outcome.duration);
        for need in &outcome.needs {
            case.add_property(("needs".to_owned(), xml_text(need)));
        }
        if outcome.status.is_failure() || self.show_output {
            let streams = [&outcome.stdout, &outcome.stderr];
            let [stdout, stderr] = streams.map(|stream| xml_text(&captured(stream, false)));
            if !stdout.is_empty() {
                case.set_system_out(stdout);
            }
            if !stderr.is_empty() {
                case.set_system_err(stderr);
            }
        }
        self.add(name.binary(), name.name, repeat, case);
    }

    fn listing_failed(&mut self, binary: TestBinaryName<'_>, message: &str) {
        const NAME: &str = "(list of tests)";
        let case = TestCase::new(NAME, error_status(message));
        self.add(binary, NAME, None, case);
    }

    fn add(
        &mut self,
        binary: TestBinaryName<'_>,
        name: &str,
        repeat: Option<Repeat>,
        mut case: TestCase,
    ) {
        let id = binary_id(binary);
        case.set_classname(xml_text(&id));
        self.suites.entry(id).or_default().push(Case {
            name: name.to_owned(),
            repeat: repeat.map(|repeat| repeat.number),
            element: case,
        });
    }

    fn xml(&mut self) -> io::Result<String> {
        let mut report = Report::new(env!("CARGO_PKG_NAME"));
        if let Some(duration) = self.duration {
            report.set_time(duration);
        }
        for (id, mut cases) in std::mem::take(&mut self.suites) {
            cases.sort_by(|a, b| (&a.name, a.repeat).cmp(&(&b.name, b.repeat)));
            let mut suite = TestSuite::new(xml_text(&id));
            suite.set_time(cases.iter().filter_map(|case| case.element.time).sum());
            suite.add_test_cases(cases.into_iter().map(|case| case.element));
            report.add_test_suite(suite);
        }
        report.to_string().map_err(io::Error::other)
    }

    fn write(&mut self) -> io::Result<()> {
        let xml = self.xml()?;
        // The error about a parent that is a file is clearer from the write.
        if let Some(directory) = self.path.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(directory)?;
        }
        replace_file(&self.path, &xml)
    }
}

impl Reporter for Junit {
    fn report(&mut self, event: &Event<'_>) {
        match event {
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } => self.test_finished(case, *repeat, outcome),
            Event::ListingFailed { binary, message } => self.listing_failed(*binary, message),
            Event::Finished(summary) => self.duration = Some(summary.duration),
            _ => {}
        }
    }

    fn finish(&mut self) -> Result<(), ReportError> {
        self.write().map_err(|source| ReportError {
            to: self.path.to_string(),
            source,
        })
    }
}

/// The name of a test binary in nextest's reports.
fn binary_id(binary: TestBinaryName<'_>) -> String {
    let TestBinaryName {
        package,
        kind,
        target,
    } = binary;
    match kind {
        TargetKind::Library | TargetKind::ProcMacro => package.to_owned(),
        TargetKind::Test => format!("{package}::{target}"),
        TargetKind::Binary | TargetKind::Example | TargetKind::Benchmark | TargetKind::Doctest => {
            format!("{package}::{kind}/{target}")
        }
    }
}

fn status(outcome: &TestOutcome) -> TestCaseStatus {
    match &outcome.status {
        TestStatus::Passed => TestCaseStatus::success(),
        TestStatus::Ignored => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("ignored");
            status
        }
        TestStatus::Error { message } => error_status(message),
        TestStatus::Failed(_) | TestStatus::TimedOut { .. } => {
            let reason = outcome.status.reason().unwrap_or_default();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(outcome.status.word())
                .set_description(xml_text(&description(&reason, outcome)))
                .set_message(reason);
            status
        }
    }
}

/// A test, or a list of tests, that could not be had for this reason.
fn error_status(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    let first = message.lines().next().unwrap_or_default();
    status
        .set_type("error")
        .set_message(xml_text(first))
        .set_description(xml_text(message));
    status
}

/// The reason of a failure, the message of its panic, and the hints.
fn description(reason: &str, outcome: &TestOutcome) -> String {
    let stderr = captured(&outcome.stderr, false);
    let mut paragraphs = vec![reason.to_owned()];
    paragraphs.extend(panic_message(&stderr).map(str::to_owned));
    paragraphs.extend(outcome.hints.iter().map(|hint| format!("hint: {hint}")));
    if !outcome.written.is_empty() {
        let files = outcome.written.join(", ");
        paragraphs.push(format!(
            "note: the test wrote to the source tree; its container discarded these files: {files}"
        ));
    }
    paragraphs.join("\n\n")
}

/// The message of the last panic in the output of a test, without its backtrace.
fn panic_message(stderr: &str) -> Option<&str> {
    // Newer versions of the standard library write the id of the thread before `panicked`.
    let is_start = |line: &str| line.starts_with("thread '") && line.contains(" panicked at ");
    let is_end = |line: &str| {
        line.starts_with("stack backtrace:") || line.starts_with("note: run with `RUST_BACKTRACE")
    };
    let mut start = None;
    let mut end = stderr.len();
    let mut place = 0;
    for line in stderr.split_inclusive('\n') {
        if is_start(line) {
            (start, end) = (Some(place), stderr.len());
        } else if is_end(line) {
            end = end.min(place);
        }
        place += line.len();
    }
    start.map(|start| stderr[start..end].trim_end())
}

/// Text that XML can hold. Control characters are shown as in the report for people. Tabs become
/// spaces, because `XmlString` would remove them.
fn xml_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut column = 0;
    for c in readable(text.as_bytes(), false).chars() {
        match c {
            '\n' => column = 0,
            '\t' => {
                let width = TAB_STOP - column % TAB_STOP;
                shown.extend(std::iter::repeat_n(' ', width));
                column += width;
                continue;
            }
            _ => column += 1,
        }
        shown.push(match c {
            '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
            c => c,
        });
    }
    shown
}

#[cfg(test)]
mod tests;
