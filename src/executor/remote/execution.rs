//! One execution of an action. It is requested, followed to its end across broken connections, and
//! cancelled if its future is dropped.

use super::budget::Trouble;
use crate::engine::longrunning::operations_client::OperationsClient;
use crate::engine::longrunning::{CancelOperationRequest, Operation, operation};
use crate::engine::protobuf::Timestamp;
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

/// How long to wait for the name of an execution that is to be cancelled.
const NAME_TIMEOUT: Duration = Duration::from_secs(1);

/// A stream of messages that lasted this long does not count against the retry budget.
const LONG_STREAM: Duration = Duration::from_secs(10);

/// The end of an execution.
#[derive(Debug)]
pub enum Executed {
    Response(Box<ExecuteResponse>),
    /// The execution had no result, for this reason.
    Trouble(Trouble, String),
}

/// Executes actions. Cancels executions whose futures are dropped.
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

    /// Executes an action whose blobs the engine has. With `may_be_known`, the engine may return a
    /// result that it has already. `running` becomes true when a worker runs the action. If the
    /// future is dropped, the execution is cancelled.
    pub async fn execute(
        &self,
        action: Digest,
        may_be_known: bool,
        priority: i32,
        running: watch::Sender<bool>,
    ) -> Result<Executed, EngineError> {
        let (answer, answered) = oneshot::channel();
        // A task of its own, as cancelling takes longer than a drop may.
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
                        // If the future was dropped meanwhile, the execution has ended too.
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

    /// Waits until the executions of dropped futures are cancelled.
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
    /// The name of the operation, once the engine has sent it.
    name: Option<String>,
}

/// The end of a stream of messages about an operation.
enum StreamEnd {
    End(Executed),
    /// The messages ended before the operation did.
    Broken(Problem),
    /// A retry would be useless.
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
            // A proxy may close idle connections, which is no fault of the engine.
            let was_good = since.elapsed() >= LONG_STREAM;
            if was_good || (answered && !is_known) {
                retry.progressed();
            } else if answered {
                retry.answered();
            }
            retry.after(problem).await?;
        }
    }

    /// Executes the action, or follows its execution again. Returns also whether the engine sent
    /// any message about it.
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
                // An engine that knows an operation sends its state at once.
                Ok(None) if again && !answered => {
                    let why = "the engine sent no message about the operation".to_owned();
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

    /// The meaning of the status that ended the messages. `again` if the operation was known
    /// before.
    fn refused(&self, status: Status, again: bool) -> StreamEnd {
        let problem = Problem::from(status);
        let trouble = match problem.code() {
            _ if problem.is_retryable() => return StreamEnd::Broken(problem),
            Some(Code::NotFound) if self.name.is_some() => Trouble::Lost,
            // Without an operation, NOT_FOUND is about the action.
            Some(Code::FailedPrecondition | Code::NotFound) => Trouble::Lacks,
            Some(Code::Unauthenticated | Code::PermissionDenied) | None => {
                return StreamEnd::Refused(problem);
            }
            // The engine cannot report on the operation.
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

    /// Cancels the operation. A failure is only logged.
    async fn cancel(&mut self) {
        if self.name.is_none() {
            // The execution was requested and may have begun.
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

/// The result of a finished operation.
fn end(result: Option<operation::Result>) -> Executed {
    let lost = || {
        let why = "the operation ended without a result".to_owned();
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
        // This client did not cancel it. Some engines cancel their executions when they end.
        Code::Unavailable | Code::ResourceExhausted | Code::Cancelled => Trouble::Lost,
        // Some engines report missing blobs as NOT_FOUND.
        Code::FailedPrecondition | Code::NotFound => Trouble::Lacks,
        Code::Internal | Code::Unknown | Code::DataLoss => Trouble::Failed,
        _ => return Executed::Response(Box::new(response)),
    };
    Executed::Trouble(trouble, Problem::from(status.clone()).to_string())
}

pub fn code(status: &rpc::Status) -> Code {
    Code::from(status.code)
}

/// Logs the duration of an action, and its parts if the worker reported them.
pub fn log_timing(took: Duration, response: &ExecuteResponse) {
    let result = response.result.as_ref();
    let metadata = result.and_then(|result| result.execution_metadata.as_ref());
    let took = took.as_secs_f64() * 1e3;
    let Some(metadata) = metadata else {
        tracing::debug!("an action took {took:.1} ms");
        return;
    };
    let staging = between(
        metadata.worker_start_timestamp.as_ref(),
        metadata.execution_start_timestamp.as_ref(),
    );
    let running = between(
        metadata.execution_start_timestamp.as_ref(),
        metadata.execution_completed_timestamp.as_ref(),
    );
    let uploading = between(
        metadata.execution_completed_timestamp.as_ref(),
        metadata.worker_completed_timestamp.as_ref(),
    );
    // Only times of one clock are subtracted. The rest is the time of the engine and the network,
    // and the wait for a worker.
    let rest = (took - staging - running - uploading).max(0.0);
    tracing::debug!(
        "an action took {took:.1} ms: staged {staging:.1} ms, ran {running:.1} ms, \
         uploaded {uploading:.1} ms, the rest {rest:.1} ms, by {}",
        metadata.worker
    );
}

/// The time between two timestamps in milliseconds. 0 if one is missing or they are out of order.
fn between(from: Option<&Timestamp>, to: Option<&Timestamp>) -> f64 {
    let (Some(from), Some(to)) = (from, to) else {
        return 0.0;
    };
    let seconds = (to.seconds - from.seconds) as f64;
    (seconds * 1e3 + f64::from(to.nanos - from.nanos) / 1e6).max(0.0)
}
