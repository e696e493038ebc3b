//! An image of a registry. Parts that the depot lacks are downloaded into it.

use super::ImageError;
use super::depot::{DownloadStart, PartialBlob};
use super::download_runtime::DownloadRuntime;
use super::registry::{self, Repository};
use super::registry_failure::RegistryFailure;
use super::single_flight::SingleFlight;
use futures_util::StreamExt;
use oci_spec::distribution::Reference;
use oci_spec::image::Sha256Digest;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often to check whether another process has finished downloading a blob.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// An image of a registry, and the depot that keeps its parts.
pub struct RegistryImage {
    downloads: Arc<DownloadRuntime>,
    reference: Reference,
    /// Connected to when a part is missing from the depot.
    repository: OnceLock<Repository>,
    connecting: SingleFlight<Result<(), ImageError>>,
}

/// Why the download of a blob failed.
enum DownloadError {
    /// The request failed.
    Registry(RegistryFailure),
    /// The depot could not be written.
    Local(io::Error),
}

impl RegistryImage {
    pub fn new(downloads: Arc<DownloadRuntime>, reference: Reference) -> Self {
        Self {
            downloads,
            reference,
            repository: OnceLock::new(),
            connecting: SingleFlight::default(),
        }
    }

    /// The image's name in messages.
    pub fn name(&self) -> String {
        registry::display_name(&self.reference)
    }

    /// The digest of the manifest that the image's tag names now. Blocks.
    pub fn resolve_tag(self: &Arc<Self>) -> Result<Sha256Digest, ImageError> {
        let this = self.clone();
        self.run(async move { Ok(this.download_manifest(None).await?.1) })
    }

    /// A manifest or an index. Blocks.
    pub fn manifest(self: &Arc<Self>, digest: &Sha256Digest) -> Result<Vec<u8>, ImageError> {
        if let Some(bytes) = self.read(digest)? {
            return Ok(bytes);
        }
        let (this, digest) = (self.clone(), digest.clone());
        self.run(async move { Ok(this.download_manifest(Some(&digest)).await?.0) })
    }

    /// A configuration of `size` bytes. Blocks.
    pub fn config(
        self: &Arc<Self>,
        digest: &Sha256Digest,
        size: u64,
    ) -> Result<Vec<u8>, ImageError> {
        if let Some(bytes) = self.read(digest)? {
            return Ok(bytes);
        }
        let (this, wanted) = (self.clone(), digest.clone());
        self.run(async move {
            let download = this.download(&wanted, size, &|_| ());
            this.downloads.blobs.run(wanted.digest(), download).await
        })?;
        // Another process may have removed it since.
        let lost = || self.depot_error(io::ErrorKind::NotFound.into());
        self.read(digest)?.ok_or_else(lost)
    }

    /// Opens a layer of `size` bytes. Blocks until it is downloaded.
    pub fn open(self: &Arc<Self>, digest: &Sha256Digest, size: u64) -> Result<File, ImageError> {
        let open = || {
            let file = self.downloads.depot.open(digest, size);
            file.map_err(|cause| self.depot_error(cause))
        };
        if let Some(file) = open()? {
            return Ok(file);
        }
        let (this, wanted) = (self.clone(), digest.clone());
        self.run(async move { this.download_layer(&wanted, size).await })?;
        let lost = || self.depot_error(io::ErrorKind::NotFound.into());
        open()?.ok_or_else(lost)
    }

    /// Starts the download of a layer that is not in the depot.
    pub fn fetch(self: &Arc<Self>, digest: &Sha256Digest, size: u64) {
        if let Ok(Some(_)) = self.downloads.depot.open(digest, size) {
            return;
        }
        let (this, digest) = (self.clone(), digest.clone());
        // An error is dropped here: `open` downloads again, and returns the error.
        let _ = self.downloads.start(&self.name(), async move {
            let _ = this.download_layer(&digest, size).await;
        });
    }

    /// Notes that a blob in the depot is used, if it is there.
    pub fn note_use(&self, digest: &Sha256Digest) {
        self.downloads.depot.note_use(digest);
    }

    /// Removes a blob from the depot.
    pub fn remove(&self, digest: &Sha256Digest) -> io::Result<()> {
        self.downloads.depot.remove(digest)
    }

    /// The path of a blob in the depot, whether it exists or not.
    pub fn path(&self, digest: &Sha256Digest) -> std::path::PathBuf {
        self.downloads.depot.path(digest)
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ImageError>> + Send + 'static,
    ) -> Result<T, ImageError> {
        self.downloads.run(&self.name(), work)
    }

    fn read(&self, digest: &Sha256Digest) -> Result<Option<Vec<u8>>, ImageError> {
        let read = self.downloads.depot.read(digest);
        read.map_err(|cause| self.depot_error(cause))
    }

    fn depot_error(&self, cause: io::Error) -> ImageError {
        self.downloads.depot_error(&self.name(), cause)
    }

    async fn repository(&self) -> Result<&Repository, ImageError> {
        loop {
            if let Some(repository) = self.repository.get() {
                return Ok(repository);
            }
            let connect = async {
                let settings = &self.downloads.settings;
                let repository = Repository::connect(&self.reference, settings).await?;
                // An error means that another task has connected meanwhile.
                let _ = self.repository.set(repository);
                Ok(())
            };
            self.connecting.run("", connect).await?;
        }
    }

