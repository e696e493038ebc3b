//! Running batches of jobs on an engine.

use super::action::{RunnerAction, timeout};
use super::batch_progress::{Attempt, BatchProgress};
use super::budget::{RetryBudget, Spent};
use super::bundle::{BundleError, RunnerBundle};
use super::execution::{Executed, Executions, code, log_timing};
use super::input::{InputContent, InputError, Inputs};
use super::known_blobs::KnownBlobs;
use super::known_result::Known;
use super::outputs::OutputDownload;
use super::record::BatchEnd;
use super::{JobBatch, OUTCOMES};
use crate::config::{CacheResults, Property};
use crate::engine::reapi::action_cache_client::ActionCacheClient;
use crate::engine::reapi::{ActionResult, ExecuteResponse, GetActionResultRequest};
use crate::engine::{
    self, Engine, EngineError, EngineSettings, Problem, Progress, UploadBlob, Uploaded,
};
use crate::executor::{Container, Job, Outcome};
use crate::process::error_chain;
use crate::store::{Digest, Store};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tonic::Code;

/// The engine that runs jobs, and the properties of its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    pub engine: EngineSettings,
    /// The properties that workers must have.
    pub properties: Vec<Property>,
    /// The number of actions in flight at once.
    pub slots: usize,
}

impl RemoteSettings {
    /// Connects to the engine. Fails if it does not execute actions.
    pub async fn connect(&self) -> Result<Engine, EngineError> {
        let engine = Engine::connect(&self.engine).await?;
        engine.require_execution()?;
        Ok(engine)
    }
}

/// An error of connecting to an engine.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    RunnerBundle(#[from] BundleError),
    #[error("failed to prepare the files that are sent to workers")]
    Prepare(#[source] std::io::Error),
}

/// Whether results of earlier runs of the same jobs are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReuseResults {
    /// As the setting `cache-results` says.
    AsSet,
    Never,
}

/// Runs jobs on the workers of an engine. For use on one thread.
pub struct RemoteExecutor {
    engine: Engine,
    executions: Executions,
    inputs: Arc<Inputs>,
    properties: Vec<Property>,
    cache_results: CacheResults,
    store: Store,
    /// The size of a job's outputs that are copied, in bytes.
    outputs_limit: u64,
    presence: KnownBlobs,
    progress: Arc<Progress>,
    /// The error after which no more actions are sent to the engine.
    lost: RefCell<Option<String>>,
    /// The actions with executions that had no result, since the last execution with a result.
    without_result: RefCell<HashSet<Digest>>,
    sent: Cell<Uploaded>,
}

/// Why an attempt has no result.
enum Failed {
    /// An error of this action's jobs.
    Action(String),
    /// An error of all jobs.
    Engine(EngineError),
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<InputError> for Failed {
    fn from(error: InputError) -> Self {
        Self::Action(error_chain(&error))
    }
}

impl RemoteExecutor {
    /// Finds the files that are sent to the workers of an engine. `properties` are those that the
    /// workers must have. `outputs_limit`: the size of a job's outputs that are copied, in bytes.
    pub async fn new(
        engine: Engine,
        properties: Vec<Property>,
        cache_results: CacheResults,
        store: Store,
        outputs_limit: u64,
    ) -> Result<Self, RemoteError> {
        let kit = tokio::task::spawn_blocking({
            let store = store.clone();
            move || RunnerBundle::of_process(&store)
        });
        let kit = kit
            .await
            .map_err(|error| RemoteError::Prepare(error.into()))??;
        Ok(Self {
            executions: Executions::new(engine.clone()),
            engine,
            inputs: Arc::new(Inputs::new(store.clone(), kit)),
            properties,
            cache_results,
            store,
            outputs_limit,
            presence: KnownBlobs::default(),
            progress: Arc::default(),
            lost: RefCell::default(),
            without_result: RefCell::default(),
            sent: Cell::default(),
        })
    }

    /// The progress of uploads.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What was uploaded.
    pub fn sent(&self) -> Uploaded {
        self.sent.get()
    }

