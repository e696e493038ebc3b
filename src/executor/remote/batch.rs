//! Batches of jobs as JSON.

use crate::container::JobLimits;
use crate::executor::{Container, Job, JobVariable};
use crate::spec::{Device, Mount, Network, RootOverlay};
use crate::store::Digest;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strum::VariantArray;

/// The version of `batch.json`. The runner is sent with the batch, so it has the same version. It
/// refuses others.
const VERSION: u32 = 1;

/// The jobs of one runner. The same jobs have the same JSON on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobBatch {
    pub jobs: Vec<Job>,
    /// The number of bytes of each stream of a job that are kept.
    pub inline_limit: usize,
    /// The size of a job's outputs that are copied, in bytes.
    pub outputs_limit: u64,
    /// The size of the largest blob that the engine accepts, in bytes.
    pub blob_limit: Option<u64>,
}

/// Why a job can only run on the machine of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPortable {
    #[error("it binds files of this machine")]
    Bind,
    #[error("it has a `cache` mount, which is kept on this machine")]
    Cache,
    #[error("it uses the network of this machine")]
    Network,
    #[error("its root is kept on this machine")]
    Overlay,
}

/// An error of reading a batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("failed to read the batch")]
    Malformed(#[from] serde_json::Error),
    #[error("the batch has version {0}, but this runner supports {VERSION}")]
    Version(u32),
    #[error("a job of the batch has a container that is not in it")]
    Container,
    #[error("a layer of the batch has no digest: {0}")]
    Digest(String),
    #[error("a container of the batch has an unknown device: {0}")]
    Device(String),
}

impl Container {
    /// Fails if jobs in this container can only run on this machine.
    pub fn is_portable(&self) -> Result<(), NotPortable> {
        if self.network == Network::Local {
            return Err(NotPortable::Network);
        }
        if matches!(self.root_overlay, RootOverlay::Local { .. }) {
            return Err(NotPortable::Overlay);
        }
        let local_only = self.mounts.iter().find_map(|mount| match mount {
            Mount::Bind { .. } => Some(NotPortable::Bind),
            Mount::Cache { .. } => Some(NotPortable::Cache),
            _ => None,
        });
        local_only.map_or(Ok(()), Err)
    }
}

impl JobBatch {
    /// Fails if a job can only run on this machine.
    pub fn to_json(&self) -> Result<Vec<u8>, NotPortable> {
        let mut containers: Vec<&Arc<Container>> = Vec::new();
        let mut jobs = Vec::new();
        for job in &self.jobs {
            let known = containers.iter().position(|other| **other == job.container);
            jobs.push(JobJson {
                container: known.unwrap_or(containers.len()),
                program: job.program.to_string(),
                arguments: job.arguments.clone(),
                variables: job.variables.clone(),
                limits: job.limits,
                timeout_nanoseconds: job.timeout.map(|timeout| timeout.as_nanos() as u64),
                should_panic: job.should_panic,
                group_slot: job.group_slot,
            });
            if known.is_none() {
                containers.push(&job.container);
            }
        }
        let containers = containers.into_iter().map(|c| ContainerJson::new(c));
        let fields = BatchJson {
            version: VERSION,
            inline_limit: self.inline_limit as u64,
            outputs_limit: self.outputs_limit,
            blob_limit: self.blob_limit,
            containers: containers.collect::<Result<_, _>>()?,
            jobs,
        };
        Ok(serde_json::to_vec(&fields).expect("its keys are strings"))
    }

    pub fn from_json(bytes: &[u8]) -> Result<Self, BatchError> {
        #[derive(Deserialize)]
        struct VersionField {
            version: u32,
        }
        let VersionField { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(BatchError::Version(version));
        }
        let fields: BatchJson = serde_json::from_slice(bytes)?;
        let containers = fields.containers.into_iter().map(|container| {
            let container = container.read()?;
            Ok(Arc::new(container))
        });
        let containers: Vec<_> = containers.collect::<Result<_, BatchError>>()?;
        let jobs = fields.jobs.into_iter().map(|job| {
            let container = containers.get(job.container).ok_or(BatchError::Container)?;
            Ok(Job {
                container: container.clone(),
                program: job.program.into(),
                arguments: job.arguments,
                variables: job.variables,
                limits: job.limits,
                timeout: job.timeout_nanoseconds.map(Duration::from_nanos),
                should_panic: job.should_panic,
                group_slot: job.group_slot,
            })
        });
        Ok(Self {
            jobs: jobs.collect::<Result<_, BatchError>>()?,
            inline_limit: fields.inline_limit as usize,
            outputs_limit: fields.outputs_limit,
            blob_limit: fields.blob_limit,
        })
    }

