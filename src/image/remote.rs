//! An image of a registry: what is in the depot is had from there, all else is downloaded
//! into it first.

use super::ImageError;
use super::depot::{Beginning, Partial};
use super::downloads::Downloads;
use super::failure::Failure;
use super::registry::{self, Repository};
use super::together::Together;
use futures_util::StreamExt;
use oci_spec::distribution::Reference;
use oci_spec::image::Sha256Digest;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often to look whether another program is done with a blob.
const LOOK: Duration = Duration::from_millis(50);

/// The repository of an image.
pub struct Remote {
    downloads: Arc<Downloads>,
    reference: Reference,
    /// Said hello to when something is missing.
    repository: OnceLock<Repository>,
    connecting: Together<Result<(), ImageError>>,
}

/// Why a blob is not whole yet.
enum Stop {
    /// The registry's doing.
    Registry(Failure),
    /// This machine's.
    Here(io::Error),
}

impl Remote {
    pub fn new(downloads: Arc<Downloads>, reference: Reference) -> Self {
        Self {
            downloads,
            reference,
            repository: OnceLock::new(),
            connecting: Together::default(),
        }
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        registry::name(&self.reference)
    }

    /// The digest of what the image's tag names now. Blocking.
    pub fn look_up(self: &Arc<Self>) -> Result<Sha256Digest, ImageError> {
        let this = self.clone();
        self.run(async move { Ok(this.download_manifest(None).await?.1) })
    }

    /// A manifest or an index. Blocking.
    pub fn manifest(self: &Arc<Self>, digest: &Sha256Digest) -> Result<Vec<u8>, ImageError> {
        if let Some(bytes) = self.read(digest)? {
            return Ok(bytes);
        }
        let (this, digest) = (self.clone(), digest.clone());
        self.run(async move { Ok(this.download_manifest(Some(&digest)).await?.0) })
    }

    /// A blob that is no layer, of `size` bytes. Blocking.
    pub fn description(
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
        // Between the two somebody may have removed it.
        let lost = || self.problem(io::ErrorKind::NotFound.into());
        self.read(digest)?.ok_or_else(lost)
    }

    /// Opens a layer of `size` bytes. Blocking, until it is there.
    pub fn open(self: &Arc<Self>, digest: &Sha256Digest, size: u64) -> Result<File, ImageError> {
        let open = || {
            let file = self.downloads.depot.open(digest, size);
            file.map_err(|cause| self.problem(cause))
        };
        if let Some(file) = open()? {
            return Ok(file);
        }
        let (this, wanted) = (self.clone(), digest.clone());
        self.run(async move { this.download_layer(&wanted, size).await })?;
        let lost = || self.problem(io::ErrorKind::NotFound.into());
        open()?.ok_or_else(lost)
    }

    /// Starts the download of a layer, if it is not there.
    pub fn fetch(self: &Arc<Self>, digest: &Sha256Digest, size: u64) {
        if let Ok(Some(_)) = self.downloads.depot.open(digest, size) {
            return;
        }
        let (this, digest) = (self.clone(), digest.clone());
        // Whoever opens the layer is told what fails, having tried again.
        let _ = self.downloads.start(&self.name(), async move {
            let _ = this.download_layer(&digest, size).await;
        });
    }

    /// Forgets a blob.
    pub fn remove(&self, digest: &Sha256Digest) -> io::Result<()> {
        self.downloads.depot.remove(digest)
    }

