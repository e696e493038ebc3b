//! Downloading blobs from the engine into the cache.
//!
//! The size of a download is reserved in the cache before the first byte is written. If a download
//! ends early, for example because its action was cancelled, its files are removed before the next
//! download begins.

use super::blocking::{BackgroundDrop, Stop, blocking};
use super::cache::{BlobKey, Cache, PinnedBlobs};
use super::directory::remove;
use super::error::WorkError;
use crate::engine::{Engine, EngineError, Problem, Progress, WantedFile};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// The number of blobs in one download. Preparing more would keep the event loop busy.
const BLOBS_PER_DOWNLOAD: usize = 10_000;

impl Cache {
    /// Pins these blobs, and downloads and verifies those that are absent. Returns the pins and the
    /// number of bytes that were downloaded.
    pub async fn fetch(
        self: &Arc<Self>,
        engine: &Engine,
        keys: Vec<BlobKey>,
    ) -> Result<(BackgroundDrop<PinnedBlobs>, u64), WorkError> {
        let fetch_lock = Arc::clone(&self.fetch_lock).lock_owned().await;
        let cache = Arc::clone(self);
        let begun = blocking(move |stop| {
            BlobFetch::begin(&cache, fetch_lock, keys, stop).map(BackgroundDrop::new)
        });
        let fetch = begun.await?;
        fetch.download.receive(engine).await?;
        blocking(move |_| {
            let (pinned, bytes) = fetch.into_inner().finish()?;
            Ok((BackgroundDrop::new(pinned), bytes))
        })
        .await
    }
}

/// The blobs that an action waits for. Dropping them blocks.
struct BlobFetch {
    download: BlobDownload,
    pinned: PinnedBlobs,
    /// Dropped last: the next download begins when the files of this one are removed.
    _fetch_lock: OwnedMutexGuard<()>,
}

/// Files that are being downloaded. Dropping this removes them.
struct BlobDownload {
    cache: Arc<Cache>,
    blobs: Vec<BlobKey>,
    /// The directory of the files; `None` if no blob is absent.
    directory: Option<PathBuf>,
    /// The reserved size that is not yet taken by a blob of the cache, in bytes.
    reserved: u64,
}

impl BlobFetch {
    fn begin(
        cache: &Arc<Cache>,
        fetch_lock: OwnedMutexGuard<()>,
        keys: Vec<BlobKey>,
        stop: &Stop,
    ) -> Result<Self, WorkError> {
        let pinned = cache.pin(keys);
        let absent = cache
            .absent(pinned.keys(), stop)
            .map_err(|error| WorkError::local("read", cache.directory(), error))?;
        Ok(Self {
            download: BlobDownload::begin(cache, absent)?,
            pinned,
            _fetch_lock: fetch_lock,
        })
    }

    fn finish(mut self) -> Result<(PinnedBlobs, u64), WorkError> {
        let bytes = self.download.reserved;
        self.download.finish()?;
        Ok((self.pinned, bytes))
    }
}

impl BlobDownload {
    fn begin(cache: &Arc<Cache>, blobs: Vec<BlobKey>) -> Result<Self, WorkError> {
        let reserved = total(&blobs)?;
        cache.reserve(reserved);
        let mut download = Self {
            cache: Arc::clone(cache),
            blobs,
            directory: None,
            reserved,
        };
        if !download.blobs.is_empty() {
            download.directory = Some(cache.new_downloads()?);
        }
        Ok(download)
    }

    /// Downloads all blobs. If the engine lacks some, the error names all of these.
    async fn receive(&self, engine: &Engine) -> Result<(), EngineError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let progress = Arc::new(Progress::default());
        let mut lacking: Option<EngineError> = None;
        for blobs in self.blobs.chunks(BLOBS_PER_DOWNLOAD) {
            let wanted = blobs.iter().map(|key| WantedFile {
                digest: key.digest,
                path: directory.join(key.name()),
                mode: key.mode(),
            });
            let Err(error) = engine.download(wanted, &progress).await else {
                continue;
            };
            match (
                &error.problem,
                lacking.as_mut().map(|first| &mut first.problem),
            ) {
                (Problem::Missing(more), Some(Problem::Missing(digests))) => digests.extend(more),
                (Problem::Missing(_), _) => lacking = Some(error),
                _ => return Err(error),
            }
        }
        lacking.map_or(Ok(()), Err)
    }

    /// Moves the downloaded files into the cache.
    fn finish(&mut self) -> Result<(), WorkError> {
        for key in &self.blobs {
            let Some(directory) = &self.directory else {
                break;
            };
            let path = directory.join(key.name());
            let added = self.cache.add(*key, &path);
            added.map_err(|error| WorkError::local("keep", &path, error))?;
            self.reserved -= key.digest.size;
        }
        Ok(())
    }
}

impl Drop for BlobDownload {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            remove(directory);
        }
        self.cache.release(self.reserved);
    }
}

