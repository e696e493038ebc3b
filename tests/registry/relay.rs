//! A way to a server that breaks once.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

type Break = Box<dyn FnOnce() + Send>;

/// Passes on connections to a port of this machine.
pub struct Relay {
    pub port: u16,
    at_break: Arc<Mutex<Option<Break>>>,
}

impl Relay {
    /// Once a connection has brought more than `most` bytes from the server, all connections
    /// end, and then `at_break` is called.
    pub fn start(server: u16, most: usize, at_break: impl FnOnce() + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let at_break: Arc<Mutex<Option<Break>>> = Arc::new(Mutex::new(Some(Box::new(at_break))));
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let kept = at_break.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let both = [&client, &server].map(|stream| stream.try_clone().unwrap());
                open.lock().unwrap().extend(both);
                let (from_client, to_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(from_client, to_server, |_| {}));
                let (at_break, open) = (at_break.clone(), open.clone());
                std::thread::spawn(move || {
                    pass(server, client, |passed| {
                        if passed > most
                            && let Some(at_break) = at_break.lock().unwrap().take()
                        {
                            for stream in open.lock().unwrap().drain(..) {
                                let _ = stream.shutdown(Shutdown::Both);
                            }
                            at_break();
                        }
                    });
                });
            }
        });
        Self {
            port,
            at_break: kept,
        }
    }

    /// Whether it did.
    pub fn has_broken(&self) -> bool {
        self.at_break.lock().unwrap().is_none()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(usize)) {
    let (mut buffer, mut passed) = ([0; 16 << 10], 0);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
        passed += length;
        seen(passed);
    }
    let _ = to.shutdown(Shutdown::Both);
}
