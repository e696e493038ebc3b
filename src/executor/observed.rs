//! The properties of a job's container that its observer needs.

use super::job::Job;
use super::launch_plan::LaunchPlan;
use crate::container::{MountKind, Root, program_candidates};
use crate::observe::{Layers, ObservedContainer, ObservedMount};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

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
