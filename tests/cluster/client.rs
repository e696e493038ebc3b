//! A small client of the API: it creates an action, executes it and reads the result.

use crate::engine;
use maelstrom::engine::longrunning::operation;
use maelstrom::engine::longrunning::operations_client::OperationsClient;
use maelstrom::engine::reapi::execution_client::ExecutionClient;
use maelstrom::engine::reapi::execution_stage;
use maelstrom::engine::{Engine, UploadBlob, longrunning, reapi};
use maelstrom::store::Digest;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The action to execute.
#[derive(Clone, Default)]
pub struct Job {
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// Contents by their paths; those of executables end in `*`.
    pub inputs: BTreeMap<String, Vec<u8>>,
    pub outputs: Vec<String>,
    /// Outputs as clients before version 2.1 of the API name them.
    pub output_files: Vec<String>,
    pub output_directories: Vec<String>,
    pub working_directory: String,
    pub timeout: Option<i64>,
    pub pool: String,
    /// A text that makes the digest of the action unique.
    pub salt: String,
}

impl Job {
    /// A shell script for workers of this pool.
    pub fn script(pool: &str, script: &str) -> Self {
        Self {
            arguments: vec!["/bin/sh".into(), "-c".into(), script.into()],
            pool: pool.into(),
            ..Self::default()
        }
    }

    pub fn input(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.inputs.insert(path.into(), content.into());
        self
    }

    pub fn output(mut self, path: &str) -> Self {
        self.outputs.push(path.into());
        self
    }
}

/// The messages of the engine about an action.
pub struct Execution {
    client: Client,
    stream: tonic::Streaming<longrunning::Operation>,
    pub name: String,
    last: longrunning::Operation,
}

#[derive(Clone)]
pub struct Client {
    pub engine: Engine,
}

impl Client {
    pub async fn of(server: &engine::Engine) -> Self {
        Self {
            engine: Engine::connect(&server.settings()).await.unwrap(),
        }
    }

    /// The stages of all unfinished operations of an engine that only this test uses.
    pub async fn stages(&self) -> Vec<execution_stage::Value> {
        let mut client = OperationsClient::new(self.engine.service());
        let request = longrunning::ListOperationsRequest {
            name: self.engine.instance().into(),
            page_size: 100,
            ..longrunning::ListOperationsRequest::default()
        };
        let answer = client.list_operations(request).await.unwrap();
        let stage = |operation: longrunning::Operation| {
            let metadata = operation.metadata.unwrap();
            let metadata = reapi::ExecuteOperationMetadata::decode(&*metadata.value).unwrap();
            metadata.stage()
        };
        let operations = answer.into_inner().operations;
        operations.into_iter().map(stage).collect()
    }

