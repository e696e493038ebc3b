//! What people and programs see of a run.
//!
//! The conductor owns what is known about the run and tells it as [`Event`]s, in
//! order; a [`Reporter`] only shows it. For people there are three, which say the
//! same things in the same words (`narrator`) and differ in how much of it they
//! say and whether they draw progress (`fancy`, with what it knows on a `board`).
//! For programs there is `json`. The libraries that draw are known in `terminal`
//! alone. Everything for people goes to stderr, everything for programs to stdout.

mod board;
mod cargo_line;
mod download_line;
mod event;
mod failures;
mod fancy;
mod json;
mod narrator;
mod outcome;
mod output;
mod plain;
#[cfg(test)]
mod samples;
mod sink;
mod terminal;
mod units;

pub use download_line::DownloadLine;
pub use event::{Event, Repeat, TestId};
pub use outcome::{Cancellation, Exit, Summary, Tally, TestOutcome, TestStatus};
pub use terminal::{Paint, Role};
pub use units::Count;

use crate::config::Ui;
use fancy::Fancy;
use json::Json;
use narrator::{Detail, Narrator};
use plain::Plain;
use std::io::{self, IsTerminal};
use std::time::Duration;
use terminal::Screen;

/// How often a reporter wants to be [ticked](Reporter::tick).
pub const TICK: Duration = Duration::from_millis(100);

/// Shows what happens in a run.
pub trait Reporter: Send {
    fn report(&mut self, event: &Event<'_>);

    /// Shows that time has passed. To be called every [`TICK`], whether anything
    /// happened or not.
    fn tick(&mut self) {}

    /// Whether it draws on the terminal, so that nobody else should write there.
    fn draws(&self) -> bool {
        false
    }

    /// Shows what has not been shown yet and leaves the terminal as it was found.
    /// To be called before the process ends, however it ends. The error is one that
    /// kept something from being written; a reader who went away is none.
    fn finish(&mut self) -> io::Result<()>;
}

/// What the user wants to see.
#[derive(Clone, Copy, Debug)]
pub struct ReportSettings {
    pub ui: Ui,
    pub paint: Paint,
    /// Also report to programs (`--message-format json`).
    pub json: bool,
    /// Also name every test that passes where progress is drawn.
    pub verbose: bool,
    /// Also show the output of tests that passed.
    pub show_output: bool,
    /// Tests' output is shown as it comes.
    pub nocapture: bool,
}

/// The reporter for this process's stdout and stderr.
pub fn reporter(settings: &ReportSettings) -> Box<dyn Reporter> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    // Whatever else is written to the terminal would be written into the drawing.
    let shared = settings.nocapture || settings.json && io::stdout().is_terminal();
    let can_draw = io::stderr().is_terminal() && !dumb && !shared;

    let narrator = |detail| {
        let narrator = Narrator::new(settings.paint, detail, settings.show_output);
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
                Detail::Remarkable
            };
            let narrator = narrator(detail);
            Box::new(Fancy::new(narrator, settings.paint, Screen::stderr()))
        }
        Ui::Auto | Ui::Fancy | Ui::Simple => {
            Box::new(Plain::new(narrator(Detail::Everything), io::stderr()))
        }
        Ui::Quiet => Box::new(Plain::new(narrator(Detail::Failures), io::stderr())),
    };
    if settings.json {
        let json = Json::new(io::stdout(), settings.show_output);
        return Box::new(Both(Box::new(json), human));
    }
    human
}

/// Reports to programs and to people.
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

    fn finish(&mut self) -> io::Result<()> {
        let first = self.0.finish();
        self.1.finish().and(first)
    }
}
