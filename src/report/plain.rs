//! The reporters that only write lines: `simple` and `quiet`.

use super::Reporter;
use super::TestStatus;
use super::event::Event;
use super::narrator::Narrator;
use super::sink::ReportWriter;
use std::io::{self, Write};

/// Writes what the narrator tells, each time in one write, so that a test's output
/// is never torn apart. That a test passed can wait for a [tick](super::TICK): each line would
/// wake up whoever reads them, hundreds of times a second.
pub struct Plain<W> {
    narrator: Narrator,
    sink: ReportWriter<W>,
    waiting: Vec<u8>,
}

impl<W: Write> Plain<W> {
    pub fn new(narrator: Narrator, writer: W) -> Self {
        Self {
            narrator,
            sink: ReportWriter::new(writer),
            waiting: Vec::new(),
        }
    }

    fn write_waiting(&mut self) {
        self.sink.write(&self.waiting);
        self.waiting.clear();
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn report(&mut self, event: &Event<'_>) {
        let text = self.narrator.tell(event);
        if text.is_empty() {
            return;
        }
        self.waiting.extend(text);
        let can_wait = matches!(event, Event::TestFinished { outcome, .. }
            if matches!(outcome.status, TestStatus::Passed | TestStatus::Ignored));
        if !can_wait {
            self.write_waiting();
        }
    }

    fn tick(&mut self) {
        self.write_waiting();
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_waiting();
        self.sink.finish()
    }
}
