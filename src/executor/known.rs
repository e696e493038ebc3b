//! The outcomes of jobs that succeeded on this machine, kept in the store for later runs.
//!
//! The key of an outcome is the job: its program and arguments, its container with the content
//! of each file, the version of this program, and the processor's architecture and the kernel of
//! this machine. So are the limits of its memory and processes. The timeout is not part of the key:
//! an outcome is used if the job ended within the timeout that it has now. Nor is the slot of the
//! job in its group. Other properties of the machine and the time are not part of the
//! key either, as the book says. The outcome of a job that wrote outputs is not kept.
//!
//! Only the outcomes of portable jobs are kept (see [`Container::is_portable`]).
//!
//! [`Container::is_portable`]: super::Container::is_portable

use super::job::{Container, Job, Outcome};
use super::outputs::OutputListing;
use super::remote::{BatchEnd, JobBatch, RunnerRecord};
use crate::config::CacheResults;
use crate::spec::Mount;
use crate::store::Store;
use std::sync::Arc;

/// The kind of these values in the store. Renamed when the format of records changes.
const KIND: &str = "outcomes-5";

/// The output from which on an outcome is not kept, in bytes.
const TOO_MUCH: usize = 16 << 20;

/// Reads and writes the outcomes of earlier runs.
pub struct KnownOutcomes {
    store: Store,
    use_as: CacheResults,
    machine: String,
}

impl KnownOutcomes {
    pub fn new(store: Store, use_as: CacheResults) -> Self {
        let system = rustix::system::uname();
        let machine = format!(
            "{} {} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy(),
            system.machine().to_string_lossy()
        );
        Self {
            store,
            use_as,
            machine,
        }
    }

    /// Whether outcomes of earlier runs are used.
    pub fn are_used(&self) -> bool {
        self.use_as.reads()
    }

    /// Calls [`Self::find`] on another thread.
    pub async fn look_up(self: &Arc<Self>, job: &Job, limit: usize) -> Option<Outcome> {
        if !self.are_used() {
            return None;
        }
        let (known, job) = (self.clone(), job.clone());
        let finding = tokio::task::spawn_blocking(move || known.find(&job, limit));
        // An outcome that could not be looked up is treated as unknown.
        finding.await.ok().flatten()
    }

    /// Calls [`Self::keep`] on another thread.
    pub async fn remember(self: &Arc<Self>, job: &Job, limit: usize, outcome: &Outcome) {
        if !self.is_worth_keeping(outcome) {
            return;
        }
        let (known, job) = (self.clone(), job.clone());
        let bytes = encode(limit, outcome);
        let keeping = tokio::task::spawn_blocking(move || known.write(&job, &bytes));
        // Without a kept outcome, the job runs again the next time.
        let _ = keeping.await;
    }

    /// The outcome of an earlier run of the same job, if it succeeded within the job's present
    /// timeout. At most `limit` bytes of each stream are kept. Blocks.
    pub fn find(&self, job: &Job, limit: usize) -> Option<Outcome> {
        if !self.use_as.reads() {
            return None;
        }
        let value = self.store.cached(KIND, &self.key(job)?)?;
        let (kept_limit, outcome) = decode(&value)?;
        let limits = [job.timeout, job.limits.terminate_after];
        let mut limits = limits.into_iter().flatten();
        let in_time = limits.all(|limit| outcome.duration <= limit);
        let is_whole = outcome.stdout.omitted + outcome.stderr.omitted == 0;
        // Output that was cut at another limit cannot be cut at this one.
        let is_usable = outcome.is_success() && in_time && (is_whole || kept_limit == limit);
        is_usable.then(|| Outcome {
            stdout: outcome.stdout.cut(limit),
            stderr: outcome.stderr.cut(limit),
            cached: true,
            ..outcome
        })
    }

    /// Keeps the outcome of a job if the job succeeded and printed little. Blocks.
    pub fn keep(&self, job: &Job, limit: usize, outcome: &Outcome) {
        if self.is_worth_keeping(outcome) {
            self.write(job, &encode(limit, outcome));
        }
    }

    fn is_worth_keeping(&self, outcome: &Outcome) -> bool {
        // Whether processes that a test leaves behind make it fail depends on its settings.
        let is_new = outcome.is_success() && !outcome.cached && !outcome.leaked;
        let printed = outcome.stdout.len() + outcome.stderr.len();
        // The files are not kept, so the job has to run to write them again.
        self.use_as.writes() && is_new && printed < TOO_MUCH && outcome.outputs.is_none()
    }

    fn write(&self, job: &Job, encoded: &[u8]) {
        if let Some(key) = self.key(job) {
            // Without a kept outcome, the job runs again the next time.
            let _ = self.store.cache(KIND, &key, encoded);
        }
    }

    /// `None` if the job may depend on something of this machine that has no identity.
    fn key(&self, job: &Job) -> Option<String> {
        let (container, identities) = without_identified_mounts(&job.container);
        let untimed = Job {
            timeout: None,
            limits: job.limits.without_times(),
            group_slot: None,
            container,
            ..job.clone()
        };
        let batch = JobBatch {
            jobs: vec![untimed],
            inline_limit: 0,
            outputs_limit: 0,
            blob_limit: None,
        };
        let json = String::from_utf8(batch.to_json().ok()?).ok()?;
        let version = env!("CARGO_PKG_VERSION");
        Some(format!("{version} {} {identities}{json}", self.machine))
    }
}

/// The container without `cache` mounts and bind mounts that have an identity, and these mounts as
/// text, with their names and identities in place of their content.
fn without_identified_mounts(container: &Arc<Container>) -> (Arc<Container>, String) {
    let is_identified = |mount: &Mount| match mount {
        Mount::Bind { identity, .. } => identity.is_some(),
        Mount::Cache { .. } => true,
        _ => false,
    };
    if !container.mounts.iter().any(is_identified) {
        return (Arc::clone(container), String::new());
    }
    let (identified, mounts): (Vec<_>, Vec<_>) =
        container.mounts.iter().cloned().partition(is_identified);
    let container = Container {
        mounts,
        ..Container::clone(container)
    };
    (Arc::new(container), format!("{identified:?} "))
}

fn encode(limit: usize, outcome: &Outcome) -> Vec<u8> {
    let mut bytes = format!("{limit}\n").into_bytes();
    let record = RunnerRecord::Ended(0, Box::new(outcome.clone()), OutputListing::default());
    bytes.extend(record.to_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(usize, Outcome)> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let limit = str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
    let mut ending = BatchEnd::parse(&bytes[end + 1..]).ok()?;
    Some((limit, ending.ended.remove(&0)?))
}

#[cfg(test)]
pub(super) mod tests;
