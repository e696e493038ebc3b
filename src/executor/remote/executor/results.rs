//! The results of actions: requesting known ones, and reading what the runner recorded.

use super::{Failed, RemoteExecutor};
use crate::engine::EngineError;
use crate::engine::reapi::action_cache_client::ActionCacheClient;
use crate::engine::reapi::{ActionResult, ExecuteResponse, GetActionResultRequest};
use crate::executor::Container;
use crate::executor::remote::OUTCOMES;
use crate::executor::remote::action::RunnerAction;
use crate::executor::remote::budget::Spent;
use crate::executor::remote::execution::code;
use crate::executor::remote::outputs::OutputDownload;
use crate::executor::remote::record::BatchEnd;
use crate::process::error_chain;
use crate::store::Digest;
use std::fmt::Write as _;
use std::sync::Arc;
use tonic::Code;

/// The result that the engine has of an action.
pub enum Known {
    Nothing,
    /// A result that cannot be used: a job failed, or the records are lost.
    Useless,
    Success(BatchEnd),
}

impl Known {
    /// The result by the records of an action with this number of jobs. `all_outputs`: whether
    /// all outputs of the jobs were downloaded.
    pub fn new(mut ending: BatchEnd, jobs: usize, all_outputs: bool) -> Self {
        let outcomes = ending.ended.values_mut();
        let succeeded = outcomes.filter(|outcome| outcome.is_success());
        let succeeded = succeeded.map(|outcome| outcome.cached = true).count();
        if succeeded < jobs || !all_outputs {
            return Self::Useless;
        }
        Self::Success(ending)
    }
}

impl RemoteExecutor {
    /// Requests the result of an action from the engine's cache. If that fails, the action is
    /// executed.
    pub(super) async fn known(
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

    /// The end of the jobs, how the runner ended, and whether all outputs were downloaded.
    pub(super) async fn read(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{Outcome, Status};

    fn ending(codes: &[i32]) -> BatchEnd {
        let outcome = |code: &i32| Outcome {
            status: Status::Exited(*code),
            ..Outcome::error(String::new())
        };
        BatchEnd {
            ended: codes.iter().map(outcome).enumerate().collect(),
            ..BatchEnd::default()
        }
    }

    #[test]
    fn a_known_result_counts_only_if_every_job_succeeded() {
        let Known::Success(known) = Known::new(ending(&[0, 0]), 2, true) else {
            panic!("both succeeded");
        };
        assert!(known.ended.values().all(|outcome| outcome.cached));
        for (codes, jobs, all_outputs) in [
            (&[0, 1][..], 2, true),
            (&[1], 1, true),
            (&[0], 2, true),
            (&[], 1, true),
            (&[0], 1, false),
        ] {
            let known = Known::new(ending(codes), jobs, all_outputs);
            assert!(matches!(known, Known::Useless), "{codes:?} of {jobs}");
        }
    }
}
