//! Listing the test cases of a test binary, in the container of its tests.

use crate::cargo::TestBinary;
use crate::container::JobLimits;
use crate::executor::{
    Captured, Container, Job, LocalExecutor, Outcome, Output, Status, out_of_memory,
};
use crate::listing::{self, ListingError, TestListing};
use crate::store::{Digest, Store};
use crate::test_job::{hints, slot_variable};
use camino::Utf8Path;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

/// A binary that takes longer to list its tests is an error.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The greatest length of a listing, in bytes.
const LIMIT: usize = 64 << 20;

/// The kind of the values in the store. A change of their format needs a new name.
const KIND: &str = "listings-2";

/// The listings of earlier runs, in the store.
#[derive(Clone)]
pub struct Lister {
    store: Store,
}

/// The listing of an earlier run, if there is one.
pub struct ListingLookup {
    /// The key of the listing in the store: a digest of everything that the listing depends on.
    pub key: String,
    pub cached: Option<TestListing>,
}

#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("listing its tests did not end within {} s", TIMEOUT.as_secs())]
    TimedOut,
    #[error("listing its tests failed: {message}{hint}")]
    NotRun { message: String, hint: String },
    #[error("listing its tests ended with {how}{output}{hint}")]
    Failed {
        how: String,
        output: String,
        hint: String,
    },
    #[error(transparent)]
    Malformed(#[from] ListingError),
}

impl Lister {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Looks up the listing of an earlier run. `layer` holds the binary and the programs that it
    /// may start. Blocking.
    pub fn look_up(
        &self,
        binary: &TestBinary,
        layer: Digest,
        container: &Container,
    ) -> ListingLookup {
        let key = key(binary, layer, container);
        let cached = self
            .store
            .cached(KIND, &key)
            .and_then(|bytes| listing::decode(&bytes));
        ListingLookup { key, cached }
    }

    /// Keeps a listing for later runs. An error only costs the next run time.
    pub async fn remember(&self, key: String, listing: &TestListing) {
        let (store, bytes) = (self.store.clone(), listing::encode(listing));
        let _ = tokio::task::spawn_blocking(move || store.cache(KIND, &key, &bytes)).await;
    }
}

/// The list of a libtest binary depends on its content only. The list of another binary may depend on
/// everything in the container.
fn key(binary: &TestBinary, layer: Digest, container: &Container) -> String {
    let mut hash = Sha256::new();
    hash.update([u8::from(binary.harness)]);
    hash.update(binary.path.as_str());
    hash.update([0]);
    if binary.harness {
        hash.update(layer.sha256);
    } else {
        for layer in &container.layers {
            hash.update(layer.sha256);
        }
        for (name, value) in &container.environment {
            hash.update(format!("{name}={value}\0"));
        }
        hash.update(format!("{:?}", container.mounts));
        hash.update(container.working_directory.as_str());
    }
    Digest {
        sha256: hash.finalize().into(),
        size: 0,
    }
    .to_string()
}

/// Lists the test cases of a binary on a slot.
pub async fn list(
    executor: &LocalExecutor,
    slot: usize,
    binary: &TestBinary,
    container: &Arc<Container>,
) -> Result<TestListing, ListError> {
    let all = match ask(executor, slot, binary, container, &[]).await {
        // The binary does not support `--list`, or lists nothing: the whole binary is one test.
        Err(_) if !binary.harness => return Ok(TestListing::Whole),
        Ok(all) if !binary.harness && all.is_empty() => return Ok(TestListing::Whole),
        all => all?,
    };
    let ignored = ask(executor, slot, binary, container, &["--ignored"]).await?;
    Ok(TestListing::Cases(listing::merge(&all, &ignored)))
}

async fn ask(
    executor: &LocalExecutor,
    slot: usize,
    binary: &TestBinary,
    container: &Arc<Container>,
    more: &[&str],
) -> Result<Vec<String>, ListError> {
    let arguments = ["--list", "--format", "terse"].iter().chain(more);
    let arguments = arguments.map(ToString::to_string).collect();
    let path = &binary.path;
    let job = job(binary, path, container.clone(), arguments, Some(TIMEOUT));
    let output = Output::Capture { limit: LIMIT };
    let outcome = executor.run(&job, output, ready(Some(slot))).await;
    let outcome = outcome.expect("it has a slot");
    let hint = hints::not_loaded(&outcome).map(|hint| format!("\nhint: {hint}"));
    let hint = hint.unwrap_or_default();
    let how = match &outcome.status {
        Status::Exited(0) => {
            return Ok(listing::parse(&outcome.stdout.head)?);
        }
        Status::TimedOut => return Err(ListError::TimedOut),
        Status::NotStarted(error) => {
            let message = error.message();
            return Err(ListError::NotRun { message, hint });
        }
        Status::Error(message) => {
            let message = message.clone();
            return Err(ListError::NotRun { message, hint });
        }
        Status::Exited(code) => format!("exit code {code}"),
        Status::Signaled(signal) => format!("signal {signal}"),
        Status::OutOfMemory { limit } => out_of_memory(*limit),
    };
    Err(ListError::Failed {
        how,
        output: shown(&outcome),
        hint,
    })
}

/// The output of a program, for an error message.
fn shown(outcome: &Outcome) -> String {
    const MOST: usize = 4096;
    let mut text = String::new();
    for (name, Captured { head, .. }) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)]
    {
        if !head.is_empty() {
            let part = String::from_utf8_lossy(&head[..head.len().min(MOST)]);
            let _ = write!(text, "\n--- {name}\n{}", part.trim_end());
        }
    }
    text
}

/// A job that runs `program`, which is the binary itself or an executable of one of its tests, with
/// Cargo's runner if one is set.
pub fn job(
    binary: &TestBinary,
    program: &Utf8Path,
    container: Arc<Container>,
    arguments: Vec<String>,
    timeout: Option<Duration>,
) -> Job {
    let mut words: Vec<String> = binary.runner.clone().unwrap_or_default();
    words.push(program.to_string());
    words.extend(arguments);
    let program = words.remove(0);
    Job {
        container,
        program: program.into(),
        arguments: words,
        variables: vec![slot_variable()],
        timeout,
        limits: JobLimits::default(),
        should_panic: false,
        group_slot: None,
    }
}
