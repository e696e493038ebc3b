//! The output of a run, for people and for programs.
//!
//! The conductor sends [`Event`]s in order, and a [`Reporter`] shows them. There are three
//! reporters for people. They use the same words (`narrator`), and differ in the level of detail
//! and in whether they draw progress (`fancy`, which keeps the state of the run on a `board`).
//! The reporters for programs are `json`, `junit` and `github`; `timings` writes a page. Only `terminal` uses the drawing
//! libraries. Output for people goes to stderr, output for programs to stdout or a file.

mod board;
mod cargo_line;
mod diff;
mod download_line;
mod event;
mod failures;
mod fancy;
mod final_outputs;
mod footer;
mod github;
mod json;
mod junit;
mod narrator;
mod observed;
mod outcome;
mod output;
mod panics;
mod plain;
#[cfg(test)]
mod samples;
mod shown;
mod terminal;
mod timings;
mod units;

pub use diff::unified_diff;
pub use download_line::DownloadLine;
pub use event::{BatchNumber, Event, Repeat, TestAttempt, TestId, TestPlace};
pub use footer::{Footer, WaitingLines};
pub use github::GithubSettings;
pub use observed::{facts_text, incomplete_text};
pub use outcome::{Cancellation, DividedRun, Exit, Summary, Tally, TestOutcome, TestStatus};
pub use terminal::{Paint, Role};
pub use timings::TimingsSettings;
pub use units::{Bytes, Count};

use crate::config::{FinalStatusLevel, OutputTime, StatusLevel, Ui};
use camino::Utf8PathBuf;
use fancy::Fancy;
use github::Github;
use json::Json;
use junit::Junit;
pub use junit::JunitOutput;
use narrator::{Detail, Narrator};
use plain::Plain;
use shown::ShownTests;
use std::io::{self, IsTerminal};
use std::time::Duration;
use terminal::Screen;
use timings::Timings;

/// How often a reporter wants to be [ticked](Reporter::tick).
pub const TICK: Duration = Duration::from_millis(100);

/// Shows what happens in a run.
pub trait Reporter: Send {
    fn report(&mut self, event: &Event<'_>);

    /// Updates what is shown. To be called every [`TICK`], even if there was no event.
    fn tick(&mut self) {}

    /// Whether the reporter draws on the terminal. Other code must not write there then.
    fn draws(&self) -> bool {
        false
    }

    /// Whether the reporter shows Cargo's lines ([`Event::CargoLine`]). Cargo must not write them to
    /// the terminal or log itself then.
    fn shows_cargo(&self) -> bool {
        self.draws()
    }

    /// Shows all remaining text and restores the terminal. To be called before the process ends,
    /// for whatever reason. Fails if text could not be written; a closed pipe is no error.
    fn finish(&mut self) -> Result<(), ReportError>;
}

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write `{to}`")]
pub struct ReportError {
    /// A path, or the name of a stream.
    pub to: String,
    pub source: io::Error,
}

/// The user's settings of the report.
#[derive(Clone, Debug)]
pub struct ReportSettings {
    pub ui: Ui,
    /// Draw no progress.
    pub hide_progress_bar: bool,
    pub paint: Paint,
    /// Report to programs too (`--message-format json`).
    pub json: bool,
    /// Write a JUnit report to this file (`--junit`).
    pub junit: Option<Utf8PathBuf>,
    /// Report to GitHub Actions, whose step this is.
    pub github: Option<GithubSettings>,
    /// Write a line for every test, even while progress is drawn (`--verbose`).
    pub verbose: bool,
    /// When to show the output of tests that passed.
    pub success_output: OutputTime,
    /// When to show the output of tests that failed.
    pub failure_output: OutputTime,
    /// The tests that get a line when they end. `None`: this depends on the display.
    pub status_level: Option<StatusLevel>,
    /// The tests that get a line in the summary.
    pub final_status_level: FinalStatusLevel,
    /// The outputs in the JUnit report.
    pub junit_output: JunitOutput,
    /// Pass on the output of tests while the tests run (`--nocapture`).
    pub nocapture: bool,
    /// Lines to draw below the progress.
    pub footer: Footer,
}

/// The reporter for this process's stdout and stderr.
pub fn reporter(settings: &ReportSettings) -> Box<dyn Reporter> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    // Other text on the terminal would damage the drawing.
    let shared = settings.nocapture || settings.json && io::stdout().is_terminal();
    let can_draw = io::stderr().is_terminal() && !dumb && !shared && !settings.hide_progress_bar;
    let show_output = settings.success_output != OutputTime::Never;

    let narrator = |detail| {
        let by_default = ShownTests::by_default(detail, show_output);
        let narrator = Narrator::new(settings.paint, detail, show_output).showing(ShownTests {
            status_level: settings.status_level.unwrap_or(by_default.status_level),
            final_status_level: settings.final_status_level,
            success_output: settings.success_output,
            failure_output: settings.failure_output,
        });
        if settings.nocapture {
            narrator.of_streamed_output()
        } else {
            narrator
        }
    };
    let human: Box<dyn Reporter> = match settings.ui {
        Ui::Auto | Ui::Fancy if can_draw => {
            let detail = if settings.verbose {
                Detail::Everything
            } else {
                Detail::Notable
            };
            let narrator = narrator(detail);
            let fancy = Fancy::new(narrator, settings.paint, Screen::stderr());
            Box::new(fancy.with_footer(settings.footer.clone()))
        }
        Ui::Auto | Ui::Fancy | Ui::Simple => {
            Box::new(Plain::new(narrator(Detail::Everything), io::stderr()))
        }
        Ui::Quiet => Box::new(Plain::new(narrator(Detail::Failures), io::stderr())),
    };
    let mut reporter = match &settings.github {
        Some(github) if !human.draws() => {
            let level = settings.status_level;
            let shows_passed = level.is_none_or(|level| level >= StatusLevel::Pass);
            let has_groups = shows_passed && settings.ui != Ui::Quiet && !settings.nocapture;
            let (stderr, github) = (io::stderr(), github.clone());
            Box::new(Github::new(human, stderr, github, has_groups))
        }
        _ => human,
    };
    if settings.json {
        let json = Json::new(io::stdout(), show_output);
        reporter = Box::new(Both(Box::new(json), reporter));
    }
    if let Some(path) = &settings.junit {
        let junit = Junit::new(path.clone(), settings.junit_output);
        reporter = Box::new(Both(Box::new(junit), reporter));
    }
    reporter
}

/// The reporter that writes the timings of the run too.
pub fn with_timings(reporter: Box<dyn Reporter>, settings: TimingsSettings) -> Box<dyn Reporter> {
    Box::new(Both(Box::new(Timings::new(settings)), reporter))
}

/// Two reports of one run.
struct Both(Box<dyn Reporter>, Box<dyn Reporter>);

impl Reporter for Both {
    fn report(&mut self, event: &Event<'_>) {
        self.0.report(event);
        self.1.report(event);
    }

    fn tick(&mut self) {
        self.0.tick();
        self.1.tick();
    }

    fn draws(&self) -> bool {
        self.0.draws() || self.1.draws()
    }

    fn shows_cargo(&self) -> bool {
        self.0.shows_cargo() || self.1.shows_cargo()
    }

    fn finish(&mut self) -> Result<(), ReportError> {
        let first = self.0.finish();
        self.1.finish().and(first)
    }
}
