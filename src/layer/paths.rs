//! Paths on the host, and their paths in a layer.

use super::LayerProblem;
use super::assembly::HostFile;
use crate::spec::PrefixOptions;
use crate::store::PathInContainer;
use camino::Utf8Path;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The file for a path in a spec, and its path in the layer. A relative path starts at
/// `project_dir` on the host, and at the root in the layer.
pub(super) fn place(
    written: &Path,
    project_dir: &Utf8Path,
    prefix: &PrefixOptions,
) -> Result<HostFile, LayerProblem> {
    let mut host = project_dir.as_std_path().join(written);
    let looked_at = if prefix.follow_symlinks || prefix.canonicalize {
        fs::metadata(&host)
    } else {
        fs::symlink_metadata(&host)
    };
    looked_at.map_err(|cause| unreadable(written, &host, cause))?;
    let mut name = written.to_owned();
    if prefix.canonicalize {
        name = fs::canonicalize(&host).map_err(|cause| unreadable(written, &host, cause))?;
        host.clone_from(&name);
    }
    let to = in_layer(&name, prefix)?;
    Ok(HostFile { host, to })
}

/// Fails if a file does not exist. Follows symlinks.
pub(super) fn must_exist(host: &Path) -> Result<(), LayerProblem> {
    match fs::metadata(host) {
        Ok(_) => Ok(()),
        Err(cause) => Err(unreadable(host, host, cause)),
    }
}

fn unreadable(written: &Path, host: &Path, cause: io::Error) -> LayerProblem {
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if written == host => {
            LayerProblem::Missing(host.to_owned())
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => LayerProblem::MissingRelative {
            written: written.to_owned(),
            host: host.to_owned(),
        },
        _ => LayerProblem::Read {
            path: host.to_owned(),
            cause,
        },
    }
}

/// The path in the layer after `strip_prefix` and `prepend_prefix`.
pub(super) fn in_layer(
    name: &Path,
    prefix: &PrefixOptions,
) -> Result<PathInContainer, LayerProblem> {
    let mut name = without_dot(name);
    if let Some(strip) = &prefix.strip_prefix
        && let Ok(rest) = name.strip_prefix(without_dot(strip.as_std_path()))
    {
        name = rest;
    }
    let name = match &prefix.prepend_prefix {
        Some(prepend) => prepend
            .as_std_path()
            .join(name.strip_prefix("/").unwrap_or(name)),
        None => name.to_owned(),
    };
    in_container(&name)
}

/// A path of the host or of a spec as a path in the container.
pub(super) fn in_container(path: &Path) -> Result<PathInContainer, LayerProblem> {
    Ok(PathInContainer::normalised(path.as_os_str().as_bytes())?)
}

fn without_dot(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}
