//! Executions that the test's own engine loses, in every way that the API knows.

use crate::transfers::{Memory, Server, Stream};
use maelstrom::config::CacheResults;
use maelstrom::engine::bytestream::byte_stream_server::ByteStreamServer;
use maelstrom::engine::longrunning::{Operation, operation};
use maelstrom::engine::reapi;
use maelstrom::engine::reapi::capabilities_server::{Capabilities, CapabilitiesServer};
use maelstrom::engine::reapi::content_addressable_storage_server::ContentAddressableStorageServer as StorageServer;
use maelstrom::engine::reapi::execution_server::{Execution, ExecutionServer};
use maelstrom::engine::{Engine, EngineSettings, protobuf, rpc};
use maelstrom::executor::remote::{OUTCOMES, RemoteExecutor, ReuseResults, RunnerRecord};
use maelstrom::executor::{Container, Job, Outcome, OutputListing, Status as Ended};
use maelstrom::spec::{Network, RootOverlay};
use maelstrom::store::Store;
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};

/// The number of jobs in an action.
const JOBS: usize = 2;

/// A message of the engine about an operation.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Queued,
    /// The end of the operation with an error.
    Done(Code),
    /// The end of the stream with an error.
    Refused(Code),
    Passed,
}
use Sent::{Done, Passed, Queued, Refused};

/// How the engine answers one call.
type Answer = &'static [Sent];

const CUT: Answer = &[Queued, Refused(Code::Unavailable)];
const GONE: Answer = &[Refused(Code::NotFound)];
const LACKS: Answer = &[Refused(Code::FailedPrecondition)];
const FAILED: Answer = &[Done(Code::Internal)];

#[derive(Default)]
struct Script {
    execute: VecDeque<Answer>,
    wait: VecDeque<Answer>,
    /// The engine has lost all blobs when it gets the second call.
    loses_blobs: bool,
    /// The calls so far: `e` for `Execute`, `w` for `WaitExecution`.
    calls: String,
}

#[derive(Clone)]
struct Forgetful {
    script: Arc<Mutex<Script>>,
    storage: Arc<Memory>,
}

/// An engine, and an executor that uses it.
struct Surroundings {
    engine: Forgetful,
    executor: RemoteExecutor,
    _store: TempDir,
}