    /// Where a blob is, or would be.
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
        read.map_err(|cause| self.problem(cause))
    }

    fn problem(&self, cause: io::Error) -> ImageError {
        self.downloads.problem(&self.name(), cause)
    }

    async fn repository(&self) -> Result<&Repository, ImageError> {
        loop {
            if let Some(repository) = self.repository.get() {
                return Ok(repository);
            }
            let connect = async {
                let settings = &self.downloads.settings;
                let repository = Repository::connect(&self.reference, settings).await?;
                // If there is one by now, that does as well.
                let _ = self.repository.set(repository);
                Ok(())
            };
            self.connecting.run("", connect).await?;
        }
    }

    /// `None`: what the tag names.
    async fn download_manifest(
        &self,
        digest: Option<&Sha256Digest>,
    ) -> Result<(Vec<u8>, Sha256Digest), ImageError> {
        let (bytes, digest) = self.repository().await?.manifest(digest).await?;
        let written = self.downloads.depot.write(&digest, &bytes);
        written.map_err(|cause| self.problem(cause))?;
        Ok((bytes, digest))
    }

    async fn download_layer(&self, digest: &Sha256Digest, size: u64) -> Result<(), ImageError> {
        let downloads = &self.downloads;
        let download = async {
            let going = downloads.progress.begin(&self.name(), size);
            // It is never closed.
            let _turn = downloads.turns.acquire().await;
            self.download(digest, size, &|done| going.set(done)).await
        };
        downloads.blobs.run(digest.digest(), download).await
    }

    /// `seen` is told how many bytes are there.
    async fn download(
        &self,
        digest: &Sha256Digest,
        size: u64,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), ImageError> {
        let Some(mut partial) = self.begin(digest, size, seen).await? else {
            return Ok(());
        };
        // The future is large.
        let filled = Box::pin(self.fill(&mut partial, digest, size, seen)).await;
        match filled {
            Ok(()) => partial.keep().map_err(|cause| self.problem(cause)),
            Err(error) => {
                if matches!(error, ImageError::DiskFull { .. }) {
                    partial.discard();
                }
                Err(error)
            }
        }
    }

    /// Waits while another program downloads the same; `None`: it has done so.
    async fn begin(
        &self,
        digest: &Sha256Digest,
        size: u64,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<Partial>, ImageError> {
        loop {
            let (depot, digest) = (self.downloads.depot.clone(), digest.clone());
            let begin = tokio::task::spawn_blocking(move || depot.begin(&digest, size));
            let beginning = begin.await.unwrap_or_else(|error| Err(error.into()));
            match beginning.map_err(|cause| self.problem(cause))? {
                Beginning::Whole => return Ok(None),
                Beginning::Here(partial) => return Ok(Some(partial)),
                Beginning::Elsewhere { so_far } => seen(so_far),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn fill(
        &self,
        partial: &mut Partial,
        digest: &Sha256Digest,
        size: u64,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), ImageError> {
        let mut tries = 1;
        let mut furthest = partial.length();
        loop {
            let failure = if partial.length() < size {
                let repository = self.repository().await?;
                go_on(repository, partial, digest, size, seen).await.err()
            } else {
                None
            };
            let failure = match failure {
                None => match check(partial, digest) {
                    None => return Ok(()),
                    Some(wrong) => wrong,
                },
                Some(Stop::Registry(failure)) => failure,
                Some(Stop::Here(cause)) => return Err(self.problem(cause)),
            };
            if let Failure::WrongContent { .. } | Failure::BadRange = failure {
                partial.restart().map_err(|cause| self.problem(cause))?;
            }
            // A network that breaks now and then comes to the end in the end.
            if partial.length() > furthest {
                furthest = partial.length();
                tries = 1;
            }
            self.repository().await?.wait(failure, &mut tries).await?;
        }
    }
}

/// Downloads what is missing of a blob, once.
async fn go_on(
    repository: &Repository,
    partial: &mut Partial,
    digest: &Sha256Digest,
    size: u64,
    seen: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), Stop> {
    let content = repository.blob(digest, partial.length()).await;
    let mut content = content.map_err(Stop::Registry)?;
    if !content.goes_on {
        partial.restart().map_err(Stop::Here)?;
    }
    seen(partial.length());
    while partial.length() < size {
        match content.stream.next().await {
            Some(Ok(bytes)) => {
                let most = usize::try_from(size - partial.length()).unwrap_or(usize::MAX);
                // What there is too much of shows in the digest.
                let bytes = &bytes[..bytes.len().min(most)];
                partial.append(bytes).map_err(Stop::Here)?;
                seen(partial.length());
            }
            Some(Err(error)) => return Err(Stop::Registry(Failure::of_stream(&error))),
            None => {
                let cause = format!("its answer ends after {} of {size} bytes", partial.length());
                return Err(Stop::Registry(Failure::Broken(cause)));
            }
        }
    }
    Ok(())
}

fn check(partial: &Partial, digest: &Sha256Digest) -> Option<Failure> {
    let (expected, found) = (format!("sha256:{digest}"), partial.digest());
    (expected != found).then_some(Failure::WrongContent { expected, found })
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.name()).finish()
    }
}
