//! `--junit`: the results of a run as a JUnit report, an XML file that CI systems read. The book's
//! chapter on output describes the report.

use super::event::{Event, Repeat};
use super::outcome::{DividedRun, TestOutcome, TestStatus};
use super::output::{captured, readable};
use super::panics::panic_message;
use super::{ReportError, Reporter};
use crate::filter::{TestBinaryName, TestCaseName};
use crate::process::replace_file;
use camino::Utf8PathBuf;
use quick_junit::{
    FlakyOrRerun, NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite,
};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// The distance of the tab stops to which tabs are expanded.
const TAB_STOP: usize = 8;

/// Collects the results, and writes the report at the end.
pub struct Junit {
    path: Utf8PathBuf,
    output: JunitOutput,
    /// The results of each test binary, by its id.
    suites: BTreeMap<String, Vec<Case>>,
    duration: Option<Duration>,
    divided: Option<DividedRun>,
}

/// The tests whose output is in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JunitOutput {
    pub of_passed: bool,
    pub of_failed: bool,
}

/// A test case of the report, and its place in the suite. The places make reports of equal runs
/// equal, whichever test ends first.
struct Case {
    name: String,
    repeat: Option<u32>,
    element: TestCase,
}

impl Junit {
    pub fn new(path: Utf8PathBuf, output: JunitOutput) -> Self {
        Self {
            path,
            output,
            suites: BTreeMap::new(),
            duration: None,
            divided: None,
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
        // As in nextest's reports, the case of a test that failed each time is its first attempt.
        let mut attempts: Vec<_> = outcome.earlier.iter().collect();
        let mut main = outcome;
        if !outcome.is_flaky() && !attempts.is_empty() {
            main = attempts.remove(0);
            attempts.push(outcome);
        }
        let mut status = status(main);
        if outcome.is_flaky() {
            status.set_rerun_kind(FlakyOrRerun::Flaky);
        }
        for attempt in attempts {
            status.add_rerun(self.rerun(attempt));
        }
        let outcome = main;
        let mut case = TestCase::new(xml_text(&title), status);
        case.set_time(outcome.duration);
        for need in &outcome.needs {
            case.add_property(("needs".to_owned(), xml_text(need)));
        }
        if let Some(usage) = &outcome.usage {
            let seconds = |time: Duration| format!("{:.3}", time.as_secs_f64());
            for (name, value) in [
                ("cpu-user-seconds", seconds(usage.user)),
                ("cpu-system-seconds", seconds(usage.system)),
                ("max-rss", usage.max_resident.to_string()),
            ] {
                case.add_property((name, value.as_str()));
            }
        }
        let [stdout, stderr] = self.streams(outcome);
        if let Some(stdout) = stdout {
            case.set_system_out(stdout);
        }
        if let Some(stderr) = stderr {
            case.set_system_err(stderr);
        }
        self.add(name.binary(), name.name, repeat, case);
    }

    /// An attempt at a test that is not the only one.
    fn rerun(&self, outcome: &TestOutcome) -> TestRerun {
        let kind = match &outcome.status {
            TestStatus::Error { .. } => NonSuccessKind::Error,
            _ => NonSuccessKind::Failure,
        };
        let mut rerun = TestRerun::new(kind);
        rerun
            .set_time(outcome.duration)
            .set_type(outcome.status.word())
            .set_description(xml_text(&description(outcome)))
            .set_message(xml_text(&outcome.status.brief_reason()));
        let [stdout, stderr] = self.streams(outcome);
        if let Some(stdout) = stdout {
            rerun.set_system_out(stdout);
        }
        if let Some(stderr) = stderr {
            rerun.set_system_err(stderr);
        }
        rerun
    }

    /// The output on stdout and stderr, if there is any and the report has that of such tests.
    fn streams(&self, outcome: &TestOutcome) -> [Option<String>; 2] {
        let has_output = if outcome.has_output_of_success() {
            self.output.of_passed
        } else {
            self.output.of_failed
        };
        [&outcome.stdout, &outcome.stderr].map(|stream| {
            let is_shown = has_output && !stream.is_empty();
            let text = is_shown.then(|| xml_text(&captured(stream, false)));
            text.filter(|text| !text.is_empty())
        })
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
        let id = binary.nextest_id();
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
            if let Some(divided) = &self.divided {
                suite.add_property(("partition".to_owned(), divided.partition.clone()));
                suite.add_property(("partition-digest".to_owned(), divided.digest.clone()));
            }
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
            Event::Divided(divided) => self.divided = Some((*divided).clone()),
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

fn status(outcome: &TestOutcome) -> TestCaseStatus {
    match &outcome.status {
        TestStatus::Passed => TestCaseStatus::success(),
        TestStatus::Ignored => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("ignored");
            status
        }
        TestStatus::Error { message } => error_status(message),
        TestStatus::Flaky(_)
        | TestStatus::Leaked
        | TestStatus::OutOfMemory { .. }
        | TestStatus::Failed(_)
        | TestStatus::TimedOut { .. } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(outcome.status.word())
                .set_description(xml_text(&description(outcome)))
                .set_message(xml_text(&outcome.status.brief_reason()));
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

/// The reason of a failure, the message of its panic, and the explanations.
fn description(outcome: &TestOutcome) -> String {
    let stderr = captured(&outcome.stderr, false);
    let mut paragraphs = vec![outcome.status.reason().unwrap_or_default()];
    paragraphs.extend(panic_message(&stderr).map(str::to_owned));
    paragraphs.extend(outcome.explanations());
    paragraphs.join("\n\n")
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
