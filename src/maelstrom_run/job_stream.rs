//! The loop of a run: each job of the input is prepared, queued, and run when slots are free. Its
//! output is printed as a whole when it has ended.

mod single_job;

use super::input::Input;
use super::outputs::JobOutputCopier;
use super::{Ending, JobsError};
use crate::executor::out_of_memory;
use crate::executor::remote::ReuseResults;
use crate::executor::{Captured, Container, Job, Outcome, Output, Status, Stream};
use crate::process::{Interrupts, error_chain, to_stderr};
use crate::report::DownloadLine;
use crate::schedule::{Rank, batches};
use crate::session::{
    BUG, Client, Dispatcher, Preparations, PreparedContainer, SlotRequest, executable,
};
use crate::spec::{
    ContainerSpec, Containers, Deprecations, JobDocument, JobSpec, JsonPiece, SpecText, read_job,
};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The number of waiting jobs at which reading pauses. It is large because a long job should be
/// found early, and limited because waiting jobs use memory.
const MOST_WAITING: usize = 1000;

/// The number of prepared containers at which all are forgotten.
const MOST_CONTAINERS: usize = 1000;

/// The time between updates of the progress of a download.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

pub struct JobStream {
    client: Client,
    /// The name of the input in messages.
    name: String,
    /// The containers that the input defined.
    named: Containers,
    deprecations: Deprecations,
    /// The number of deprecation warnings printed.
    deprecations_told: usize,
    /// The number of jobs read.
    read: u64,
    /// The programs of the jobs that have not ended, by job number.
    outstanding: BTreeMap<u64, String>,
    containers: Preparations<ContainerSpec, NumberedJob, Vec<String>>,
    /// Jobs for this machine.
    local: Dispatcher<ReadyJob, EndedJobs>,
    /// Jobs for the engine.
    remote: Dispatcher<ReadyJob, EndedJobs>,
    /// How much of a job's output is kept, per stream, in bytes.
    inline_limit: usize,
    /// The estimated duration of the jobs that a worker gets together.
    batch_target: Duration,
    outputs: JobOutputCopier,
    download: DownloadLine,
    failed: bool,
}

/// A job, and its place in the input, from 1.
#[derive(Debug)]
struct NumberedJob {
    number: u64,
    spec: JobSpec,
}

/// A job whose container is prepared.
struct ReadyJob {
    number: u64,
    spec: JobSpec,
    job: Job,
}

/// The outcomes of the jobs of a task.
struct EndedJobs {
    numbers: Vec<u64>,
    /// One for each number.
    outcomes: Vec<Outcome>,
}

impl JobStream {
    pub fn new(
        client: Client,
        name: String,
        inline_limit: usize,
        batch_target: Duration,
        outputs: JobOutputCopier,
    ) -> Self {
        Self {
            local: client.session.local_dispatcher(),
            remote: client.session.remote_dispatcher(),
            client,
            name,
            inline_limit,
            batch_target,
            outputs,
            read: 0,
            outstanding: BTreeMap::new(),
            named: Containers::new(),
            deprecations: Deprecations::default(),
            deprecations_told: 0,
            containers: Preparations::default(),
            download: DownloadLine::default(),
            failed: false,
        }
    }

    /// Runs every job of the input. Must be called within a `LocalSet`.
    pub async fn run_all(
        mut self,
        mut input: Input,
        mut interrupts: Interrupts,
    ) -> Result<Ending, JobsError> {
        let mut reading = true;
        let mut redraw = tokio::time::interval(REDRAW_EVERY);
        loop {
            self.start_jobs();
            let idle = self.containers.is_empty() && self.local.is_idle() && self.remote.is_idle();
            if !reading && idle {
                break;
            }
            tokio::select! {
                biased;
                _ = interrupts.next() => {
                    self.local.abort().await;
                    self.remote.abort().await;
                    return Ok(Ending::INTERRUPTED);
                }
                Some(ended) = self.local.join_next() => self.jobs_ended(&ended.result)?,
                Some(ended) = self.remote.join_next() => self.jobs_ended(&ended.result)?,
                Some(prepared) = self.containers.next() => {
                    self.download.clear();
                    tell(&prepared.note);
                    self.container_prepared(prepared);
                }
                _ = redraw.tick(), if !self.containers.is_empty() => self.show_download(),
                piece = input.next(), if reading && self.waiting() < MOST_WAITING => {
                    reading = match piece {
                        Ok(Some(piece)) => self.take(&piece),
                        Ok(None) => false,
                        Err(error) => {
                            self.complain(&error_chain(&error));
                            false
                        }
                    };
                }
            }
        }
        self.settle_outstanding();
        Ok(if self.failed {
            Ending::FAILURE
        } else {
            Ending::SUCCESS
        })
    }

