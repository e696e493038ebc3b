//! Here or elsewhere.

use super::remote::RemoteExecutor;
use super::{Job, KnownOutcomes, LocalExecutor, Outcome, Output, Stream};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;

/// How long an engine may take to cancel what is of no use any more.
const SETTLING: Duration = Duration::from_secs(2);

/// The executors of a client. Cheap to clone.
#[derive(Clone)]
pub struct Executors {
    pub local: Rc<LocalExecutor>,
    /// Where jobs run that do not need this machine, if there is one.
    pub remote: Option<Rc<RemoteExecutor>>,
    /// How jobs went that ran here.
    pub known: Rc<KnownOutcomes>,
}

impl Executors {
    /// The executor elsewhere, if the job can run there.
    pub fn remote_for(&self, job: &Job, output: &Output) -> Option<&Rc<RemoteExecutor>> {
        let is_portable = job.container.is_portable().is_ok() && !output.is_terminal();
        self.remote.as_ref().filter(|_| is_portable)
    }

    /// Waits until what was dropped is cancelled elsewhere, but not for long.
    pub async fn settle(&self) {
        if let Some(remote) = &self.remote {
            let _ = tokio::time::timeout(SETTLING, remote.settle()).await;
        }
    }

    /// Runs a job to its end where it can run, when `turn` gives it a slot; if that gives
    /// none, there is no outcome. What a job prints elsewhere, or printed at an earlier time
    /// if it need not be run again, is passed on whole. Dropping the future kills the job.
    pub async fn run(
        &self,
        job: &Job,
        output: Output,
        priority: i32,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<Outcome> {
        let Some(remote) = self.remote_for(job, &output) else {
            return self.run_here(job, output, turn).await;
        };
        turn.await?;
        let (running, _) = watch::channel(false);
        let jobs = std::slice::from_ref(job);
        let limit = match &output {
            Output::Capture { limit } => *limit,
            _ => usize::MAX,
        };
        let mut outcomes = remote.run(jobs, limit, priority, &running).await;
        let outcome = outcomes.pop()?;
        pass_on(&outcome, &output);
        Some(outcome)
    }

    async fn run_here(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<Outcome> {
        let (Output::Capture { limit } | Output::Stream { limit, .. }) = output else {
            return self.local.run(job, output, turn).await;
        };
        if let Some(outcome) = self.known.find(job, limit) {
            pass_on(&outcome, &output);
            return Some(outcome);
        }
        let outcome = self.local.run(job, output, turn).await?;
        self.known.keep(job, limit, &outcome);
        Some(outcome)
    }
}

fn pass_on(outcome: &Outcome, output: &Output) {
    if let Output::Stream { sink, .. } = output {
        sink(Stream::Stdout, &outcome.stdout.to_vec());
        sink(Stream::Stderr, &outcome.stderr.to_vec());
    }
}
