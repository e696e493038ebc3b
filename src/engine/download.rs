//! Blobs from an engine.

use super::blocking::blocking;
use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::progress::Progress;
use super::reapi::BatchReadBlobsRequest;
use super::reapi::batch_read_blobs_response::Response;
use super::sink::DownloadSink;
use crate::store::Digest;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::Code;

/// A blob that is to become a file.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub digest: Digest,
    /// Must not exist.
    pub path: PathBuf,
    pub mode: u32,
}

const DOING: &str = "download blobs";

/// How many calls are under way at once.
const CONCURRENT: usize = 8;

/// What a blob adds to a batch beside its content, at most, in bytes.
const ENVELOPE: u64 = 128;

/// Blobs of this size and more get a stream of their own, in bytes.
const LARGE: u64 = 1 << 20;

impl Engine {
    /// The content of one blob.
    pub async fn read(&self, digest: Digest) -> Result<Vec<u8>, EngineError> {
        let mut read = self.read_all([digest]).await?;
        Ok(read.remove(&digest).unwrap_or_default())
    }

    /// The content of these blobs; if the engine lacks some, an error that names them all.
    pub async fn read_all(
        &self,
        digests: impl IntoIterator<Item = Digest>,
    ) -> Result<HashMap<Digest, Vec<u8>>, EngineError> {
        let digests: HashSet<_> = digests.into_iter().collect();
        let mut content = HashMap::with_capacity(digests.len());
        let wanted = digests.into_iter().map(|digest| (digest, Vec::new()));
        self.receive(wanted, &Arc::default(), |digest, received| {
            content.insert(digest, received);
        })
        .await?;
        Ok(content)
    }

    /// Writes blobs to files, one call for many where they are small. If the engine lacks some,
    /// the error names them all. After an error some files may be there, whole or not.
    pub async fn download(
        &self,
        wanted: impl IntoIterator<Item = Wanted>,
        progress: &Arc<Progress>,
    ) -> Result<(), EngineError> {
        let mut places: HashMap<Digest, Vec<Place>> = HashMap::new();
        for Wanted { digest, path, mode } in wanted {
            places.entry(digest).or_default().push(Place { path, mode });
        }
        let all = places.keys().map(|digest| digest.size).sum();
        progress.plan(all);
        self.receive(places, progress, |_, _| {}).await
    }

