//! Running jobs: the part that `cargo maelstrom`, `maelstrom-run` and other programs share.
//!
//! A [`Session`] has the store and the executors. [`Preparations`] prepare each distinct container
//! once, and a [`Dispatcher`] starts jobs when there are slots for them. A [`Client`] is the
//! interface of the library. This room does not know where jobs come from, and prints nothing.

mod container;
mod dispatcher;
mod preparations;
mod start;
mod tasks;

pub(crate) use container::JobContainerBuilder;
pub(crate) use dispatcher::{Dispatcher, SlotRequest};
pub(crate) use preparations::{Preparations, PreparedContainer};
pub(crate) use start::{ConnectedEngine, Session, SessionSettings, connect};
pub(crate) use tasks::{BUG, Tasks};

use crate::config::CacheResults;
use crate::container::LauncherError;
use crate::engine::EngineError;
use crate::executor::remote::{RemoteError, RemoteSettings};
use crate::executor::{Container, Job, Outcome, Output};
use crate::image::{ImageSettings, Images};
use crate::layer::{ContainerError, LayerBuilder};
use crate::schedule::Rank;
use crate::spec::{JobSpec, LayerSpec, Network};
use crate::store::{Store, StoreError};
use camino::Utf8PathBuf;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// How a [`Client`] is set up.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How many jobs run at once.
    pub slots: usize,
    /// Where layers are kept: a new or empty directory, or one that was that when a client
    /// began to keep them there; another one is an error. May be shared with other clients, in
    /// other processes too.
    pub cache_root: PathBuf,
    /// How large the cache may get, in bytes.
    pub cache_size: u64,
    /// Whether a job that succeeded before, and that nothing has changed for, is run again.
    pub cache_results: CacheResults,
    /// How images of containers are had.
    pub images: ImageSettings,
    /// The engine that runs jobs, all but those that need this machine. `None`: they run
    /// here.
    pub remote: Option<RemoteSettings>,
    /// Where relative paths of this machine start; an absolute path.
    pub project: Utf8PathBuf,
    /// Programs that every container gets besides its own layers, as by a layer of the
    /// kind `programs` on top of them.
    pub add_programs: Vec<String>,
}

impl ClientSettings {
    /// A client that keeps its layers in `cache_root`, up to 10 GiB, and downloaded images
    /// below it, and runs one job for each processor in the current directory.
    pub fn new(cache_root: impl Into<PathBuf>) -> Result<Self, ClientError> {
        let cache_root = cache_root.into();
        Ok(Self {
            slots: std::thread::available_parallelism().map_or(1, usize::from),
            images: ImageSettings::new(cache_root.join("containers"), |name| {
                std::env::var_os(name)
            }),
            remote: None,
            cache_root,
            cache_size: 10 << 30,
            cache_results: CacheResults::Off,
            project: current_directory().map_err(ClientError::Start)?,
            add_programs: Vec::new(),
        })
    }
}

/// The current directory, if it is UTF-8, as paths in specifications are.
pub(crate) fn current_directory() -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(std::env::current_dir()?).map_err(|path| {
        let message = format!("the current directory {} is not UTF-8", path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// Why a client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine makes no containers.
    #[error(
        "{}; {}; `cargo maelstrom doctor` examines this machine",
        crate::process::error_chain(.0),
        crate::container::doctor::remedy()
    )]
    Machine(LauncherError),
    /// The engine cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("failed to start")]
    Start(#[source] io::Error),
}

impl From<EngineError> for ClientError {
    fn from(error: EngineError) -> Self {
        Self::Remote(error.into())
    }
}

/// Runs jobs in containers of this machine, for use on one thread.
///
/// The program that has one must call [`run_if_launcher`](crate::run_if_launcher) first
/// thing in its `main`: the processes that make containers are that same program.
pub struct Client {
    pub(crate) session: Session,
    pub(crate) builder: Arc<JobContainerBuilder>,
}

impl Client {
    /// Opens the cache and makes sure that containers can be had. Must be called within
    /// a runtime of tokio that has I/O and time enabled.
    pub async fn start(settings: &ClientSettings) -> Result<Self, ClientError> {
        let engine = connect(settings.remote.as_ref()).await?;
        let store = Store::open(&settings.cache_root, settings.cache_size)?;
        let session = SessionSettings {
            slots: settings.slots,
            cache_results: settings.cache_results,
            network: Network::Disabled,
        };
        let session = Session::start(store, engine, session).await?;
        Ok(Self::new(settings, session))
    }

    fn new(settings: &ClientSettings, session: Session) -> Self {
        let topmost = (!settings.add_programs.is_empty()).then(|| LayerSpec::Programs {
            programs: settings.add_programs.clone(),
        });
        let images = Images::new(settings.images.clone());
        let layers = LayerBuilder::new(session.store.clone(), images);
        let builder = JobContainerBuilder::new(layers, settings.project.clone(), topmost);
        Self {
            session,
            builder: Arc::new(builder),
        }
    }

    /// For tests: a client that cannot run anything.
    #[cfg(test)]
    pub(crate) fn without_containers(settings: &ClientSettings) -> Self {
        let store = Store::open(&settings.cache_root, settings.cache_size).expect("open the cache");
        let session = Session::without_containers(store, settings.slots, settings.cache_results);
        Self::new(settings, session)
    }

    /// A note to the user, if the cache had another format and its content had to be
    /// discarded.
    pub fn discarded(&self) -> Option<&str> {
        self.session.store.discarded()
    }

    /// Runs a job to its end, as soon as there are slots for it. What it prints is in the
    /// outcome, up to `limit` bytes of each stream. A container or program that cannot be
    /// had makes an outcome with the status `Error`. Dropping the future kills the job; a
    /// command that makes one of its layers goes on, until the client is dropped.
    ///
    /// Layers are built once, however many jobs have them.
    pub async fn run(&self, spec: &JobSpec, limit: usize) -> Result<Outcome, ContainerError> {
        let (builder, container) = (self.builder.clone(), spec.container.clone());
        let building = tokio::task::spawn_blocking(move || builder.container(&container));
        let built = building.await.map_err(|_| ContainerError::Unfinished)?;
        let (container, warnings) = built?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let job = executable(spec, Arc::new(container));
        let output = Output::Capture { limit };
        let executors = &self.session.executors;
        let slots = match executors.remote_for(&job, &output) {
            Some(_) => self.session.remote_slots.clone(),
            None => self.session.slots.clone(),
        };
        let mut held = None;
        let turn = async {
            let slots = slots.take(spec.slots as usize).await;
            Some(held.insert(slots).number())
        };
        let priority = Rank::from(spec).for_engines();
        let outcome = executors.run(&job, output, priority, turn).await;
        Ok(outcome.expect("it gets a slot"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.builder.end();
        self.session.save_and_evict();
    }
}

/// The job of a specification, in its container.
pub(crate) fn executable(spec: &JobSpec, container: Arc<Container>) -> Job {
    Job {
        container,
        program: spec.program.as_str().into(),
        arguments: spec.arguments.clone(),
        timeout: spec.timeout,
        slot_variable: false,
    }
}
