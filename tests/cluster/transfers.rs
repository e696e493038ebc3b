//! Transfers of blobs to and from the test's own server, which compresses, interrupts or damages
//! them.

use maelstrom::engine::bytestream::byte_stream_server::{ByteStream, ByteStreamServer};
use maelstrom::engine::bytestream::{
    QueryWriteStatusRequest, QueryWriteStatusResponse, ReadRequest, ReadResponse, WriteRequest,
    WriteResponse,
};
use maelstrom::engine::reapi::capabilities_server::{Capabilities, CapabilitiesServer};
use maelstrom::engine::reapi::content_addressable_storage_server::{
    ContentAddressableStorage as Storage, ContentAddressableStorageServer as StorageServer,
};
use maelstrom::engine::reapi::{self, compressor};
use maelstrom::engine::{Engine, EngineSettings, Problem, Progress, UploadBlob};
use maelstrom::store::Digest;
use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

/// A fault of the server, which occurs once.
pub enum Trouble {
    Unavailable,
    /// Ends a stream after this number of bytes.
    Cut(usize),
    /// Sends other content.
    Damage,
}

#[derive(Default)]
pub struct Memory {
    zstd: bool,
    token: Option<&'static str>,
    pub blobs: Mutex<HashMap<String, Vec<u8>>>,
    /// The received parts of uploads.
    begun: Mutex<HashMap<String, Vec<u8>>>,
    troubles: Mutex<VecDeque<Trouble>>,
    /// The number of bytes received in streams.
    received: AtomicUsize,
    /// The number of bytes sent in streams.
    sent: AtomicUsize,
}

#[derive(Clone)]
pub struct Server(pub Arc<Memory>);

