//! One blob in a stream of the `ByteStream` service, to or from the engine.

use super::bytestream::byte_stream_client::ByteStreamClient;
use super::bytestream::{QueryWriteStatusRequest, ReadRequest, WriteRequest};
use super::connect::{DEADLINE, Engine};
use super::error::{EngineError, Problem};
use super::resource_name::{Encoding, to_read, to_write};
use super::sink::DownloadSink;
use super::transfer::Progress;
use super::upload::BlobContent;
use crate::store::Digest;
use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

/// How many bytes of a blob one message carries.
const CHUNK: usize = 256 << 10;

/// How many messages may wait to be sent or written.
const QUEUED_CHUNKS: usize = 4;

/// Blobs of fewer bytes are not compressed: compression would gain nothing.
const COMPRESSION_THRESHOLD: u64 = 4096;

const SENDING: &str = "upload a blob";
const RECEIVING: &str = "download a blob";

impl Engine {
    fn encoding(&self, digest: Digest) -> Encoding {
        if self.capabilities().zstd && digest.size >= COMPRESSION_THRESHOLD {
            Encoding::Zstd
        } else {
            Encoding::Plain
        }
    }

    /// Sends a blob. After an interruption the upload is resumed where the engine says that it
    /// stopped, or starts again if the engine does not say.
    pub(super) async fn send_stream(
        &self,
        digest: Digest,
        content: &BlobContent,
        progress: &Arc<Progress>,
    ) -> Result<(), EngineError> {
        let encoding = self.encoding(digest);
        let mut retry = self.retry(SENDING);
        let mut resource = to_write(self.instance(), digest, encoding);
        let mut offset = 0;
        loop {
            let sent = Arc::new(SentBytes::new(progress));
            let write = self.write(&resource, content, encoding, offset, &sent);
            let Err(problem) = write.await else {
                sent.correct(digest.size - offset);
                return Ok(());
            };
            sent.correct(0);
            if matches!(&problem, Problem::Other(status) if status.code() == Code::AlreadyExists) {
                progress.advance(digest.size - offset);
                return Ok(());
            }
            progress.retreat(offset);
            retry.after(problem).await?;
            let status = self.write_status(&resource).await;
            let before = offset;
            offset = match status {
                Some((_, true)) => {
                    progress.advance(digest.size);
                    return Ok(());
                }
                Some((committed, false)) if encoding == Encoding::Plain => {
                    committed.min(digest.size)
                }
                _ => 0,
            };
            if offset > before {
                retry.progressed();
            }
            if offset == 0 {
                resource = to_write(self.instance(), digest, encoding);
            }
            progress.advance(offset);
        }
    }

