//! The summary of a step: what a person wants to know of a run, in Markdown.

use super::sources::Sources;
use super::truncated;
use crate::filter::TestCaseName;
use crate::report::event::{Event, name_with_repeat};
use crate::report::output::{captured, without_frame};
use crate::report::panics::panic_message;
use crate::report::units::{Count, Elapsed, Thousands};
use crate::report::{ReportError, Summary, TestOutcome, TestStatus};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

/// The most failures with their output.
const MOST_FAILURES: usize = 20;

/// The most bytes of a test's output. GitHub accepts a megabyte for the whole summary.
const MOST_OUTPUT: usize = 8 << 10;

/// How many of the slowest tests are listed.
const SLOWEST: usize = 5;

/// Tests that are shorter are not listed among the slowest.
const SHORTEST: Duration = Duration::from_millis(500);

/// Collects the results, and appends the summary at the end.
pub struct StepSummary {
    path: Option<PathBuf>,
    sources: Sources,
    failures: Vec<String>,
    failure_count: usize,
    /// The slowest tests that passed or failed, the slowest first.
    slowest: Vec<(Duration, String)>,
    /// The tests that passed after a failure, and the reason of their first one.
    flaky: Vec<(String, String)>,
    /// The tests that passed with needs, and these.
    needs: Vec<(String, Vec<String>)>,
    end: Option<Summary>,
}

impl StepSummary {
    /// Without a path, nothing is written.
    pub fn new(path: Option<PathBuf>, sources: Sources) -> Self {
        Self {
            path,
            sources,
            failures: Vec::new(),
            failure_count: 0,
            slowest: Vec::new(),
            flaky: Vec::new(),
            needs: Vec::new(),
            end: None,
        }
    }

    pub fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } => self.add_test(case, name_with_repeat(case, *repeat), outcome),
            Event::ListingFailed { binary, message } => {
                let title = format!(
                    "{} (its tests could not be listed)",
                    code(&binary.to_string())
                );
                self.add_failure(|_| details(&title, message));
            }
            Event::Finished(summary) => self.end = Some((*summary).clone()),
            _ => {}
        }
    }

    fn add_test(&mut self, case: &TestCaseName<'_>, name: String, outcome: &TestOutcome) {
        if outcome.status.is_failure() {
            self.add_failure(|sources| failure(case, &name, outcome, sources));
        } else if outcome.is_flaky() {
            let reason = outcome.earlier[0].status.brief_reason();
            self.flaky.push((name.clone(), reason));
        } else if !outcome.needs.is_empty() {
            self.needs.push((name.clone(), outcome.needs.clone()));
        }
        if !outcome.cached && outcome.duration >= SHORTEST {
            let place = self
                .slowest
                .partition_point(|(other, _)| *other >= outcome.duration);
            self.slowest.insert(place, (outcome.duration, name));
            self.slowest.truncate(SLOWEST);
        }
    }

    fn add_failure(&mut self, text: impl FnOnce(&Sources) -> String) {
        self.failure_count += 1;
        if self.failures.len() < MOST_FAILURES {
            let text = text(&self.sources);
            self.failures.push(text);
        }
    }

    /// Appends the summary to its file.
    pub fn write(&mut self) -> Result<(), ReportError> {
        let (Some(path), Some(end)) = (&self.path, &self.end) else {
            return Ok(());
        };
        let text = self.markdown(end);
        let append = || -> io::Result<()> {
            let mut file = File::options().append(true).create(true).open(path)?;
            file.write_all(text.as_bytes())
        };
        append().map_err(|source| ReportError {
            to: path.display().to_string(),
            source,
        })
    }

    fn markdown(&self, end: &Summary) -> String {
        let mut text = format!("### {}\n\n", title(end, self.failure_count));
        let _ = writeln!(text, "{}\n", counts(end));
        for failure in &self.failures {
            text.push_str(failure);
        }
        let further = self.failure_count - self.failures.len();
        if further > 0 {
            let further = Count(further as u64, "further failure", "further failures");
            let _ = writeln!(text, "{further}: see the log\n");
        }
        if !self.flaky.is_empty() {
            let count = Count(self.flaky.len() as u64, "flaky test", "flaky tests");
            let _ = writeln!(
                text,
                "<details><summary>{count}</summary>\n\n| test | failed first with \
                 |\n|---|---|"
            );
            for (name, reason) in self.flaky.iter().take(MOST_FAILURES) {
                let _ = writeln!(text, "| {} | {} |", cell(name), cell(reason));
            }
            text.push_str("\n</details>\n\n");
        }
        if !self.slowest.is_empty() {
            text.push_str(
                "<details><summary>Slowest tests</summary>\n\n| time | test |\n|---:|---|\n",
            );
            for (duration, name) in &self.slowest {
                let _ = writeln!(text, "| {} | {} |", Elapsed(*duration), cell(name));
            }
            text.push_str("\n</details>\n\n");
        }
        if !self.needs.is_empty() {
            let count = Count(self.needs.len() as u64, "test needs", "tests need");
            let _ = writeln!(
                text,
                "<details><summary>{count} something of this machine</summary>\n\n| test | needs \
                 |\n|---|---|"
            );
            for (name, needs) in self.needs.iter().take(MOST_FAILURES) {
                let _ = writeln!(text, "| {} | {} |", cell(name), cell(&needs.join(", ")));
            }
            text.push_str("\n</details>\n\n");
        }
        for note in &end.notes {
            let _ = writeln!(text, "{}\n", html(note));
        }
        text
    }
}

