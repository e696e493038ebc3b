//! Blobs from an engine.

use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::progress::Progress;
use super::reapi::BatchReadBlobsRequest;
use super::sink::Sink;
use crate::store::Digest;
use std::collections::{HashMap, HashSet};
use std::io::Write;
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
            let sink = Sink::memory(digest.size);
            let content = self.receive_stream(digest, sink, progress).await?;
            return Ok(vec![(digest, content)]);
        };
        let sink = Sink::file(&first.path, first.mode).map_err(failed)?;
        self.receive_stream(digest, sink, progress).await?;
        for place in places {
            place.copy_from(&first).map_err(failed)?;
        }
        Ok(Vec::new())
    }

    async fn receive_batch(
        &self,
        wanted: Vec<(Digest, Vec<Place>)>,
        progress: &Progress,
    ) -> Result<Vec<(Digest, Vec<u8>)>, EngineError> {
        let mut retry = self.retry(DOING);
        let mut wanted: HashMap<_, _> = wanted.into_iter().collect();
        let (mut read, mut missing) = (Vec::new(), Vec::new());
        loop {
            // There is one empty blob, and everybody has it.
            if let Some(places) = wanted.remove(&Digest::of(b"")) {
                read.extend(self.put(Digest::of(b""), places, Vec::new())?);
            }
            if wanted.is_empty() {
                break;
            }
            let mut client = self.storage();
            let request = self.request(BatchReadBlobsRequest {
                instance_name: self.instance().to_owned(),
                digests: wanted.keys().map(|digest| (*digest).into()).collect(),
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
            let before = wanted.len();
            let mut refused = Problem::NotAnEngine("it leaves out blobs".to_owned());
            for response in answer.responses {
                let digest = response.digest.as_ref().map(Digest::try_from);
                let Some(Ok(digest)) = digest else { continue };
                let status = response.status.unwrap_or_default();
                if status.code == Code::NotFound as i32 {
                    wanted.remove(&digest);
                    missing.push(digest);
                } else if status.code != Code::Ok as i32 {
                    refused = status.into();
                } else if Digest::of(&response.data) != digest {
                    refused = Problem::Damaged(digest);
                } else if let Some(places) = wanted.remove(&digest) {
                    progress.advance(digest.size);
                    read.extend(self.put(digest, places, response.data)?);
                }
            }
            if wanted.is_empty() {
                break;
            }
            if wanted.len() < before {
                retry.progressed();
            }
            retry.after(refused).await?;
        }
        if missing.is_empty() {
            return Ok(read);
        }
        Err(self.error(DOING, Problem::Missing(missing)))
    }

    fn put(
        &self,
        digest: Digest,
        places: Vec<Place>,
        content: Vec<u8>,
    ) -> Result<Option<(Digest, Vec<u8>)>, EngineError> {
        if places.is_empty() {
            return Ok(Some((digest, content)));
        }
        for place in places {
            place
                .write(&content)
                .map_err(|problem| self.error(DOING, problem))?;
        }
        Ok(None)
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
        let mut sink = Sink::file(&self.path, self.mode)?;
        let written = sink.write_all(content);
        written.map_err(|error| super::sink::local("write", &self.path, error))
    }

    fn copy_from(&self, first: &Self) -> Result<(), Problem> {
        let read = std::fs::read(&first.path);
        let content = read.map_err(|error| super::sink::local("read", &first.path, error))?;
        self.write(&content)
    }
}
