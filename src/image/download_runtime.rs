//! The state that all downloads of a process share.

use super::ImageError;
use super::depot::Depot;
use super::progress::DownloadProgress;
use super::settings::ImageSettings;
use super::single_flight::SingleFlight;
use crate::cachedir::Refusal;
use std::fmt;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, Once, PoisonError};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, watch};

/// The number of layers that are downloaded at the same time.
const MAX_LAYER_DOWNLOADS: usize = 4;

/// The number of threads that decrypt, hash and write.
const THREADS: usize = 2;

/// Runs downloads in the background, until they are cancelled. The threads start with the first
/// download.
pub struct DownloadRuntime {
    pub settings: ImageSettings,
    pub depot: Depot,
    pub progress: DownloadProgress,
    /// Downloads of blobs by digest.
    pub blobs: SingleFlight<Result<(), ImageError>>,
    /// Limits the layers that are downloaded at the same time.
    pub layer_permits: Semaphore,
    runtime: Mutex<Option<Runtime>>,
    cancelled: watch::Sender<bool>,
    cleanup: Once,
}

impl DownloadRuntime {
    pub fn new(settings: ImageSettings) -> Self {
        Self {
            depot: Depot::new(settings.depot.clone()),
            settings,
            progress: DownloadProgress::default(),
            blobs: SingleFlight::default(),
            layer_permits: Semaphore::new(MAX_LAYER_DOWNLOADS),
            runtime: Mutex::default(),
            cancelled: watch::Sender::new(false),
            cleanup: Once::new(),
        }
    }

    /// Runs work for an image in the background, and waits for its result. Returns
    /// [`ImageError::Interrupted`] if downloads are cancelled.
    pub fn run<T: Send + 'static>(
        &self,
        image: &str,
        work: impl Future<Output = Result<T, ImageError>> + Send + 'static,
    ) -> Result<T, ImageError> {
        let (sender, receiver) = mpsc::channel();
        let send = async move |result| {
            // The receiver may have been dropped.
            let _ = sender.send(result);
        };
        self.start(image, async move { send(work.await).await })?;
        // The sender is dropped without sending if the work was cancelled.
        let interrupted = |_| ImageError::Interrupted {
            image: image.to_owned(),
        };
        receiver.recv().map_err(interrupted)?
    }

    /// Runs work for an image in the background.
    pub fn start(
        &self,
        image: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ImageError> {
        let handle = self.handle().map_err(|cause| ImageError::Start {
            image: image.to_owned(),
            cause: Arc::new(cause),
        })?;
        let mut cancelled = self.cancelled.subscribe();
        handle.spawn(async move {
            tokio::select! {
                biased;
                _ = cancelled.wait_for(|cancelled| *cancelled) => {}
                () = work => {}
            }
        });
        Ok(())
    }

    /// Cancels running and future downloads.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// The error for an I/O error in the depot.
    pub fn depot_error(&self, image: &str, cause: io::Error) -> ImageError {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let (image, path) = (image.to_owned(), self.depot.root().to_owned());
        if matches!(cause.kind(), StorageFull | QuotaExceeded) {
            return ImageError::DiskFull { image, path };
        }
        let refusal = cause
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Refusal>());
        if let Some(refusal) = refusal.cloned() {
            return ImageError::DepotRefused { image, refusal };
        }
        if matches!(cause.kind(), PermissionDenied | ReadOnlyFilesystem) {
            return ImageError::DepotNotWritable {
                image,
                path,
                cause: Arc::new(cause),
            };
        }
        ImageError::Depot {
            image,
            path,
            cause: Arc::new(cause),
        }
    }

    fn handle(&self) -> io::Result<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let new = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("images")
            .enable_all()
            .build()?;
        let handle = new.handle().clone();
        *runtime = Some(new);
        let depot = self.depot.clone();
        self.cleanup.call_once(|| {
            handle.spawn_blocking(move || depot.remove_abandoned());
        });
        Ok(handle)
    }
}

impl Drop for DownloadRuntime {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut();
        if let Some(runtime) = runtime.unwrap_or_else(PoisonError::into_inner).take() {
            // A runtime must not wait for its threads on one of them.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for DownloadRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadRuntime")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
