//! The loop of a run: what is read is prepared, what is prepared is queued, what is
//! queued runs when a slot is free, and what has run is printed whole.

mod first;

use super::input::Input;
use super::{Ending, JobsError};
use crate::executor::{Captured, Container, Outcome, Output, Status, Stream};
use crate::process::{Interrupts, error_chain, to_stderr};
use crate::report::DownloadLine;
use crate::schedule::{HeldSlots, Queue, Rank, batches};
use crate::session::{BUG, Client, Tasks, executable, priority};
use crate::spec::{
    ContainerSpec, Containers, Deprecations, JobDocument, JobSpec, JsonPiece, SpecText, read_job,
};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Jobs that wait before no more are read: what is read ahead of its turn is only
/// memory, but a long job should be found early.
const MOST_WAITING: usize = 1000;

/// Containers remembered; of a stream with more all are forgotten and begun anew.
const MOST_CONTAINERS: usize = 1000;

/// How often a download is shown again.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

pub struct JobStream {
    client: Client,
    /// What messages call the input.
    name: String,
    /// Those that the input defined.
    named: Containers,
    deprecations: Deprecations,
    notes_told: usize,
    /// How many jobs were read.
    read: u64,
    /// Those among them that have not ended: their programs, by their numbers.
    outstanding: BTreeMap<u64, String>,
    prepared: HashMap<ContainerSpec, Group>,
    preparing: Tasks<(ContainerSpec, Prepared)>,
    queue: Queue<(Numbered, Arc<Container>)>,
    /// Jobs that run, or wait for a slot: those together that a worker is given together.
    running: Tasks<Ended>,
    /// How much of what a job prints is kept, per stream, in bytes.
    inline_limit: usize,
    /// How long such jobs should take.
    batch_target: Duration,
    download: DownloadLine,
    failed: bool,
}

/// A container, and what is to be said about its layers; or why there is none.
type Prepared = Result<(Container, Vec<String>), String>;

/// A job, and its place in the input, from 1.
#[derive(Debug)]
struct Numbered {
    number: u64,
    spec: JobSpec,
}

/// What a task that runs jobs ends in.
struct Ended {
    /// The numbers of the jobs.
    jobs: Vec<u64>,
    /// One for each.
    outcomes: Vec<Outcome>,
    /// For others only when the end has been seen to.
    _held: Option<HeldSlots>,
}

/// The jobs that share a container.
enum Group {
    Preparing(Vec<Numbered>),
    Ready(Arc<Container>),
    Failed(String),
}