    /// Fetches blobs, each into all of its places, or into memory if it has none.
    async fn receive(
        &self,
        wanted: impl IntoIterator<Item = (Digest, Vec<Place>)>,
        progress: &Arc<Progress>,
        mut received: impl FnMut(Digest, Vec<u8>),
    ) -> Result<(), EngineError> {
        let permits = Arc::new(Semaphore::new(CONCURRENT));
        let mut receiving = JoinSet::new();
        for delivery in self.deliveries(wanted) {
            let (engine, progress) = (self.clone(), Arc::clone(progress));
            let permits = Arc::clone(&permits);
            receiving.spawn(async move {
                let _permit = permits.acquire().await;
                match delivery {
                    Delivery::Stream(digest, places) => {
                        engine.receive_one(digest, places, &progress).await
                    }
                    Delivery::Batch(wanted) => engine.receive_batch(wanted, &progress).await,
                }
            });
        }
        let mut missing = Vec::new();
        while let Some(joined) = receiving.join_next().await {
            match joined {
                Ok(Ok(blobs)) => blobs
                    .into_iter()
                    .for_each(|(digest, content)| received(digest, content)),
                Ok(Err(EngineError {
                    problem: Problem::Missing(digests),
                    ..
                })) => missing.extend(digests),
                Ok(Err(error)) => return Err(error),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        Err(self.error(DOING, Problem::Missing(missing)))
    }

    fn deliveries(&self, wanted: impl IntoIterator<Item = (Digest, Vec<Place>)>) -> Vec<Delivery> {
        let limit = self.capabilities().batch_limit;
        let mut deliveries = Vec::new();
        let (mut batch, mut size) = (Vec::new(), 0);
        for (digest, places) in wanted {
            let own = digest.size + ENVELOPE;
            if digest.size >= LARGE || own > limit {
                deliveries.push(Delivery::Stream(digest, places));
                continue;
            }
            if size + own > limit {
                deliveries.push(Delivery::Batch(std::mem::take(&mut batch)));
                size = 0;
            }
            size += own;
            batch.push((digest, places));
        }
        if !batch.is_empty() {
            deliveries.push(Delivery::Batch(batch));
        }
        deliveries
    }

    async fn receive_one(
        &self,
        digest: Digest,
        places: Vec<Place>,
        progress: &Arc<Progress>,
    ) -> Result<Vec<(Digest, Vec<u8>)>, EngineError> {
        let failed = |problem| self.error(DOING, problem);
        let mut places = places.into_iter();
        let Some(first) = places.next() else {
            let sink = DownloadSink::memory(digest.size);
            let content = self.receive_stream(digest, sink, progress).await?;
            return Ok(vec![(digest, content)]);
        };
        let (path, mode) = (first.path.clone(), first.mode);
        let sink = blocking(move || DownloadSink::file(&path, mode)).await;
        let sink = sink.map_err(failed)?;
        self.receive_stream(digest, sink, progress).await?;
        let copied = blocking(move || places.try_for_each(|place| place.copy_from(&first)));
        copied.await.map_err(failed)?;
        Ok(Vec::new())
    }

    async fn receive_batch(
        &self,
        wanted: Vec<(Digest, Vec<Place>)>,
        progress: &Progress,
    ) -> Result<Vec<(Digest, Vec<u8>)>, EngineError> {
        let failed = |problem| self.error(DOING, problem);
        let mut retry = self.retry(DOING);
        let mut batch = Batch {
            wanted: wanted.into_iter().collect(),
            ..Batch::default()
        };
        if batch.wanted.contains_key(&Digest::of(b"")) {
            batch = blocking(move || batch.take_empty()).await.map_err(failed)?;
        }
        while !batch.wanted.is_empty() {
            let mut client = self.storage();
            let request = self.request(BatchReadBlobsRequest {
                instance_name: self.instance().to_owned(),
                digests: batch.wanted.keys().map(|digest| (*digest).into()).collect(),
                ..BatchReadBlobsRequest::default()
            });
            let call = client.batch_read_blobs(request);
            let answer = match self.within_deadline(call).await {
                Ok(answer) => answer,
                Err(problem) => {
                    retry.after(problem).await?;
                    continue;
                }
            };
            let before = batch.wanted.len();
            let taken = blocking(move || batch.take(answer.responses));
            let bytes;
            (batch, bytes) = taken.await.map_err(failed)?;
            progress.advance(bytes);
            if batch.wanted.is_empty() {
                break;
            }
            if batch.wanted.len() < before {
                retry.progressed();
            }
            let refused = batch.refused.take();
            let refused =
                refused.unwrap_or_else(|| Problem::NotAnEngine("it leaves out blobs".to_owned()));
            retry.after(refused).await?;
        }
        if batch.missing.is_empty() {
            return Ok(batch.read);
        }
        Err(failed(Problem::Missing(batch.missing)))
    }
}

/// What becomes of the blobs that come in one call. What is done here blocks.
#[derive(Debug, Default)]
struct Batch {
    wanted: HashMap<Digest, Vec<Place>>,
    read: Vec<(Digest, Vec<u8>)>,
    missing: Vec<Digest>,
    /// Why the last answer had not all.
    refused: Option<Problem>,
}

impl Batch {
    /// There is one empty blob, and everybody has it.
    fn take_empty(mut self) -> Result<Self, Problem> {
        let empty = Digest::of(b"");
        if let Some(places) = self.wanted.remove(&empty) {
            self.put(empty, &places, Vec::new())?;
        }
        Ok(self)
    }

    /// Takes what came. Tells how many bytes that were, too.
    fn take(mut self, responses: Vec<Response>) -> Result<(Self, u64), Problem> {
        let mut bytes = 0;
        for response in responses {
            let digest = response.digest.as_ref().map(Digest::try_from);
            let Some(Ok(digest)) = digest else { continue };
            let status = response.status.unwrap_or_default();
            if status.code == Code::NotFound as i32 {
                self.wanted.remove(&digest);
                self.missing.push(digest);
            } else if status.code != Code::Ok as i32 {
                self.refused = Some(status.into());
            } else if Digest::of(&response.data) != digest {
                self.refused = Some(Problem::Damaged(digest));
            } else if let Some(places) = self.wanted.remove(&digest) {
                bytes += digest.size;
                self.put(digest, &places, response.data)?;
            }
        }
        Ok((self, bytes))
    }

    fn put(&mut self, digest: Digest, places: &[Place], content: Vec<u8>) -> Result<(), Problem> {
        if places.is_empty() {
            self.read.push((digest, content));
            return Ok(());
        }
        places.iter().try_for_each(|place| place.write(&content))
    }
}

/// A file to be.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    mode: u32,
}

/// What comes in one call.
#[derive(Debug)]
enum Delivery {
    Stream(Digest, Vec<Place>),
    Batch(Vec<(Digest, Vec<Place>)>),
}

impl Place {
    fn write(&self, content: &[u8]) -> Result<(), Problem> {
        let mut sink = DownloadSink::file(&self.path, self.mode)?;
        let written = sink.write_all(content);
        written.map_err(|error| super::sink::local("write", &self.path, error))
    }

    fn copy_from(&self, first: &Self) -> Result<(), Problem> {
        let read = File::open(&first.path);
        let mut content = read.map_err(|error| super::sink::local("read", &first.path, error))?;
        let mut sink = DownloadSink::file(&self.path, self.mode)?;
        let copied = io::copy(&mut content, &mut sink);
        copied.map_err(|error| super::sink::local("write", &self.path, error))?;
        Ok(())
    }
}
