//! Reads, decompresses and hashes an archive in a thread of its own, ahead of its consumer.

use super::TarError;
use super::budget::UnpackBudget;
use super::compression::decompress;
use crate::image::HashingReader;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The size of a chunk, in bytes.
const CHUNK: usize = 256 * 1024;

/// The number of chunks that may wait for the consumer.
const QUEUE_LENGTH: usize = 8;

/// The digests of an archive, as `sha256:…`, or the errors while computing them.
#[derive(Debug)]
pub(crate) struct ArchiveDigests {
    /// The digest of the stored bytes.
    pub blob: Result<String, TarError>,
    /// The digest of the uncompressed archive.
    pub content: Result<String, TarError>,
}

/// Calls `take` with the content of an archive, and reads the rest. The content ends early where
/// it cannot be read; the digests then hold the error.
pub(super) fn stream<T>(
    archive: impl Read + Send,
    name: &Path,
    budget: &UnpackBudget,
    take: impl FnOnce(Chunks) -> T,
) -> (T, ArchiveDigests) {
    let (sender, receiver) = sync_channel(QUEUE_LENGTH);
    thread::scope(|scope| {
        let reader = scope.spawn(move || read(archive, name, budget, sender));
        let taken = take(Chunks {
            receiver,
            chunk: Vec::new(),
            position: 0,
        });
        match reader.join() {
            Ok(digests) => (taken, digests),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Reads all of the archive, even if the consumer has stopped, as a digest mismatch is the best
/// error.
fn read(
    archive: impl Read + Send,
    name: &Path,
    budget: &UnpackBudget,
    sender: SyncSender<Vec<u8>>,
) -> ArchiveDigests {
    let read_error = |cause| TarError::Read {
        archive: name.to_owned(),
        cause,
    };
    let mut blob = HashingReader::new(archive);
    let content = decompress(&mut blob, name).and_then(|content| {
        let mut content = HashingReader::new(content);
        let mut sender = Some(sender);
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = content.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
            if read.map_err(read_error)? == 0 {
                return content.digest().map_err(read_error);
            }
            budget.take(chunk.len() as u64, name)?;
            sender = sender.filter(|sender| sender.send(chunk).is_ok());
        }
    });
    ArchiveDigests {
        blob: blob.digest().map_err(read_error),
        content,
    }
}

/// The chunks that the thread sends, as a reader.
pub(super) struct Chunks {
    receiver: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.chunk.len() {
            // The content ends when the sender is dropped.
            self.chunk = self.receiver.recv().unwrap_or_default();
            self.position = 0;
        }
        let length = (&self.chunk[self.position..]).read(buffer)?;
        self.position += length;
        Ok(length)
    }
}
