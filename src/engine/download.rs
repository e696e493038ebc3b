//! Downloads of blobs, into memory or files.

use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::reapi::BatchReadBlobsRequest;
use super::reapi::batch_read_blobs_response::Response;
use super::sink::DownloadSink;
use super::transfer::{Call, Progress, blocking, run_calls};
use crate::store::Digest;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tonic::Code;

/// A blob to download into a file.
#[derive(Clone, Debug)]
pub struct WantedFile {
    pub digest: Digest,
    /// The file to create. It must not exist.
    pub path: PathBuf,
    pub mode: u32,
}

const OPERATION: &str = "download blobs";

impl Engine {
    /// Downloads one blob into memory.
    pub async fn read(&self, digest: Digest) -> Result<Vec<u8>, EngineError> {
        let mut read = self.read_all([digest]).await?;
        Ok(read.remove(&digest).unwrap_or_default())
    }

    /// Downloads blobs into memory. If the engine lacks some of the blobs, the error is
    /// [`Problem::Missing`] and names all of them.
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

    /// Downloads blobs into files. If the engine lacks some of the blobs, the error is
    /// [`Problem::Missing`] and names all of them. After an error some files may exist, complete
    /// or incomplete.
    pub async fn download(
        &self,
        wanted: impl IntoIterator<Item = WantedFile>,
        progress: &Arc<Progress>,
    ) -> Result<(), EngineError> {
        let mut files: HashMap<Digest, Vec<TargetFile>> = HashMap::new();
        for WantedFile { digest, path, mode } in wanted {
            files
                .entry(digest)
                .or_default()
                .push(TargetFile { path, mode });
        }
        let all = files.keys().map(|digest| digest.size).sum();
        progress.plan(all);
        self.receive(files, progress, |_, _| {}).await
    }

    /// Downloads each blob into all of its files, or passes it to `received` if it has no files.
    async fn receive(
        &self,
        wanted: impl IntoIterator<Item = (Digest, Vec<TargetFile>)>,
        progress: &Arc<Progress>,
        mut received: impl FnMut(Digest, Vec<u8>),
    ) -> Result<(), EngineError> {
        let calls = self.split_into_calls(wanted, |(digest, _)| digest.size);
        let calls = calls.into_iter().map(|call| {
            let (engine, progress) = (self.clone(), Arc::clone(progress));
            async move {
                match call {
                    Call::Stream((digest, files)) => {
                        engine.receive_one(digest, files, &progress).await
                    }
                    Call::Batch(wanted) => engine.receive_batch(wanted, &progress).await,
                }
            }
        });
        let mut missing = Vec::new();
        run_calls(calls, |result| {
            match result {
                Ok(blobs) => blobs
                    .into_iter()
                    .for_each(|(digest, content)| received(digest, content)),
                Err(EngineError {
                    problem: Problem::Missing(digests),
                    ..
                }) => missing.extend(digests),
                Err(error) => return Err(error),
            }
            Ok(())
        })
        .await?;
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        Err(self.error(OPERATION, Problem::Missing(missing)))
    }

    async fn receive_one(
        &self,
        digest: Digest,
        files: Vec<TargetFile>,
        progress: &Arc<Progress>,
    ) -> Result<Vec<(Digest, Vec<u8>)>, EngineError> {
        let failed = |problem| self.error(OPERATION, problem);
        let mut files = files.into_iter();
        let Some(first) = files.next() else {
            let sink = DownloadSink::memory(digest.size);
            let content = self.receive_stream(digest, sink, progress).await?;
            return Ok(vec![(digest, content)]);
        };
        let (path, mode) = (first.path.clone(), first.mode);
        let sink = blocking(move || DownloadSink::file(&path, mode)).await;
        let sink = sink.map_err(failed)?;
        self.receive_stream(digest, sink, progress).await?;
        let copied = blocking(move || files.try_for_each(|file| file.copy_from(&first)));
        copied.await.map_err(failed)?;
        Ok(Vec::new())
    }

    async fn receive_batch(
        &self,
        wanted: Vec<(Digest, Vec<TargetFile>)>,
        progress: &Progress,
    ) -> Result<Vec<(Digest, Vec<u8>)>, EngineError> {
        let failed = |problem| self.error(OPERATION, problem);
        let mut retry = self.retry(OPERATION);
        let mut batch = BatchDownload {
            wanted: wanted.into_iter().collect(),
            ..BatchDownload::default()
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
            let refused = refused
                .unwrap_or_else(|| Problem::NotAnEngine("its response omits blobs".to_owned()));
            retry.after(refused).await?;
        }
        if batch.missing.is_empty() {
            return Ok(batch.read);
        }
        Err(failed(Problem::Missing(batch.missing)))
    }
}

/// The download of a batch of blobs. The methods block.
#[derive(Debug, Default)]
struct BatchDownload {
    wanted: HashMap<Digest, Vec<TargetFile>>,
    read: Vec<(Digest, Vec<u8>)>,
    missing: Vec<Digest>,
    /// Why the last response lacked blobs.
    refused: Option<Problem>,
}

impl BatchDownload {
    /// Supplies the empty blob, which every client and engine has.
    fn take_empty(mut self) -> Result<Self, Problem> {
        let empty = Digest::of(b"");
        if let Some(files) = self.wanted.remove(&empty) {
            self.put(empty, &files, Vec::new())?;
        }
        Ok(self)
    }

    /// Verifies and stores the received blobs; also returns their size in bytes.
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
                self.refused = Some(Problem::DigestMismatch(digest));
            } else if let Some(files) = self.wanted.remove(&digest) {
                bytes += digest.size;
                self.put(digest, &files, response.data)?;
            }
        }
        Ok((self, bytes))
    }

    fn put(
        &mut self,
        digest: Digest,
        files: &[TargetFile],
        content: Vec<u8>,
    ) -> Result<(), Problem> {
        if files.is_empty() {
            self.read.push((digest, content));
            return Ok(());
        }
        files.iter().try_for_each(|file| file.write(&content))
    }
}

/// A file to create with the content of a blob.
#[derive(Debug)]
struct TargetFile {
    path: PathBuf,
    mode: u32,
}

impl TargetFile {
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