    /// Reports an error for each job without an outcome, when nothing runs any more.
    fn settle_outstanding(&mut self) {
        for (number, program) in std::mem::take(&mut self.outstanding) {
            let job = name(number, &program);
            self.complain(&format!("internal error: {job} was never reported; {BUG}"));
        }
    }

    fn show_download(&mut self) {
        match self.client.builder.layers.download() {
            Some(download) => self
                .download
                .show(&download.name, download.done, download.total),
            None => self.download.clear(),
        }
    }

    /// The number of jobs that do not run yet.
    fn waiting(&self) -> usize {
        self.containers.waiting() + self.local.waiting() + self.remote.waiting()
    }

    fn complain(&mut self, message: &str) {
        self.download.clear();
        self.failed = true;
        to_stderr(format_args!("error: {message}"));
    }

    /// Takes a document of the input. Returns false after an error, where reading ends.
    fn take(&mut self, piece: &JsonPiece) -> bool {
        match self.read(piece) {
            Ok(JobDocument::Job(spec)) => {
                self.read += 1;
                let number = self.read;
                self.outstanding.insert(number, spec.program.clone());
                self.prepare(NumberedJob {
                    number,
                    spec: *spec,
                });
            }
            Ok(JobDocument::Containers) => {}
            Err(error) => {
                self.complain(&error_chain(&error));
                return false;
            }
        }
        true
    }

    fn read(&mut self, piece: &JsonPiece) -> Result<JobDocument, JobsError> {
        let source = SpecText {
            name: &self.name,
            text: &piece.text,
        };
        let document = piece
            .parse()
            .and_then(|node| read_job(&node, &mut self.named, &mut self.deprecations));
        for (span, deprecated) in self.deprecations.iter().skip(self.deprecations_told) {
            let warning = source.explain_from(piece.start, span, &deprecated);
            to_stderr(format_args!("warning: {warning}"));
        }
        self.deprecations_told = self.deprecations.iter().count();
        document.map_err(|mistake| {
            let explanation = source.explain_from(piece.start, &mistake.span, &mistake.problem);
            JobsError::Specification(explanation)
        })
    }

    /// Queues a job when its container is ready.
    fn prepare(&mut self, job: NumberedJob) {
        self.containers.forget_beyond(MOST_CONTAINERS);
        let (builder, spec) = (self.client.builder.clone(), job.spec.container.clone());
        let key = spec.clone();
        let prepared = (self.containers).request(key, job, move || builder.container(&spec));
        if let Some(prepared) = prepared {
            self.container_prepared(prepared);
        }
    }

    fn container_prepared(&mut self, prepared: PreparedContainer<NumberedJob, Vec<String>>) {
        for job in prepared.jobs {
            match &prepared.container {
                Ok(container) => self.enqueue(job, container),
                Err(message) => {
                    self.outstanding.remove(&job.number);
                    self.complain(message);
                }
            }
        }
    }

    fn enqueue(&mut self, job: NumberedJob, container: &Arc<Container>) {
        let NumberedJob { number, spec } = job;
        let job = executable(&spec, container.clone());
        let executors = &self.client.session.executors;
        let dispatcher = match executors.remote_for(&job, &self.output()) {
            Some(_) => &mut self.remote,
            None => &mut self.local,
        };
        let rank = Rank::from(&spec);
        dispatcher.push(rank, ReadyJob { number, spec, job });
    }

    fn output(&self) -> Output {
        let limit = self.inline_limit;
        Output::Capture { limit }
    }

    fn start_jobs(&mut self) {
        while let Some(ReadyJob { number, spec, job }) = self.local.next() {
            let (executors, output) = (self.client.session.executors.clone(), self.output());
            let jobs = vec![(number, spec.program.clone())];
            let outputs = self.outputs.clone();
            spawn(&mut self.local, jobs, async move |slots| {
                let turn = async { Some(slots.take(spec.slots as usize).await) };
                let priority = Rank::from(&spec).for_engines();
                let mut outcome = executors.run(&job, output, priority, turn).await;
                if let Some(outcome) = &mut outcome {
                    outputs.copy(number, outcome.outputs.take()).await;
                }
                outcome.into_iter().collect()
            });
        }
        while let Some(executor) = self.client.session.executors.remote.clone()
            && let Some(first) = self.remote.next()
        {
            let limit = self.inline_limit;
            let (priority, slot_count) = (Rank::from(&first.spec).for_engines(), first.spec.slots);
            let batch = self.batch(first);
            let jobs = batch
                .iter()
                .map(|ready| (ready.number, ready.spec.program.clone()))
                .collect();
            let outputs = self.outputs.clone();
            spawn(&mut self.remote, jobs, async move |slots| {
                slots.take(slot_count as usize).await;
                let (numbers, jobs): (Vec<_>, Vec<_>) =
                    (batch.into_iter().map(|ready| (ready.number, ready.job))).unzip();
                let (running, _) = watch::channel(false);
                let mut outcomes = executor
                    .run(&jobs, limit, priority, ReuseResults::AsSet, &running)
                    .await;
                for (number, outcome) in numbers.into_iter().zip(&mut outcomes) {
                    outputs.copy(number, outcome.outputs.take()).await;
                }
                outcomes
            });
        }
    }