/// The total size of the blobs, in bytes.
fn total(keys: &[BlobKey]) -> Result<u64, WorkError> {
    keys.iter()
        .try_fold(0_u64, |total, key| total.checked_add(key.digest.size))
        .filter(|total| i64::try_from(*total).is_ok())
        .ok_or_else(|| WorkError::BadAction("the inputs have more than 2^63 bytes".to_owned()))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::engine::bytestream::byte_stream_server::{ByteStream, ByteStreamServer};
    use crate::engine::bytestream::{
        QueryWriteStatusRequest, QueryWriteStatusResponse, ReadRequest, ReadResponse, WriteRequest,
        WriteResponse,
    };
    use crate::engine::reapi::capabilities_server::{Capabilities, CapabilitiesServer};
    use crate::engine::{EngineSettings, reapi};
    use crate::maelstrom_worker::blocking::tests::leaves_the_loop_free;
    use crate::maelstrom_worker::cache::tests::{open, put};
    use crate::store::Digest;
    use futures_util::{StreamExt as _, stream};
    use std::fs;
    use std::net::Ipv4Addr;
    use std::path::Path;
    use std::pin::Pin;
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::{Request, Response, Status, Streaming};

    /// An engine that sends the beginning of a blob and then nothing more.
    struct StuckEngine;

    #[tonic::async_trait]
    impl Capabilities for StuckEngine {
        async fn get_capabilities(
            &self,
            _: Request<reapi::GetCapabilitiesRequest>,
        ) -> Result<Response<reapi::ServerCapabilities>, Status> {
            Ok(Response::new(reapi::ServerCapabilities::default()))
        }
    }

    #[tonic::async_trait]
    impl ByteStream for StuckEngine {
        type ReadStream =
            Pin<Box<dyn stream::Stream<Item = Result<ReadResponse, Status>> + Send + Sync>>;

        async fn read(
            &self,
            _: Request<ReadRequest>,
        ) -> Result<Response<Self::ReadStream>, Status> {
            let first = ReadResponse {
                data: vec![1; 100_000],
            };
            let messages = stream::iter([Ok(first)]).chain(stream::pending());
            Ok(Response::new(Box::pin(messages)))
        }

        async fn write(
            &self,
            _: Request<Streaming<WriteRequest>>,
        ) -> Result<Response<WriteResponse>, Status> {
            Err(Status::unimplemented(""))
        }

        async fn query_write_status(
            &self,
            _: Request<QueryWriteStatusRequest>,
        ) -> Result<Response<QueryWriteStatusResponse>, Status> {
            Err(Status::unimplemented(""))
        }
    }

    /// A client of a stuck engine, which serves until the test ends.
    pub async fn stuck_engine() -> Engine {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(CapabilitiesServer::new(StuckEngine))
                .add_service(ByteStreamServer::new(StuckEngine))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        let endpoint = format!("grpc://127.0.0.1:{port}").parse().unwrap();
        Engine::connect(&EngineSettings::new(endpoint))
            .await
            .unwrap()
    }

    /// The total size of the files below a directory, in bytes.
    fn bytes_below(directory: &Path) -> u64 {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let bytes = entries.map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
            _ => entry.metadata().map_or(0, |metadata| metadata.len()),
        });
        bytes.sum()
    }

    #[tokio::test]
    async fn a_download_counts_as_long_as_it_lasts_and_leaves_nothing_when_it_is_given_up() {
        const MIB: u64 = 1 << 20;
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 3 * MIB);
        let old = put(&cache, &vec![0; MIB as usize]);
        let tmp = root.path().join("worker/tmp");
        let engine = stuck_engine().await;
        let blob = BlobKey::plain(Digest {
            size: 5 * MIB / 2,
            ..Digest::of(b"of something large")
        });
        let fetch = tokio::spawn({
            let cache = Arc::clone(&cache);
            async move { cache.fetch(&engine, vec![blob]).await.map(drop) }
        });
        while bytes_below(&tmp) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!cache.has(old));
        assert_eq!(cache.size(), blob.digest.size);
        fetch.abort();
        assert!(fetch.await.unwrap_err().is_cancelled());
        // The lock is free when the files are removed.
        let _fetch_lock = cache.fetch_lock.lock().await;
        assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
        assert_eq!(cache.size(), 0);
    }

    #[tokio::test]
    async fn sizes_that_no_disk_has_are_the_fault_of_the_action() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let engine = stuck_engine().await;
        let huge = |content: &[u8]| {
            BlobKey::plain(Digest {
                size: u64::MAX / 2,
                ..Digest::of(content)
            })
        };
        let keys = vec![huge(b"1"), huge(b"2"), huge(b"3")];
        let fetched = cache.fetch(&engine, keys).await.map(drop);
        assert!(
            matches!(fetched, Err(WorkError::BadAction(_))),
            "{fetched:?}"
        );
        assert_eq!(cache.size(), 0);
    }

    #[test]
    fn what_is_there_is_looked_at_off_the_event_loop() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let key = put(&cache, b"a");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let engine = runtime.block_on(stuck_engine());
        let (_pinned, bytes) = leaves_the_loop_free(cache.fetch(&engine, vec![key])).unwrap();
        assert_eq!(bytes, 0);
    }
}