    /// Runs jobs until all have ended, on one runner unless that dies. At most `limit` bytes of each
    /// stream are kept. Batches with a lower `priority` are run first. `reuse` says whether results
    /// of earlier runs may be used. `running` becomes true
    /// when a worker runs the jobs. Returns one outcome for each job, in their order. If the
    /// future is dropped, the jobs are cancelled; see [`Self::settle`].
    pub async fn run(
        &self,
        jobs: &[Job],
        limit: usize,
        priority: i32,
        reuse: ReuseResults,
        running: &watch::Sender<bool>,
    ) -> Vec<Outcome> {
        let mut ledger = BatchProgress::new(jobs.len());
        while let Some(attempt) = ledger.take() {
            let lost = self.lost.borrow().clone();
            if let Some(lost) = lost {
                ledger.fail(&attempt.jobs, &lost);
                continue;
            }
            let some = attempt.jobs.iter().map(|&job| jobs[job].clone());
            let batch = JobBatch {
                jobs: some.collect(),
                inline_limit: limit,
                outputs_limit: self.outputs_limit,
                blob_limit: self.engine.capabilities().blob_limit,
            };
            match self.attempt(batch, priority, reuse, running).await {
                Ok((ending, how)) => self.ended(&mut ledger, &attempt, ending, &how),
                Err(Failed::Action(message)) => ledger.fail(&attempt.jobs, &message),
                Err(Failed::Engine(error)) => ledger.fail(&attempt.jobs, &self.gone(&error)),
            }
        }
        ledger.outcomes()
    }

    /// Waits until the executions of dropped futures are cancelled.
    pub async fn settle(&self) {
        self.executions.settle().await;
    }

    /// The message for the jobs of an action after an error of the engine. After an error that ends
    /// the use of the engine, all jobs get the same message.
    fn gone(&self, error: &EngineError) -> String {
        if !error.problem.is_retryable() {
            return error.to_string();
        }
        let mut lost = self.lost.borrow_mut();
        // If only one action has no result, the action itself may kill its workers.
        let may_be_its_own_fault = matches!(error.problem, Problem::ActionLost { .. })
            && self.without_result.borrow().len() < 2;
        if lost.is_none() && may_be_its_own_fault {
            return error.to_string();
        }
        // The retries are used up.
        lost.get_or_insert_with(|| error.to_string()).clone()
    }

    fn ended(&self, ledger: &mut BatchProgress, attempt: &Attempt, ending: BatchEnd, how: &str) {
        // If the runner could run no job, each outcome has the reason.
        if ending.unable.is_none() && ending.ended.len() < attempt.jobs.len() {
            tracing::warn!("a runner at {} ended early: {how}", self.engine.endpoint());
        }
        ledger.ended(attempt, ending, how);
    }

