//! Observing one run of a job: the files that its processes ask for, the programs that they
//! execute, and the addresses that they use.
//!
//! An [`Observation`] is a thread that is told of the job's system calls by the kernel. It reads
//! the arguments of a call from the memory of the stopped process ([`process`]), lets the call
//! continue ([`watch`]), and records it ([`records`]). When the job has ended, the paths are
//! looked up in the layers of the container and on this machine ([`lookup`]), which gives the
//! [`Facts`].
//!
//! The job is not trusted. The observer decides nothing, so a job that changes its memory during
//! a call can only falsify records. Files are looked up when the job has ended. Only executed files
//! of the layers are opened. A file system of this machine that does not answer delays the facts,
//! not the job. No symbolic link of `/proc` is followed, since it would lead to the observer's own
//! process. Records and the memory for them are limited.

mod address;
mod facts;
mod interpreter;
mod layers;
mod lookup;
mod process;
mod records;
mod watch;

pub use address::{AddressUse, SocketCall};
pub use facts::{Facts, FileFact, Found, Void};
pub use layers::Layers;
pub use records::{Incomplete, Uses};

use crate::container::{JobObserver, ObservedJob};
use lookup::Tree;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The properties of a job's container that the facts depend on.
#[derive(Clone, Debug)]
pub struct ObservedContainer {
    /// The files of the layers. Containers with the same layers and mount points share this.
    pub layers: Arc<Layers>,
    pub mounts: Vec<ObservedMount>,
    pub has_writable_root: bool,
    pub working_directory: PathBuf,
    /// The paths that the program may be at, in the order in which they are tried.
    pub program: Vec<PathBuf>,
}

/// A mount of a container. The files below it are not those of a layer.
#[derive(Clone, Debug)]
pub struct ObservedMount {
    pub mount_point: PathBuf,
    pub is_writable: bool,
}

/// The observer of one run of a job.
pub struct Observation {
    /// The observer ends when this is closed.
    stop: OwnedFd,
    facts: oneshot::Receiver<Option<Facts>>,
}

impl Observation {
    /// Starts an observer, to which the job's process sends its descriptors.
    pub fn start(container: ObservedContainer) -> io::Result<(Self, JobObserver)> {
        let (ours, socket) = UnixStream::pair()?;
        let has_layers = container.layers.are_mounted();
        let (stopped, stop) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let machine = Tree::of_machine()?;
        let (tell, facts) = oneshot::channel();
        let observe = move || {
            let facts = match ObservedJob::receive(&ours, stopped.as_fd()) {
                Ok(Some(job)) => Some(observe(job, stopped.as_fd(), machine, &container)),
                // The job ended before its program was started, and its outcome says why.
                Ok(None) => None,
                Err(error) => Some(Facts::void(Void::Observer(error.to_string()))),
            };
            // If nobody waits for the facts, the run was abandoned.
            let _ = tell.send(facts);
        };
        std::thread::Builder::new()
            .name("observer".to_owned())
            .spawn(observe)?;
        let observer = JobObserver { socket, has_layers };
        Ok((Self { stop, facts }, observer))
    }

    /// The facts, when the job has ended. `None`: the job ended before its program was executed.
    pub async fn finish(self) -> Option<Facts> {
        let Self { stop, facts } = self;
        drop(stop);
        let ended = || Facts::void(Void::Observer("its thread ended".to_owned()));
        facts.await.unwrap_or_else(|_| Some(ended()))
    }
}

fn observe(
    job: ObservedJob,
    stop: BorrowedFd<'_>,
    machine: Tree,
    container: &ObservedContainer,
) -> Facts {
    let ObservedJob {
        listener,
        layers,
        root,
        left_out,
    } = job;
    let records = watch::watch(listener, &root, stop, container);
    let mount_points = container.mounts.iter().map(|mount| &*mount.mount_point);
    let files = container.layers.receive(layers, mount_points);
    match records.and_then(|records| Ok((records, files?))) {
        Ok((records, files)) => facts::establish(records, files, machine, &left_out, container),
        Err(error) => Facts::void(Void::Observer(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(test)
    }

    fn container() -> ObservedContainer {
        ObservedContainer {
            layers: Arc::default(),
            mounts: Vec::new(),
            has_writable_root: false,
            working_directory: "/".into(),
            program: Vec::new(),
        }
    }

    #[test]
    fn a_job_that_did_not_begin_has_no_facts() {
        let (observation, socket) = Observation::start(container()).unwrap();
        drop(socket);
        assert_eq!(block_on(observation.finish()), None);
        let (observation, _socket) = Observation::start(container()).unwrap();
        assert_eq!(block_on(observation.finish()), None);
    }

    #[test]
    fn a_run_whose_observer_ended_is_void() {
        let (stop, _) = nix::unistd::pipe().unwrap();
        let (tell, facts) = oneshot::channel();
        drop(tell);
        let facts = block_on(Observation { stop, facts }.finish()).unwrap();
        assert!(matches!(facts.void, Some(Void::Observer(_))), "{facts:?}");
    }
}
