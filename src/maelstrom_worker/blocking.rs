//! Blocking work on other threads, so that the event loop can answer the engine in time.

use crate::store::{Digest, Hasher};
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::runtime::Handle;

/// Tells blocking work that its result is no longer needed.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Fails if the work should stop. The error is not shown to users.
    pub fn check(&self) -> io::Result<()> {
        if self.0.load(Relaxed) {
            return Err(io::Error::other("the result is no longer needed"));
        }
        Ok(())
    }
}

/// Runs blocking work on another thread. If the future is dropped, the work is told to stop, and
/// its result is dropped on that thread.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce(&Stop) -> T + Send + 'static) -> T {
    struct StopOnDrop(Stop);
    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.0.store(true, Relaxed);
        }
    }
    let guard = StopOnDrop(Stop::default());
    let stop = guard.0.clone();
    match tokio::task::spawn_blocking(move || work(&stop)).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A value whose drop blocks. It is dropped on another thread.
pub struct BackgroundDrop<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> BackgroundDrop<T> {
    pub fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, which the caller drops itself.
    pub fn into_inner(mut self) -> T {
        self.0.take().expect("only the drop takes the value")
    }
}

impl<T: Send + 'static> Deref for BackgroundDrop<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only the drop takes the value")
    }
}

impl<T: Send + 'static> DerefMut for BackgroundDrop<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("only the drop takes the value")
    }
}

impl<T: Send + 'static> Drop for BackgroundDrop<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // Without a runtime there is no event loop to keep free.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(value));
        }
    }
}

/// The digest of a file's content.
pub fn hash(path: &Path, stop: &Stop) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut chunk = vec![0; 256 << 10];
    loop {
        stop.check()?;
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&chunk[..length]),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::pin::{Pin, pin};
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};
    use tokio::runtime::Runtime;

    /// An event loop with one thread for blocking work, which is busy until [`Self::release`].
    /// Work that is done before then was done on the event loop.
    pub struct Busy {
        pub runtime: Runtime,
        release: mpsc::Sender<()>,
    }

    impl Busy {
        pub fn new() -> Self {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(1)
                .build()
                .unwrap();
            let (release, released) = mpsc::channel();
            runtime.spawn_blocking(move || released.recv());
            Self { runtime, release }
        }

        pub fn release(&self) {
            self.release.send(()).unwrap();
        }
    }

    /// The output of a future. Asserts that the event loop did none of its blocking work: the
    /// future must wait for the other thread.
    pub fn leaves_the_loop_free<T>(work: impl Future<Output = T>) -> T {
        let busy = Busy::new();
        busy.runtime.block_on(async {
            let mut work = pin!(work);
            let first = poll_once(work.as_mut());
            assert!(first.is_pending(), "the event loop did blocking work");
            busy.release();
            work.await
        })
    }

    pub fn poll_once<T>(work: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    impl Stop {
        pub fn told() -> Self {
            Self(Arc::new(true.into()))
        }
    }

    #[test]
    fn work_that_nobody_waits_for_is_told_to_stop() {
        let busy = Busy::new();
        let (done, outcome) = mpsc::channel();
        busy.runtime.block_on(async {
            let mut work = Box::pin(blocking(move |stop| done.send(stop.check().is_err())));
            assert!(poll_once(work.as_mut()).is_pending());
            drop(work);
            busy.release();
        });
        assert_eq!(outcome.recv(), Ok(true));
    }

    #[test]
    fn a_value_set_aside_is_dropped_elsewhere() {
        struct Told(mpsc::Sender<std::thread::ThreadId>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.send(std::thread::current().id()).unwrap();
            }
        }
        let busy = Busy::new();
        let (told, dropped) = mpsc::channel();
        busy.runtime.block_on(async {
            drop(BackgroundDrop::new(Told(told)));
            assert!(dropped.try_recv().is_err());
            busy.release();
        });
        let thread = dropped.recv().unwrap();
        assert_ne!(thread, std::thread::current().id());
    }

    #[test]
    fn a_hash_of_what_nobody_waits_for_ends_before_the_file_does() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // Too large to be read in a test.
        file.as_file().set_len(1 << 43).unwrap();
        assert!(hash(file.path(), &Stop::told()).is_err());
    }
}
