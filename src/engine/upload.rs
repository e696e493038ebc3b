//! Uploads of blobs.

use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::reapi::content_addressable_storage_client::ContentAddressableStorageClient;
use super::reapi::{BatchUpdateBlobsRequest, FindMissingBlobsRequest, batch_update_blobs_request};
use super::resource_name::Encoding;
use super::sink::local;
use super::stream::{ChunkWriter, SentBytes};
use super::transfer::{Call, Progress, blocking, run_calls};
use crate::store::Digest;
use bytes::Bytes;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tonic::Code;

/// A blob to upload.
#[derive(Clone, Debug)]
pub struct UploadBlob {
    pub digest: Digest,
    pub content: BlobContent,
}

#[derive(Clone, Debug)]
pub enum BlobContent {
    Memory(Bytes),
    /// The file is read when the blob is sent. The engine refuses a file that has changed.
    File(PathBuf),
}

impl UploadBlob {
    pub fn of(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            digest: Digest::of(&content),
            content: BlobContent::Memory(content),
        }
    }
}

/// The extent of an upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// How many blobs were sent.
    pub blobs: usize,
    /// The size of these blobs.
    pub bytes: u64,
}

/// How many digests one `FindMissingBlobs` request holds: well below the limit of a message.
const DIGESTS_PER_REQUEST: usize = 10_000;

/// The zstd compression level: faster than most networks.
const ZSTD_LEVEL: i32 = 1;

impl Engine {
    /// Returns the blobs that the engine lacks.
    pub async fn find_missing(
        &self,
        digests: impl IntoIterator<Item = Digest>,
    ) -> Result<HashSet<Digest>, EngineError> {
        let digests: HashSet<_> = digests.into_iter().collect();
        let digests: Vec<_> = digests.into_iter().collect();
        let mut missing = HashSet::new();
        for some in digests.chunks(DIGESTS_PER_REQUEST) {
            missing.extend(self.find_some_missing(some).await?);
        }
        Ok(missing)
    }

    /// Sends the blobs that the engine lacks, each once.
    pub async fn upload(
        &self,
        blobs: impl IntoIterator<Item = UploadBlob>,
        progress: &Arc<Progress>,
    ) -> Result<Uploaded, EngineError> {
        let mut blobs: Vec<_> = blobs.into_iter().collect();
        let mut missing = self
            .find_missing(blobs.iter().map(|blob| blob.digest))
            .await?;
        blobs.retain(|blob| missing.remove(&blob.digest));
        self.upload_all(blobs, progress).await
    }

    /// Sends all of these blobs without asking which of them the engine has.
    pub async fn upload_all(
        &self,
        blobs: Vec<UploadBlob>,
        progress: &Arc<Progress>,
    ) -> Result<Uploaded, EngineError> {
        let uploaded = Uploaded {
            blobs: blobs.len(),
            bytes: blobs.iter().map(|blob| blob.digest.size).sum(),
        };
        progress.plan(uploaded.bytes);
        let calls = self.split_into_calls(blobs, |blob| blob.digest.size);
        let calls = calls.into_iter().map(|call| {
            let (engine, progress) = (self.clone(), Arc::clone(progress));
            async move {
                match call {
                    Call::Stream(blob) => {
                        engine
                            .send_stream(blob.digest, &blob.content, &progress)
                            .await
                    }
                    Call::Batch(blobs) => engine.send_batch(blobs, &progress).await,
                }
            }
        });
        run_calls(calls, |sent| sent).await?;
        Ok(uploaded)
    }

    async fn find_some_missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, EngineError> {
        const OPERATION: &str = "find the blobs to upload";
        let mut retry = self.retry(OPERATION);
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
                        self.error(OPERATION, Problem::NotAnEngine(error.to_string()))
                    });
                }
                Err(problem) => retry.after(problem).await?,
            }
        }
    }

    /// Sends blobs in one call. Blobs that the engine did not accept are sent again.
    async fn send_batch(
        &self,
        blobs: Vec<UploadBlob>,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        const OPERATION: &str = "upload a batch of blobs";
        let mut retry = self.retry(OPERATION);
        let read = blocking(move || {
            let read = |blob: UploadBlob| match blob.content.read() {
                Ok(data) => Ok(batch_update_blobs_request::Request {
                    digest: Some(blob.digest.into()),
                    data,
                    ..batch_update_blobs_request::Request::default()
                }),
                Err(error) => Err(blob.content.problem(error)),
            };
            blobs.into_iter().map(read).collect::<Result<Vec<_>, _>>()
        });
        let mut requests = read
            .await
            .map_err(|problem| self.error(OPERATION, problem))?;
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
            let (mut refused, mut accepted) = (None, HashSet::new());
            for response in answer.responses {
                let status = response.status.unwrap_or_default();
                if status.code == Code::Ok as i32 || status.code == Code::AlreadyExists as i32 {
                    accepted.extend(response.digest.map(|digest| digest.hash));
                } else {
                    refused = Some(status);
                }
            }
            let before = requests.len();
            requests.retain(|request| {
                let digest = request.digest.as_ref();
                let is_accepted = digest.is_some_and(|digest| accepted.contains(&digest.hash));
                if is_accepted {
                    progress.advance(request.data.len() as u64);
                }
                !is_accepted
            });
            if requests.is_empty() {
                return Ok(());
            }
            if requests.len() < before {
                retry.progressed();
            }
            let problem = match refused {
                Some(status) => status.into(),
                None => Problem::NotAnEngine(
                    "its response is about blobs that were not sent".to_owned(),
                ),
            };
            retry.after(problem).await?;
        }
    }

    pub(super) fn storage(&self) -> ContentAddressableStorageClient<super::Service> {
        // Some engines do not count the envelopes of blobs towards the limit of a batch.
        ContentAddressableStorageClient::new(self.service()).max_decoding_message_size(16 << 20)
    }
}

impl BlobContent {
    fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(bytes) => Ok(bytes.to_vec()),
            Self::File(path) => std::fs::read(path),
        }
    }

    /// Sends the content from `offset` on. Blocks.
    pub(super) fn send(
        &self,
        outgoing: &mut ChunkWriter,
        encoding: Encoding,
        offset: u64,
        sent: &SentBytes,
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

    fn copy(&self, to: &mut impl Write, offset: u64, sent: &SentBytes) -> io::Result<()> {
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

    /// The problem that an error of [`Self::send`] stands for.
    pub(super) fn problem(&self, error: io::Error) -> Problem {
        match self {
            Self::File(path) => local("read", path, error),
            Self::Memory(_) => Problem::ConnectionLost(error.to_string()),
        }
    }
}
