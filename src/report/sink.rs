//! Where a reporter's text goes.

use std::io::{self, ErrorKind, Write};

/// A writer that may go away. Who stops listening (`| head`) is not written to any
/// more, and the run goes on; any other error is kept for the end.
pub struct ReportWriter<W> {
    writer: W,
    state: State,
}

enum State {
    Open,
    Closed,
    Failed(io::Error),
}

impl<W: Write> ReportWriter<W> {
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            state: State::Open,
        }
    }

    /// Writes all of `bytes` at once.
    pub fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !matches!(self.state, State::Open) {
            return;
        }
        let written = self.writer.write_all(bytes);
        if let Err(error) = written.and_then(|()| self.writer.flush()) {
            self.state = match error.kind() {
                ErrorKind::BrokenPipe => State::Closed,
                _ => State::Failed(error),
            };
        }
    }

    /// The error that kept something from being written, if any.
    pub fn finish(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Failed(error) => Err(error),
            State::Open | State::Closed => Ok(()),
        }
    }
}
