//! `--timings`: when each test ran and on which slot, as a page for a browser. The book's chapter on
//! timings says what it shows.
//!
//! The [`recording`] keeps the times of events. At the end of the run, [`timeline`] makes rows and bars
//! of them, [`bounds`], [`findings`] and [`chain`] say what bounds the run, and [`page`] writes it all
//! into one file. `page.js` draws what is in this file and computes nothing of it anew.

mod bounds;
mod chain;
mod findings;
mod page;
mod recording;
mod timeline;

use super::event::Event;
use super::{ReportError, Reporter};
use crate::process::replace_file;
use crate::schedule::PastDurations;
use camino::Utf8PathBuf;
use recording::RunRecording;
use std::fs;
use std::io;
use std::time::{Instant, SystemTime};

/// The file of the timings, and what is known before the run.
#[derive(Clone, Debug)]
pub struct TimingsSettings {
    pub file: Utf8PathBuf,
    /// The name of the workspace, for people.
    pub project: String,
    pub started: SystemTime,
    /// The number of slots of this machine.
    pub slots: usize,
    /// Whether the tests run on an engine.
    pub on_engine: bool,
    pub past: PastDurations,
}

/// Records the times of events, and writes the page at the end.
pub struct Timings {
    settings: TimingsSettings,
    recording: RunRecording,
}

impl Timings {
    pub fn new(settings: TimingsSettings) -> Self {
        Self {
            settings,
            recording: RunRecording::default(),
        }
    }

    fn write(&self) -> io::Result<()> {
        let file = &self.settings.file;
        let html = page::html(&self.recording, &self.settings);
        // The error about a parent that is a file is clearer from the write.
        if let Some(directory) = file.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(directory)?;
        }
        replace_file(file, &html)
    }
}

impl Reporter for Timings {
    fn report(&mut self, event: &Event<'_>) {
        self.recording.add(Instant::now(), event);
    }

    fn finish(&mut self) -> Result<(), ReportError> {
        self.write().map_err(|source| ReportError {
            to: self.settings.file.to_string(),
            source,
        })
    }
}

#[cfg(test)]
mod tests;
