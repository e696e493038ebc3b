//! Containers that jobs share, and the jobs that wait for them.

use super::Tasks;
use crate::executor::Container;
use crate::layer::ContainerError;
use crate::process::error_chain;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Prepares each distinct container once. `K` identifies a container, `J` is a job that needs
/// one, and `N` is a note about a container that was prepared.
pub struct Preparations<K, J, N> {
    containers: HashMap<K, ContainerState<J>>,
    /// The containers being prepared, the oldest request first.
    in_progress: Vec<K>,
    tasks: Tasks<(K, PreparationResult<N>)>,
}

/// A container with its note, or the message of an error.
type PreparationResult<N> = Result<(Container, N), String>;

enum ContainerState<J> {
    /// The jobs that wait for the container.
    Preparing(Vec<J>),
    Ready(Arc<Container>),
    Failed(Arc<str>),
}

/// A container for the jobs that requested it.
pub struct PreparedContainer<J, N> {
    /// The container, or the message of an error.
    pub container: Result<Arc<Container>, Arc<str>>,
    pub jobs: Vec<J>,
    /// The note, for the jobs that waited; the default for later requests.
    pub note: N,
}

impl<K, J, N> Default for Preparations<K, J, N> {
    fn default() -> Self {
        Self {
            containers: HashMap::new(),
            in_progress: Vec::new(),
            tasks: Tasks::default(),
        }
    }
}

impl<K, J, N> Preparations<K, J, N>
where
    K: Clone + Eq + Hash + Send + 'static,
    N: Default + Send + 'static,
{
    /// Returns the job with its container if the container was prepared before. Otherwise the job
    /// waits for [`Self::next`]; the first request calls `prepare` on another thread.
    pub fn request(
        &mut self,
        key: K,
        job: J,
        prepare: impl FnOnce() -> Result<(Container, N), ContainerError> + Send + 'static,
    ) -> Option<PreparedContainer<J, N>> {
        let container = match self.containers.get_mut(&key) {
            Some(ContainerState::Preparing(jobs)) => {
                jobs.push(job);
                return None;
            }
            Some(ContainerState::Ready(container)) => Ok(container.clone()),
            Some(ContainerState::Failed(message)) => Err(message.clone()),
            None => {
                let state = ContainerState::Preparing(vec![job]);
                self.containers.insert(key.clone(), state);
                self.in_progress.push(key.clone());
                let key_on_panic = key.clone();
                self.tasks.spawn_blocking(
                    move || (key, prepare().map_err(|error| error_chain(&error))),
                    |panic| (key_on_panic, Err(panic.to_string())),
                );
                return None;
            }
        };
        Some(PreparedContainer {
            container,
            jobs: vec![job],
            note: N::default(),
        })
    }

    /// Waits for the end of the next preparation. `None`: no container is being prepared. The
    /// future may be dropped.
    pub async fn next(&mut self) -> Option<PreparedContainer<J, N>> {
        let (key, result) = self.tasks.join_next().await?;
        self.in_progress.retain(|other| *other != key);
        let (container, state, note) = match result {
            Ok((container, note)) => {
                let container = Arc::new(container);
                (
                    Ok(container.clone()),
                    ContainerState::Ready(container),
                    note,
                )
            }
            Err(message) => {
                let message: Arc<str> = message.into();
                let state = ContainerState::Failed(message.clone());
                (Err(message), state, N::default())
            }
        };
        let jobs = match self.containers.insert(key, state) {
            Some(ContainerState::Preparing(jobs)) => jobs,
            _ => Vec::new(),
        };
        Some(PreparedContainer {
            container,
            jobs,
            note,
        })
    }

    /// The container that has been in preparation for the longest time.
    pub fn oldest(&self) -> Option<&K> {
        self.in_progress.first()
    }

    /// Whether no container is being prepared.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The number of jobs that wait for a container.
    pub fn waiting(&self) -> usize {
        let waiting = self.containers.values().map(|state| match state {
            ContainerState::Preparing(jobs) => jobs.len(),
            ContainerState::Ready(_) | ContainerState::Failed(_) => 0,
        });
        waiting.sum()
    }

    /// Forgets all containers if there are `limit` or more and none is being prepared.
    pub fn forget_beyond(&mut self, limit: usize) {
        if self.containers.len() >= limit && self.is_empty() {
            self.containers.clear();
        }
    }

    /// Forgets the preparations under way. Their threads end by themselves.
    pub fn detach(&mut self) {
        self.tasks.detach_all();
        self.in_progress.clear();
    }

    /// For tests: adds a container that is ready.
    #[cfg(test)]
    pub fn insert(&mut self, key: K, container: Arc<Container>) {
        self.containers
            .insert(key, ContainerState::Ready(container));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Network, RootOverlay};
    use std::collections::BTreeMap;

    type Jobs = Preparations<&'static str, u32, Vec<&'static str>>;

    fn container() -> Container {
        Container {
            layers: Vec::new(),
            environment: BTreeMap::new(),
            mounts: Vec::new(),
            network: Network::Disabled,
            root_overlay: RootOverlay::None,
            working_directory: "/".into(),
            user: 0,
            group: 0,
            init: false,
            hostname: String::new(),
            watched: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(test)
    }

    #[test]
    fn jobs_with_the_same_container_wait_for_one_preparation() {
        block_on(async {
            let mut jobs = Jobs::default();
            let first = jobs.request("a", 1, || Ok((container(), vec!["note"])));
            let second = jobs.request("a", 2, || panic!("the second preparation of a"));
            assert!(first.is_none() && second.is_none());
            assert_eq!((jobs.waiting(), jobs.oldest()), (2, Some(&"a")));
            let prepared = jobs.next().await.unwrap();
            assert_eq!((prepared.jobs, prepared.note), (vec![1, 2], vec!["note"]));
            let later = jobs.request("a", 3, || panic!("the second preparation of a"));
            let later = later.unwrap();
            assert_eq!((later.jobs, later.note), (vec![3], vec![]));
            let containers = (prepared.container.unwrap(), later.container.unwrap());
            assert!(Arc::ptr_eq(&containers.0, &containers.1));
            assert!(jobs.is_empty() && jobs.oldest().is_none());
        });
    }

    #[test]
    fn every_job_gets_the_error_of_its_container() {
        block_on(async {
            let mut jobs = Jobs::default();
            jobs.request("a", 1, || Err(ContainerError::NoLayers));
            let prepared = jobs.next().await.unwrap();
            let message = ContainerError::NoLayers.to_string();
            assert_eq!(*prepared.container.unwrap_err(), *message);
            let later = jobs.request("a", 2, || Ok((container(), vec![])));
            assert_eq!(*later.unwrap().container.unwrap_err(), *message);
        });
    }

    #[test]
    fn containers_are_forgotten_at_the_limit_unless_one_is_being_prepared() {
        block_on(async {
            let mut jobs = Jobs::default();
            jobs.request("a", 1, || Ok((container(), vec![])));
            jobs.forget_beyond(1);
            jobs.next().await.unwrap();
            jobs.forget_beyond(2);
            assert!(jobs.request("a", 2, || panic!("a is known")).is_some());
            jobs.forget_beyond(1);
            assert!(jobs.request("a", 3, || Ok((container(), vec![]))).is_none());
        });
    }
}
