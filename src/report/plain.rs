//! The reporters that only write lines: `simple` and `quiet`; and how reports are written.

use super::TestStatus;
use super::event::Event;
use super::narrator::Narrator;
use super::{ReportError, Reporter};
use std::io::{self, ErrorKind, Write};

/// Writes the narrator's text. The text of one event is one write, so that the output of a test
/// stays together. Lines of tests that passed wait for the next [tick](super::TICK), because
/// hundreds of writes a second would keep the reading program busy.
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
        let text = self.narrator.text_of(event);
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

    fn finish(&mut self) -> Result<(), ReportError> {
        self.write_waiting();
        self.sink.finish().map_err(|source| ReportError {
            to: "standard error".to_owned(),
            source,
        })
    }
}

/// A writer that never fails. When the reader has closed its end (`| head`), further text is
/// discarded and the run continues; any other error is kept until [`finish`](Self::finish).
pub struct ReportWriter<W> {
    writer: W,
    state: WriterState,
}

enum WriterState {
    Open,
    Closed,
    Failed(io::Error),
}

impl<W: Write> ReportWriter<W> {
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            state: WriterState::Open,
        }
    }

    /// Writes all of `bytes` and flushes the writer.
    pub fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !matches!(self.state, WriterState::Open) {
            return;
        }
        let written = self.writer.write_all(bytes);
        if let Err(error) = written.and_then(|()| self.writer.flush()) {
            self.state = match error.kind() {
                ErrorKind::BrokenPipe => WriterState::Closed,
                _ => WriterState::Failed(error),
            };
        }
    }

    /// Fails with the error that prevented a write, if there was one.
    pub fn finish(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, WriterState::Closed) {
            WriterState::Failed(error) => Err(error),
            WriterState::Open | WriterState::Closed => Ok(()),
        }
    }
}
