//! The reporters that only write lines: `simple` and `quiet`.

use super::Reporter;
use super::event::Event;
use super::narrator::Narrator;
use super::sink::Sink;
use std::io::{self, Write};

/// Writes what the narrator tells, each time in one write, so that a test's output
/// is never torn apart.
pub struct Plain<W> {
    narrator: Narrator,
    sink: Sink<W>,
}

impl<W: Write> Plain<W> {
    pub fn new(narrator: Narrator, writer: W) -> Self {
        Self {
            narrator,
            sink: Sink::new(writer),
        }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn report(&mut self, event: &Event<'_>) {
        self.sink.write(&self.narrator.tell(event));
    }

    fn finish(&mut self) -> io::Result<()> {
        self.sink.finish()
    }
}
