//! The properties of a job's container that its observer needs.

use super::job::{Container, Job, JobVariable};
use crate::container::program_candidates;
use crate::observe::{ObservedContainer, ObservedMount};
use crate::spec::{BindAccess, Device, Mount, RootOverlay};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

pub fn observed_container(job: &Job) -> ObservedContainer {
    let container = &job.container;
    let path = path_variable(job).map(|value| format!("PATH={value}"));
    let environment = path.iter().map(String::as_bytes);
    ObservedContainer {
        mounts: container.mounts.iter().flat_map(mounts).collect(),
        has_writable_root: container.root_overlay != RootOverlay::None,
        working_directory: container.working_directory.clone().into(),
        program: program_candidates(job.program.as_bytes(), environment)
            .into_iter()
            .map(|path| PathBuf::from(OsString::from_vec(path)))
            .collect(),
    }
}

/// The value of the job's `PATH`. The variables of the container take precedence.
fn path_variable(job: &Job) -> Option<&str> {
    let Container { environment, .. } = &*job.container;
    let of_job = || {
        job.variables.iter().find_map(|variable| match variable {
            JobVariable::Text { name, value } if name == "PATH" => Some(value),
            _ => None,
        })
    };
    environment.get("PATH").or_else(of_job).map(String::as_str)
}

fn mounts(mount: &Mount) -> Vec<ObservedMount> {
    let at = |mount_point: &Path, is_writable| ObservedMount {
        mount_point: mount_point.to_owned(),
        is_writable,
    };
    match mount {
        Mount::Devices { devices } => (devices.iter())
            // A write to a device is no change of the container.
            .map(|device: &Device| at(&Path::new("/dev").join(device.into_str()), true))
            .collect(),
        Mount::Bind {
            mount_point,
            access,
            ..
        } => {
            let is_writable = *access != BindAccess::ReadOnly;
            vec![at(mount_point.as_std_path(), is_writable)]
        }
        Mount::Sys { mount_point } => vec![at(mount_point.as_std_path(), false)],
        Mount::Cache { mount_point, .. }
        | Mount::Devpts { mount_point }
        | Mount::Mqueue { mount_point }
        | Mount::Proc { mount_point }
        | Mount::Tmp { mount_point } => vec![at(mount_point.as_std_path(), true)],
    }
}
