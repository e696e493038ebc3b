//! A client of an engine: a service that speaks the Remote Execution API, version 2.
//!
//! [`Engine::connect`] connects and reads the engine's capabilities. [`Engine::upload`] sends the
//! blobs that the engine's content-addressed storage lacks. [`Engine::read`],
//! [`Engine::read_all`] and [`Engine::download`] receive blobs and verify their digests. For all
//! other calls, [`Engine::service`] is the transport for the clients that are generated from the
//! API's definition.
//!
//! Calls are retried for a minute if another attempt can succeed ([`Retry`]). All other failures
//! are [`EngineError`]s, which name the engine and the remedy.
//!
//! Only this room makes connections to engines.

mod arguments;
mod capabilities;
mod connect;
mod download;
mod error;
mod precondition;
mod resource_name;
mod retry;
mod settings;
mod sink;
mod stream;
mod transfer;
mod upload;

pub use arguments::RemoteArguments;
pub use capabilities::{Capabilities, ISA, OS_FAMILY};
pub use connect::{DEADLINE, Engine, Service};
pub use download::WantedFile;
pub use error::{EngineError, Problem};
pub use precondition::{missing_blobs_in, missing_blobs_status};
pub use resource_name::{InvalidApiDigest, random_word};
pub use retry::{Backoff, RETRY_BUDGET, Retry};
pub use settings::{BadEndpoint, BadHeader, Endpoint, EngineSettings, RequestHeader};
pub use transfer::Progress;
pub use upload::{BlobContent, UploadBlob, Uploaded};

pub use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
pub use bazel_remote_apis::google::{bytestream, longrunning, protobuf, rpc};
