//! Running only the first job of the input.

use super::{JobStream, REDRAW_EVERY, tell};
use crate::config::EscapeCharacter;
use crate::container::Step;
use crate::executor::out_of_memory;
use crate::executor::{Job, Outcome, Output, Status};
use crate::foreground::{
    ForegroundEnd, StreamFailure, UserTerminal, make_interactive, pass_on, run_at_terminal,
};
use crate::maelstrom_run::input::Input;
use crate::maelstrom_run::{Ending, JobsError};
use crate::process::{Interrupts, error_chain, to_stderr};
use crate::session::executable;
use crate::spec::JobDocument;
use std::fmt::Write as _;
use std::future::ready;
use std::sync::Arc;

impl JobStream {
    /// Runs the first job of the input. Its output is passed on as it is written.
    pub async fn run_one(
        mut self,
        input: Input,
        program: &[String],
        mut interrupts: Interrupts,
    ) -> Result<Ending, JobsError> {
        let Some(job) = self.first_job(input, program, &mut interrupts).await? else {
            return Ok(Ending::INTERRUPTED);
        };
        let failure = StreamFailure::default();
        let output = Output::Stream {
            limit: self.inline_limit,
            sink: pass_on(failure.clone()),
        };
        let outcome = tokio::select! {
            biased;
            _ = interrupts.next() => None,
            outcome = self.client.session.executors.run(&job, output, 0, ready(Some(0))) => outcome,
        };
        let Some(mut outcome) = outcome else {
            return Ok(Ending::INTERRUPTED);
        };
        self.outputs.copy(1, outcome.outputs.take()).await;
        if let Some(error) = failure.take() {
            return Err(JobsError::Write(error));
        }
        ending(Some(outcome), program)
    }

    /// Runs the first job of the input at a terminal of its own, which is connected to the user's.
    pub async fn run_at_terminal(
        mut self,
        input: Input,
        program: &[String],
        mut interrupts: Interrupts,
        terminal: UserTerminal,
        escape: EscapeCharacter,
    ) -> Result<Ending, JobsError> {
        let Some(mut job) = self.first_job(input, program, &mut interrupts).await? else {
            return Ok(Ending::INTERRUPTED);
        };
        make_interactive(&mut job);
        let executors = &self.client.session.executors;
        let run = |output| executors.run(&job, output, 0, ready(Some(0)));
        let end = run_at_terminal(terminal, escape, &mut interrupts, run).await;
        let ForegroundEnd::Ended(mut outcome) = end.map_err(JobsError::Terminal)? else {
            return Ok(Ending::INTERRUPTED);
        };
        self.outputs.copy(1, outcome.outputs.take()).await;
        ending(Some(*outcome), program)
    }

    /// The first job of the input with its container. `program` replaces the program of the job, if
    /// one is given. `None`: the run was interrupted.
    async fn first_job(
        &mut self,
        mut input: Input,
        program: &[String],
        interrupts: &mut Interrupts,
    ) -> Result<Option<Job>, JobsError> {
        let mut job = loop {
            let piece = tokio::select! {
                biased;
                _ = interrupts.next() => return Ok(None),
                piece = input.next() => piece?,
            };
            let Some(piece) = piece else {
                return Err(JobsError::NoJob);
            };
            if let JobDocument::Job(job) = self.read(&piece)? {
                break *job;
            }
        };
        if let [program, arguments @ ..] = program {
            program.clone_into(&mut job.program);
            arguments.clone_into(&mut job.arguments);
        }
        let (builder, spec) = (self.client.builder.clone(), job.container.clone());
        let preparing = tokio::task::spawn_blocking(move || builder.container(&spec));
        tokio::pin!(preparing);
        let mut redraw = tokio::time::interval(REDRAW_EVERY);
        let prepared = loop {
            tokio::select! {
                biased;
                _ = interrupts.next() => return Ok(None),
                prepared = &mut preparing => break prepared,
                _ = redraw.tick() => self.show_download(),
            }
        };
        self.download.clear();
        let prepared = prepared.map_err(|error| JobsError::Start(error.into()))?;
        let (container, warnings) =
            prepared.map_err(|error| JobsError::Specification(error_chain(&error)))?;
        tell(&warnings);
        Ok(Some(executable(&job, Arc::new(container))))
    }
}

/// The end of the program after the outcome of its only job. `program` replaced that of the job.
fn ending(outcome: Option<Outcome>, program: &[String]) -> Result<Ending, JobsError> {
    Ok(match outcome.map(|outcome| outcome.status) {
        Some(Status::Exited(code)) => Ending::Code(u8::try_from(code).unwrap_or(1)),
        Some(Status::Signaled(signal)) => Ending::Signal(signal),
        Some(Status::TimedOut) => {
            to_stderr(format_args!("timed out"));
            Ending::FAILURE
        }
        Some(Status::OutOfMemory { limit }) => {
            to_stderr(format_args!("{}", out_of_memory(limit)));
            Ending::FAILURE
        }
        Some(Status::NotStarted(error)) => {
            let mut message = error.message();
            if let ([program, ..], Step::Execute { program: executed }) = (program, &error.step)
                && executed == program
            {
                // Writing to a string does not fail.
                let _ = write!(
                    message,
                    "; `--add-programs {program}` adds the one of this machine"
                );
            }
            return Err(JobsError::Specification(message));
        }
        Some(Status::Error(message)) => return Err(JobsError::Specification(message)),
        None => Ending::FAILURE,
    })
}
