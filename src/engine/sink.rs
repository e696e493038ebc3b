//! Where downloaded bytes go: written, hashed and unpacked on a thread for blocking work.

use super::error::Problem;
use super::name::Encoding;
use crate::store::{Digest, Hasher};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Receives the content of one blob, in any number of attempts.
pub(super) struct DownloadSink {
    place: Place,
    hasher: Hasher,
    /// How many bytes of the blob are there.
    pub written: u64,
    /// Whether it was the place that failed, not what came.
    broken: bool,
}

enum Place {
    Memory(Vec<u8>),
    File(File, PathBuf),
}

impl DownloadSink {
    /// For a blob of `size` bytes.
    pub fn memory(size: u64) -> Self {
        // Not all at once: the size is only what somebody said.
        let room = usize::try_from(size.min(1 << 20)).unwrap_or_default();
        Self::new(Place::Memory(Vec::with_capacity(room)))
    }

    /// Creates a file that must not exist.
    pub fn file(path: &Path, mode: u32) -> Result<Self, Problem> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path);
        match file {
            Ok(file) => Ok(Self::new(Place::File(file, path.to_owned()))),
            Err(error) => Err(local("create", path, error)),
        }
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            hasher: Hasher::default(),
            written: 0,
            broken: false,
        }
    }

    /// Forgets what was received.
    pub fn start_over(&mut self) -> Result<(), Problem> {
        self.hasher = Hasher::default();
        self.written = 0;
        match &mut self.place {
            Place::Memory(content) => content.clear(),
            Place::File(file, path) => file
                .set_len(0)
                .and_then(|()| file.rewind())
                .map_err(|error| local("write", path, error))?,
        }
        Ok(())
    }

    /// Takes what arrives in one stream until its sender is gone. The sink is given back, with
    /// what went wrong here: the machine's or the sender's fault.
    pub fn drain(
        mut self,
        mut pieces: mpsc::Receiver<Vec<u8>>,
        encoding: Encoding,
    ) -> (Self, Result<(), Problem>) {
        let drained = match encoding {
            Encoding::Plain => self.drain_plain(&mut pieces),
            Encoding::Zstd => self.drain_zstd(&mut pieces),
        };
        let drained = drained.map_err(|error| match &self.place {
            Place::File(_, path) if self.broken => local("write", path, error),
            _ => Problem::HungUp(error.to_string()),
        });
        (self, drained)
    }

    fn drain_plain(&mut self, pieces: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
        while let Some(piece) = pieces.blocking_recv() {
            self.write_all(&piece)?;
        }
        Ok(())
    }

    fn drain_zstd(&mut self, pieces: &mut mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
        let mut decoder = zstd::stream::write::Decoder::new(self)?;
        while let Some(piece) = pieces.blocking_recv() {
            decoder.write_all(&piece)?;
        }
        decoder.flush()
    }

    /// Whether what was received is the blob of this digest.
    pub fn is(&self, digest: Digest) -> bool {
        self.hasher.clone().finish() == digest
    }

    /// What was received, if not into a file.
    pub fn into_content(self) -> Vec<u8> {
        match self.place {
            Place::Memory(content) => content,
            Place::File(..) => Vec::new(),
        }
    }
}

impl Write for DownloadSink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = match &mut self.place {
            Place::Memory(content) => content.write(piece),
            Place::File(file, _) => file.write(piece),
        };
        self.broken = written.is_err();
        let length = written?;
        self.hasher.update(&piece[..length]);
        self.written += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn local(verb: &'static str, path: &Path, error: io::Error) -> Problem {
    Problem::Local {
        verb,
        path: path.to_owned(),
        error,
    }
}
