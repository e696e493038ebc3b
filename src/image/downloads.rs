//! What all downloads of a program share.

use super::ImageError;
use super::depot::Depot;
use super::progress::Progress;
use super::settings::ImageSettings;
use super::together::Together;
use crate::cachedir::Refusal;
use std::fmt;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, Once, PoisonError};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, watch};

/// How many layers are downloaded at once.
const MOST: usize = 4;

/// Enough for decrypting, hashing and writing.
const THREADS: usize = 2;

/// Runs downloads in the background, until they are ended. The threads for it are there
/// from the first one on.
pub struct Downloads {
    pub settings: ImageSettings,
    pub depot: Depot,
    pub progress: Progress,
    /// By digest.
    pub blobs: Together<Result<(), ImageError>>,
    /// For layers.
    pub turns: Semaphore,
    runtime: Mutex<Option<Runtime>>,
    end: watch::Sender<bool>,
    sweeping: Once,
}

impl Downloads {
    pub fn new(settings: ImageSettings) -> Self {
        Self {
            depot: Depot::new(settings.depot.clone()),
            settings,
            progress: Progress::default(),
            blobs: Together::default(),
            turns: Semaphore::new(MOST),
            runtime: Mutex::default(),
            end: watch::Sender::new(false),
            sweeping: Once::new(),
        }
    }

    /// Works for an image, and waits for the result.
    pub fn run<T: Send + 'static>(
        &self,
        image: &str,
        work: impl Future<Output = Result<T, ImageError>> + Send + 'static,
    ) -> Result<T, ImageError> {
        let (sender, receiver) = mpsc::channel();
        let send = async move |result| {
            // Whoever waited may be gone.
            let _ = sender.send(result);
        };
        self.start(image, async move { send(work.await).await })?;
        // Nothing is sent if the work was dropped.
        let interrupted = |_| ImageError::Interrupted {
            image: image.to_owned(),
        };
        receiver.recv().map_err(interrupted)?
    }

    /// Works for an image in the background.
    pub fn start(
        &self,
        image: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ImageError> {
        let handle = self.handle().map_err(|cause| ImageError::Start {
            image: image.to_owned(),
            cause: Arc::new(cause),
        })?;
        let mut end = self.end.subscribe();
        handle.spawn(async move {
            tokio::select! {
                biased;
                _ = end.wait_for(|end| *end) => {}
                () = work => {}
            }
        });
        Ok(())
    }

    /// Ends what goes on, and all that would come.
    pub fn end(&self) {
        self.end.send_replace(true);
    }

    /// What went wrong with the files of an image.
    pub fn problem(&self, image: &str, cause: io::Error) -> ImageError {
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
        self.sweeping.call_once(|| {
            handle.spawn_blocking(move || depot.sweep());
        });
        Ok(handle)
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut();
        if let Some(runtime) = runtime.unwrap_or_else(PoisonError::into_inner).take() {
            // This may be one of its own threads.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Downloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downloads")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