impl Surroundings {
    async fn new() -> Self {
        let engine = Forgetful {
            script: Arc::default(),
            storage: Arc::default(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let storage = Server(Arc::clone(&engine.storage));
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(CapabilitiesServer::new(engine.clone()))
                .add_service(ExecutionServer::new(engine.clone()))
                .add_service(
                    StorageServer::new(storage.clone()).max_decoding_message_size(16 << 20),
                )
                .add_service(ByteStreamServer::new(storage))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let endpoint = format!("grpc://127.0.0.1:{port}").parse().unwrap();
        let connected = Engine::connect(&EngineSettings::new(endpoint))
            .await
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 1 << 30).unwrap();
        let executor =
            RemoteExecutor::new(connected, Vec::new(), CacheResults::Off, store, 1 << 30);
        Self {
            engine,
            executor: executor.await.unwrap(),
            _store: directory,
        }
    }

    /// Runs jobs while the engine answers like this, and then as it should; also what it was
    /// called for.
    async fn run(&self, script: Script) -> (Vec<Outcome>, String) {
        *self.engine.script.lock().unwrap() = script;
        let (running, _) = watch::channel(false);
        let jobs = [job("one"), job("two")];
        let outcomes = self
            .executor
            .run(&jobs, 1000, 0, ReuseResults::AsSet, &running)
            .await;
        let calls = self.engine.script.lock().unwrap().calls.clone();
        (outcomes, calls)
    }
}

fn job(program: &str) -> Job {
    Job {
        container: Arc::new(Container {
            layers: Vec::new(),
            environment: BTreeMap::new(),
            mounts: Vec::new(),
            network: Network::Disabled,
            root_overlay: RootOverlay::None,
            working_directory: "/".into(),
            user: 0,
            group: 0,
            init: false,
            hostname: "maelstrom".to_owned(),
            watched: Vec::new(),
            outputs: Vec::new(),
        }),
        program: program.into(),
        arguments: Vec::new(),
        variables: Vec::new(),
        timeout: None,
        limits: maelstrom::container::JobLimits::default(),
        should_panic: false,
        group_slot: None,
    }
}

fn script(execute: &[Answer], wait: &[Answer]) -> Script {
    Script {
        execute: execute.iter().copied().collect(),
        wait: wait.iter().copied().collect(),
        ..Script::default()
    }
}

#[tokio::test]
async fn an_execution_that_is_lost_in_any_way_is_requested_again() {
    let surroundings = Surroundings::new().await;
    let cases: &[(&[Answer], &[Answer], &str)] = &[
        // The engine still has the operation.
        (&[CUT], &[&[Queued, Passed]], "ew"),
        (&[&[Queued]], &[&[Queued], &[Passed]], "eww"),
        // The engine no longer has the operation.
        (&[CUT], &[GONE], "ewe"),
        (&[CUT], &[CUT, GONE], "ewwe"),
        (&[CUT, CUT], &[GONE; 2], "ewewe"),
        (&[&[Queued, Refused(Code::NotFound)]], &[], "ee"),
        (&[CUT], &[&[Refused(Code::InvalidArgument)]], "ewe"),
        (&[CUT], &[&[Refused(Code::Unimplemented)]], "ewe"),
        (&[CUT], &[&[Refused(Code::Internal)]], "ewe"),
        (&[CUT], &[&[]], "ewe"),
        // The operation has no name yet.
        (&[&[Refused(Code::Unavailable)]], &[], "ee"),
        (&[&[Refused(Code::ResourceExhausted)]], &[], "ee"),
        (&[&[Refused(Code::Internal)]], &[], "ee"),
        (&[GONE], &[], "ee"),
        (&[&[]], &[], "ee"),
        // The operation ended for reasons unrelated to the action.
        (&[&[Queued, Done(Code::Cancelled)]], &[], "ee"),
        (&[&[Queued, Done(Code::Unavailable)]], &[], "ee"),
        (&[&[Queued, Done(Code::ResourceExhausted)]], &[], "ee"),
        (&[&[Queued, Done(Code::Aborted)]], &[], "ee"),
        (&[&[Queued, Done(Code::Internal)]], &[], "ee"),
        (&[&[Queued, Done(Code::NotFound)]], &[], "ee"),
        (&[&[Queued, Done(Code::FailedPrecondition)]], &[], "ee"),
        (&[CUT], &[&[Queued, Done(Code::Cancelled)]], "ewe"),
    ];
    for (execute, wait, expected) in cases {
        let (outcomes, calls) = surroundings.run(script(execute, wait)).await;
        let case = format!("{execute:?}, then {wait:?}: {outcomes:?}");
        assert_eq!(calls, *expected, "{case}");
        assert_eq!(outcomes.len(), JOBS, "{case}");
        assert!(outcomes.iter().all(Outcome::is_success), "{case}");
    }
}

#[tokio::test]
async fn an_execution_that_the_engine_refuses_is_an_error() {
    let surroundings = Surroundings::new().await;
    let cases: &[(&[Answer], &str, &str)] = &[
        (
            &[&[Refused(Code::InvalidArgument)]],
            "e",
            "InvalidArgument: as the script says",
        ),
        (
            &[&[Refused(Code::PermissionDenied)]],
            "e",
            "the engine denied permission",
        ),
        (
            &[LACKS; 2],
            "ee",
            "refuses to execute it: FailedPrecondition: as the script says",
        ),
        (
            &[FAILED; 3],
            "eee",
            "failed to execute it: Internal: as the script says",
        ),
    ];
    for (execute, expected, said) in cases {
        let (outcomes, calls) = surroundings.run(script(execute, &[])).await;
        assert_eq!(calls, *expected, "{execute:?}: {outcomes:?}");
        assert_eq!(outcomes.len(), JOBS, "{execute:?}");
        for outcome in outcomes {
            let Ended::Error(message) = outcome.status else {
                panic!("{execute:?}: {:?}", outcome.status);
            };
            assert!(message.contains(said), "{execute:?}: {message}");
        }
    }
}

#[tokio::test]
async fn an_engine_that_lost_executions_and_blobs_gets_both_again() {
    let surroundings = Surroundings::new().await;
    let script = Script {
        loses_blobs: true,
        ..script(&[CUT], &[GONE])
    };
    let (outcomes, calls) = surroundings.run(script).await;
    // The blobs are uploaded again before the engine needs them.
    assert_eq!(calls, "ewe", "{outcomes:?}");
    assert!(outcomes.iter().all(Outcome::is_success), "{outcomes:?}");
}

impl Forgetful {
    /// Answers one call of this kind about the action `digest`.
    fn answer(
        &self,
        call: char,
        digest: Option<&reapi::Digest>,
    ) -> Result<Response<Stream<Operation>>, Status> {
        let mut script = self.script.lock().unwrap();
        script.calls.push(call);
        if script.loses_blobs && script.calls.len() == 2 {
            self.storage.blobs.lock().unwrap().clear();
        }
        let scripted = match call {
            'e' => script.execute.pop_front(),
            _ => script.wait.pop_front(),
        };
        let lacks = |digest: &reapi::Digest| {
            !self
                .storage
                .blobs
                .lock()
                .unwrap()
                .contains_key(&digest.hash)
        };
        if digest.is_some_and(lacks) {
            return Err(Status::failed_precondition("the action is missing"));
        }
        let sent = scripted.unwrap_or(&[Queued, Passed]);
        let messages: Vec<_> = sent.iter().map(|sent| sent.message()).collect();
        Ok(Response::new(tokio_stream::iter(messages)))
    }
}

impl Sent {
    fn message(self) -> Result<Operation, Status> {
        let response = match self {
            Queued => None,
            Refused(code) => return Err(Status::new(code, "as the script says")),
            Done(code) => Some(reapi::ExecuteResponse {
                status: Some(rpc::Status {
                    code: code as i32,
                    message: "as the script says".to_owned(),
                    ..rpc::Status::default()
                }),
                ..reapi::ExecuteResponse::default()
            }),
            Passed => Some(reapi::ExecuteResponse {
                result: Some(all_passed()),
                ..reapi::ExecuteResponse::default()
            }),
        };
        Ok(Operation {
            name: "operation".to_owned(),
            done: response.is_some(),
            result: response.map(|response| {
                operation::Result::Response(protobuf::Any {
                    value: response.encode_to_vec(),
                    ..protobuf::Any::default()
                })
            }),
            ..Operation::default()
        })
    }
}

/// The result of a runner whose jobs passed.
fn all_passed() -> reapi::ActionResult {
    let passed = Outcome {
        status: Ended::Exited(0),
        ..Outcome::error(String::new())
    };
    let records = (0..JOBS).map(|job| {
        RunnerRecord::Ended(job, Box::new(passed.clone()), OutputListing::default()).to_bytes()
    });
    reapi::ActionResult {
        output_files: vec![reapi::OutputFile {
            path: OUTCOMES.to_owned(),
            contents: records.flatten().collect(),
            ..reapi::OutputFile::default()
        }],
        ..reapi::ActionResult::default()
    }
}

#[tonic::async_trait]
impl Capabilities for Forgetful {
    async fn get_capabilities(
        &self,
        _: Request<reapi::GetCapabilitiesRequest>,
    ) -> Result<Response<reapi::ServerCapabilities>, Status> {
        Ok(Response::new(reapi::ServerCapabilities {
            execution_capabilities: Some(reapi::ExecutionCapabilities {
                exec_enabled: true,
                ..reapi::ExecutionCapabilities::default()
            }),
            ..reapi::ServerCapabilities::default()
        }))
    }
}

#[tonic::async_trait]
impl Execution for Forgetful {
    type ExecuteStream = Stream<Operation>;
    type WaitExecutionStream = Stream<Operation>;

    async fn execute(
        &self,
        request: Request<reapi::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let request = request.into_inner();
        self.answer('e', request.action_digest.as_ref())
    }

    async fn wait_execution(
        &self,
        _: Request<reapi::WaitExecutionRequest>,
    ) -> Result<Response<Self::WaitExecutionStream>, Status> {
        self.answer('w', None)
    }
}
