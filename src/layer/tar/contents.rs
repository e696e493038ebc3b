//! The content of files on its way to the store. Small files are hashed by whoever reads the
//! archive and written by other threads, since making a file takes longer than hashing it.

use super::TarError;
use crate::store::{Digest, Mode, Store, StoreError};
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Up to this size, in bytes, a file is small.
const SMALL: u64 = 128 * 1024;

/// So many small files may wait.
const WAITING: usize = 32;

/// More threads do not make a file system faster.
const MOST_THREADS: usize = 4;

/// Takes content for a store.
pub(super) struct Contents<'a> {
    store: &'a Store,
    writers: SyncSender<Small>,
}

struct Small {
    content: Vec<u8>,
    digest: Digest,
    mode: Mode,
    source: PathBuf,
}

/// Calls `fill`, and writes what it adds.
pub(super) fn write<T>(
    store: &Store,
    fill: impl FnOnce(&Contents<'_>) -> Result<T, TarError>,
) -> Result<T, TarError> {
    let (sender, receiver) = sync_channel(WAITING);
    let receiver = Mutex::new(receiver);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let receiver = &receiver;
        let writers: Vec<_> = (0..threads.min(MOST_THREADS))
            .map(|_| scope.spawn(move || write_all(store, receiver)))
            .collect();
        let contents = Contents {
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

/// Writes what comes in. After an error the rest is only taken, so that nobody waits.
fn write_all(store: &Store, receiver: &Mutex<Receiver<Small>>) -> Result<(), StoreError> {
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
            let Small {
                content,
                digest,
                mode,
                source,
            } = small;
            result = store.add_hashed(&content, &digest, mode, &source);
        }
    }
}

impl Contents<'_> {
    /// The digest of some content, which is in the store at the end.
    pub fn add(
        &self,
        content: &mut dyn Read,
        mode: Mode,
        source: &Path,
    ) -> Result<Digest, TarError> {
        let mut start = Vec::new();
        content
            .take(SMALL + 1)
            .read_to_end(&mut start)
            .map_err(|cause| StoreError::Read {
                path: source.to_owned(),
                cause,
            })?;
        if start.len() as u64 > SMALL {
            let mut content = start.as_slice().chain(content);
            return Ok(self.store.add_stream(&mut content, mode, source)?);
        }
        let digest = Digest::of(&start);
        // It fails when all writers are gone, which then say why.
        let _ = self.writers.send(Small {
            content: start,
            digest,
            mode,
            source: source.to_owned(),
        });
        Ok(digest)
    }
}
