//! The connection to an engine.

use super::capabilities::Capabilities;
use super::error::{EngineError, Problem};
use super::reapi::{RequestMetadata, ToolDetails};
use super::retry::Retry;
use super::settings::{Endpoint, EngineSettings, RequestHeader};
use hyper_util::rt::TokioIo;
use prost::Message;
use rustix::net::sockopt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::metadata::{BinaryMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Uri};
use tonic::{Request, Response, Status};

/// An engine with a connection. Cheap to clone; all clones share the connection, which is made
/// again after it was lost.
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

/// The transport for generated clients. Sends the headers of the settings with every call.
pub type Service = InterceptedService<Channel, HeaderInterceptor>;

/// How long a call with a single response may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The HTTP/2 flow-control window of a stream, in bytes: enough for 1 Gbit/s at a round-trip
/// time of 30 ms.
const WINDOW: u32 = 4 << 20;

/// After how long without traffic TCP probes whether the engine is still there, and how long it
/// waits between probes.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long sent data and probes may stay unacknowledged before the connection is closed.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(30);

impl Engine {
    /// Connects to an engine and reads its capabilities. Fails at the first problem, without
    /// retries.
    pub async fn connect(settings: &EngineSettings) -> Result<Self, EngineError> {
        let failed = |problem| EngineError {
            endpoint: settings.endpoint.to_string(),
            operation: "connect to the engine",
            problem,
        };
        let channel = open_channel(settings).await.map_err(failed)?;
        let headers = HeaderInterceptor::new(&settings.headers);
        let mut engine = Self {
            shared: Arc::new(Shared {
                endpoint: settings.endpoint.clone(),
                service: InterceptedService::new(channel, headers),
                capabilities: Capabilities::UNKNOWN,
            }),
        };
        let capabilities = Capabilities::fetch(&engine).await?;
        // There is no other clone yet, so this always succeeds.
        if let Some(shared) = Arc::get_mut(&mut engine.shared) {
            shared.capabilities = capabilities;
        }
        Ok(engine)
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// The value of `instance_name` or `parent` in calls.
    pub fn instance(&self) -> &str {
        &self.shared.endpoint.instance
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// Fails with [`Problem::CannotExecute`] unless the engine executes actions.
    pub fn require_execution(&self) -> Result<(), EngineError> {
        if self.capabilities().execution {
            return Ok(());
        }
        Err(self.error("execute an action", Problem::CannotExecute))
    }

    pub fn service(&self) -> Service {
        self.shared.service.clone()
    }

    /// A request with the deadline [`DEADLINE`], which is sent to the engine too.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(DEADLINE);
        request
    }

    /// Waits for the response to a call until [`DEADLINE`]. The deadline of the request does not
    /// suffice: it covers only the time to the first byte of the response.
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

    /// The retry state of a new call; `operation` completes "failed to …".
    pub fn retry(&self, operation: &'static str) -> Retry<'_> {
        Retry::new(self, operation)
    }

    /// An error of this engine; `operation` completes "failed to …".
    pub fn error(&self, operation: &'static str, problem: impl Into<Problem>) -> EngineError {
        EngineError {
            endpoint: self.endpoint().to_string(),
            operation,
            problem: problem.into(),
        }
    }
}

async fn open_channel(settings: &EngineSettings) -> Result<Channel, Problem> {
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
        return Err(Problem::TlsSettingsWithoutTls);
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
        _ => Err(Problem::IncompleteClientIdentity),
    }
}

/// Reads a PEM file. Checks that it is one, because the library takes any text for an empty list.
fn read(value: &'static str, path: &Path) -> Result<Vec<u8>, Problem> {
    let problem = |reason| Problem::TlsFile {
        value,
        path: PathBuf::from(path),
        reason,
    };
    let text = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
    if !text.windows(10).any(|piece| piece == b"-----BEGIN") {
        return Err(problem("it does not contain `-----BEGIN`".to_owned()));
    }
    Ok(text)
}

/// Makes TCP connections with keepalive probes (tcp(7)). HTTP/2 pings would not do: many engines
/// close connections on which pings arrive more often than every five minutes.
#[derive(Clone, Debug)]
struct Connector;

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
            stream.set_nodelay(true)?;
            sockopt::set_socket_keepalive(&stream, true)?;
            sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
            sockopt::set_tcp_keepintvl(&stream, KEEPALIVE)?;
            sockopt::set_tcp_user_timeout(&stream, ACKNOWLEDGEMENT_TIMEOUT.as_millis() as u32)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Adds the headers of the settings and the name of this program to every call.
#[derive(Clone, Debug)]
pub struct HeaderInterceptor(Arc<MetadataMap>);

impl HeaderInterceptor {
    fn new(headers: &[RequestHeader]) -> Self {
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

impl Interceptor for HeaderInterceptor {
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
