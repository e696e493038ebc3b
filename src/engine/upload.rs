//! Blobs to an engine.

use super::blocking::blocking;
use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::name::Encoding;
use super::progress::Progress;
use super::reapi::content_addressable_storage_client::ContentAddressableStorageClient;
use super::reapi::{BatchUpdateBlobsRequest, FindMissingBlobsRequest, batch_update_blobs_request};
use super::sink::local;
use super::stream::{Outgoing, Sent};
use crate::store::Digest;
use bytes::Bytes;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::Code;

/// A blob that an engine is to have.
#[derive(Clone, Debug)]
pub struct Blob {
    pub digest: Digest,
    pub content: BlobContent,
}

#[derive(Clone, Debug)]
pub enum BlobContent {
    Memory(Bytes),
    /// Read when it is sent, and refused by the engine if it has changed since.
    File(PathBuf),
}

impl Blob {
    pub fn of(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            digest: Digest::of(&content),
            content: BlobContent::Memory(content),
        }
    }
}

/// What an upload came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// How many blobs the engine did not have.
    pub blobs: usize,
    /// Their size.
    pub bytes: u64,
}

/// How many digests one question has: well below what a message may hold.
const DIGESTS: usize = 10_000;

/// How many calls are under way at once.
const CONCURRENT: usize = 8;

/// What a blob adds to a batch beside its content, at most, in bytes.
const ENVELOPE: u64 = 128;

/// Blobs of this size and more get a stream of their own, in bytes.
const LARGE: u64 = 1 << 20;

/// A library's level that is faster than most networks.
const ZSTD_LEVEL: i32 = 1;

impl Engine {
    /// Which of these blobs the engine does not have.
    pub async fn find_missing(
        &self,
        digests: impl IntoIterator<Item = Digest>,
    ) -> Result<HashSet<Digest>, EngineError> {
        let digests: HashSet<_> = digests.into_iter().collect();
        let digests: Vec<_> = digests.into_iter().collect();
        let mut missing = HashSet::new();
        for some in digests.chunks(DIGESTS) {
            missing.extend(self.find_some_missing(some).await?);
        }
        Ok(missing)
    }

    /// Sends those blobs that the engine does not have, each once.
    pub async fn upload(
        &self,
        blobs: impl IntoIterator<Item = Blob>,
        progress: &Arc<Progress>,
    ) -> Result<Uploaded, EngineError> {
        let mut blobs: Vec<_> = blobs.into_iter().collect();
        let mut missing = self
            .find_missing(blobs.iter().map(|blob| blob.digest))
            .await?;
        blobs.retain(|blob| missing.remove(&blob.digest));
        self.upload_all(blobs, progress).await
    }

    /// Sends these blobs, whatever the engine has.
    pub async fn upload_all(
        &self,
        blobs: Vec<Blob>,
        progress: &Arc<Progress>,
    ) -> Result<Uploaded, EngineError> {
        let uploaded = Uploaded {
            blobs: blobs.len(),
            bytes: blobs.iter().map(|blob| blob.digest.size).sum(),
        };
        progress.plan(uploaded.bytes);
        let permits = Arc::new(Semaphore::new(CONCURRENT));
        let mut sending = JoinSet::new();
        for shipment in self.shipments(blobs) {
            let (engine, progress) = (self.clone(), Arc::clone(progress));
            let permits = Arc::clone(&permits);
            sending.spawn(async move {
                let _permit = permits.acquire().await;
                match shipment {
                    Shipment::Stream(blob) => {
                        engine
                            .send_stream(blob.digest, &blob.content, &progress)
                            .await
                    }
                    Shipment::Batch(blobs) => engine.send_batch(blobs, &progress).await,
                }
            });
        }
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok(sent) => sent?,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        Ok(uploaded)
    }

    async fn find_some_missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, EngineError> {
        const DOING: &str = "ask which blobs are missing";
        let mut retry = self.retry(DOING);
        loop {
            let mut client = self.storage();
            let request = self.request(FindMissingBlobsRequest {
                instance_name: self.instance().to_owned(),
                blob_digests: digests.iter().map(|digest| (*digest).into()).collect(),
                ..FindMissingBlobsRequest::default()
            });
            let call = client.find_missing_blobs(request);
            match self.within_deadline(call).await {
                Ok(answer) => {
                    let read = answer.missing_blob_digests.iter().map(Digest::try_from);
                    return read.collect::<Result<_, _>>().map_err(|error| {
                        self.error(DOING, Problem::NotAnEngine(error.to_string()))
                    });
                }
                Err(problem) => retry.after(problem).await?,
            }
        }
    }

