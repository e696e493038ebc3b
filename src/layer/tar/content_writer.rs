//! Writes the content of an archive's files to the store. The thread that reads the archive
//! hashes small files; other threads write them, since creating a file takes longer than hashing
//! it.

use super::TarError;
use crate::store::{Digest, Mode, Store, StoreError};
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The size of the largest small file, in bytes.
const MAX_SMALL_FILE: u64 = 128 * 1024;

/// The number of small files that may wait for a writer.
const QUEUE_LENGTH: usize = 32;

/// More threads do not make creating files faster.
const MAX_THREADS: usize = 4;

/// Adds content to a store.
pub(super) struct ContentWriter<'a> {
    store: &'a Store,
    writers: SyncSender<SmallFile>,
}

struct SmallFile {
    content: Vec<u8>,
    digest: Digest,
    mode: Mode,
    source: PathBuf,
}

/// Calls `fill`, and waits until the content that it adds is written.
pub(super) fn write<T>(
    store: &Store,
    fill: impl FnOnce(&ContentWriter<'_>) -> Result<T, TarError>,
) -> Result<T, TarError> {
    let (sender, receiver) = sync_channel(QUEUE_LENGTH);
    let receiver = Mutex::new(receiver);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let receiver = &receiver;
        let writers: Vec<_> = (0..threads.min(MAX_THREADS))
            .map(|_| scope.spawn(move || write_all(store, receiver)))
            .collect();
        let contents = ContentWriter {
            store,
            writers: sender,
        };
        let filled = fill(&contents);
        drop(contents);
        for writer in writers {
            match writer.join() {
                Ok(written) => written?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        filled
    })
}

/// Writes the files received. After an error it discards further files, so that the sender does
/// not block.
fn write_all(store: &Store, receiver: &Mutex<Receiver<SmallFile>>) -> Result<(), StoreError> {
    let mut result = Ok(());
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(small) = next else {
            return result;
        };
        if result.is_ok() {
            let SmallFile {
                content,
                digest,
                mode,
                source,
            } = small;
            result = store.add_hashed(&content, &digest, mode, &source);
        }
    }
}

impl ContentWriter<'_> {
    /// Returns the digest of content. The store has the content when [`write()`] returns.
    pub fn add(
        &self,
        content: &mut dyn Read,
        mode: Mode,
        source: &Path,
    ) -> Result<Digest, TarError> {
        let mut start = Vec::new();
        content
            .take(MAX_SMALL_FILE + 1)
            .read_to_end(&mut start)
            .map_err(|cause| StoreError::Read {
                path: source.to_owned(),
                cause,
            })?;
        if start.len() as u64 > MAX_SMALL_FILE {
            let mut content = start.as_slice().chain(content);
            return Ok(self.store.add_stream(&mut content, mode, source)?);
        }
        let digest = Digest::of(&start);
        // Sending fails if all writers have ended. They then return an error.
        let _ = self.writers.send(SmallFile {
            content: start,
            digest,
            mode,
            source: source.to_owned(),
        });
        Ok(digest)
    }
}
