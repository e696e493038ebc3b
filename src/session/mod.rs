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

pub(crate) use container::{ContainerBuilder, PortableContainer};
pub(crate) use dispatcher::{Dispatcher, SlotRequest};
pub(crate) use preparations::{Preparations, PreparedContainer};
pub(crate) use start::{ConnectedEngine, Session, SessionSettings, connect};
pub(crate) use tasks::{BUG, Tasks};

use crate::config::{ByteSize, CacheResults};
use crate::container::{JobLimits, LauncherError};
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

/// The settings of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The number of jobs that run at once.
    pub slots: usize,
    /// The directory of the cache, which keeps layers. It must be new, empty, or the cache of earlier
    /// clients; any other directory is an error. Clients may share it, also in other processes.
    pub cache_root: PathBuf,
    /// The size limit of the cache, in bytes.
    pub cache_size: u64,
    /// Whether the result of a job that succeeded before is reused if nothing that it depends on has
    /// changed.
    pub cache_results: CacheResults,
    /// The largest size in bytes of the outputs of a job that are downloaded from the engine.
    pub outputs_limit: u64,
    /// The settings for container images.
    pub images: ImageSettings,
    /// The engine that runs jobs, except those that need this machine. `None`: all jobs run on this
    /// machine.
    pub remote: Option<RemoteSettings>,
    /// The directory of relative paths. It must be absolute.
    pub project: Utf8PathBuf,
    /// Programs in the topmost layer of every container, as a layer of the kind `programs`.
    pub add_programs: Vec<String>,
}

impl ClientSettings {
    /// The settings of a client with a cache of up to 10 GiB in `cache_root`, downloaded images below
    /// it, one slot for each processor, and the current directory as `project`.
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
            outputs_limit: 1 << 30,
            project: current_directory().map_err(ClientError::Start)?,
            add_programs: Vec::new(),
        })
    }
}

/// The current directory. It must be UTF-8, as paths in specifications are.
pub(crate) fn current_directory() -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(std::env::current_dir()?).map_err(|path| {
        let message = format!("the current directory {} is not UTF-8", path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// An error of [`Client::start`].
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine cannot make containers.
    #[error(
        "{}; {}; `cargo maelstrom doctor` examines this machine",
        crate::process::error_chain(.0),
        crate::container::doctor::remedy()
    )]
    Machine(LauncherError),
    /// The engine could not be used.
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

/// Runs jobs in containers. A client is used on one thread.
///
/// The program must call [`run_if_launcher`](crate::run_if_launcher) at the start of its `main`, since
/// the processes that make containers execute the same program.
pub struct Client {
    pub(crate) session: Session,
    pub(crate) builder: Arc<ContainerBuilder>,
}

impl Client {
    /// Opens the cache and checks that containers can be made. Must be called within a tokio runtime
    /// with I/O and time enabled.
    pub async fn start(settings: &ClientSettings) -> Result<Self, ClientError> {
        let engine = connect(settings.remote.as_ref()).await?;
        let store = Store::open(&settings.cache_root, settings.cache_size)?;
        let session = SessionSettings {
            slots: settings.slots,
            cache_results: settings.cache_results,
            outputs_limit: settings.outputs_limit,
            network: Network::Disabled,
            shown_directories: Vec::new(),
            hidden_paths: Vec::new(),
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
        let builder = ContainerBuilder::new(layers, settings.project.clone(), topmost);
        Self {
            session,
            builder: Arc::new(builder),
        }
    }

    /// For tests: a client that cannot run jobs.
    #[cfg(test)]
    pub(crate) fn without_containers(settings: &ClientSettings) -> Self {
        let store = Store::open(&settings.cache_root, settings.cache_size).expect("open the cache");
        let session = Session::without_containers(store, settings.slots, settings.cache_results);
        Self::new(settings, session)
    }

    /// A note to the user, if the content of the cache was discarded because it had another format.
    pub fn discarded(&self) -> Option<&str> {
        self.session.store.discarded()
    }

    /// Runs a job when there are slots for it, and waits for its end. The outcome has up to `limit`
    /// bytes of each output stream. A container or program that cannot be started is an outcome with
    /// the status `Error`. Dropping the future kills the job; a command that makes one of its layers
    /// continues until the client is dropped.
    ///
    /// Each layer is built once, also if several jobs have it.
    ///
    /// # Errors
    ///
    /// The container could not be prepared.
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
        Ok(outcome.expect("every job gets a slot"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.builder.layers.cancel();
        self.session.end();
    }
}

/// The job of a specification, in its container.
pub(crate) fn executable(spec: &JobSpec, container: Arc<Container>) -> Job {
    Job {
        container,
        program: spec.program.as_str().into(),
        arguments: spec.arguments.clone(),
        timeout: spec.timeout,
        limits: JobLimits {
            memory: spec.memory_limit.map(ByteSize::bytes),
            processes: spec.process_limit,
            ..JobLimits::default()
        },
        variables: Vec::new(),
        should_panic: false,
        group_slot: None,
    }
}
