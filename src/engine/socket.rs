//! The TCP connection beneath.

use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::transport::Uri;

/// How long a connection may say nothing before the other end is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(10);

/// How long the other end may leave anything unanswered before it counts as gone.
const GONE: Duration = Duration::from_secs(30);

/// Makes connections that notice when the other end is gone.
///
/// That is left to TCP: many engines end connections on which HTTP/2 pings come more often than
/// every five minutes.
#[derive(Clone, Debug)]
pub(super) struct Connector;

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
            sockopt::set_tcp_keepidle(&stream, SILENCE)?;
            sockopt::set_tcp_keepintvl(&stream, SILENCE)?;
            sockopt::set_tcp_user_timeout(&stream, GONE.as_millis() as u32)?;
            Ok(TokioIo::new(stream))
        })
    }
}
