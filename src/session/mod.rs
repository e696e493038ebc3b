//! Running jobs on this machine: what the library is for, and `maelstrom-run` built on.

mod container;
mod tasks;

pub(crate) use container::JobContainerBuilder;
pub(crate) use tasks::{BUG, Tasks};

use crate::config::CacheResults;
use crate::container::LauncherError;
use crate::engine::EngineError;
use crate::executor::remote::{RemoteError, RemoteExecutor, RemoteSettings};
use crate::executor::{
    Container, Executors, Job, KnownOutcomes, LocalExecutor, LocalSettings, Outcome, Output,
};
use crate::image::{ImageSettings, Images};
use crate::layer::{ContainerError, LayerBuilder};
use crate::schedule::{Rank, Slots};
use crate::spec::{JobSpec, LayerSpec, Network};
use crate::store::{Store, StoreError};
use camino::Utf8PathBuf;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
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
    pub(crate) executors: Executors,
    /// For jobs that run here.
    slots: Rc<Slots>,
    /// For jobs that run elsewhere.
    remote_slots: Rc<Slots>,
    pub(crate) builder: Arc<JobContainerBuilder>,
    store: Store,
}

impl Client {
    /// Opens the cache and makes sure that containers can be had. Must be called within
    /// a runtime of tokio that has I/O and time enabled.
    pub async fn start(settings: &ClientSettings) -> Result<Self, ClientError> {
        let engine = match &settings.remote {
            Some(remote) => Some((remote.connect().await?, remote)),
            None => None,
        };
        let store = Store::open(&settings.cache_root, settings.cache_size)?;
        let limits =
            LocalSettings::of_process(store.trees(), settings.slots).map_err(ClientError::Start)?;
        let executor = LocalExecutor::new(limits, settings.slots);
        executor
            .warm_up(Network::Disabled)
            .await
            .map_err(ClientError::Machine)?;
        let remote = match engine {
            Some((engine, remote)) => {
                let properties = remote.properties.clone();
                let use_as = settings.cache_results;
                let executor = RemoteExecutor::new(engine, properties, use_as, store.clone());
                let executor = executor.await?;
                Some(Rc::new(executor))
            }
            None => None,
        };
        Ok(Self::new(settings, store, executor, remote))
    }

    fn new(
        settings: &ClientSettings,
        store: Store,
        local: LocalExecutor,
        remote: Option<Rc<RemoteExecutor>>,
    ) -> Self {
        let topmost = (!settings.add_programs.is_empty()).then(|| LayerSpec::Programs {
            programs: settings.add_programs.clone(),
        });
        let layers = LayerBuilder::new(store.clone(), Images::new(settings.images.clone()));
        let builder = JobContainerBuilder::new(layers, settings.project.clone(), topmost);
        let remote_slots = settings.remote.as_ref().map_or(1, |remote| remote.slots);
        Self {
            executors: Executors {
                local: Rc::new(local),
                remote,
                known: Arc::new(KnownOutcomes::new(store.clone(), settings.cache_results)),
            },
            slots: Rc::new(Slots::new(settings.slots)),
            remote_slots: Rc::new(Slots::new(remote_slots)),
            builder: Arc::new(builder),
            store,
        }
    }

    /// For tests: one that can do all but run something.
    #[cfg(test)]
    pub(crate) fn without_containers(settings: &ClientSettings) -> Self {
        let store = Store::open(&settings.cache_root, settings.cache_size).expect("open the cache");
        let limits = LocalSettings {
            launcher: std::path::Path::new("/nonexistent").into(),
            trees: store.trees(),
            scratch_size: 1 << 20,
            open_files: 256,
        };
        Self::new(
            settings,
            store,
            LocalExecutor::new(limits, settings.slots),
            None,
        )
    }

    /// A note to the user, if the cache had another format and its content had to be
    /// discarded.
    pub fn discarded(&self) -> Option<&str> {
        self.store.discarded()
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
        let mut held = None;
        let output = Output::Capture { limit };
        let slots = self.slots_for(&job, &output);
        let turn = async {
            let slots = slots.take(spec.slots as usize).await;
            Some(held.insert(slots).number())
        };
        let outcome = self.executors.run(&job, output, priority(spec), turn).await;
        Ok(outcome.expect("it gets a slot"))
    }

    /// Where a job's slots come from.
    pub(crate) fn slots_for(&self, job: &Job, output: &Output) -> Rc<Slots> {
        match self.executors.remote_for(job, output) {
            Some(_) => self.remote_slots.clone(),
            None => self.slots.clone(),
        }
    }

    /// How many jobs are worth having ready: while one runs on a slot, others get ready
    /// for it or go away.
    pub(crate) fn most_running(&self) -> usize {
        let elsewhere = self.executors.remote.as_ref();
        3 * self.slots.total() + elsewhere.map_or(0, |_| self.remote_slots.total())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.builder.end();
        // What the cache could not remember costs time only.
        let _ = self.store.save();
        let _ = self.store.evict();
    }
}

/// The engine's word for a job's place in the queue: lower is earlier.
pub(crate) fn priority(spec: &JobSpec) -> i32 {
    let rank = Rank {
        priority: spec.priority,
        suspect: false,
        estimate: spec.estimated_duration,
    };
    rank.for_engines()
}

/// A job ready to run.
pub(crate) fn executable(spec: &JobSpec, container: Arc<Container>) -> Job {
    Job {
        container,
        program: spec.program.as_str().into(),
        arguments: spec.arguments.clone(),
        timeout: spec.timeout,
        slot_variable: false,
    }
}