    /// Requests the execution of an action, unless the engine has its result, and reads the records
    /// of its runner. Also returns how the runner ended.
    async fn attempt(
        &self,
        batch: JobBatch,
        priority: i32,
        reuse: ReuseResults,
        running: &watch::Sender<bool>,
    ) -> Result<(BatchEnd, String), Failed> {
        let containers: Vec<_> = (batch.jobs.iter())
            .map(|job| Arc::clone(&job.container))
            .collect();
        let (inputs, properties) = (self.inputs.clone(), self.properties.clone());
        let made = tokio::task::spawn_blocking(move || {
            let root = inputs.of(&batch)?;
            let limit = timeout(&batch.jobs);
            Ok::<_, InputError>(RunnerAction::new(
                root,
                inputs.kit().command(),
                limit,
                &properties,
                batch.has_outputs(),
            ))
        });
        let mut action = made.await.map_err(|e| Failed::Action(e.to_string()))??;
        // Another client may request the same action during the upload.
        let uses_known = reuse == ReuseResults::AsSet;
        let mut may_be_known = uses_known && self.cache_results.writes();
        if uses_known && self.cache_results.reads() {
            match self.known(&action, &containers).await? {
                Known::Success(ending) => return Ok((ending, String::new())),
                Known::Useless => may_be_known = false,
                Known::Nothing => {}
            }
        }
        if !self.cache_results.writes() {
            action = action.forgotten();
        }
        let mut budget = RetryBudget::default();
        loop {
            self.send(&action).await?;
            let asked = Instant::now();
            let executed =
                self.executions
                    .execute(action.digest, may_be_known, priority, running.clone());
            let (trouble, why) = match executed.await? {
                Executed::Response(response) => {
                    self.without_result.borrow_mut().clear();
                    log_timing(asked.elapsed(), &response);
                    let was_known = response.cached_result;
                    let (ending, how, all_outputs) = self.read(*response, &containers).await?;
                    if !was_known {
                        return Ok((ending, how));
                    }
                    match Known::new(ending.clone(), containers.len(), all_outputs) {
                        Known::Success(ending) => return Ok((ending, how)),
                        _ if !may_be_known => return Ok((ending, how)),
                        _ => may_be_known = false,
                    }
                    continue;
                }
                Executed::Trouble(trouble, why) => (trouble, why),
            };
            self.without_result.borrow_mut().insert(action.digest);
            let sent = self.presence.sent(action.blobs.keys());
            match budget.after(trouble, sent, Instant::now()) {
                Ok(wait) => {
                    tracing::debug!("an execution had no result, trying again: {why}");
                    tokio::time::sleep(wait).await;
                }
                Err(reason) => {
                    let failed = self.given_up(reason, why);
                    if matches!(failed, Failed::Action(_)) {
                        self.without_result.borrow_mut().remove(&action.digest);
                    }
                    return Err(failed);
                }
            }
            // A restarted engine may have lost blobs, too.
            self.presence.forget(action.blobs.keys());
        }
    }

    /// Requests the result of an action from the engine's cache. If that fails, the action is
    /// executed.
    async fn known(
        &self,
        action: &RunnerAction,
        containers: &[Arc<Container>],
    ) -> Result<Known, Failed> {
        let mut client = ActionCacheClient::new(self.engine.service());
        let mut retry = self.engine.retry("ask for a result that is known");
        let result = loop {
            let request = self.engine.request(GetActionResultRequest {
                instance_name: self.engine.instance().to_owned(),
                action_digest: Some(action.digest.into()),
                inline_output_files: vec![OUTCOMES.to_owned()],
                ..GetActionResultRequest::default()
            });
            let asked = self
                .engine
                .within_deadline(client.get_action_result(request));
            match asked.await {
                Ok(result) => break result,
                Err(problem) if problem.is_retryable() => retry.after(problem).await?,
                Err(problem) => {
                    tracing::debug!("the engine knows no result: {problem}");
                    return Ok(Known::Nothing);
                }
            }
        };
        let Ok(records) = self.records(&result).await? else {
            return Ok(Known::Useless);
        };
        let Ok(mut ending) = BatchEnd::parse(&records) else {
            return Ok(Known::Useless);
        };
        if result.exit_code != 0 {
            return Ok(Known::Useless);
        }
        let all_outputs = self.outputs(&mut ending, &result, containers).await;
        Ok(Known::new(ending, containers.len(), all_outputs))
    }

