//! A connection to an engine that can be cut.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes on what comes to its port, until the test process ends.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<TcpStream>>,
    /// When to cut: after so many more bytes to the engine.
    fuse: Mutex<Option<usize>>,
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
                // As the engine would: nobody is there.
                if let Ok(engine) = TcpStream::connect((Ipv4Addr::LOCALHOST, engine)) {
                    of_listener.join(&client, &engine);
                }
            }
        });
        Self { port, shared }
    }

    /// Ends all connections when so many more bytes have gone to the engine.
    pub fn cut_after(&self, bytes: usize) {
        *self.shared.fuse.lock().unwrap() = Some(bytes);
    }

    /// Ends all connections. New ones may be made.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Whether what [`Self::cut_after`] asked for was done.
    pub fn has_cut(&self) -> bool {
        self.shared.fuse.lock().unwrap().is_none()
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
        thread::spawn(move || pass_on(from_client, to_engine, |bytes| shared.burn(bytes)));
        let (to_client, from_engine) = (clone(client), clone(engine));
        thread::spawn(move || pass_on(from_engine, to_client, |bytes| bytes));
    }

    fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// How many of so many bytes may go to the engine.
    fn burn(&self, bytes: usize) -> usize {
        let mut fuse = self.fuse.lock().unwrap();
        match *fuse {
            Some(left) if left <= bytes => {
                *fuse = None;
                self.cut();
                0
            }
            Some(left) => {
                *fuse = Some(left - bytes);
                bytes
            }
            None => bytes,
        }
    }
}

/// Passes on as much as `allowed` says of what comes, and ends when that is not all.
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
