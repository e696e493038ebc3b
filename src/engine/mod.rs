//! A client of an engine: a service that speaks the Remote Execution API, version 2.
//!
//! [`Engine::connect`] finds out who is there and what it can do. Blobs go to its
//! content-addressed storage with [`Engine::upload`], which asks first what is missing, and come
//! back with [`Engine::read`], [`Engine::read_all`] and [`Engine::download`], verified. For
//! everything else there is [`Engine::service`], on which the clients that are generated from the
//! API's definition work.
//!
//! Whatever fails for a reason that may pass is tried again for a minute ([`Retry`]); whatever
//! does not is an [`EngineError`] that names the engine and says what to do.

mod arguments;
mod blocking;
mod capabilities;
mod connect;
mod download;
mod error;
mod name;
mod platform;
mod precondition;
mod progress;
mod retry;
mod settings;
mod sink;
mod socket;
mod stream;
mod upload;

pub use arguments::RemoteArguments;
pub use capabilities::Capabilities;
pub use connect::{DEADLINE, Engine, Service};
pub use download::Wanted;
pub use error::{EngineError, Problem};
pub use name::{NotADigest, random_word};
pub use platform::{ISA, OS_FAMILY};
pub use precondition::{missing_blobs, missing_in};
pub use progress::Progress;
pub use retry::{Backoff, RETRY_BUDGET, Retry};
pub use settings::{BadEndpoint, BadHeader, Endpoint, EngineSettings, Header};
pub use upload::{Blob, BlobContent, Uploaded};

pub use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
pub use bazel_remote_apis::google::{bytestream, longrunning, protobuf, rpc};