    async fn write(
        &self,
        resource: &str,
        content: &BlobContent,
        encoding: Encoding,
        offset: u64,
        sent: &Arc<SentBytes>,
    ) -> Result<(), Problem> {
        let (sender, chunks) = mpsc::channel(QUEUED_CHUNKS);
        let reader = {
            let (content, sent) = (content.clone(), Arc::clone(sent));
            let resource = resource.to_owned();
            tokio::task::spawn_blocking(move || {
                let mut outgoing = ChunkWriter::new(sender, resource, offset);
                content.send(&mut outgoing, encoding, offset, &sent)
            })
        };
        let mut client = ByteStreamClient::new(self.service());
        let call = client.write(ReceiverStream::new(chunks));
        // The deadline applies to each chunk, not to the whole upload.
        let answer = sent.while_sending(call).await;
        match reader.await {
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            // The engine stopped reading; its response says why.
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(content.problem(error));
            }
            Ok(_) => {}
        }
        answer?;
        Ok(())
    }

    /// How many bytes of an upload the engine has, and whether the upload is complete.
    async fn write_status(&self, resource: &str) -> Option<(u64, bool)> {
        let mut client = ByteStreamClient::new(self.service());
        let request = self.request(QueryWriteStatusRequest {
            resource_name: resource.to_owned(),
        });
        let call = client.query_write_status(request);
        let status = self.within_deadline(call).await.ok()?;
        let committed = u64::try_from(status.committed_size).unwrap_or_default();
        Some((committed, status.complete))
    }

    /// Downloads a blob into a sink and verifies its digest. After an interruption the download is
    /// resumed where it stopped.
    pub(super) async fn receive_stream(
        &self,
        digest: Digest,
        mut sink: DownloadSink,
        progress: &Progress,
    ) -> Result<Vec<u8>, EngineError> {
        let mut retry = self.retry(RECEIVING);
        loop {
            let before = sink.written;
            let read;
            (sink, read) = self.read_into(sink, digest).await;
            let problem = match read {
                Ok(()) if sink.written < digest.size => {
                    Problem::ConnectionLost("the stream of a blob ended early".to_owned())
                }
                Ok(()) if sink.has_digest(digest) => {
                    progress.advance(digest.size - before);
                    return Ok(sink.into_content());
                }
                Ok(()) => {
                    progress.retreat(before);
                    let emptied = sink.start_over();
                    emptied.map_err(|problem| self.error(RECEIVING, problem))?;
                    retry.after(Problem::DigestMismatch(digest)).await?;
                    continue;
                }
                Err(Problem::Other(status)) if status.code() == Code::NotFound => {
                    Problem::Missing(vec![digest])
                }
                Err(problem) => problem,
            };
            if sink.written > before {
                progress.advance(sink.written - before);
                retry.progressed();
            }
            retry.after(problem).await?;
        }
    }

    async fn read_into(
        &self,
        sink: DownloadSink,
        digest: Digest,
    ) -> (DownloadSink, Result<(), Problem>) {
        let encoding = self.encoding(digest);
        let request = Request::new(ReadRequest {
            resource_name: to_read(self.instance(), digest, encoding),
            read_offset: sink.written as i64,
            read_limit: 0,
        });
        let mut client = ByteStreamClient::new(self.service());
        let mut stream = match self.within_deadline(client.read(request)).await {
            Ok(stream) => stream,
            Err(problem) => return (sink, Err(problem)),
        };
        let (sender, chunks) = mpsc::channel(QUEUED_CHUNKS);
        let writer = tokio::task::spawn_blocking(move || sink.drain(chunks, encoding));
        let received = loop {
            match tokio::time::timeout(DEADLINE, stream.message()).await {
                Ok(Ok(Some(message))) => {
                    if sender.send(message.data).await.is_err() {
                        // The writer stopped; its result says why.
                        break Ok(());
                    }
                }
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(status)) => break Err(Problem::from(status)),
                Err(_) => break Err(Problem::TimedOut(DEADLINE)),
            }
        };
        drop(sender);
        match writer.await {
            Ok((sink, Ok(()))) => (sink, received),
            Ok((sink, Err(problem))) => (sink, Err(problem)),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

/// How many bytes of a blob were sent in one attempt.
pub(super) struct SentBytes {
    progress: Arc<Progress>,
    bytes: AtomicU64,
}

impl SentBytes {
    fn new(progress: &Arc<Progress>) -> Self {
        Self {
            progress: Arc::clone(progress),
            bytes: AtomicU64::new(0),
        }
    }

    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.progress.advance(bytes);
    }

    /// Corrects the number to `bytes`, including the shared progress.
    fn correct(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Relaxed);
        self.progress.advance(bytes.saturating_sub(before));
        self.progress.retreat(before.saturating_sub(bytes));
    }

    /// Waits for the response to an upload. Fails when no bytes were sent for [`DEADLINE`].
    async fn while_sending<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Problem> {
        let mut call = std::pin::pin!(call);
        let mut before = None;
        loop {
            if let Ok(answer) = tokio::time::timeout(DEADLINE, &mut call).await {
                return Ok(answer?.into_inner());
            }
            let now = Some(self.bytes.load(Relaxed));
            if now == before {
                return Err(Problem::TimedOut(DEADLINE));
            }
            before = now;
        }
    }
}

/// Packs bytes into messages. The last message is marked, so a full message waits until more
/// bytes are written or the blob ends.
pub(super) struct ChunkWriter {
    sender: mpsc::Sender<WriteRequest>,
    /// The resource name; only the first message has it.
    resource: String,
    offset: u64,
    chunk: Vec<u8>,
}

impl ChunkWriter {
    fn new(sender: mpsc::Sender<WriteRequest>, resource: String, offset: u64) -> Self {
        Self {
            sender,
            resource,
            offset,
            chunk: Vec::with_capacity(CHUNK),
        }
    }

    /// Sends the waiting bytes as the last message.
    pub fn finish(&mut self) -> io::Result<()> {
        self.send(true)
    }

    fn send(&mut self, last: bool) -> io::Result<()> {
        let data = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        let length = data.len() as u64;
        let request = WriteRequest {
            resource_name: std::mem::take(&mut self.resource),
            write_offset: self.offset as i64,
            finish_write: last,
            data,
        };
        self.offset += length;
        let sent = self.sender.blocking_send(request);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.send(false)?;
        }
        let length = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