impl Memory {
    fn with(troubles: impl IntoIterator<Item = Trouble>) -> Self {
        Self {
            troubles: Mutex::new(troubles.into_iter().collect()),
            ..Self::default()
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        self.troubles.lock().unwrap().pop_front()
    }

    fn put(&self, digest: Option<reapi::Digest>, content: Vec<u8>) {
        let digest = digest.unwrap();
        assert_eq!(Digest::of(&content).hex(), digest.hash);
        self.blobs.lock().unwrap().insert(digest.hash, content);
    }
}

/// Serves until the test ends.
async fn serve(storage: Memory) -> (Arc<Memory>, EngineSettings) {
    let storage = Arc::new(storage);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Server(Arc::clone(&storage));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(CapabilitiesServer::new(server.clone()))
            .add_service(StorageServer::new(server.clone()).max_decoding_message_size(16 << 20))
            .add_service(ByteStreamServer::new(server))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let endpoint = format!("grpc://127.0.0.1:{port}").parse().unwrap();
    (storage, EngineSettings::new(endpoint))
}

async fn connect(storage: Memory) -> (Arc<Memory>, Engine) {
    let (storage, settings) = serve(storage).await;
    (storage, Engine::connect(&settings).await.unwrap())
}

/// Text that zstd compresses well, and that differs at every offset.
fn text(size: usize) -> Vec<u8> {
    let numbers = (0_u32..).flat_map(|number| number.to_string().into_bytes());
    numbers.take(size).collect()
}

/// Uploads a blob with this content, and downloads it again.
async fn there_and_back(engine: &Engine, content: &[u8]) {
    let blob = UploadBlob::of(content.to_vec());
    let progress = Arc::new(Progress::default());
    let size = content.len() as u64;
    let uploaded = engine.upload([blob.clone()], &progress).await.unwrap();
    assert_eq!(uploaded.bytes, size);
    assert_eq!((progress.done(), progress.total()), (size, size));
    assert!(engine.read(blob.digest).await.unwrap() == content);
}

#[tokio::test]
async fn large_blobs_travel_compressed_where_the_engine_knows_zstd() {
    let (storage, engine) = connect(Memory {
        zstd: true,
        ..Memory::default()
    })
    .await;
    there_and_back(&engine, &text(5 << 20)).await;
    let (received, sent) = (&storage.received, &storage.sent);
    assert!(received.load(Ordering::Relaxed) < 3 << 20, "{received:?}");
    assert!(sent.load(Ordering::Relaxed) < 3 << 20, "{sent:?}");
}

#[tokio::test]
async fn an_interrupted_upload_is_resumed() {
    let content = text(5 << 20);
    let (storage, engine) =
        connect(Memory::with([Trouble::Cut(2 << 20), Trouble::Cut(1 << 20)])).await;
    there_and_back(&engine, &content).await;
    assert_eq!(storage.received.load(Ordering::Relaxed), content.len());
}

#[tokio::test]
async fn an_interrupted_compressed_upload_is_restarted() {
    let (_, engine) = connect(Memory {
        zstd: true,
        ..Memory::with([Trouble::Cut(100 << 10)])
    })
    .await;
    there_and_back(&engine, &text(5 << 20)).await;
}

#[tokio::test]
async fn an_interrupted_download_is_resumed() {
    for zstd in [false, true] {
        let content = text(5 << 20);
        let (storage, engine) = connect(Memory {
            zstd,
            ..Memory::default()
        })
        .await;
        let blob = UploadBlob::of(content.clone());
        engine
            .upload([blob.clone()], &Arc::default())
            .await
            .unwrap();
        storage.troubles.lock().unwrap().extend([
            Trouble::Cut(600 << 10),
            Trouble::Unavailable,
            Trouble::Cut(600 << 10),
        ]);
        assert!(engine.read(blob.digest).await.unwrap() == content);
        if !zstd {
            assert_eq!(storage.sent.load(Ordering::Relaxed), content.len());
        }
    }
}

#[tokio::test]
async fn a_damaged_download_is_fetched_again() {
    let (storage, engine) = connect(Memory::default()).await;
    for size in [1000, 3 << 20] {
        let blob = UploadBlob::of(text(size));
        engine
            .upload([blob.clone()], &Arc::default())
            .await
            .unwrap();
        storage.troubles.lock().unwrap().push_back(Trouble::Damage);
        assert!(engine.read(blob.digest).await.unwrap() == text(size));
        assert!(storage.troubles.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn many_small_blobs_are_sent_in_batches_and_retried_if_the_engine_is_busy() {
    let (_, engine) = connect(Memory::with([Trouble::Unavailable])).await;
    let blobs: Vec<_> = (0..3000_u32)
        .map(|number| UploadBlob::of([number.to_ne_bytes().to_vec(), text(4000)].concat()))
        .collect();
    let uploaded = engine.upload(blobs.clone(), &Arc::default()).await.unwrap();
    assert_eq!(uploaded.blobs, 3000);
    let digests = blobs.iter().map(|blob| blob.digest);
    assert_eq!(engine.read_all(digests).await.unwrap().len(), 3000);
}

#[tokio::test]
async fn a_valid_token_grants_access_and_a_missing_one_is_reported() {
    let (_, mut settings) = serve(Memory {
        token: Some("Bearer right"),
        ..Memory::default()
    })
    .await;
    for wrong in [None, Some("authorization=Bearer expired")] {
        settings.headers = wrong
            .map(|header| header.parse().unwrap())
            .into_iter()
            .collect();
        let error = Engine::connect(&settings).await.unwrap_err();
        assert!(
            matches!(error.problem, Problem::Unauthenticated(_)),
            "{error:?}"
        );
        assert!(error.to_string().contains("`remote-header = "), "{error}");
        assert!(!error.to_string().contains("expired"), "{error}");
    }
    settings.headers = vec!["authorization=Bearer right".parse().unwrap()];
    let engine = Engine::connect(&settings).await.unwrap();
    let error = engine.require_execution().unwrap_err();
    assert!(matches!(error.problem, Problem::CannotExecute), "{error:?}");
}

#[tonic::async_trait]
impl Capabilities for Server {
    async fn get_capabilities(
        &self,
        request: Request<reapi::GetCapabilitiesRequest>,
    ) -> Result<Response<reapi::ServerCapabilities>, Status> {
        let given = request.metadata().get("authorization");
        let given = given.map(|value| value.to_str().unwrap());
        if self.0.token.is_some() && given != self.0.token {
            return Err(Status::unauthenticated("no valid token"));
        }
        let zstd = self.0.zstd.then_some(compressor::Value::Zstd.into());
        Ok(Response::new(reapi::ServerCapabilities {
            cache_capabilities: Some(reapi::CacheCapabilities {
                supported_compressors: zstd.into_iter().collect(),
                ..reapi::CacheCapabilities::default()
            }),
            ..reapi::ServerCapabilities::default()
        }))
    }
}

pub type Stream<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

#[tonic::async_trait]
impl ByteStream for Server {
    type ReadStream = Stream<ReadResponse>;

    async fn read(
        &self,
        request: Request<ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let request = request.into_inner();
        let mut parts = request.resource_name.rsplit('/');
        let hash = parts.nth(1).unwrap();
        let content = self.0.blobs.lock().unwrap()[hash].clone();
        let mut content = content[request.read_offset as usize..].to_vec();
        let mut end = usize::MAX;
        match self.0.trouble() {
            Some(Trouble::Unavailable) => return Err(Status::unavailable("busy")),
            Some(Trouble::Cut(after)) => end = after,
            Some(Trouble::Damage) => content[0] ^= 1,
            None => {}
        }
        if request.resource_name.contains("compressed-blobs/zstd") {
            content = zstd::encode_all(&*content, 1).unwrap();
        }
        let is_cut = end < content.len();
        content.truncate(end);
        self.0.sent.fetch_add(content.len(), Ordering::Relaxed);
        let pieces = content.chunks(100_000).map(|piece| {
            Ok(ReadResponse {
                data: piece.to_vec(),
            })
        });
        let cut = is_cut.then(|| Err(Status::unavailable("cut")));
        let pieces: Vec<_> = pieces.chain(cut).collect();
        Ok(Response::new(tokio_stream::iter(pieces)))
    }

    async fn write(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<WriteResponse>, Status> {
        let mut stream = request.into_inner();
        let end = match self.0.trouble() {
            Some(Trouble::Cut(after)) => after,
            _ => usize::MAX,
        };
        let (mut resource, mut came) = (String::new(), 0);
        while let Some(message) = stream.message().await? {
            if resource.is_empty() {
                resource = message.resource_name;
            }
            if came + message.data.len() > end {
                return Err(Status::unavailable("cut"));
            }
            came += message.data.len();
            self.0
                .received
                .fetch_add(message.data.len(), Ordering::Relaxed);
            let mut begun = self.0.begun.lock().unwrap();
            let content = begun.entry(resource.clone()).or_default();
            assert_eq!(message.write_offset as usize, content.len());
            content.extend(message.data);
            if message.finish_write {
                let committed_size = content.len() as i64;
                let content = if resource.contains("compressed-blobs/zstd") {
                    zstd::decode_all(&**content).unwrap()
                } else {
                    content.clone()
                };
                let hash = resource.rsplit('/').nth(1).unwrap().to_owned();
                let digest = reapi::Digest {
                    hash,
                    ..reapi::Digest::default()
                };
                self.0.put(Some(digest), content);
                return Ok(Response::new(WriteResponse { committed_size }));
            }
        }
        Err(Status::unavailable("the client is gone"))
    }

    async fn query_write_status(
        &self,
        request: Request<QueryWriteStatusRequest>,
    ) -> Result<Response<QueryWriteStatusResponse>, Status> {
        let begun = self.0.begun.lock().unwrap();
        let content = begun.get(&request.get_ref().resource_name);
        let content = content.ok_or_else(|| Status::not_found("no such upload"))?;
        Ok(Response::new(QueryWriteStatusResponse {
            committed_size: content.len() as i64,
            complete: false,
        }))
    }
}

#[tonic::async_trait]
impl Storage for Server {
    type GetTreeStream = Stream<reapi::GetTreeResponse>;
    type GetChunkMappingStream = Stream<reapi::GetChunkMappingResponse>;

    async fn find_missing_blobs(
        &self,
        request: Request<reapi::FindMissingBlobsRequest>,
    ) -> Result<Response<reapi::FindMissingBlobsResponse>, Status> {
        let mut missing = request.into_inner().blob_digests;
        let blobs = self.0.blobs.lock().unwrap();
        missing.retain(|digest| !blobs.contains_key(&digest.hash));
        Ok(Response::new(reapi::FindMissingBlobsResponse {
            missing_blob_digests: missing,
        }))
    }

    async fn batch_update_blobs(
        &self,
        request: Request<reapi::BatchUpdateBlobsRequest>,
    ) -> Result<Response<reapi::BatchUpdateBlobsResponse>, Status> {
        if let Some(Trouble::Unavailable) = self.0.trouble() {
            return Err(Status::unavailable("busy"));
        }
        let mut responses = Vec::new();
        for request in request.into_inner().requests {
            self.0.put(request.digest.clone(), request.data);
            responses.push(reapi::batch_update_blobs_response::Response {
                digest: request.digest,
                status: None,
            });
        }
        Ok(Response::new(reapi::BatchUpdateBlobsResponse { responses }))
    }

    async fn batch_read_blobs(
        &self,
        request: Request<reapi::BatchReadBlobsRequest>,
    ) -> Result<Response<reapi::BatchReadBlobsResponse>, Status> {
        let is_damaged = matches!(self.0.trouble(), Some(Trouble::Damage));
        let blobs = self.0.blobs.lock().unwrap();
        let read = |digest: reapi::Digest| {
            let mut data = blobs[&digest.hash].clone();
            data[0] ^= u8::from(is_damaged);
            reapi::batch_read_blobs_response::Response {
                digest: Some(digest),
                data,
                ..reapi::batch_read_blobs_response::Response::default()
            }
        };
        let responses = request.into_inner().digests.into_iter().map(read).collect();
        Ok(Response::new(reapi::BatchReadBlobsResponse { responses }))
    }

    async fn get_tree(
        &self,
        _: Request<reapi::GetTreeRequest>,
    ) -> Result<Response<Self::GetTreeStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn split_blob(
        &self,
        _: Request<reapi::SplitBlobRequest>,
    ) -> Result<Response<reapi::SplitBlobResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_chunk_mapping(
        &self,
        _: Request<reapi::GetChunkMappingRequest>,
    ) -> Result<Response<Self::GetChunkMappingStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn splice_blob(
        &self,
        _: Request<reapi::SpliceBlobRequest>,
    ) -> Result<Response<reapi::SpliceBlobResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn register_chunk_mapping(
        &self,
        _: Request<Streaming<reapi::RegisterChunkMappingRequest>>,
    ) -> Result<Response<reapi::RegisterChunkMappingResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
