//! What layers depend on besides what is written in them.

use super::SourceView;
use crate::spec::{Mount, Placeholder, PlaceholderError, RootOverlay, substitute};
use camino::{Utf8Path, Utf8PathBuf};
use std::ffi::OsString;
use std::io;

/// Where a layer is built for. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LayerContext {
    /// Where relative paths in layers start.
    pub project_dir: Utf8PathBuf,
    /// `<workspace-dir>`.
    pub workspace_dir: Utf8PathBuf,
    /// `<package-dir>`.
    pub package_dir: Utf8PathBuf,
    /// `<build-dir>`: the profile's artifact directory.
    pub build_dir: Utf8PathBuf,
    /// `<target-dir>`.
    pub target_dir: Utf8PathBuf,
    /// `<home-dir>`: the client's.
    pub home_dir: Utf8PathBuf,
    /// Directories of members and path dependencies outside the workspace: part of
    /// its source.
    pub outside_sources: Vec<Utf8PathBuf>,
    /// What of the workspace's source is meant for the test.
    pub view: SourceView,
    /// The client's `PATH`, where the `programs` layer looks.
    pub path_variable: Option<OsString>,
    /// `LD_LIBRARY_PATH` as it is in the container, in order.
    pub library_path: Vec<Utf8PathBuf>,
}

/// Why changes to the root cannot be kept in the directories that a spec names.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    #[error("`root_overlay` wants a directory {0}, which is not there; make it first")]
    NoDirectory(Utf8PathBuf),
    #[error("`root_overlay` wants the directory {path}, which cannot be used: {cause}")]
    Unusable { path: Utf8PathBuf, cause: io::Error },
    #[error(
        "`root_overlay` wants two directories of which neither is in the other, but `upper` is \
         {upper} and `work` is {work}; choose others"
    )]
    NotApart {
        upper: Utf8PathBuf,
        work: Utf8PathBuf,
    },
}

/// Why a mount cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    #[error(
        "the `bind` mount at {mount_point} wants {local_path}, which is not there; make it first"
    )]
    NothingToBind {
        mount_point: Utf8PathBuf,
        local_path: Utf8PathBuf,
    },
}

impl LayerContext {
    /// A mount with its paths filled in, and what is on the host absolute; that must
    /// be there.
    pub fn mount(&self, mount: &Mount) -> Result<Mount, MountError> {
        let mut mount = mount.clone();
        if let Some(mount_point) = mount.mount_point_mut() {
            *mount_point = self.fill(mount_point)?;
        }
        if let Mount::Bind {
            mount_point,
            local_path,
            ..
        } = &mut mount
        {
            *local_path = self.project_dir.join(self.fill(local_path)?);
            // What cannot be looked at may be mounted all the same.
            if local_path
                .as_std_path()
                .try_exists()
                .is_ok_and(|exists| !exists)
            {
                return Err(MountError::NothingToBind {
                    mount_point: mount_point.clone(),
                    local_path: local_path.clone(),
                });
            }
        }
        Ok(mount)
    }

    /// An overlay with absolute paths; its directories must be there. Where launchers mount
    /// it, `..` and symlinks of this machine would lead elsewhere, so that there are none left.
    pub fn root_overlay(&self, overlay: &RootOverlay) -> Result<RootOverlay, OverlayError> {
        let RootOverlay::Local { upper, work } = overlay else {
            return Ok(overlay.clone());
        };
        let directory = |path| {
            let path = self.project_dir.join(path);
            match path.canonicalize_utf8() {
                Ok(real) if real.is_dir() => Ok(real),
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    Err(OverlayError::Unusable { path, cause })
                }
                _ => Err(OverlayError::NoDirectory(path)),
            }
        };
        let (upper, work) = (directory(upper)?, directory(work)?);
        if upper.starts_with(&work) || work.starts_with(&upper) {
            return Err(OverlayError::NotApart { upper, work });
        }
        Ok(RootOverlay::Local { upper, work })
    }

    /// `text` with its placeholders replaced.
    pub fn fill(&self, text: &Utf8Path) -> Result<Utf8PathBuf, PlaceholderError> {
        let filled = substitute(text.as_str(), |placeholder| {
            let directory = match placeholder {
                Placeholder::BuildDir => &self.build_dir,
                Placeholder::WorkspaceDir => &self.workspace_dir,
                Placeholder::PackageDir => &self.package_dir,
                Placeholder::TargetDir => &self.target_dir,
                Placeholder::HomeDir => &self.home_dir,
            };
            directory.as_str()
        })?;
        Ok(filled.into())
    }
}
