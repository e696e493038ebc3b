//! A proxy for connections to an engine, which the test can close.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards connections to its port, until the test process ends.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<TcpStream>>,
    /// The number of bytes to the engine after which all connections are closed.
    until_cut: Mutex<Option<usize>>,
}

impl Proxy {
    pub fn to(engine: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let of_listener = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // If the engine does not listen, the connection is closed.
                if let Ok(engine) = TcpStream::connect((Ipv4Addr::LOCALHOST, engine)) {
                    of_listener.join(&client, &engine);
                }
            }
        });
        Self { port, shared }
    }

    /// Closes all connections after this number of further bytes to the engine.
    pub fn cut_after(&self, bytes: usize) {
        *self.shared.until_cut.lock().unwrap() = Some(bytes);
    }

    /// Closes all connections. New connections are accepted.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Whether the connections have been closed as [`Self::cut_after`] requested.
    pub fn has_cut(&self) -> bool {
        self.shared.until_cut.lock().unwrap().is_none()
    }

    pub fn endpoint(&self) -> String {
        format!("grpc://127.0.0.1:{}/main", self.port)
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: &TcpStream, engine: &TcpStream) {
        let clone = |stream: &TcpStream| stream.try_clone().unwrap();
        let mut connections = self.connections.lock().unwrap();
        connections.extend([clone(client), clone(engine)]);
        drop(connections);
        let (to_engine, from_client) = (clone(engine), clone(client));
        let shared = self.clone();
        thread::spawn(move || pass_on(from_client, to_engine, |bytes| shared.allowed(bytes)));
        let (to_client, from_engine) = (clone(client), clone(engine));
        thread::spawn(move || pass_on(from_engine, to_client, |bytes| bytes));
    }

    fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// The number of these bytes that may be sent to the engine.
    fn allowed(&self, bytes: usize) -> usize {
        let mut until_cut = self.until_cut.lock().unwrap();
        match *until_cut {
            Some(left) if left <= bytes => {
                *until_cut = None;
                self.cut();
                0
            }
            Some(left) => {
                *until_cut = Some(left - bytes);
                bytes
            }
            None => bytes,
        }
    }
}

/// Forwards bytes as far as `allowed` permits. Ends when not all of them are permitted.
fn pass_on(mut from: TcpStream, mut to: TcpStream, allowed: impl Fn(usize) -> usize) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let may = allowed(length);
        if to.write_all(&buffer[..may]).is_err() || may < length {
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}