    /// Whether a job may have outputs.
    pub fn has_outputs(&self) -> bool {
        let mut jobs = self.jobs.iter();
        jobs.any(|job| !job.container.outputs.is_empty())
    }

    /// The layers of the jobs' containers, each once.
    pub fn layers(&self) -> Vec<Digest> {
        let layers = self.jobs.iter().flat_map(|job| &job.container.layers);
        let mut layers: Vec<Digest> = layers.copied().collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchJson {
    version: u32,
    inline_limit: u64,
    outputs_limit: u64,
    blob_limit: Option<u64>,
    containers: Vec<ContainerJson>,
    jobs: Vec<JobJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobJson {
    /// The index of its container.
    container: usize,
    program: String,
    arguments: Vec<String>,
    variables: Vec<JobVariable>,
    timeout_nanoseconds: Option<u64>,
    limits: JobLimits,
    should_panic: bool,
    group_slot: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerJson {
    layers: Vec<String>,
    environment: BTreeMap<String, String>,
    mounts: Vec<MountJson>,
    loopback: bool,
    writable_root: bool,
    working_directory: Utf8PathBuf,
    user: u32,
    group: u32,
    init: bool,
    hostname: String,
    watched: Vec<Utf8PathBuf>,
    outputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum MountJson {
    Devices(Vec<String>),
    Devpts(Utf8PathBuf),
    Mqueue(Utf8PathBuf),
    Proc(Utf8PathBuf),
    Sys(Utf8PathBuf),
    Tmp(Utf8PathBuf),
}

impl ContainerJson {
    fn new(container: &Container) -> Result<Self, NotPortable> {
        container.is_portable()?;
        let mounts = container.mounts.iter().map(MountJson::new);
        Ok(Self {
            layers: container.layers.iter().map(ToString::to_string).collect(),
            environment: container.environment.clone(),
            mounts: mounts.collect::<Result<_, _>>()?,
            loopback: container.network == Network::Loopback,
            writable_root: container.root_overlay == RootOverlay::Tmp,
            working_directory: container.working_directory.clone(),
            user: container.user,
            group: container.group,
            init: container.init,
            hostname: container.hostname.clone(),
            watched: container.watched.clone(),
            outputs: container.outputs.clone(),
        })
    }

    fn read(self) -> Result<Container, BatchError> {
        let layers = self.layers.into_iter();
        let layers = layers.map(|layer| layer.parse().map_err(|_| BatchError::Digest(layer)));
        let mounts = self.mounts.into_iter().map(MountJson::read);
        Ok(Container {
            layers: layers.collect::<Result<_, _>>()?,
            environment: self.environment,
            mounts: mounts.collect::<Result<_, _>>()?,
            network: if self.loopback {
                Network::Loopback
            } else {
                Network::Disabled
            },
            root_overlay: if self.writable_root {
                RootOverlay::Tmp
            } else {
                RootOverlay::None
            },
            working_directory: self.working_directory,
            user: self.user,
            group: self.group,
            init: self.init,
            hostname: self.hostname,
            watched: self.watched,
            outputs: self.outputs,
        })
    }
}

impl MountJson {
    fn new(mount: &Mount) -> Result<Self, NotPortable> {
        Ok(match mount.clone() {
            Mount::Bind { .. } => return Err(NotPortable::Bind),
            Mount::Cache { .. } => return Err(NotPortable::Cache),
            Mount::Devices { devices } => {
                let names = devices.iter().map(|device| device.into_str().to_owned());
                Self::Devices(names.collect())
            }
            Mount::Devpts { mount_point } => Self::Devpts(mount_point),
            Mount::Mqueue { mount_point } => Self::Mqueue(mount_point),
            Mount::Proc { mount_point } => Self::Proc(mount_point),
            Mount::Sys { mount_point } => Self::Sys(mount_point),
            Mount::Tmp { mount_point } => Self::Tmp(mount_point),
        })
    }

    fn read(self) -> Result<Mount, BatchError> {
        let device = |name: String| {
            let found = Device::VARIANTS
                .iter()
                .find(|known| known.into_str() == name);
            found.copied().ok_or(BatchError::Device(name))
        };
        Ok(match self {
            Self::Devices(names) => Mount::Devices {
                devices: names.into_iter().map(device).collect::<Result<_, _>>()?,
            },
            Self::Devpts(mount_point) => Mount::Devpts { mount_point },
            Self::Mqueue(mount_point) => Mount::Mqueue { mount_point },
            Self::Proc(mount_point) => Mount::Proc { mount_point },
            Self::Sys(mount_point) => Mount::Sys { mount_point },
            Self::Tmp(mount_point) => Mount::Tmp { mount_point },
        })
    }
}

#[cfg(test)]
mod tests;
