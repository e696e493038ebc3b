//! Reading job specifications from a stream. A thread of its own reads, because the stream may be slow.

use super::JobsError;
use crate::spec::{JsonPiece, JsonStream};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use tokio::sync::mpsc;

/// The number of objects that are read in advance.
const AHEAD: usize = 64;

/// Size of one read, in bytes.
const CHUNK: usize = 64 * 1024;

/// The objects of a stream, each as soon as it is complete.
pub struct Input {
    name: String,
    pieces: mpsc::Receiver<io::Result<JsonPiece>>,
}

impl Input {
    /// Starts to read a file, or standard input.
    pub fn open(path: Option<&Path>) -> Result<Self, JobsError> {
        let (name, reader): (String, Box<dyn Read + Send>) = match path {
            None => ("<stdin>".to_owned(), Box::new(io::stdin())),
            Some(path) => {
                let file = File::open(path).map_err(|source| JobsError::Read {
                    path: path.to_owned(),
                    source,
                })?;
                (path.display().to_string(), Box::new(file))
            }
        };
        let (sender, pieces) = mpsc::channel(AHEAD);
        std::thread::spawn(move || read(reader, &sender));
        Ok(Self { name, pieces })
    }

    /// The name of the stream in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next object. `None`: the end of the stream. The future may be dropped.
    pub async fn next(&mut self) -> Result<Option<JsonPiece>, JobsError> {
        let next = self.pieces.recv().await.transpose();
        next.map_err(|source| JobsError::Read {
            path: (&self.name).into(),
            source,
        })
    }
}

/// Reads to the end, or until the receiver is dropped.
fn read(mut reader: Box<dyn Read + Send>, pieces: &mpsc::Sender<io::Result<JsonPiece>>) {
    let mut stream = JsonStream::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let complete = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => stream.push(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = pieces.blocking_send(Err(error));
                return;
            }
        };
        for piece in complete {
            if pieces.blocking_send(Ok(piece)).is_err() {
                return;
            }
        }
    }
    if let Some(rest) = stream.finish() {
        let _ = pieces.blocking_send(Ok(rest));
    }
}
