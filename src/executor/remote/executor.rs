//! Batches of jobs run by an engine.

use super::action::{Action, timeout};
use super::execution::{Executed, Executions, code};
use super::input::{Content, InputError, Inputs};
use super::kit::{Kit, KitError};
use super::ledger::{Attempt, Ledger};
use super::presence::Presence;
use super::record::Ending;
use super::{Batch, OUTCOMES, timing};
use crate::config::Property;
use crate::engine::reapi::{ActionResult, ExecuteResponse};
use crate::engine::{self, Backoff, Blob, Engine, EngineError, EngineSettings, Progress};
use crate::executor::local::describe;
use crate::executor::{Job, Outcome};
use crate::store::{Digest, Store};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tonic::Code;

/// How often an action is asked for whose blobs the engine keeps losing, or whose worker is
/// in trouble.
const ATTEMPTS: u32 = 3;

/// Which engine runs jobs, and on which of its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    pub engine: EngineSettings,
    /// What workers must have.
    pub properties: Vec<Property>,
    /// How many actions are in flight at once.
    pub slots: usize,
}

impl RemoteSettings {
    /// Reaches the engine, which must execute actions.
    pub async fn connect(&self) -> Result<Engine, EngineError> {
        let engine = Engine::connect(&self.engine).await?;
        engine.needs_execution()?;
        Ok(engine)
    }
}

/// Why no engine can be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Kit(#[from] KitError),
    #[error("failed to prepare what is sent to workers")]
    Prepare(#[source] std::io::Error),
}

/// Runs jobs on the workers of an engine. For use on one thread.
pub struct RemoteExecutor {
    engine: Engine,
    executions: Executions,
    inputs: Arc<Inputs>,
    properties: Vec<Property>,
    presence: Presence,
    progress: Arc<Progress>,
    /// Why the engine is of no more use.
    lost: RefCell<Option<String>>,
    sent: Cell<u64>,
}

/// Why an attempt came to nothing.
enum Failed {
    /// For the jobs of this action.
    Action(String),
    /// For all.
    Engine(EngineError),
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<InputError> for Failed {
    fn from(error: InputError) -> Self {
        Self::Action(describe(&error))
    }
}

impl RemoteExecutor {
    /// Finds out what has to be sent to the workers of an engine. They must have the
    /// properties.
    pub async fn new(
        engine: Engine,
        properties: Vec<Property>,
        store: Store,
    ) -> Result<Self, RemoteError> {
        let kit = tokio::task::spawn_blocking({
            let store = store.clone();
            move || Kit::of_process(&store)
        });
        let kit = kit
            .await
            .map_err(|error| RemoteError::Prepare(error.into()))??;
        Ok(Self {
            executions: Executions::new(engine.clone()),
            engine,
            inputs: Arc::new(Inputs::new(store, kit)),
            properties,
            presence: Presence::default(),
            progress: Arc::default(),
            lost: RefCell::default(),
            sent: Cell::default(),
        })
    }

    /// How much is to be sent and was sent.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Bytes of blobs that the engine did not have.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Runs jobs to their ends, all of them by one runner, unless that dies. What is kept of
    /// their outputs is `limit` bytes of each stream. Of two batches the one with the lower
    /// priority is run first. `running` becomes true when a worker has them. There is one
    /// outcome for each job, in their order. If the future is dropped, the jobs are
    /// cancelled; see [`Self::settle`].
    pub async fn run(
        &self,
        jobs: &[Job],
        limit: usize,
        priority: i32,
        running: &watch::Sender<bool>,
    ) -> Vec<Outcome> {
        let mut ledger = Ledger::new(jobs.len());
        while let Some(attempt) = ledger.take() {
            let lost = self.lost.borrow().clone();
            if let Some(lost) = lost {
                ledger.fail(&attempt.jobs, &lost);
                continue;
            }
            let some = attempt.jobs.iter().map(|&job| jobs[job].clone());
            let batch = Batch {
                jobs: some.collect(),
                inline_limit: limit,
            };
            match self.attempt(batch, priority, running).await {
                Ok((ending, how)) => self.ended(&mut ledger, &attempt, ending, &how),
                Err(Failed::Action(message)) => ledger.fail(&attempt.jobs, &message),
                Err(Failed::Engine(error)) => {
                    let message = error.to_string();
                    if error.problem.may_pass() {
                        // It was given time enough, and is not coming back.
                        self.lost.replace(Some(message.clone()));
                    }
                    ledger.fail(&attempt.jobs, &message);
                }
            }
        }
        ledger.outcomes()
    }

    /// Waits until what was dropped is cancelled.
    pub async fn settle(&self) {
        self.executions.settle().await;
    }

    fn ended(&self, ledger: &mut Ledger, attempt: &Attempt, ending: Ending, how: &str) {
        if ending.ended.len() < attempt.jobs.len() {
            tracing::warn!("a runner at {} ended early: {how}", self.engine.endpoint());
        }
        ledger.ended(attempt, ending, how);
    }

