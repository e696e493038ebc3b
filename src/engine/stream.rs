//! One blob over one stream of bytes, there or back.

use super::bytestream::byte_stream_client::ByteStreamClient;
use super::bytestream::{QueryWriteStatusRequest, ReadRequest, WriteRequest};
use super::connect::{DEADLINE, Engine};
use super::error::{EngineError, Problem};
use super::name::{Encoding, to_read, to_write};
use super::progress::Progress;
use super::sink::DownloadSink;
use super::upload::BlobContent;
use crate::store::Digest;
use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

/// How much one message of a stream carries, in bytes.
const PIECE: usize = 256 << 10;

/// How many messages wait to be sent or written.
const WAITING: usize = 4;

/// Blobs below this travel plain: there is nothing to gain, in bytes.
const WORTH_COMPRESSING: u64 = 4096;

const SENDING: &str = "upload a blob";
const RECEIVING: &str = "download a blob";

impl Engine {
    fn encoding(&self, digest: Digest) -> Encoding {
        if self.capabilities().zstd && digest.size >= WORTH_COMPRESSING {
            Encoding::Zstd
        } else {
            Encoding::Plain
        }
    }

    /// Sends a blob. After a cut it goes on where the engine says it stopped, or from the start
    /// if it does not say.
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
            let sent = Arc::new(Sent::new(progress));
            let write = self.write(&resource, content, encoding, offset, &sent);
            let Err(problem) = write.await else {
                sent.all_of(digest.size - offset);
                return Ok(());
            };
            sent.all_of(0);
            if matches!(&problem, Problem::Other(status) if status.code() == Code::AlreadyExists) {
                progress.advance(digest.size - offset);
                return Ok(());
            }
            progress.fall_back(offset);
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
        sent: &Arc<Sent>,
    ) -> Result<(), Problem> {
        let (sender, pieces) = mpsc::channel(WAITING);
        let reader = {
            let (content, sent) = (content.clone(), Arc::clone(sent));
            let resource = resource.to_owned();
            tokio::task::spawn_blocking(move || {
                let mut outgoing = Outgoing::new(sender, resource, offset);
                content.send(&mut outgoing, encoding, offset, &sent)
            })
        };
        let mut client = ByteStreamClient::new(self.service());
        let call = client.write(ReceiverStream::new(pieces));
        // The deadline is for each piece, not for all.
        let answer = sent.watch(call).await;
        match reader.await {
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            // Who stops listening has its reason, which the answer says.
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(content.problem(error));
            }
            Ok(_) => {}
        }
        answer?;
        Ok(())
    }

    /// How much of an upload the engine has, and whether that is all.
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

    /// Receives a blob into a sink, verified. After a cut it goes on where it stopped.
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
                    Problem::HungUp("the stream of a blob ended early".to_owned())
                }
                Ok(()) if sink.is(digest) => {
                    progress.advance(digest.size - before);
                    return Ok(sink.into_content());
                }
                Ok(()) => {
                    progress.fall_back(before);
                    let emptied = sink.start_over();
                    emptied.map_err(|problem| self.error(RECEIVING, problem))?;
                    retry.after(Problem::Damaged(digest)).await?;
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
        let (sender, pieces) = mpsc::channel(WAITING);
        let writer = tokio::task::spawn_blocking(move || sink.drain(pieces, encoding));
        let received = loop {
            match tokio::time::timeout(DEADLINE, stream.message()).await {
                Ok(Ok(Some(message))) => {
                    if sender.send(message.data).await.is_err() {
                        // The writer stopped, and will say why.
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

/// How much of a blob one attempt to send it has sent.
pub(super) struct Sent {
    progress: Arc<Progress>,
    bytes: AtomicU64,
}

impl Sent {
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

    /// It has turned out to be this much.
    fn all_of(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Relaxed);
        self.progress.advance(bytes.saturating_sub(before));
        self.progress.fall_back(before.saturating_sub(bytes));
    }

    /// Waits for the answer as long as there is movement.
    async fn watch<T>(
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

/// Packs bytes into messages. Each is held back until it is known not to be the last.
pub(super) struct Outgoing {
    sender: mpsc::Sender<WriteRequest>,
    /// For the first message only.
    resource: String,
    offset: u64,
    piece: Vec<u8>,
}

impl Outgoing {
    fn new(sender: mpsc::Sender<WriteRequest>, resource: String, offset: u64) -> Self {
        Self {
            sender,
            resource,
            offset,
            piece: Vec::with_capacity(PIECE),
        }
    }

    /// Sends what was held back, as the last message.
    pub fn finish(&mut self) -> io::Result<()> {
        self.send(true)
    }

    fn send(&mut self, last: bool) -> io::Result<()> {
        let data = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
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

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.send(false)?;
        }
        let length = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
