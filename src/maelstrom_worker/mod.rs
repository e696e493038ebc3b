//! `maelstrom-worker`: makes a machine a worker of an engine that speaks the Remote Workers API.
//!
//! - [`session`] receives leases from the engine and reports results;
//! - [`action`] runs the action of a lease: [`staging`] links blobs of the [`cache`] into the
//!   input root in a [`directory`], [`sandbox`] runs the command in a container, and [`outputs`]
//!   uploads its outputs;
//! - [`fetch`] downloads blobs into the cache.
//!
//! The event loop is one thread and must not block, since the engine gives up a worker that sends
//! no update in time. Hashing, unpacking and access to the file system are [`blocking`] work on
//! other threads, and so are the drops of [`blocking::BackgroundDrop`]. A worker that is killed
//! leaves no process behind: each action is in a pid namespace whose first process ends with the
//! worker's end of a socket.

mod action;
mod blocking;
mod cache;
pub mod command_line;
mod directory;
mod error;
mod fetch;
mod outputs;
mod root_paths;
mod sandbox;
mod session;
mod staging;

use crate::engine::{Backoff, Engine, EngineError, EngineSettings};
use crate::process::{ExitCode, Interrupts, start_log, to_stderr};
use action::ActionRunner;
use cache::Cache;
use command_line::{WorkerAction, WorkerOptions};
use error::WorkError;
use sandbox::Sandbox;
use session::WorkerSession;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker that ends waits for its blocking work.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the worker, or prints its configuration, as the options say.
pub fn run(options: &WorkerOptions) -> ExitCode {
    let settings = match &options.action {
        WorkerAction::PrintConfig(text) => {
            print!("{text}");
            return ExitCode::Success;
        }
        WorkerAction::Work(settings) => settings,
    };
    start_log(options.log_level.level());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let worked = match runtime {
        Ok(runtime) => {
            let local = tokio::task::LocalSet::new();
            let worked = local.block_on(&runtime, work(options, settings));
            drop(local);
            // Threads may still remove directories of actions, or hash a large file.
            runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
            worked
        }
        Err(error) => Err(StartError::Machine(error)),
    };
    match worked {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            to_stderr(format_args!("error: {error}"));
            ExitCode::SetUp
        }
    }
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("failed to start: {0}")]
    Machine(#[from] io::Error),
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

async fn work(options: &WorkerOptions, settings: &EngineSettings) -> Result<(), StartError> {
    let mut interrupts = Interrupts::watch()?;
    let cache = Arc::new(Cache::open(&options.cache_root, options.cache_size)?);
    let sandbox = Sandbox::new(&cache.directory().join("base"), options.slots)?;
    sandbox.check().await?;
    let bot = bot_id(cache.directory())?;
    let engine = tokio::select! {
        engine = reach(settings) => engine?,
        _ = interrupts.next() => return Ok(()),
    };
    tracing::info!(
        "worker {bot} serves {}: {} actions at once, cache in {}",
        engine.endpoint(),
        options.slots,
        cache.directory().display()
    );
    let runner = ActionRunner {
        engine,
        cache,
        sandbox,
        worker: bot.clone(),
    };
    let session = WorkerSession::new(runner, &bot, options.slots, &options.properties);
    session.serve(&mut interrupts).await;
    tracing::info!("worker ended");
    Ok(())
}

/// Connects to the engine, which may start after its workers. An error that no retry can change is
/// returned at once.
async fn reach(settings: &EngineSettings) -> Result<Engine, EngineError> {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
    loop {
        match Engine::connect(settings).await {
            Err(error) if error.problem.is_retryable() => {
                let wait = backoff.wait();
                tracing::warn!("{error}; trying again in {} ms", wait.as_millis());
                tokio::time::sleep(wait).await;
            }
            connected => return connected,
        }
    }
}

/// The id of this worker at the engine: the name of the machine and a random word that is kept in
/// the cache, which belongs to one worker. So the engine recognises a worker that was killed and
/// started again, and runs its leases again at once.
fn bot_id(cache: &Path) -> Result<String, WorkError> {
    let path = cache.join("bot-id");
    if let Ok(id) = fs::read_to_string(&path)
        && !id.trim().is_empty()
    {
        return Ok(id.trim().to_owned());
    }
    let host = nix::unistd::gethostname().unwrap_or_default();
    let id = format!(
        "{}-{}",
        host.to_string_lossy(),
        crate::engine::random_word()
    );
    fs::write(&path, &id).map_err(|error| WorkError::local("write", &path, error))?;
    Ok(id)
}
