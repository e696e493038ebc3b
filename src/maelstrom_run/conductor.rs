//! The loop of a run: what is read is prepared, what is prepared is queued, what is
//! queued runs when a slot is free, and what has run is printed whole.

use super::input::Input;
use super::terminal::{JobTerminal, UserTerminal};
use super::{Ending, JobsError};
use crate::config::EscapeCharacter;
use crate::executor::{Captured, Container, Job, Outcome, Output, Sink, Status, Stream};
use crate::layer::ContainerError;
use crate::process::{Interrupts, error_chain, to_stderr};
use crate::report::DownloadLine;
use crate::schedule::{Held, Queue, Rank, batches};
use crate::session::{Client, executable, priority};
use crate::spec::{
    ContainerSpec, Containers, Deprecations, JobDocument, JobSpec, JsonPiece, SpecText, read_job,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::ready;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Jobs that wait before no more are read: what is read ahead of its turn is only
/// memory, but a long job should be found early.
const MOST_WAITING: usize = 1000;

/// Containers remembered; of a stream with more all are forgotten and begun anew.
const MOST_CONTAINERS: usize = 1000;

/// How often a download is shown again.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

pub struct Conductor {
    client: Client,
    /// What messages call the input.
    name: String,
    /// Those that the input defined.
    named: Containers,
    deprecations: Deprecations,
    notes_told: usize,
    prepared: HashMap<ContainerSpec, Group>,
    preparing: JoinSet<(ContainerSpec, Prepared)>,
    queue: Queue<(JobSpec, Arc<Container>)>,
    /// Jobs that run, or wait for a slot: those together that a worker is given together.
    running: JoinSet<(Vec<Outcome>, Option<Held>)>,
    /// How long such jobs should take.
    batch_target: Duration,
    download: DownloadLine,
    failed: bool,
}

type Prepared = Result<(Container, Vec<String>), ContainerError>;

/// The jobs that share a container.
enum Group {
    Preparing(Vec<JobSpec>),
    Ready(Arc<Container>),
    Failed(String),
}

impl Conductor {
    pub fn new(client: Client, name: String, batch_target: Duration) -> Self {
        Self {
            client,
            name,
            batch_target,
            named: Containers::new(),
            deprecations: Deprecations::default(),
            notes_told: 0,
            prepared: HashMap::new(),
            preparing: JoinSet::new(),
            queue: Queue::default(),
            running: JoinSet::new(),
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
                    if let Ok((outcomes, held)) = ended {
                        for outcome in outcomes {
                            self.print(&outcome).map_err(JobsError::Write)?;
                        }
                        drop(held);
                    }
                }
                Some(prepared) = self.preparing.join_next() => {
                    if let Ok((spec, prepared)) = prepared {
                        self.container_prepared(spec, prepared);
                    }
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
        Ok(if self.failed {
            Ending::FAILURE
        } else {
            Ending::SUCCESS
        })
    }

    /// Runs the first job of the input, what it prints passed on as it comes.
    pub async fn run_one(
        mut self,
        input: Input,
        program: &[String],
        mut interrupts: Interrupts,
    ) -> Result<Ending, JobsError> {
        let Some(job) = self.first_job(input, program, &mut interrupts).await? else {
            return Ok(Ending::INTERRUPTED);
        };
        let failure = Rc::new(RefCell::new(None));
        let output = Output::Stream {
            limit: self.client.executors.known.wanted_output(),
            sink: passing_on(failure.clone()),
        };
        let outcome = tokio::select! {
            biased;
            _ = interrupts.next() => None,
            outcome = self.client.executors.run(&job, output, 0, ready(Some(0))) => outcome,
        };
        if outcome.is_none() {
            return Ok(Ending::INTERRUPTED);
        }
        if let Some(error) = failure.borrow_mut().take() {
            return Err(JobsError::Write(error));
        }
        ending(outcome, program)
    }

    /// Runs the first job of the input at a terminal of its own, which the user's is
    /// joined to.
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
        // Whoever sits there ends it when it is time.
        job.timeout = None;
        // What kind of terminal it is, only this side knows.
        if let Ok(kind) = std::env::var("TERM") {
            let environment = &mut Arc::make_mut(&mut job.container).environment;
            environment.entry("TERM".to_owned()).or_insert(kind);
        }
        let (mut terminal, output) =
            JobTerminal::open(terminal, escape).map_err(JobsError::Terminal)?;
        let outcome = tokio::select! {
            biased;
            _ = interrupts.next() => return Ok(Ending::INTERRUPTED),
            served = terminal.serve() => {
                return served.map(|()| Ending::INTERRUPTED).map_err(JobsError::Terminal);
            }
            outcome = self.client.executors.run(&job, output, 0, ready(Some(0))) => outcome,
        };
        tokio::select! {
            biased;
            _ = interrupts.next() => return Ok(Ending::INTERRUPTED),
            finished = terminal.finish() => finished.map_err(JobsError::Terminal)?,
        }
        ending(outcome, program)
    }

    /// The first job of the input, ready to run, with `program` in the place of its own
    /// if one is given. `None`: interrupted before it came.
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
            Ok(JobDocument::Job(job)) => self.prepare(*job),
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
    fn prepare(&mut self, job: JobSpec) {
        if self.prepared.len() >= MOST_CONTAINERS && self.preparing.is_empty() {
            self.prepared.clear();
        }
        match self.prepared.get_mut(&job.container) {
            Some(Group::Preparing(jobs)) => jobs.push(job),
            Some(Group::Ready(container)) => {
                let container = container.clone();
                self.enqueue(job, container);
            }
            Some(Group::Failed(message)) => {
                let message = message.clone();
                self.complain(&message);
            }
            None => {
                let (builder, spec) = (self.client.builder.clone(), job.container.clone());
                self.prepared
                    .insert(spec.clone(), Group::Preparing(vec![job]));
                self.preparing.spawn_blocking(move || {
                    let prepared = builder.container(&spec);
                    (spec, prepared)
                });
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
            Err(error) => Group::Failed(error_chain(&error)),
        };
        if let Some(Group::Preparing(jobs)) = self.prepared.insert(spec, group) {
            for job in jobs {
                self.prepare(job);
            }
        }
    }

    fn enqueue(&mut self, job: JobSpec, container: Arc<Container>) {
        let rank = Rank {
            priority: job.priority,
            suspect: false,
            estimate: job.estimated_duration,
        };
        self.queue.push(rank, (job, container));
    }

    fn start_jobs(&mut self) {
        while self.running.len() < self.client.most_running() {
            let Some((spec, container)) = self.queue.pop() else {
                break;
            };
            let job = executable(&spec, container.clone());
            let output = Output::Capture { limit: usize::MAX };
            let executors = self.client.executors.clone();
            let slots = self.client.slots_for(&job, &output);
            if let Some(remote) = executors.remote_for(&job, &output).cloned() {
                let rest = self.rest_of_batch(&spec, &container);
                let jobs: Vec<_> = std::iter::once(job).chain(rest).collect();
                self.running.spawn_local(async move {
                    let held = slots.take(spec.slots as usize).await;
                    let (running, _) = watch::channel(false);
                    let outcomes = remote.run(&jobs, usize::MAX, priority(&spec), &running);
                    (outcomes.await, Some(held))
                });
                continue;
            }
            self.running.spawn_local(async move {
                let mut held = None;
                let turn = async {
                    let slots = slots.take(spec.slots as usize).await;
                    Some(held.insert(slots).number())
                };
                let outcome = executors.run(&job, output, priority(&spec), turn).await;
                (vec![outcome.expect("it gets a slot")], held)
            });
        }
    }

    /// Those of the jobs that are next which a worker is given together with this one. Only
    /// jobs that say how long they take: without an estimate each is as long as any. Where
    /// results are used again, each goes alone: which others are next at the moment says
    /// nothing about it.
    fn rest_of_batch(&mut self, first: &JobSpec, container: &Arc<Container>) -> Vec<Job> {
        let Some(mut total) = first.estimated_duration else {
            return Vec::new();
        };
        if self.client.executors.known.are_used() {
            return Vec::new();
        }
        total += batches::OVERHEAD;
        let mut jobs = Vec::new();
        let mut fits = |(spec, other): &(JobSpec, Arc<Container>)| {
            let alike = Arc::ptr_eq(other, container)
                && (spec.priority, spec.slots) == (first.priority, first.slots);
            let Some(estimate) = spec.estimated_duration.filter(|_| alike) else {
                return false;
            };
            total += estimate + batches::OVERHEAD;
            total <= self.batch_target
        };
        while let Some((spec, container)) = self.queue.pop_if(&mut fits) {
            jobs.push(executable(&spec, container));
        }
        jobs
    }

    /// Prints what a job printed, and how it ended if that is not as it should be.
    fn print(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.download.clear();
        write(&mut io::stdout().lock(), &outcome.stdout)?;
        write(&mut io::stderr().lock(), &outcome.stderr)?;
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
            Status::Error(message) => self.complain(message),
        }
        Ok(())
    }
}

/// How the program ends whose only job went so; `program` took the place of the job's own.
fn ending(outcome: Option<Outcome>, program: &[String]) -> Result<Ending, JobsError> {
    Ok(match outcome.map(|outcome| outcome.status) {
        Some(Status::Exited(code)) => Ending::Code(u8::try_from(code).unwrap_or(1)),
        Some(Status::Signaled(signal)) => Ending::Signal(signal),
        Some(Status::TimedOut) => {
            to_stderr(format_args!("timed out"));
            Ending::FAILURE
        }
        Some(Status::Error(mut message)) => {
            if let [program, ..] = program
                && message.starts_with(&format!("execute {program}: "))
            {
                // Writing to a string does not fail.
                let _ = write!(
                    message,
                    "; `--add-programs {program}` adds the one of this machine"
                );
            }
            return Err(JobsError::Specification(message));
        }
        None => Ending::FAILURE,
    })
}

fn tell(warnings: &[String]) {
    for warning in warnings {
        to_stderr(format_args!("warning: {warning}"));
    }
}

fn write(to: &mut dyn Write, captured: &Captured) -> io::Result<()> {
    to.write_all(&captured.head)?;
    to.write_all(&captured.tail)?;
    to.flush()
}

/// Passes on what a job prints, and keeps the first error of that.
fn passing_on(failure: Rc<RefCell<Option<io::Error>>>) -> Sink {
    Rc::new(move |stream, bytes| {
        let write_all = |to: &mut dyn Write| to.write_all(bytes).and_then(|()| to.flush());
        let written = match stream {
            Stream::Stdout => write_all(&mut io::stdout().lock()),
            Stream::Stderr => write_all(&mut io::stderr().lock()),
        };
        if let Err(error) = written {
            failure.borrow_mut().get_or_insert(error);
        }
    })
}
