//! The destination of a downloaded blob: memory or a file. Decompressing, hashing and writing
//! block.

use super::error::Problem;
use super::resource_name::Encoding;
use crate::store::{Digest, Hasher};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Receives the content of one blob, in one or several attempts.
pub(super) struct DownloadSink {
    target: SinkTarget,
    hasher: Hasher,
    /// How many bytes of the blob were received.
    pub written: u64,
    /// Whether writing to the target failed, as opposed to receiving or decompressing.
    write_failed: bool,
}

enum SinkTarget {
    Memory(Vec<u8>),
    File(File, PathBuf),
}

impl DownloadSink {
    /// A sink in memory for a blob of `size` bytes.
    pub fn memory(size: u64) -> Self {
        // The size is not verified yet, so it must not decide how much memory is reserved.
        let room = usize::try_from(size.min(1 << 20)).unwrap_or_default();
        Self::new(SinkTarget::Memory(Vec::with_capacity(room)))
    }

    /// A sink that creates the file `path`, which must not exist.
    pub fn file(path: &Path, mode: u32) -> Result<Self, Problem> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path);
        match file {
            Ok(file) => Ok(Self::new(SinkTarget::File(file, path.to_owned()))),
            Err(error) => Err(local("create", path, error)),
        }
    }

    fn new(target: SinkTarget) -> Self {
        Self {
            target,
            hasher: Hasher::default(),
            written: 0,
            write_failed: false,
        }
    }

    /// Discards the received bytes.
    pub fn start_over(&mut self) -> Result<(), Problem> {
        self.hasher = Hasher::default();
        self.written = 0;
        match &mut self.target {
            SinkTarget::Memory(content) => content.clear(),
            SinkTarget::File(file, path) => file
                .set_len(0)
                .and_then(|()| file.rewind())
                .map_err(|error| local("write", path, error))?,
        }
        Ok(())
    }

    /// Writes the chunks of one stream until the stream ends. Returns the sink and the result:
    /// [`Problem::Local`] if writing failed, [`Problem::ConnectionLost`] if the stream was broken.
    pub fn drain(
        mut self,
        mut chunks: mpsc::Receiver<Vec<u8>>,
        encoding: Encoding,
    ) -> (Self, Result<(), Problem>) {
        let drained = match encoding {
            Encoding::Plain => self.drain_plain(&mut chunks),
            Encoding::Zstd => self.drain_zstd(&mut chunks),
        };
        let drained = drained.map_err(|error| match &self.target {
            SinkTarget::File(_, path) if self.write_failed => local("write", path, error),
            _ => Problem::ConnectionLost(error.to_string()),
        });
        (self, drained)
    }

    fn drain_plain(&mut self, chunks: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
        while let Some(chunk) = chunks.blocking_recv() {
            self.write_all(&chunk)?;
        }
        Ok(())
    }

    fn drain_zstd(&mut self, chunks: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
        let mut decoder = zstd::stream::write::Decoder::new(self)?;
        while let Some(chunk) = chunks.blocking_recv() {
            decoder.write_all(&chunk)?;
        }
        decoder.flush()
    }

    /// Whether the received bytes have this digest.
    pub fn has_digest(&self, digest: Digest) -> bool {
        self.hasher.clone().finish() == digest
    }

    /// The received bytes of a sink in memory; empty for a file.
    pub fn into_content(self) -> Vec<u8> {
        match self.target {
            SinkTarget::Memory(content) => content,
            SinkTarget::File(..) => Vec::new(),
        }
    }
}

impl Write for DownloadSink {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            SinkTarget::Memory(content) => content.write(chunk),
            SinkTarget::File(file, _) => file.write(chunk),
        };
        self.write_failed = written.is_err();
        let length = written?;
        self.hasher.update(&chunk[..length]);
        self.written += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of this machine; `verb` completes "cannot …".
pub(super) fn local(verb: &'static str, path: &Path, error: io::Error) -> Problem {
    Problem::Local {
        verb,
        path: path.to_owned(),
        error,
    }
}
