//! Reports in GitHub Actions: groups in the log, annotations at the places of failures, and the
//! summary of the step.
//!
//! Workflow commands are lines of the form `::NAME PROPERTIES::TEXT`. The documentation of GitHub
//! describes them under "Workflow commands for GitHub Actions".

mod sources;
mod step_summary;

pub use sources::Sources;

use super::event::{Event, Repeat, name_with_repeat};
use super::outcome::{Cancellation, TestOutcome};
use super::output::{captured, readable};
use super::panics::panic_message;
use super::plain::ReportWriter;
use super::{ReportError, Reporter};
use crate::filter::TestCaseName;
use sources::FoundPlace;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use step_summary::StepSummary;

/// GitHub shows this many annotations of each kind of a step, and drops the others.
const MOST_ANNOTATIONS: usize = 10;

/// The most bytes of an annotation's text.
const MOST_TEXT: usize = 4096;

/// The most bytes of a build's errors that are kept.
const MOST_KEPT: usize = 1 << 20;

/// The properties of the step that runs this program.
#[derive(Clone, Debug)]
pub struct GithubSettings {
    pub sources: Sources,
    /// The file of the step's summary (`GITHUB_STEP_SUMMARY`), to which text is appended.
    pub summary: Option<PathBuf>,
}

impl GithubSettings {
    /// The settings if this is a step of GitHub Actions. `start` is the directory of the package or
    /// workspace that is tested. `variable` gives the value of an environment variable.
    pub fn of_step(start: PathBuf, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        if variable("GITHUB_ACTIONS").as_deref() != Some("true") {
            return None;
        }
        let summary = variable("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        Some(Self {
            sources: Sources::new(start, variable),
            summary: summary.map(PathBuf::from),
        })
    }
}

/// Adds groups, annotations and the summary to a report that consists of lines.
pub struct Github<W> {
    lines: Box<dyn Reporter>,
    sink: ReportWriter<W>,
    sources: Sources,
    summary: StepSummary,
    /// Whether lines of tests that passed are shown, which are put into groups.
    has_groups: bool,
    open: Option<Group>,
    annotations: BTreeMap<Level, usize>,
    /// Cargo's output from the first error on, in case the build fails.
    build_errors: String,
}

/// The kind of an annotation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    Warning,
}

/// A part of the log that is folded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Build,
    Tests,
}

impl<W: Write> Github<W> {
    /// `lines` writes to the same stream as `writer`.
    pub fn new(
        lines: Box<dyn Reporter>,
        writer: W,
        settings: GithubSettings,
        has_groups: bool,
    ) -> Self {
        Self {
            lines,
            sink: ReportWriter::new(writer),
            summary: StepSummary::new(settings.summary, settings.sources.clone()),
            sources: settings.sources,
            has_groups,
            open: None,
            annotations: BTreeMap::new(),
            build_errors: String::new(),
        }
    }

    fn write(&mut self, text: &str) {
        // Lines that wait come first.
        self.lines.tick();
        self.sink.write(text.as_bytes());
    }

    /// Opens this group, and closes another one.
    fn open(&mut self, group: Group) {
        if !self.has_groups || self.open == Some(group) {
            return;
        }
        self.close();
        self.write(match group {
            Group::Build => "::group::Build\n",
            Group::Tests => "::group::Tests\n",
        });
        self.open = Some(group);
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.write("::endgroup::\n");
        }
    }

    fn annotate(&mut self, level: Level, title: &str, place: Option<&FoundPlace>, text: &str) {
        let count = self.annotations.entry(level).or_default();
        *count += 1;
        if *count <= MOST_ANNOTATIONS {
            let annotation = annotation(level, title, place, text);
            self.write(&annotation);
        }
    }

    fn test_failed(
        &mut self,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        outcome: &TestOutcome,
    ) {
        let name = name_with_repeat(case, repeat);
        let title = format!("{name}: {}", outcome.status.brief_reason());
        self.annotate_attempt(Level::Error, &title, case, outcome);
    }

    /// Annotates the first failed attempt at a test that passed in the end.
    fn test_was_flaky(
        &mut self,
        case: &TestCaseName<'_>,
        repeat: Option<Repeat>,
        outcome: &TestOutcome,
    ) {
        if let Some(failed) = outcome.earlier.first() {
            let name = name_with_repeat(case, repeat);
            let title = format!("{name} is flaky: passed at {}", outcome.attempt);
            self.annotate_attempt(Level::Warning, &title, case, failed);
        }
    }

    /// Annotates the place where an attempt at a test failed.
    fn annotate_attempt(
        &mut self,
        level: Level,
        title: &str,
        case: &TestCaseName<'_>,
        failed: &TestOutcome,
    ) {
        let stderr = captured(&failed.stderr, false);
        let panic = panic_message(&stderr).map(str::to_owned);
        let reason = panic.or_else(|| failed.status.reason());
        let paragraphs: Vec<_> = reason.into_iter().chain(failed.explanations()).collect();
        let place = self.sources.place_of(case, &stderr);
        self.annotate(level, title, place.as_ref(), &paragraphs.join("\n\n"));
    }

    /// Keeps a line of Cargo for [`Self::show_build_errors`], from the first error on.
    fn keep(&mut self, line: &str) {
        let is_needed = !self.build_errors.is_empty() || is_error(line);
        if is_needed && self.build_errors.len() + line.len() < MOST_KEPT {
            self.build_errors.push_str(line);
            self.build_errors.push('\n');
        }
    }

    /// Writes the errors of a build again, since the group of the build is folded.
    fn show_build_errors(&mut self) {
        let errors = std::mem::take(&mut self.build_errors);
        if self.has_groups {
            self.write(&errors);
        }
        let mut lines = errors.lines();
        let Some(message) = lines.next() else {
            return;
        };
        // `  --> src/lib.rs:1:2`
        let place = lines.next().and_then(|line| {
            let line = readable(line.as_bytes(), false);
            self.sources.place_of_arrow(&line)
        });
        self.annotate(Level::Error, "the build failed", place.as_ref(), message);
    }
}