/// `❌ 2 of 120 tests failed`.
fn title(end: &Summary, failures: usize) -> String {
    let tally = end.tally;
    let all = Thousands(tally.done());
    if failures > 0 {
        let failures = Thousands(failures as u64);
        format!("❌ {failures} of {all} tests failed")
    } else if let Some(reason) = end.cancelled {
        format!("❌ No result: {reason}")
    } else if tally.done() == 0 {
        "⚠️ No tests were run".to_owned()
    } else {
        format!("✅ {} passed", Count(tally.passed, "test", "tests"))
    }
}

/// The counts that are not zero, and the time.
fn counts(end: &Summary) -> String {
    let tally = end.tally;
    let mut parts = Vec::new();
    if tally.passed > 0 {
        parts.push(format!("{} passed", Thousands(tally.passed)));
    }
    let among = tally.among_passed();
    parts.extend(among.map(|(count, word)| format!("{} of them {word}", Thousands(count))));
    let others = [
        (tally.failed, "failed"),
        (tally.timed_out, "timed out"),
        (tally.errors, "errors"),
        (tally.ignored, "ignored"),
        (end.not_run, "not run"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0);
    parts.extend(others.map(|(count, word)| format!("{} {word}", Thousands(*count))));
    parts.push(format!("in {}", Elapsed(end.duration)));
    if let Some(reason) = end.cancelled {
        parts.push(reason.to_string());
    }
    parts.join(" · ")
}

/// A failed test: its name and place, and its output, which is folded.
fn failure(
    case: &TestCaseName<'_>,
    name: &str,
    outcome: &TestOutcome,
    sources: &Sources,
) -> String {
    let [stdout, stderr] = [&outcome.stdout, &outcome.stderr].map(|stream| captured(stream, false));
    let stdout = without_frame(&stdout, case.name);
    let reason = outcome.status.brief_reason();
    let mut title = format!("{} ({}", code(name), html(&reason));
    if !matches!(outcome.status, TestStatus::Error { .. }) {
        let _ = write!(title, ", {}", Elapsed(outcome.duration));
    }
    title.push(')');
    if let Some(place) = sources.place_of(case, &stderr) {
        let shown = html(&format!("{}:{}", place.file, place.line));
        let _ = match sources.link(&place) {
            Some(link) => write!(title, " <a href=\"{link}\">{shown}</a>"),
            None => write!(title, " {shown}"),
        };
    }
    let mut text = match &outcome.status {
        TestStatus::Error { message } => message.clone(),
        _ => String::new(),
    };
    let panic = panic_message(&stderr);
    for (stream, output) in [("stdout", &stdout), ("stderr", &stderr)] {
        if !output.is_empty() {
            let _ = write!(text, "--- {stream} ---\n{}", end_of(output, panic));
        }
    }
    for explanation in outcome.explanations() {
        let _ = write!(text, "\n{explanation}\n");
    }
    details(&title, &text)
}

/// The end of a long output. The message of a panic stays.
fn end_of(output: &str, panic: Option<&str>) -> String {
    let start = output.len().saturating_sub(MOST_OUTPUT);
    let start = (start..output.len()).find(|start| output.is_char_boundary(*start));
    let start = start.unwrap_or_default();
    if start == 0 {
        return output.to_owned();
    }
    let shown = &output[start..];
    let panic = panic.filter(|panic| output.contains(panic) && !shown.contains(panic));
    let panic = panic.map(|panic| format!("{}\n[…]\n", truncated(panic, MOST_OUTPUT)));
    format!(
        "[{start} bytes are left out]\n{}{shown}",
        panic.unwrap_or_default()
    )
}

/// Text that is folded below a title in HTML.
fn details(title: &str, text: &str) -> String {
    if text.trim().is_empty() {
        return format!("- {title}\n\n");
    }
    let fence = fence(text);
    let text = text.trim_end();
    format!("<details><summary>{title}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n\n")
}

/// Backticks that enclose a text: more than it has in a row.
fn fence(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().unwrap_or(0).max(2) + 1)
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", html(text))
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    code(text).replace('|', "&#124;")
}

fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('\n', " ")
}
