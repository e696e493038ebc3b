//! One execution of an action: asked for, followed to its end whatever becomes of the
//! connection, and cancelled if nobody waits for it any more.

use super::budget::Trouble;
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
const NAME_TIMEOUT: Duration = Duration::from_secs(1);

/// A stream of messages that was there for so long was a good one.
const LONG_STREAM: Duration = Duration::from_secs(10);

/// How an execution ended.
#[derive(Debug)]
pub enum Executed {
    Response(Box<ExecuteResponse>),
    /// It came to nothing, and why.
    Trouble(Trouble, String),
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
            let problem = Problem::ConnectionLost("the client is ending".to_owned());
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

/// What came of listening to an operation.
enum StreamEnd {
    End(Executed),
    /// The messages ended before the operation did.
    Broken(Problem),
    /// It is of no use to listen again.
    Refused(Problem),
}

impl Execution {
    async fn follow(&mut self) -> Result<Executed, EngineError> {
        let engine = self.engine.clone();
        let mut retry = engine.retry(DOING);
        loop {
            let is_known = self.name.is_some();
            let since = Instant::now();
            let (ended, answered) = self.listen().await;
            let problem = match ended {
                StreamEnd::End(executed) => return Ok(executed),
                StreamEnd::Broken(problem) => problem,
                StreamEnd::Refused(problem) => return Err(engine.error(DOING, problem)),
            };
            // Where quiet connections are cut, that is no trouble of the engine.
            let was_good = since.elapsed() >= LONG_STREAM;
            if was_good || (answered && !is_known) {
                retry.progressed();
            } else if answered {
                retry.answered();
            }
            retry.after(problem).await?;
        }
    }

    /// Has the action executed, or listens to its execution again; also whether the engine
    /// told anything of it.
    async fn listen(&mut self) -> (StreamEnd, bool) {
        let again = self.name.is_some();
        let mut messages = match self.open().await {
            Ok(messages) => messages,
            Err(status) => return (self.refused(status, again), false),
        };
        let mut answered = false;
        loop {
            let operation = match messages.message().await {
                Ok(Some(operation)) => operation,
                // An engine that knows an operation says at once how it is.
                Ok(None) if again && !answered => {
                    let why = "the engine says nothing about it".to_owned();
                    return (StreamEnd::End(Executed::Trouble(Trouble::Lost, why)), false);
                }
                Ok(None) => {
                    let problem = "the messages about an execution ended before it did";
                    return (
                        StreamEnd::Broken(Problem::ConnectionLost(problem.to_owned())),
                        answered,
                    );
                }
                Err(status) => return (self.refused(status, again), answered),
            };
            answered = true;
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
                return (StreamEnd::End(end(operation.result)), true);
            }
        }
    }

    /// What it means that the engine ended the messages like this. `again`: they were those of
    /// an operation that was known before.
    fn refused(&self, status: Status, again: bool) -> StreamEnd {
        let problem = Problem::from(status);
        let trouble = match problem.code() {
            _ if problem.is_retryable() => return StreamEnd::Broken(problem),
            Some(Code::NotFound) if self.name.is_some() => Trouble::Lost,
            // Without an operation it is the action itself that was not found.
            Some(Code::FailedPrecondition | Code::NotFound) => Trouble::Lacks,
            Some(Code::Unauthenticated | Code::PermissionDenied) | None => {
                return StreamEnd::Refused(problem);
            }
            // It cannot tell what becomes of the operation, for whatever reason.
            Some(_) if again => Trouble::Lost,
            Some(Code::Internal | Code::Unknown | Code::DataLoss) => Trouble::Failed,
            Some(_) => return StreamEnd::Refused(problem),
        };
        StreamEnd::End(Executed::Trouble(trouble, problem.to_string()))
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

    /// Lets the engine know that the result is of no use. There is nobody to tell if that
    /// fails.
    async fn cancel(&mut self) {
        if self.name.is_none() {
            // It was asked for, and may have been begun.
            let named = async {
                let mut messages = self.open().await.ok()?;
                Some(messages.message().await.ok()??.name)
            };
            self.name = tokio::time::timeout(NAME_TIMEOUT, named)
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
    let lost = || {
        let why = "it ended without a result".to_owned();
        Executed::Trouble(Trouble::Failed, why)
    };
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
    let trouble = match code(status) {
        // Nobody here has cancelled it: some engines cancel what they execute when they end.
        Code::Unavailable | Code::ResourceExhausted | Code::Cancelled => Trouble::Lost,
        // Some engines call what they lack `NOT_FOUND`.
        Code::FailedPrecondition | Code::NotFound => Trouble::Lacks,
        Code::Internal | Code::Unknown | Code::DataLoss => Trouble::Failed,
        _ => return Executed::Response(Box::new(response)),
    };
    Executed::Trouble(trouble, Problem::from(status.clone()).to_string())
}

pub fn code(status: &rpc::Status) -> Code {
    Code::from(status.code)
}
