//! What the observer of a job needs to know of its container.

use super::job::{Container, Job};
use super::launch_plan::LaunchPlan;
use crate::container::{MountKind, Root, program_candidates};
use crate::observe::{Layers, ObservedContainer, ObservedMount};
use crate::store::Digest;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The most layers that are kept for observers. Each has a mount with a descriptor.
const MOST_LAYERS: usize = 64;

/// The layers of observed jobs.
#[derive(Default)]
pub struct ObservedLayers(RefCell<HashMap<LayersKey, Arc<Layers>>>);

/// The digests of layers, and the mount points on them.
type LayersKey = (Vec<Digest>, Vec<String>);

impl ObservedLayers {
    /// The layers of a container.
    pub fn of(&self, container: &Container, plan: &LaunchPlan<'_>) -> Arc<Layers> {
        let mounts = plan.mounts.iter().map(|mount| mount.mount_point.to_owned());
        let key = (container.layers.clone(), mounts.collect());
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST_LAYERS {
            all.clear();
        }
        all.entry(key).or_default().clone()
    }
}

/// `environment` has the job's variables, as `NAME=VALUE`.
pub fn observed_container(
    job: &Job,
    plan: &LaunchPlan<'_>,
    environment: &[String],
    layers: Arc<Layers>,
) -> ObservedContainer {
    let mounts = plan.mounts.iter().map(|mount| ObservedMount {
        mount_point: mount.mount_point.into(),
        is_writable: is_writable(mount.kind, plan),
    });
    let environment = environment.iter().map(String::as_bytes);
    ObservedContainer {
        layers,
        mounts: mounts.collect(),
        has_writable_root: !matches!(plan.root, Root::ReadOnly),
        working_directory: job.container.working_directory.clone().into(),
        program: program_candidates(job.program.as_bytes(), environment)
            .into_iter()
            .map(|path| PathBuf::from(OsString::from_vec(path)))
            .collect(),
    }
}

fn is_writable(kind: MountKind, plan: &LaunchPlan<'_>) -> bool {
    match kind {
        MountKind::Bind(index) => !plan.binds[index as usize].read_only,
        MountKind::Sys => false,
        // A write to a device is no change of the container.
        MountKind::Device(_)
        | MountKind::DiscardingBind(_)
        | MountKind::Devpts
        | MountKind::Mqueue
        | MountKind::Proc
        | MountKind::Tmp => true,
    }
}
