//! Transfers of many blobs: small blobs share a call, large blobs get a stream each, and a few
//! calls are under way at once.

use super::connect::Engine;
use super::error::EngineError;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Counters of transferred bytes of blobs, shared by a transfer and the code that shows it. The
/// counters of several transfers add up.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// How many bytes are to be transferred, as far as is known.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// How many of these bytes were transferred. Decreases when a transfer starts again.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    pub(super) fn plan(&self, bytes: u64) {
        self.total.fetch_add(bytes, Relaxed);
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }

    pub(super) fn retreat(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Relaxed);
    }
}

/// How many calls are under way at once.
const CONCURRENT_CALLS: usize = 8;

/// How many bytes a blob adds to a batch beside its content, at most.
const ENVELOPE: u64 = 128;

/// Blobs of this many bytes and more get a stream of their own.
const STREAM_THRESHOLD: u64 = 1 << 20;

/// The blobs of one call.
#[derive(Debug)]
pub(super) enum Call<T> {
    Stream(T),
    Batch(Vec<T>),
}

impl Engine {
    /// Distributes blobs to calls. `size` returns a blob's size in bytes.
    pub(super) fn split_into_calls<T>(
        &self,
        blobs: impl IntoIterator<Item = T>,
        size: impl Fn(&T) -> u64,
    ) -> Vec<Call<T>> {
        let limit = self.capabilities().batch_limit;
        let mut calls = Vec::new();
        let (mut batch, mut batch_size) = (Vec::new(), 0);
        for blob in blobs {
            let content = size(&blob);
            let own = content + ENVELOPE;
            if content >= STREAM_THRESHOLD || own > limit {
                calls.push(Call::Stream(blob));
                continue;
            }
            if batch_size + own > limit {
                calls.push(Call::Batch(std::mem::take(&mut batch)));
                batch_size = 0;
            }
            batch_size += own;
            batch.push(blob);
        }
        if !batch.is_empty() {
            calls.push(Call::Batch(batch));
        }
        calls
    }
}

/// Runs calls and passes on their results as they arrive. An error of `on_result` cancels the
/// other calls.
pub(super) async fn run_calls<C>(
    calls: impl IntoIterator<Item = C>,
    mut on_result: impl FnMut(C::Output) -> Result<(), EngineError>,
) -> Result<(), EngineError>
where
    C: Future<Output: Send + 'static> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(CONCURRENT_CALLS));
    let mut tasks = JoinSet::new();
    for call in calls {
        let permits = Arc::clone(&permits);
        tasks.spawn(async move {
            let _permit = permits.acquire().await;
            call.await
        });
    }
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(result) => on_result(result)?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(())
}

/// Runs blocking work on a thread for blocking work.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