    /// Has one action executed, and reads what its runner wrote; also how it ended.
    async fn attempt(
        &self,
        batch: Batch,
        priority: i32,
        running: &watch::Sender<bool>,
    ) -> Result<(Ending, String), Failed> {
        let (inputs, properties) = (self.inputs.clone(), self.properties.clone());
        let made = tokio::task::spawn_blocking(move || {
            let root = inputs.of(&batch)?;
            let limit = timeout(&batch.jobs);
            Ok::<_, InputError>(Action::new(
                root,
                inputs.kit().command(),
                limit,
                &properties,
            ))
        });
        let action = made.await.map_err(|e| Failed::Action(e.to_string()))??;
        let (mut attempt, mut backoff) = (1, Backoff::default());
        loop {
            let sent = self.send(&action).await?;
            let asked = Instant::now();
            let executed = self
                .executions
                .execute(action.digest, priority, running.clone());
            let lacks = match executed.await? {
                Executed::Response(response) => {
                    timing::tell(asked.elapsed(), &response);
                    return self.read(*response).await;
                }
                Executed::Lacks(message) => message,
                Executed::Failed(message) => {
                    if attempt == ATTEMPTS {
                        let message = format!("the engine failed to execute it: {message}");
                        return Err(Failed::Action(message));
                    }
                    tracing::debug!("an action failed, trying again: {message}");
                    tokio::time::sleep(backoff.wait()).await;
                    attempt += 1;
                    continue;
                }
            };
            // With nothing missing it does not lack a blob.
            if attempt == ATTEMPTS || (attempt > 1 && sent == 0) {
                let message = format!("the engine refuses to execute an action: {lacks}");
                return Err(Failed::Action(message));
            }
            tracing::debug!("the engine lacks something: {lacks}");
            self.presence.forget(action.blobs.keys());
            attempt += 1;
        }
    }

    /// Sends what the engine lacks of an action. The bytes that were sent from here.
    async fn send(&self, action: &Action) -> Result<u64, Failed> {
        let mut sent = 0;
        loop {
            let claim = self.presence.claim(action.blobs.keys());
            if !claim.blobs.is_empty() {
                let missing = self
                    .engine
                    .find_missing(claim.blobs.iter().copied())
                    .await?;
                let mut blobs = Vec::new();
                for digest in missing {
                    let content = self.content(&action.blobs[&digest]).await?;
                    blobs.push(Blob { digest, content });
                }
                // In the same order every time.
                blobs.sort_unstable_by_key(|blob| blob.digest);
                sent += self.engine.upload_all(blobs, &self.progress).await?.bytes;
                claim.fulfilled();
            }
            if self.presence.wait(action.blobs.keys()).await {
                self.sent.set(self.sent.get() + sent);
                return Ok(sent);
            }
        }
    }

    async fn content(&self, content: &Content) -> Result<engine::Content, Failed> {
        Ok(match content {
            Content::Bytes(bytes) => engine::Content::Memory(bytes.to_vec().into()),
            Content::File(path) => engine::Content::File(path.clone()),
            Content::Pack(_) => {
                let (inputs, content) = (self.inputs.clone(), content.clone());
                let read = tokio::task::spawn_blocking(move || inputs.read(&content));
                let bytes = read.await.map_err(|e| Failed::Action(e.to_string()))??;
                engine::Content::Memory(bytes.into())
            }
        })
    }

    async fn read(&self, response: ExecuteResponse) -> Result<(Ending, String), Failed> {
        let status = response.status.unwrap_or_default();
        let result = response.result.unwrap_or_default();
        let how = match code(&status) {
            Code::Ok => format!("exit code {}{}", result.exit_code, self.said(&result).await),
            Code::DeadlineExceeded => "the action ran into its time limit".to_owned(),
            Code::Aborted => format!("the engine gave up: {}", status.message),
            Code::Cancelled => {
                return Err(Failed::Action(
                    "somebody cancelled it at the engine".to_owned(),
                ));
            }
            _ => {
                let message = format!("the engine failed to execute it: {}", status.message);
                return Err(Failed::Action(message));
            }
        };
        let records = match result
            .output_files
            .iter()
            .find(|file| file.path == OUTCOMES)
        {
            None => Vec::new(),
            Some(file) if !file.contents.is_empty() => file.contents.clone(),
            Some(file) => match file.digest.as_ref().map(Digest::try_from) {
                Some(Ok(digest)) => match self.engine.read(digest).await {
                    // As good as never written.
                    Err(error) if error.problem.code() == Some(Code::NotFound) => Vec::new(),
                    read => read?,
                },
                _ => Vec::new(),
            },
        };
        let ending = Ending::parse(&records).map_err(|e| Failed::Action(describe(&e)))?;
        Ok((ending, how))
    }

    /// What a runner that failed said on its stderr, for a message.
    async fn said(&self, result: &ActionResult) -> String {
        const MOST: u64 = 2000;
        // It says nothing unless it is in trouble.
        let mut text = result.stderr_raw.clone();
        let digest = result.stderr_digest.as_ref().map(Digest::try_from);
        if let Some(Ok(digest)) = digest
            && text.is_empty()
            && (1..=MOST).contains(&digest.size)
        {
            text = self.engine.read(digest).await.unwrap_or_default();
        }
        match String::from_utf8_lossy(&text).trim() {
            "" => String::new(),
            text => format!(", and it said: {text}"),
        }
    }
}