    /// Uploads the blobs of an action that the engine lacks.
    async fn send(&self, action: &RunnerAction) -> Result<(), Failed> {
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
                    blobs.push(UploadBlob { digest, content });
                }
                // The order does not depend on the hashes of a HashMap.
                blobs.sort_unstable_by_key(|blob| blob.digest);
                let sent: Vec<_> = blobs.iter().map(|blob| blob.digest).collect();
                let uploaded = self.engine.upload_all(blobs, &self.progress).await?;
                let before = self.sent.get();
                self.sent.set(Uploaded {
                    blobs: before.blobs + uploaded.blobs,
                    bytes: before.bytes + uploaded.bytes,
                });
                claim.fulfilled(&sent);
            }
            if self.presence.wait(action.blobs.keys()).await {
                return Ok(());
            }
        }
    }

    async fn content(&self, content: &InputContent) -> Result<engine::BlobContent, Failed> {
        Ok(match content {
            InputContent::Bytes(bytes) => engine::BlobContent::Memory(bytes.to_vec().into()),
            InputContent::File(path) => engine::BlobContent::File(path.clone()),
            InputContent::Pack(_) => {
                let (inputs, content) = (self.inputs.clone(), content.clone());
                let read = tokio::task::spawn_blocking(move || inputs.read(&content));
                let bytes = read.await.map_err(|e| Failed::Action(e.to_string()))??;
                engine::BlobContent::Memory(bytes.into())
            }
        })
    }

    /// The end of the jobs, how the runner ended, and whether all outputs were downloaded.
    async fn read(
        &self,
        response: ExecuteResponse,
        containers: &[Arc<Container>],
    ) -> Result<(BatchEnd, String, bool), Failed> {
        let status = response.status.unwrap_or_default();
        let result = response.result.unwrap_or_default();
        let mut how = match code(&status) {
            Code::Ok => format!("exit code {}{}", result.exit_code, self.said(&result).await),
            Code::DeadlineExceeded => "the action ran into its time limit".to_owned(),
            Code::Aborted => format!("the engine gave up: {}", status.message),
            _ => return Err(self.given_up(Spent::Failed, status.message)),
        };
        let records = self.records(&result).await?.unwrap_or_else(|why| {
            let _ = write!(how, "; {why}");
            Vec::new()
        });
        let mut ending = BatchEnd::parse(&records).map_err(|e| Failed::Action(error_chain(&e)))?;
        let all_outputs = self.outputs(&mut ending, &result, containers).await;
        Ok((ending, how, all_outputs))
    }

    /// Downloads the outputs of jobs. Returns whether all were downloaded.
    async fn outputs(
        &self,
        ending: &mut BatchEnd,
        result: &ActionResult,
        containers: &[Arc<Container>],
    ) -> bool {
        let download = OutputDownload {
            engine: &self.engine,
            store: &self.store,
            limit: self.outputs_limit,
        };
        download.add_to(ending, result, containers).await
    }

    /// The records of an action's runner, or the reason why there are none.
    async fn records(&self, result: &ActionResult) -> Result<Result<Vec<u8>, String>, EngineError> {
        let mut files = result.output_files.iter();
        let Some(file) = files.find(|file| file.path == OUTCOMES) else {
            let endpoint = self.engine.endpoint();
            return Ok(Err(format!(
                "its result lacks `{OUTCOMES}`, says {endpoint}"
            )));
        };
        if !file.contents.is_empty() {
            return Ok(Ok(file.contents.clone()));
        }
        let Some(Ok(digest)) = file.digest.as_ref().map(Digest::try_from) else {
            return Ok(Ok(Vec::new()));
        };
        match self.engine.read(digest).await {
            // A lost blob is treated like a file that was not written.
            Err(error) if error.problem.code() == Some(Code::NotFound) => {
                Ok(Err(format!("the engine has lost `{OUTCOMES}`: {error}")))
            }
            read => Ok(Ok(read?)),
        }
    }

    /// The error of an action that is not requested again. `why` is the last reply of the engine.
    fn given_up(&self, spent: Spent, why: String) -> Failed {
        let endpoint = self.engine.endpoint();
        let verb = match spent {
            Spent::Refused => "refuses",
            Spent::Failed => "failed",
            Spent::Lost { times, within } => {
                let problem = Problem::ActionLost { times, within, why };
                return Failed::Engine(self.engine.error("execute an action", problem));
            }
        };
        Failed::Action(format!(
            "the engine at {endpoint} {verb} to execute it: {why}"
        ))
    }

    /// The stderr of a runner that failed, for a message.
    async fn said(&self, result: &ActionResult) -> String {
        const MOST: u64 = 2000;
        // A runner prints only errors.
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
