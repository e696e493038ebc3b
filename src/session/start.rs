//! The store and the executors of a program that runs jobs.

use super::{ClientError, Dispatcher};
use crate::config::CacheResults;
use crate::engine::Engine;
use crate::executor::remote::{RemoteExecutor, RemoteSettings};
use crate::executor::{Executors, KnownOutcomes, LocalExecutor, LocalSettings};
use crate::process::error_chain;
use crate::schedule::Slots;
use crate::spec::Network;
use crate::store::Store;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// The number of tasks per slot. While one job runs on a slot, the containers of the others are made
/// or removed.
const TASKS_PER_SLOT: usize = 3;

/// The store, the executors and their slots. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    pub store: Store,
    pub executors: Executors,
    /// For jobs on this machine.
    pub slots: Rc<Slots>,
    /// For jobs and batches on the engine.
    pub remote_slots: Rc<Slots>,
}

pub struct SessionSettings {
    /// The number of jobs that run on this machine at a time.
    pub slots: usize,
    pub cache_results: CacheResults,
    /// The largest size in bytes of the outputs of a job that are downloaded from the engine.
    pub outputs_limit: u64,
    /// The network of most jobs, for which launchers are started in advance.
    pub network: Network,
    /// Directories of this machine that an observed job over the view of the machine sees even if
    /// they are below the user's home directory.
    pub shown_directories: Vec<PathBuf>,
    /// Paths of this machine that no such job sees.
    pub hidden_paths: Vec<PathBuf>,
}

/// An engine that accepted the connection, and its settings.
pub type ConnectedEngine<'a> = (Engine, &'a RemoteSettings);

/// Connects to the engine, if one is set.
pub async fn connect(
    remote: Option<&RemoteSettings>,
) -> Result<Option<ConnectedEngine<'_>>, ClientError> {
    match remote {
        Some(remote) => Ok(Some((remote.connect().await?, remote))),
        None => Ok(None),
    }
}

impl Session {
    /// Starts the executors, and checks that this machine can make containers.
    pub async fn start(
        store: Store,
        engine: Option<ConnectedEngine<'_>>,
        settings: SessionSettings,
    ) -> Result<Self, ClientError> {
        let SessionSettings {
            slots,
            cache_results,
            outputs_limit,
            network,
            shown_directories,
            hidden_paths,
        } = settings;
        let mut local =
            LocalSettings::of_process(store.trees(), slots).map_err(ClientError::Start)?;
        local.machine.owned = shown_directories;
        local.machine.excluded.extend(hidden_paths);
        let local = LocalExecutor::new(local, slots);
        local.warm_up(network).await.map_err(ClientError::Machine)?;
        let remote = match engine {
            Some((engine, remote)) => {
                let properties = remote.properties.clone();
                let executor = RemoteExecutor::new(
                    engine,
                    properties,
                    cache_results,
                    store.clone(),
                    outputs_limit,
                );
                Some((executor.await?, remote.slots))
            }
            None => None,
        };
        Ok(Self::new(store, local, slots, remote, cache_results))
    }

    fn new(
        store: Store,
        local: LocalExecutor,
        slots: usize,
        remote: Option<(RemoteExecutor, usize)>,
        cache_results: CacheResults,
    ) -> Self {
        let (remote, remote_slots) = remote.unzip();
        Self {
            executors: Executors {
                local: Rc::new(local),
                remote: remote.map(Rc::new),
                known: Arc::new(KnownOutcomes::new(store.clone(), cache_results)),
            },
            slots: Rc::new(Slots::new(slots)),
            remote_slots: Rc::new(Slots::new(remote_slots.unwrap_or(1))),
            store,
        }
    }

    /// For tests: a session that cannot run jobs.
    #[cfg(test)]
    pub fn without_containers(store: Store, slots: usize, cache_results: CacheResults) -> Self {
        let settings = LocalSettings {
            launcher: std::path::Path::new("/nonexistent").into(),
            trees: store.trees(),
            cache_mounts: "/nonexistent".into(),
            scratch_size: 1 << 20,
            open_files: 256,
            run_id: "of-a-test".to_owned(),
            machine: crate::container::MachineView::default(),
        };
        let local = LocalExecutor::new(settings, slots);
        Self::new(store, local, slots, None, cache_results)
    }

    /// A dispatcher of jobs on this machine.
    pub fn local_dispatcher<J, E: 'static>(&self) -> Dispatcher<J, E> {
        Dispatcher::new(self.slots.clone(), TASKS_PER_SLOT * self.slots.total())
    }

    /// A dispatcher of jobs and batches on the engine.
    pub fn remote_dispatcher<J, E: 'static>(&self) -> Dispatcher<J, E> {
        Dispatcher::new(self.remote_slots.clone(), self.remote_slots.total())
    }

    /// Saves the store's index, removes content beyond the store's size, and leaves the store. This is
    /// the last use of the store. An error only costs the next run time.
    pub fn end(&self) {
        for result in [self.store.save(), self.store.evict().map(drop)] {
            if let Err(error) = result {
                tracing::warn!("{}", error_chain(&error));
            }
        }
        self.store.leave();
    }
}