    fn shipments(&self, blobs: Vec<Blob>) -> Vec<Shipment> {
        let limit = self.capabilities().batch_limit;
        let mut shipments = Vec::new();
        let (mut batch, mut size) = (Vec::new(), 0);
        for blob in blobs {
            let own = blob.digest.size + ENVELOPE;
            if blob.digest.size >= LARGE || own > limit {
                shipments.push(Shipment::Stream(blob));
                continue;
            }
            if size + own > limit {
                shipments.push(Shipment::Batch(std::mem::take(&mut batch)));
                size = 0;
            }
            size += own;
            batch.push(blob);
        }
        if !batch.is_empty() {
            shipments.push(Shipment::Batch(batch));
        }
        shipments
    }

    /// Sends blobs in one call, and those that the engine did not take in another.
    async fn send_batch(&self, blobs: Vec<Blob>, progress: &Progress) -> Result<(), EngineError> {
        const DOING: &str = "upload a batch of blobs";
        let mut retry = self.retry(DOING);
        let read = blocking(move || {
            let read = |blob: Blob| match blob.content.read() {
                Ok(data) => Ok(batch_update_blobs_request::Request {
                    digest: Some(blob.digest.into()),
                    data,
                    ..batch_update_blobs_request::Request::default()
                }),
                Err(error) => Err(blob.content.problem(error)),
            };
            blobs.into_iter().map(read).collect::<Result<Vec<_>, _>>()
        });
        let mut requests = read.await.map_err(|problem| self.error(DOING, problem))?;
        loop {
            let mut client = self.storage();
            let request = self.request(BatchUpdateBlobsRequest {
                instance_name: self.instance().to_owned(),
                requests: requests.clone(),
                ..BatchUpdateBlobsRequest::default()
            });
            let call = client.batch_update_blobs(request);
            let answer = match self.within_deadline(call).await {
                Ok(answer) => answer,
                Err(problem) => {
                    retry.after(problem).await?;
                    continue;
                }
            };
            let (mut refused, mut taken) = (None, HashSet::new());
            for response in answer.responses {
                let status = response.status.unwrap_or_default();
                if status.code == Code::Ok as i32 || status.code == Code::AlreadyExists as i32 {
                    taken.extend(response.digest.map(|digest| digest.hash));
                } else {
                    refused = Some(status);
                }
            }
            let before = requests.len();
            requests.retain(|request| {
                let digest = request.digest.as_ref();
                let is_taken = digest.is_some_and(|digest| taken.contains(&digest.hash));
                if is_taken {
                    progress.advance(request.data.len() as u64);
                }
                !is_taken
            });
            if requests.is_empty() {
                return Ok(());
            }
            if requests.len() < before {
                retry.progressed();
            }
            let problem = match refused {
                Some(status) => status.into(),
                None => Problem::NotAnEngine("it answers for other blobs than it got".to_owned()),
            };
            retry.after(problem).await?;
        }
    }

    pub(super) fn storage(&self) -> ContentAddressableStorageClient<super::Service> {
        // Batches are counted without their envelopes by some engines.
        ContentAddressableStorageClient::new(self.service()).max_decoding_message_size(16 << 20)
    }
}

/// What goes in one call.
#[derive(Debug)]
enum Shipment {
    Stream(Blob),
    Batch(Vec<Blob>),
}

impl BlobContent {
    fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(bytes) => Ok(bytes.to_vec()),
            Self::File(path) => std::fs::read(path),
        }
    }

    /// Sends all from `offset` on; blocks.
    pub(super) fn send(
        &self,
        outgoing: &mut Outgoing,
        encoding: Encoding,
        offset: u64,
        sent: &Sent,
    ) -> io::Result<()> {
        match encoding {
            Encoding::Plain => self.copy(outgoing, offset, sent)?,
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(&mut *outgoing, ZSTD_LEVEL)?;
                self.copy(&mut encoder, offset, sent)?;
                encoder.finish()?;
            }
        }
        outgoing.finish()
    }

    fn copy(&self, to: &mut impl Write, offset: u64, sent: &Sent) -> io::Result<()> {
        const CHUNK: usize = 128 << 10;
        match self {
            Self::Memory(bytes) => {
                let rest = bytes.get(offset as usize..).unwrap_or_default();
                for chunk in rest.chunks(CHUNK) {
                    to.write_all(chunk)?;
                    sent.add(chunk.len() as u64);
                }
            }
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                let mut chunk = vec![0; CHUNK];
                loop {
                    let length = file.read(&mut chunk)?;
                    if length == 0 {
                        break;
                    }
                    to.write_all(&chunk[..length])?;
                    sent.add(length as u64);
                }
            }
        }
        Ok(())
    }

    /// What failing to read this is.
    pub(super) fn problem(&self, error: io::Error) -> Problem {
        match self {
            Self::File(path) => local("read", path, error),
            Self::Memory(_) => Problem::HungUp(error.to_string()),
        }
    }
}
