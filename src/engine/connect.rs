//! Getting to an engine.

use super::capabilities::Capabilities;
use super::error::{EngineError, Problem};
use super::reapi::{RequestMetadata, ToolDetails};
use super::retry::Retry;
use super::settings::{Endpoint, EngineSettings, Header};
use super::socket::Connector;
use prost::Message;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{BinaryMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Request, Response, Status};

/// An engine that was reached. Cheap to clone; all clones share its connection, which is made
/// anew whenever it was lost.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    service: Service,
    capabilities: Capabilities,
}

/// What generated clients work on: sends the headers of the settings with every call.
pub type Service = InterceptedService<Channel, Headers>;

/// How long a call with one answer may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How much may be on its way in one stream, in bytes: enough to fill a network of 1 Gbit/s
/// with answers after 30 ms.
const WINDOW: u32 = 4 << 20;

impl Engine {
    /// Reaches an engine and asks what it can do. Fails at the first problem.
    pub async fn connect(settings: &EngineSettings) -> Result<Self, EngineError> {
        let failed = |problem| EngineError {
            endpoint: settings.endpoint.to_string(),
            doing: "connect to the engine",
            problem,
        };
        let channel = reach(settings).await.map_err(failed)?;
        let headers = Headers::new(&settings.headers);
        let mut engine = Self {
            shared: Arc::new(Shared {
                endpoint: settings.endpoint.clone(),
                service: InterceptedService::new(channel, headers),
                capabilities: Capabilities::UNKNOWN,
            }),
        };
        let capabilities = Capabilities::ask(&engine).await?;
        // Nobody else has it yet.
        if let Some(shared) = Arc::get_mut(&mut engine.shared) {
            shared.capabilities = capabilities;
        }
        Ok(engine)
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// The name that calls have in `instance_name` or `parent`.
    pub fn instance(&self) -> &str {
        &self.shared.endpoint.instance
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// Fails unless the engine executes actions.
    pub fn needs_execution(&self) -> Result<(), EngineError> {
        if self.capabilities().execution {
            return Ok(());
        }
        Err(self.error("execute anything", Problem::CannotExecute))
    }

    pub fn service(&self) -> Service {
        self.shared.service.clone()
    }

    /// A call with the usual deadline, which the engine is told too.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(DEADLINE);
        request
    }

    /// Waits for the answer to a call, as long as the deadline allows. The call's own deadline
    /// ends with the first byte of the answer.
    pub async fn within_deadline<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(status.into()),
            Err(_) => Err(Problem::TimedOut(DEADLINE)),
        }
    }

    /// For attempts at a call; `doing` completes "failed to …".
    pub fn retry(&self, doing: &'static str) -> Retry<'_> {
        Retry::new(self, doing)
    }

    /// `doing` completes "failed to …".
    pub fn error(&self, doing: &'static str, problem: impl Into<Problem>) -> EngineError {
        EngineError {
            endpoint: self.endpoint().to_string(),
            doing,
            problem: problem.into(),
        }
    }
}

async fn reach(settings: &EngineSettings) -> Result<Channel, Problem> {
    let endpoint = &settings.endpoint;
    let scheme = if endpoint.tls { "https" } else { "http" };
    let uri = format!("{scheme}://{}", endpoint.authority());
    let mut channel = Channel::from_shared(uri)
        .map_err(|error| Problem::Unreachable(error.to_string()))?
        .connect_timeout(CONNECT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .user_agent(concat!("maelstrom/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| Problem::of_transport(&error))?;
    if endpoint.tls {
        let tls = tls(settings)?;
        channel = channel
            .tls_config(tls)
            .map_err(|error| Problem::of_tls_configuration(&error, settings))?;
    } else if settings.tls_ca.is_some()
        || settings.tls_client_cert.is_some()
        || settings.tls_client_key.is_some()
    {
        return Err(Problem::TlsWithoutTls);
    }
    channel
        .connect_with_connector(Connector)
        .await
        .map_err(|error| Problem::of_transport(&error))
}

fn tls(settings: &EngineSettings) -> Result<ClientTlsConfig, Problem> {
    let mut tls = ClientTlsConfig::new().timeout(CONNECT);
    tls = match &settings.tls_ca {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read("remote-tls-ca", path)?)),
        None => tls.with_native_roots(),
    };
    match (&settings.tls_client_cert, &settings.tls_client_key) {
        (Some(certificate), Some(key)) => Ok(tls.identity(Identity::from_pem(
            read("remote-tls-client-cert", certificate)?,
            read("remote-tls-client-key", key)?,
        ))),
        (None, None) => Ok(tls),
        _ => Err(Problem::HalfAnIdentity),
    }
}

/// Reads a PEM file, and sees that it is one: the library takes any text for an empty list.
fn read(value: &'static str, path: &Path) -> Result<Vec<u8>, Problem> {
    let problem = |reason| Problem::TlsFile {
        value,
        path: PathBuf::from(path),
        reason,
    };
    let text = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
    if !text.windows(10).any(|piece| piece == b"-----BEGIN") {
        return Err(problem("there is no `-----BEGIN` in it".to_owned()));
    }
    Ok(text)
}

/// What every call carries.
#[derive(Clone, Debug)]
pub struct Headers(Arc<MetadataMap>);

impl Headers {
    fn new(headers: &[Header]) -> Self {
        let mut map = MetadataMap::new();
        for header in headers {
            map.append(header.name.clone(), header.value.clone());
        }
        let metadata = RequestMetadata {
            tool_details: Some(ToolDetails {
                tool_name: env!("CARGO_PKG_NAME").to_owned(),
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            ..RequestMetadata::default()
        };
        map.insert_bin(
            "build.bazel.remote.execution.v2.requestmetadata-bin",
            BinaryMetadataValue::from_bytes(&metadata.encode_to_vec()),
        );
        Self(Arc::new(map))
    }
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        use tonic::metadata::KeyAndValueRef::{Ascii, Binary};
        let metadata = request.metadata_mut();
        for entry in self.0.iter() {
            match entry {
                Ascii(name, value) => {
                    metadata.append(name.clone(), value.clone());
                }
                Binary(name, value) => {
                    metadata.append_bin(name.clone(), value.clone());
                }
            }
        }
        Ok(request)
    }
}