    /// Waits until these numbers of operations are queued and executing.
    pub async fn wait_for(&self, queued: usize, executing: usize) {
        use execution_stage::Value::{Executing, Queued};
        loop {
            let stages = self.stages().await;
            let count = |stage| stages.iter().filter(|other| **other == stage).count();
            if (count(Queued), count(Executing)) == (queued, executing) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Executes a job to its end.
    pub async fn run(&self, job: &Job) -> reapi::ExecuteResponse {
        self.start(job).await.end().await
    }

    /// Submits a job.
    pub async fn start(&self, job: &Job) -> Execution {
        let action = self.upload(job).await;
        self.execute(action).await
    }

    /// Uploads everything that an action needs. Returns the digest of the action.
    pub async fn upload(&self, job: &Job) -> Digest {
        let mut blobs = Vec::new();
        let root = directory(&job.inputs, &mut blobs);
        self.upload_with(job, root, blobs).await
    }

    /// As [`Self::upload`], with `root` as the input root instead of the job's inputs.
    pub async fn upload_with(&self, job: &Job, root: Digest, mut blobs: Vec<UploadBlob>) -> Digest {
        let platform = reapi::Platform {
            properties: vec![reapi::platform::Property {
                name: "pool".into(),
                value: job.pool.clone(),
            }],
        };
        let variable = |(name, value): (&String, &String)| reapi::command::EnvironmentVariable {
            name: name.clone(),
            value: value.clone(),
        };
        #[allow(deprecated, reason = "older clients use them")]
        let command = UploadBlob::of(
            reapi::Command {
                arguments: job.arguments.clone(),
                environment_variables: job.environment.iter().map(variable).collect(),
                output_paths: job.outputs.clone(),
                output_files: job.output_files.clone(),
                output_directories: job.output_directories.clone(),
                working_directory: job.working_directory.clone(),
                ..reapi::Command::default()
            }
            .encode_to_vec(),
        );
        let action = UploadBlob::of(
            reapi::Action {
                command_digest: Some(command.digest.into()),
                input_root_digest: Some(root.into()),
                timeout: job
                    .timeout
                    .map(|seconds| maelstrom::engine::protobuf::Duration { seconds, nanos: 0 }),
                platform: Some(platform),
                salt: job.salt.clone().into_bytes(),
                ..reapi::Action::default()
            }
            .encode_to_vec(),
        );
        let digest = action.digest;
        blobs.extend([command, action]);
        self.engine.upload(blobs, &Arc::default()).await.unwrap();
        digest
    }

    pub async fn execute(&self, action: Digest) -> Execution {
        let mut client = ExecutionClient::new(self.engine.service());
        let stream = client
            .execute(reapi::ExecuteRequest {
                instance_name: self.engine.instance().into(),
                action_digest: Some(action.into()),
                skip_cache_lookup: true,
                ..reapi::ExecuteRequest::default()
            })
            .await
            .unwrap()
            .into_inner();
        let mut execution = Execution {
            client: self.clone(),
            stream,
            name: String::new(),
            last: longrunning::Operation::default(),
        };
        execution.next().await;
        execution
    }
}

impl Execution {
    /// Waits for the next message. Returns false at the end of the stream.
    async fn next(&mut self) -> bool {
        match self.stream.message().await.unwrap() {
            Some(operation) => {
                self.name.clone_from(&operation.name);
                self.last = operation;
                true
            }
            None => false,
        }
    }

    /// Waits for the end of the execution.
    pub async fn end(mut self) -> reapi::ExecuteResponse {
        while !self.last.done {
            assert!(self.next().await, "the stream ended before the action");
        }
        match self.last.result.unwrap() {
            operation::Result::Response(any) => {
                reapi::ExecuteResponse::decode(&*any.value).unwrap()
            }
            operation::Result::Error(status) => reapi::ExecuteResponse {
                status: Some(status),
                ..reapi::ExecuteResponse::default()
            },
        }
    }

    pub async fn cancel(&self) {
        let mut client = OperationsClient::new(self.client.engine.service());
        client
            .cancel_operation(longrunning::CancelOperationRequest {
                name: self.name.clone(),
            })
            .await
            .unwrap();
    }
}

/// Adds the directory with these files, and its subdirectories, to the blobs.
fn directory(files: &BTreeMap<String, Vec<u8>>, blobs: &mut Vec<UploadBlob>) -> Digest {
    let mut message = reapi::Directory::default();
    let mut below: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for (path, content) in files {
        if let Some((first, rest)) = path.split_once('/') {
            let directory = below.entry(first).or_default();
            if !rest.is_empty() {
                directory.insert(rest.into(), content.clone());
            }
            continue;
        }
        let blob = UploadBlob::of(content.clone());
        message.files.push(reapi::FileNode {
            name: path.trim_end_matches('*').into(),
            digest: Some(blob.digest.into()),
            is_executable: path.ends_with('*'),
            ..reapi::FileNode::default()
        });
        blobs.push(blob);
    }
    for (name, files) in below {
        message.directories.push(reapi::DirectoryNode {
            name: name.into(),
            digest: Some(directory(&files, blobs).into()),
        });
    }
    let blob = UploadBlob::of(message.encode_to_vec());
    let digest = blob.digest;
    blobs.push(blob);
    digest
}

/// The result of an action that ran to its end.
#[track_caller]
pub fn result(response: reapi::ExecuteResponse) -> reapi::ActionResult {
    let status = response.status.unwrap_or_default();
    assert_eq!(status.code, 0, "{status:?}");
    response.result.unwrap()
}

pub fn stdout(result: &reapi::ActionResult) -> &str {
    std::str::from_utf8(&result.stdout_raw).unwrap()
}

pub fn stderr(result: &reapi::ActionResult) -> &str {
    std::str::from_utf8(&result.stderr_raw).unwrap()
}