impl<W: Write + Send> Reporter for Github<W> {
    fn report(&mut self, event: &Event<'_>) {
        match event {
            Event::CargoLine(line) => {
                self.open(Group::Build);
                self.keep(line);
            }
            Event::TestFinished { outcome, .. } if !outcome.status.is_failure() => {
                self.open(Group::Tests);
            }
            Event::TestFinished { .. }
            | Event::ListingFailed { .. }
            | Event::BuildFinished { .. }
            | Event::Warning(_)
            | Event::Cancelled(_)
            | Event::Observed { .. }
            | Event::Finished(_) => self.close(),
            _ => {}
        }
        self.lines.report(event);
        self.summary.add(event);
        match event {
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } if outcome.status.is_failure() => self.test_failed(case, *repeat, outcome),
            Event::TestFinished {
                case,
                repeat,
                outcome,
                ..
            } if outcome.is_flaky() => self.test_was_flaky(case, *repeat, outcome),
            Event::ListingFailed { binary, message } => {
                let title = format!("{binary}: its tests could not be listed");
                self.annotate(Level::Error, &title, None, message);
            }
            Event::BuildFinished { success: true, .. } => self.build_errors.clear(),
            Event::BuildFinished { success: false, .. }
            | Event::Cancelled(Cancellation::BuildFailed) => self.show_build_errors(),
            _ => {}
        }
    }

    fn tick(&mut self) {
        self.lines.tick();
    }

    fn draws(&self) -> bool {
        self.lines.draws()
    }

    fn shows_cargo(&self) -> bool {
        true
    }

    fn finish(&mut self) -> Result<(), ReportError> {
        self.close();
        let lines = self.lines.finish();
        self.summary.write().and(lines)
    }
}

/// Whether a line of Cargo is the first one of an error.
fn is_error(line: &str) -> bool {
    let line = readable(line.as_bytes(), false);
    line.starts_with("error:") || line.starts_with("error[")
}

/// A line that makes GitHub show a text at a place of the sources.
fn annotation(level: Level, title: &str, place: Option<&FoundPlace>, text: &str) -> String {
    let mut line = match level {
        Level::Error => "::error ".to_owned(),
        Level::Warning => "::warning ".to_owned(),
    };
    if let Some(place) = place {
        let file = escaped(&place.file, true);
        let _ = write!(
            line,
            "file={file},line={},col={},",
            place.line, place.column
        );
    }
    let text = readable(text.trim_end().as_bytes(), false);
    let text = truncated(&text, MOST_TEXT);
    let (title, text) = (escaped(title, true), escaped(text, false));
    let _ = writeln!(line, "title={title}::{text}");
    line
}

/// The start of a text that has at most this many bytes.
fn truncated(text: &str, most: usize) -> &str {
    let mut ends = (0..=most.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// Text as workflow commands contain it, with the rules of GitHub's toolkit (`command.ts`).
fn escaped(text: &str, is_property: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            ':' if is_property => escaped.push_str("%3A"),
            ',' if is_property => escaped.push_str("%2C"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