impl JobStream {
    pub fn new(client: Client, name: String, inline_limit: usize, batch_target: Duration) -> Self {
        Self {
            client,
            name,
            inline_limit,
            batch_target,
            read: 0,
            outstanding: BTreeMap::new(),
            named: Containers::new(),
            deprecations: Deprecations::default(),
            notes_told: 0,
            prepared: HashMap::new(),
            preparing: Tasks::default(),
            queue: Queue::default(),
            running: Tasks::default(),
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
            let idle = self.preparing.is_empty() && self.running.is_empty();
            if !reading && idle && self.queue.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                _ = interrupts.next() => {
                    self.running.abort_all();
                    while self.running.join_next().await.is_some() {}
                    return Ok(Ending::INTERRUPTED);
                }
                Some(ended) = self.running.join_next() => {
                    for (job, outcome) in ended.jobs.iter().zip(&ended.outcomes) {
                        self.ended(*job, outcome).map_err(JobsError::Write)?;
                    }
                }
                Some((spec, prepared)) = self.preparing.join_next() => {
                    self.container_prepared(spec, prepared);
                }
                _ = redraw.tick(), if !self.preparing.is_empty() => self.show_download(),
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

    /// Makes jobs errors that were read and of which nothing was told, when nothing is under
    /// way any more.
    fn settle_outstanding(&mut self) {
        for (number, program) in std::mem::take(&mut self.outstanding) {
            let job = name(number, &program);
            self.complain(&format!("internal error: {job} was never reported; {BUG}"));
        }
    }

    fn show_download(&mut self) {
        match self.client.builder.download() {
            Some(download) => self
                .download
                .show(&download.name, download.done, download.total),
            None => self.download.clear(),
        }
    }

    fn waiting(&self) -> usize {
        let preparing = self.prepared.values().map(|group| match group {
            Group::Preparing(jobs) => jobs.len(),
            Group::Ready(_) | Group::Failed(_) => 0,
        });
        self.queue.len() + preparing.sum::<usize>()
    }

    fn complain(&mut self, message: &str) {
        self.download.clear();
        self.failed = true;
        to_stderr(format_args!("error: {message}"));
    }

    /// Takes what was read; false if nothing after it can be made sense of.
    fn take(&mut self, piece: &JsonPiece) -> bool {
        match self.read(piece) {
            Ok(JobDocument::Job(spec)) => {
                self.read += 1;
                let number = self.read;
                self.outstanding.insert(number, spec.program.clone());
                self.prepare(Numbered {
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
        for (span, deprecated) in self.deprecations.iter().skip(self.notes_told) {
            let warning = source.explain_from(piece.start, span, &deprecated);
            to_stderr(format_args!("warning: {warning}"));
        }
        self.notes_told = self.deprecations.iter().count();
        document.map_err(|mistake| {
            let explanation = source.explain_from(piece.start, &mistake.span, &mistake.problem);
            JobsError::Specification(explanation)
        })
    }

    /// Queues a job when its container is ready, and has it made if nobody did.
    fn prepare(&mut self, job: Numbered) {
        if self.prepared.len() >= MOST_CONTAINERS && self.preparing.is_empty() {
            self.prepared.clear();
        }
        match self.prepared.get_mut(&job.spec.container) {
            Some(Group::Preparing(jobs)) => jobs.push(job),
            Some(Group::Ready(container)) => {
                let container = container.clone();
                self.enqueue(job, container);
            }
            Some(Group::Failed(message)) => {
                let message = message.clone();
                self.outstanding.remove(&job.number);
                self.complain(&message);
            }
            None => {
                let (builder, spec) = (self.client.builder.clone(), job.spec.container.clone());
                self.prepared
                    .insert(spec.clone(), Group::Preparing(vec![job]));
                let of_lost = spec.clone();
                self.preparing.spawn_blocking(
                    move || {
                        let prepared = builder.container(&spec);
                        (spec, prepared.map_err(|error| error_chain(&error)))
                    },
                    |lost| (of_lost, Err(lost.to_string())),
                );
            }
        }
    }

    fn container_prepared(&mut self, spec: ContainerSpec, prepared: Prepared) {
        self.download.clear();
        let group = match prepared {
            Ok((container, warnings)) => {
                tell(&warnings);
                Group::Ready(Arc::new(container))
            }
            Err(message) => Group::Failed(message),
        };
        if let Some(Group::Preparing(jobs)) = self.prepared.insert(spec, group) {
            for job in jobs {
                self.prepare(job);
            }
        }
    }

    fn enqueue(&mut self, job: Numbered, container: Arc<Container>) {
        let rank = Rank {
            priority: job.spec.priority,
            suspect: false,
            estimate: job.spec.estimated_duration,
        };
        self.queue.push(rank, (job, container));
    }

    fn start_jobs(&mut self) {
        while self.running.len() < self.client.most_running() {
            let Some((first, container)) = self.queue.pop() else {
                break;
            };
            let spec = first.spec;
            let job = executable(&spec, container.clone());
            let limit = self.inline_limit;
            let output = Output::Capture { limit };
            let executors = self.client.executors.clone();
            let slots = self.client.slots_for(&job, &output);
            let mut numbers = vec![first.number];
            let Some(remote) = executors.remote_for(&job, &output).cloned() else {
                let run = async move {
                    let mut held = None;
                    let turn = async {
                        let slots = slots.take(spec.slots as usize).await;
                        Some(held.insert(slots).number())
                    };
                    let outcome = executors.run(&job, output, priority(&spec), turn).await;
                    (outcome.into_iter().collect(), held)
                };
                self.spawn(numbers, run);
                continue;
            };
            let mut jobs = vec![job];
            for other in self.rest_of_batch(&spec, &container) {
                numbers.push(other.number);
                jobs.push(executable(&other.spec, container.clone()));
            }
            let run = async move {
                let held = slots.take(spec.slots as usize).await;
                let (running, _) = watch::channel(false);
                let outcomes = remote.run(&jobs, limit, priority(&spec), &running);
                (outcomes.await, Some(held))
            };
            self.spawn(numbers, run);
        }
    }

    /// Starts a task that runs jobs, those of these numbers.
    fn spawn(
        &mut self,
        jobs: Vec<u64>,
        run: impl Future<Output = (Vec<Outcome>, Option<HeldSlots>)> + 'static,
    ) {
        let of_lost: Vec<_> = jobs
            .iter()
            .map(|number| {
                let program = self.outstanding.get(number).map_or("", String::as_str);
                (*number, name(*number, program))
            })
            .collect();
        let run = async move {
            let (outcomes, held) = run.await;
            Ended {
                jobs,
                outcomes,
                _held: held,
            }
        };
        self.running.spawn_local(run, |lost| {
            let outcome = |(_, name): &(u64, String)| Outcome::error(format!("{name}: {lost}"));
            Ended {
                outcomes: of_lost.iter().map(outcome).collect(),
                jobs: of_lost.into_iter().map(|(number, _)| number).collect(),
                _held: None,
            }
        });
    }

    /// Those of the jobs that are next which a worker is given together with this one. Only
    /// jobs that say how long they take: without an estimate each is as long as any. Where
    /// results are used again, each goes alone: which others are next at the moment says
    /// nothing about it.
    fn rest_of_batch(&mut self, first: &JobSpec, container: &Arc<Container>) -> Vec<Numbered> {
        let Some(mut total) = first.estimated_duration else {
            return Vec::new();
        };
        if self.client.executors.known.are_used() {
            return Vec::new();
        }
        total += batches::OVERHEAD;
        let mut jobs = Vec::new();
        let mut fits = |(Numbered { spec, .. }, other): &(Numbered, Arc<Container>)| {
            let alike = Arc::ptr_eq(other, container)
                && (spec.priority, spec.slots) == (first.priority, first.slots);
            let Some(estimate) = spec.estimated_duration.filter(|_| alike) else {
                return false;
            };
            total += estimate + batches::OVERHEAD;
            total <= self.batch_target
        };
        while let Some((job, _)) = self.queue.pop_if(&mut fits) {
            jobs.push(job);
        }
        jobs
    }

    /// Prints what a job printed, and how it ended if that is not as it should be.
    fn ended(&mut self, number: u64, outcome: &Outcome) -> io::Result<()> {
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
            Status::NotStarted(error) => self.complain(&error.message()),
            Status::Error(message) => self.complain(message),
        }
        Ok(())
    }
}

/// What messages call a job.
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