    /// The batch that starts with this job: the job, and the next jobs of the queue with the same
    /// container, priority and slots. A job without an estimate is a batch of its own, as its
    /// duration is unknown. If results are reused, each job is a batch of its own: a result is found
    /// only if the batch is the same, and batches depend on the state of the queue.
    fn batch(&mut self, first: ReadyJob) -> Vec<ReadyJob> {
        let (spec, container) = (first.spec.clone(), first.job.container.clone());
        let mut batch = vec![first];
        let Some(estimate) = spec.estimated_duration else {
            return batch;
        };
        if self.client.session.executors.known.are_used() {
            return batch;
        }
        let mut total = estimate + batches::OVERHEAD;
        let mut fits = |other: &ReadyJob| {
            let is_alike = Arc::ptr_eq(&other.job.container, &container)
                && (other.spec.priority, other.spec.slots) == (spec.priority, spec.slots);
            let Some(estimate) = other.spec.estimated_duration.filter(|_| is_alike) else {
                return false;
            };
            total += estimate + batches::OVERHEAD;
            total <= self.batch_target
        };
        while let Some(job) = self.remote.next_if(&mut fits) {
            batch.push(job);
        }
        batch
    }

    fn jobs_ended(&mut self, ended: &EndedJobs) -> Result<(), JobsError> {
        for (number, outcome) in ended.numbers.iter().zip(&ended.outcomes) {
            self.job_ended(*number, outcome).map_err(JobsError::Write)?;
        }
        Ok(())
    }

    /// Prints the output of a job, and its outcome if that is a failure.
    fn job_ended(&mut self, number: u64, outcome: &Outcome) -> io::Result<()> {
        self.download.clear();
        let program = self.outstanding.remove(&number).unwrap_or_default();
        write(&mut io::stdout().lock(), &outcome.stdout)?;
        write(&mut io::stderr().lock(), &outcome.stderr)?;
        for (stream, captured) in [
            (Stream::Stdout, &outcome.stdout),
            (Stream::Stderr, &outcome.stderr),
        ] {
            if captured.omitted > 0 {
                let job = name(number, &program);
                self.complain(&format!(
                    "{job} printed more to {stream} than is kept; raise `--inline-limit`"
                ));
            }
        }
        match &outcome.status {
            Status::Exited(0) => {}
            Status::Exited(_) => self.failed = true,
            Status::Signaled(signal) => {
                self.failed = true;
                to_stderr(format_args!("killed by signal {signal}"));
            }
            Status::TimedOut => {
                self.failed = true;
                to_stderr(format_args!("timed out"));
            }
            Status::OutOfMemory { limit } => {
                self.failed = true;
                to_stderr(format_args!("{}", out_of_memory(*limit)));
            }
            Status::NotStarted(error) => self.complain(&error.message()),
            Status::Error(message) => self.complain(message),
        }
        Ok(())
    }
}

/// Starts a task that runs jobs, given by number and program.
fn spawn<F: Future<Output = Vec<Outcome>> + 'static>(
    dispatcher: &mut Dispatcher<ReadyJob, EndedJobs>,
    jobs: Vec<(u64, String)>,
    run: impl FnOnce(SlotRequest) -> F,
) {
    let numbers: Vec<_> = jobs.iter().map(|(number, _)| *number).collect();
    let numbers_on_panic = numbers.clone();
    dispatcher.spawn(
        |slots| {
            let run = run(slots);
            async move {
                let outcomes = run.await;
                EndedJobs { numbers, outcomes }
            }
        },
        move |panic| EndedJobs {
            numbers: numbers_on_panic,
            outcomes: jobs
                .iter()
                .map(|(number, program)| {
                    Outcome::error(format!("{}: {panic}", name(*number, program)))
                })
                .collect(),
        },
    );
}

/// The name of a job in messages.
fn name(number: u64, program: &str) -> String {
    format!("job {number} of the input (`{program}`)")
}

fn tell(warnings: &[String]) {
    for warning in warnings {
        to_stderr(format_args!("warning: {warning}"));
    }
}

fn write(to: &mut dyn Write, captured: &Captured) -> io::Result<()> {
    to.write_all(&captured.head)?;
    to.write_all(captured.gap().as_bytes())?;
    to.write_all(&captured.tail)?;
    to.flush()
}

#[cfg(test)]
mod tests;
