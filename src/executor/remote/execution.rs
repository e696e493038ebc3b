//! One execution of an action: asked for, followed to its end whatever becomes of the
//! connection, and cancelled if nobody waits for it any more.

use crate::engine::longrunning::operations_client::OperationsClient;
use crate::engine::longrunning::{CancelOperationRequest, Operation, operation};
use crate::engine::reapi::execution_client::ExecutionClient;
use crate::engine::reapi::{
    ExecuteOperationMetadata, ExecuteRequest, ExecuteResponse, ExecutionPolicy,
    WaitExecutionRequest, execution_stage,
};
use crate::engine::{Engine, EngineError, Problem, rpc};
use crate::store::Digest;
use prost::Message;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

const DOING: &str = "execute an action";

/// How long the engine may take to say what it calls an execution that is to be cancelled.
const NAME_WITHIN: Duration = Duration::from_secs(1);

/// A stream of messages that was there for so long was a good one.
const HELD: Duration = Duration::from_secs(10);

/// How an execution ended.
#[derive(Debug)]
pub enum Executed {
    Response(Box<ExecuteResponse>),
    /// The engine lacks something of the action.
    Lacks(String),
    /// The engine or a worker was in trouble; it may go better the next time.
    Failed(String),
}

/// Executes actions. Cancels those that nobody waits for.
#[derive(Clone, Debug)]
pub struct Executions {
    engine: Engine,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Executions {
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            tasks: Arc::default(),
        }
    }

    /// Has an action executed whose blobs are there, or if it `may_be_known`, gives what is
    /// known of it. `running` becomes true when a worker has it. If the future is dropped, the
    /// execution is cancelled.
    pub async fn execute(
        &self,
        action: Digest,
        may_be_known: bool,
        priority: i32,
        running: watch::Sender<bool>,
    ) -> Result<Executed, EngineError> {
        let (answer, answered) = oneshot::channel();
        // A task of its own: to cancel takes longer than to drop.
        let mut execution = Execution {
            engine: self.engine.clone(),
            action,
            may_be_known,
            priority,
            running,
            name: None,
        };
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let mut answer = answer;
                tokio::select! {
                    biased;
                    () = answer.closed() => {}
                    executed = execution.follow() => {
                        // Nobody waits: it is at its end all the same.
                        let _ = answer.send(executed);
                        return;
                    }
                }
                execution.cancel().await;
            });
        }
        answered.await.unwrap_or_else(|_| {
            let problem = Problem::HungUp("the client is ending".to_owned());
            Err(self.engine.error(DOING, problem))
        })
    }

    /// Waits until all executions that nobody waits for are cancelled.
    pub async fn settle(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.join_all().await;
    }
}

struct Execution {
    engine: Engine,
    action: Digest,
    may_be_known: bool,
    priority: i32,
    running: watch::Sender<bool>,
    /// What the engine calls it, as soon as it has said so.
    name: Option<String>,
}

/// What became of following the messages of an operation.
enum Followed {
    Done(Executed),
    /// The stream ended before the operation did.
    Broken(Problem),
}

impl Execution {
    async fn follow(&mut self) -> Result<Executed, EngineError> {
        let engine = self.engine.clone();
        let mut retry = engine.retry(DOING);
        loop {
            let again = self.name.is_some();
            let since = Instant::now();
            let opened = self.open().await;
            let problem = match opened {
                Ok(messages) => match self.read(messages).await {
                    Followed::Done(executed) => return Ok(executed),
                    Followed::Broken(problem) => problem,
                },
                Err(status) if status.code() == Code::FailedPrecondition => {
                    return Ok(Executed::Lacks(status.message().to_owned()));
                }
                Err(status) if again && status.code() == Code::NotFound => {
                    // It forgot about it: a new one will do.
                    self.name = None;
                    status.into()
                }
                Err(status) => {
                    retry.after(status).await?;
                    continue;
                }
            };
            // Whoever cuts connections that are quiet shall not run down our patience.
            if (self.name.is_some() && !again) || since.elapsed() >= HELD {
                retry.progressed();
            }
            retry.after(problem).await?;
        }
    }

    async fn open(&self) -> Result<Streaming<Operation>, Status> {
        let mut client = ExecutionClient::new(self.engine.service());
        if let Some(name) = self.name.clone() {
            let request = WaitExecutionRequest { name };
            return Ok(client.wait_execution(request).await?.into_inner());
        }
        let request = ExecuteRequest {
            instance_name: self.engine.instance().to_owned(),
            skip_cache_lookup: !self.may_be_known,
            action_digest: Some(self.action.into()),
            execution_policy: Some(ExecutionPolicy {
                priority: self.priority,
            }),
            inline_output_files: vec![super::OUTCOMES.to_owned()],
            ..ExecuteRequest::default()
        };
        let answer = client.execute(request).await?;
        Ok(answer.into_inner())
    }

    async fn read(&mut self, mut messages: Streaming<Operation>) -> Followed {
        loop {
            let operation = match messages.message().await {
                Ok(Some(operation)) => operation,
                Ok(None) => {
                    let problem = "the messages about an execution ended before it did";
                    return Followed::Broken(Problem::HungUp(problem.to_owned()));
                }
                Err(status) if status.code() == Code::FailedPrecondition => {
                    return Followed::Done(Executed::Lacks(status.message().to_owned()));
                }
                Err(status) => return Followed::Broken(status.into()),
            };
            if !operation.name.is_empty() {
                self.name = Some(operation.name);
            }
            if let Some(metadata) = operation.metadata
                && let Ok(metadata) = ExecuteOperationMetadata::decode(metadata.value.as_slice())
            {
                let executing = metadata.stage == execution_stage::Value::Executing as i32;
                self.running.send_replace(executing);
            }
            if operation.done {
                return Followed::Done(end(operation.result));
            }
        }
    }

    /// Lets the engine know that the result is of no use. There is nobody to tell if that
    /// fails.
    async fn cancel(&mut self) {
        if self.name.is_none() {
            // It was asked for, and may have been begun.
            let named = async {
                let mut messages = self.open().await.ok()?;
                Some(messages.message().await.ok()??.name)
            };
            self.name = tokio::time::timeout(NAME_WITHIN, named)
                .await
                .ok()
                .flatten();
        }
        let Some(name) = self.name.take() else { return };
        tracing::debug!("cancelling {name}");
        let mut client = OperationsClient::new(self.engine.service());
        let request = self.engine.request(CancelOperationRequest { name });
        let cancelled = client.cancel_operation(request);
        if let Err(problem) = self.engine.within_deadline(cancelled).await {
            tracing::debug!("failed to cancel an execution: {problem}");
        }
    }
}

/// What a finished operation says.
fn end(result: Option<operation::Result>) -> Executed {
    let lost = || Executed::Failed("it ended without a result".to_owned());
    let response = match result {
        Some(operation::Result::Response(response)) => {
            match ExecuteResponse::decode(response.value.as_slice()) {
                Ok(response) => response,
                Err(_) => return lost(),
            }
        }
        Some(operation::Result::Error(status)) => ExecuteResponse {
            status: Some(status),
            ..ExecuteResponse::default()
        },
        None => return lost(),
    };
    let Some(status) = &response.status else {
        return Executed::Response(Box::new(response));
    };
    match code(status) {
        Code::FailedPrecondition => Executed::Lacks(status.message.clone()),
        Code::Unavailable | Code::ResourceExhausted | Code::Internal => {
            Executed::Failed(status.message.clone())
        }
        _ => Executed::Response(Box::new(response)),
    }
}

pub fn code(status: &rpc::Status) -> Code {
    Code::from(status.code)
}
