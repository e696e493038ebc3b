//! A job in the foreground: its input and output are those of this program, at the user's terminal or
//! through the standard streams.

mod keys;
mod streams;
mod terminal;

pub use streams::{StreamFailure, pass_on, stdin_pipe};
pub use terminal::UserTerminal;

use crate::config::EscapeCharacter;
use crate::executor::{Job, Outcome, Output};
use crate::process::Interrupts;
use std::io;
use std::sync::Arc;
use terminal::JobTerminal;

/// The end of a job in the foreground.
#[derive(Debug)]
pub enum ForegroundEnd {
    Ended(Box<Outcome>),
    /// The user or a signal ended it.
    Interrupted,
}

impl From<Option<Outcome>> for ForegroundEnd {
    /// Without an outcome, the job was not started.
    fn from(outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(outcome) => Self::Ended(Box::new(outcome)),
            None => Self::Interrupted,
        }
    }
}

/// Prepares a job for the user's terminal: the user decides when it ends, and it gets the type of the
/// terminal, which is known only here.
pub fn make_interactive(job: &mut Job) {
    job.timeout = None;
    if let Ok(kind) = std::env::var("TERM") {
        let environment = &mut Arc::make_mut(&mut job.container).environment;
        environment.entry("TERM".to_owned()).or_insert(kind);
    }
}

/// Runs a job at a terminal of its own, which is connected to the user's. `run` runs it with the output
/// that it is given; without an outcome, the job was not started. An error: the terminals cannot be
/// connected.
pub async fn run_at_terminal<R: Future<Output = Option<Outcome>>>(
    user: UserTerminal,
    escape: EscapeCharacter,
    interrupts: &mut Interrupts,
    run: impl FnOnce(Output) -> R,
) -> io::Result<ForegroundEnd> {
    let (mut terminal, output) = JobTerminal::open(user, escape)?;
    let outcome = tokio::select! {
        biased;
        _ = interrupts.next() => return Ok(ForegroundEnd::Interrupted),
        served = terminal.serve() => return served.map(|()| ForegroundEnd::Interrupted),
        outcome = run(output) => outcome,
    };
    tokio::select! {
        biased;
        _ = interrupts.next() => return Ok(ForegroundEnd::Interrupted),
        finished = terminal.finish() => finished?,
    }
    Ok(outcome.into())
}