    /// `None` as the digest: the manifest that the tag names.
    async fn download_manifest(
        &self,
        digest: Option<&Sha256Digest>,
    ) -> Result<(Vec<u8>, Sha256Digest), ImageError> {
        let (bytes, digest) = self.repository().await?.manifest(digest).await?;
        let written = self.downloads.depot.write(&digest, &bytes);
        written.map_err(|cause| self.depot_error(cause))?;
        Ok((bytes, digest))
    }

    async fn download_layer(&self, digest: &Sha256Digest, size: u64) -> Result<(), ImageError> {
        let downloads = &self.downloads;
        let download = async {
            let progress = downloads.progress.begin(&self.name(), size);
            // The semaphore is never closed.
            let _permit = downloads.layer_permits.acquire().await;
            self.download(digest, size, &|done| progress.set_done(done))
                .await
        };
        downloads.blobs.run(digest.digest(), download).await
    }

    /// Downloads a blob. Calls `on_progress` with the number of bytes that are in the depot.
    async fn download(
        &self,
        digest: &Sha256Digest,
        size: u64,
        on_progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), ImageError> {
        let Some(mut partial) = self.begin_partial(digest, size, on_progress).await? else {
            return Ok(());
        };
        // Boxed because the future is large.
        let filled = Box::pin(self.complete(&mut partial, digest, size, on_progress)).await;
        match filled {
            Ok(()) => partial.commit().map_err(|cause| self.depot_error(cause)),
            Err(error) => {
                if matches!(error, ImageError::DiskFull { .. }) {
                    partial.discard();
                }
                Err(error)
            }
        }
    }

    /// Waits while another process downloads the same blob. `None`: the blob is complete.
    async fn begin_partial(
        &self,
        digest: &Sha256Digest,
        size: u64,
        on_progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<PartialBlob>, ImageError> {
        loop {
            let (depot, digest) = (self.downloads.depot.clone(), digest.clone());
            let begin = tokio::task::spawn_blocking(move || depot.begin(&digest, size));
            let beginning = begin.await.unwrap_or_else(|error| Err(error.into()));
            match beginning.map_err(|cause| self.depot_error(cause))? {
                DownloadStart::Complete => return Ok(None),
                DownloadStart::Started(partial) => return Ok(Some(partial)),
                DownloadStart::OtherProcess { bytes_done } => on_progress(bytes_done),
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn complete(
        &self,
        partial: &mut PartialBlob,
        digest: &Sha256Digest,
        size: u64,
        on_progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), ImageError> {
        let mut attempts = 1;
        let mut most_bytes = partial.length();
        loop {
            let failure = if partial.length() < size {
                let repository = self.repository().await?;
                resume(repository, partial, digest, size, on_progress)
                    .await
                    .err()
            } else {
                None
            };
            let failure = match failure {
                None => match verify_digest(partial, digest) {
                    None => return Ok(()),
                    Some(wrong) => wrong,
                },
                Some(DownloadError::Registry(failure)) => failure,
                Some(DownloadError::Local(cause)) => return Err(self.depot_error(cause)),
            };
            if let RegistryFailure::WrongContent { .. } | RegistryFailure::BadRange = failure {
                partial.restart().map_err(|cause| self.depot_error(cause))?;
            }
            // Progress resets the attempts, so that a download over an unreliable network
            // finishes.
            if partial.length() > most_bytes {
                most_bytes = partial.length();
                attempts = 1;
            }
            self.repository()
                .await?
                .pause_before_retry(failure, &mut attempts)
                .await?;
        }
    }
}

/// Downloads the missing bytes of a blob. Does not retry.
async fn resume(
    repository: &Repository,
    partial: &mut PartialBlob,
    digest: &Sha256Digest,
    size: u64,
    on_progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), DownloadError> {
    let content = repository.blob(digest, partial.length()).await;
    let mut content = content.map_err(DownloadError::Registry)?;
    if !content.starts_at_offset {
        partial.restart().map_err(DownloadError::Local)?;
    }
    on_progress(partial.length());
    while partial.length() < size {
        match content.stream.next().await {
            Some(Ok(bytes)) => {
                let most = usize::try_from(size - partial.length()).unwrap_or(usize::MAX);
                // Surplus bytes are dropped. If the blob is wrong, its digest is.
                let bytes = &bytes[..bytes.len().min(most)];
                partial.append(bytes).map_err(DownloadError::Local)?;
                on_progress(partial.length());
            }
            Some(Err(error)) => {
                return Err(DownloadError::Registry(RegistryFailure::of_stream(&error)));
            }
            None => {
                let cause = format!(
                    "its response ended after {} of {size} bytes",
                    partial.length()
                );
                return Err(DownloadError::Registry(RegistryFailure::Transient(cause)));
            }
        }
    }
    Ok(())
}

fn verify_digest(partial: &PartialBlob, digest: &Sha256Digest) -> Option<RegistryFailure> {
    let (expected, found) = (format!("sha256:{digest}"), partial.digest());
    (expected != found).then_some(RegistryFailure::WrongContent { expected, found })
}

impl fmt::Debug for RegistryImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegistryImage").field(&self.name()).finish()
    }
}
