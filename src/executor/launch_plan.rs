//! From a container of the store to the mounts of a launcher and its job.

use super::job::Container;
use crate::container::{HostBind, JobMount, MountKind, NetworkKind, Root};
use crate::spec::{BindAccess, Device, Mount, Network, RootOverlay};
use camino::{Utf8Path, Utf8PathBuf};
use std::path::Path;

/// The parts of a container as a launcher needs them.
pub struct LaunchPlan<'a> {
    pub network: NetworkKind,
    pub binds: Vec<HostBind>,
    pub root: Root<&'a str>,
    pub mounts: Vec<JobMount<&'a str>>,
}

impl<'a> LaunchPlan<'a> {
    pub fn new(container: &'a Container, cache_mounts: &Path) -> Self {
        let mut binds = Vec::new();
        let root = match &container.root_overlay {
            RootOverlay::None => Root::ReadOnly,
            RootOverlay::Tmp => Root::Scratch,
            RootOverlay::Local { upper, work } => {
                // overlayfs requires both directories on one mount.
                let parent = common_ancestor(upper, work);
                binds.push(HostBind {
                    path: parent.as_std_path().to_owned(),
                    read_only: false,
                });
                let below =
                    |path: &'a Utf8PathBuf| path.strip_prefix(&parent).unwrap_or(path).as_str();
                Root::Local {
                    bind: 0,
                    upper: below(upper),
                    work: below(work),
                }
            }
        };
        let mut mounts = Vec::new();
        for mount in &container.mounts {
            add_mount(mount, cache_mounts, &mut binds, &mut mounts);
        }
        Self {
            network: container.network.into(),
            binds,
            root,
            mounts,
        }
    }
}

impl From<Network> for NetworkKind {
    fn from(network: Network) -> Self {
        match network {
            Network::Disabled => Self::Disabled,
            Network::Loopback => Self::Loopback,
            Network::Local => Self::Local,
        }
    }
}

fn add_mount<'a>(
    mount: &'a Mount,
    cache_mounts: &Path,
    binds: &mut Vec<HostBind>,
    job_mounts: &mut Vec<JobMount<&'a str>>,
) {
    let (kind, mount_point) = match mount {
        Mount::Bind {
            mount_point,
            local_path,
            access,
            identity: _,
        } => {
            binds.push(HostBind {
                path: local_path.as_std_path().to_owned(),
                read_only: *access != BindAccess::ReadWrite,
            });
            let index = binds.len() as u32 - 1;
            let kind = match access {
                BindAccess::DiscardChanges => MountKind::DiscardingBind(index),
                BindAccess::ReadWrite | BindAccess::ReadOnly => MountKind::Bind(index),
            };
            (kind, mount_point)
        }
        Mount::Cache { mount_point, name } => {
            binds.push(HostBind {
                path: cache_mounts.join(name),
                read_only: false,
            });
            (MountKind::Bind(binds.len() as u32 - 1), mount_point)
        }
        Mount::Devices { devices } => {
            job_mounts.extend(devices.iter().map(|device| JobMount {
                kind: MountKind::Device(*device),
                mount_point: device_path(*device),
            }));
            return;
        }
        Mount::Devpts { mount_point } => (MountKind::Devpts, mount_point),
        Mount::Mqueue { mount_point } => (MountKind::Mqueue, mount_point),
        Mount::Proc { mount_point } => (MountKind::Proc, mount_point),
        Mount::Sys { mount_point } => (MountKind::Sys, mount_point),
        Mount::Tmp { mount_point } => (MountKind::Tmp, mount_point),
    };
    job_mounts.push(JobMount {
        kind,
        mount_point: mount_point.as_str(),
    });
}

fn device_path(device: Device) -> &'static str {
    match device {
        Device::Full => "/dev/full",
        Device::Fuse => "/dev/fuse",
        Device::Null => "/dev/null",
        Device::Random => "/dev/random",
        Device::Shm => "/dev/shm",
        Device::Tty => "/dev/tty",
        Device::Urandom => "/dev/urandom",
        Device::Zero => "/dev/zero",
    }
}

fn common_ancestor(a: &Utf8Path, b: &Utf8Path) -> Utf8PathBuf {
    a.components()
        .zip(b.components())
        .take_while(|(a, b)| a == b)
        .map(|(component, _)| component)
        .collect()
}
