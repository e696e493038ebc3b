//! The context of a layer: the directories and variables that its build depends on.

use super::SourceView;
use crate::spec::{Mount, Placeholder, PlaceholderError, RootOverlay, substitute};
use camino::{Utf8Path, Utf8PathBuf};
use std::ffi::OsString;
use std::io;

/// The directories and variables that a layer is built with. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LayerContext {
    /// The base of relative paths in layers.
    pub project_dir: Utf8PathBuf,
    /// The value of `<workspace-dir>`.
    pub workspace_dir: Utf8PathBuf,
    /// The value of `<package-dir>`.
    pub package_dir: Utf8PathBuf,
    /// The value of `<build-dir>`: the profile's artifact directory.
    pub build_dir: Utf8PathBuf,
    /// The value of `<target-dir>`.
    pub target_dir: Utf8PathBuf,
    /// The value of `<home-dir>`: the client's home directory.
    pub home_dir: Utf8PathBuf,
    /// Directories of members and path dependencies outside the workspace. They are part of its
    /// source.
    pub outside_sources: Vec<Utf8PathBuf>,
    /// The part of the workspace's source that the test sees.
    pub view: SourceView,
    /// The client's `PATH`, which the `programs` layer searches.
    pub path_variable: Option<OsString>,
    /// The `LD_LIBRARY_PATH` in the container, in order.
    pub library_path: Vec<Utf8PathBuf>,
}

/// Why the directories of a `root_overlay` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    #[error("the directory {0} of `root_overlay` does not exist; create it first")]
    NoDirectory(Utf8PathBuf),
    #[error("the directory {path} of `root_overlay` cannot be used: {cause}")]
    Unusable { path: Utf8PathBuf, cause: io::Error },
    #[error(
        "`root_overlay` needs two directories of which neither contains the other, but `upper` is \
         {upper} and `work` is {work}; choose others"
    )]
    NotApart {
        upper: Utf8PathBuf,
        work: Utf8PathBuf,
    },
}

/// Why a mount cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    #[error(
        "the `local_path` {local_path} of the `bind` mount at {mount_point} does not exist; create it \
            first"
    )]
    NothingToBind {
        mount_point: Utf8PathBuf,
        local_path: Utf8PathBuf,
    },
}

impl LayerContext {
    /// A mount with its placeholders replaced and its local path absolute. Fails if that path
    /// does not exist.
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
            // A path that cannot be examined may be mountable.
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

    /// An overlay with absolute paths, without `..` and symlinks: these would lead elsewhere in a
    /// launcher's mount namespace. Fails if a directory does not exist.
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

    /// The absolute form of a glob of outputs. Relative ones start at `base`. In the directories
    /// that placeholders and `base` stand for, no character is special.
    pub fn output(&self, glob: &str, base: &Utf8Path) -> Result<String, PlaceholderError> {
        let escape = |directory: &Utf8Path| globset::escape(directory.as_str());
        let (build, workspace) = (escape(&self.build_dir), escape(&self.workspace_dir));
        let (package, target) = (escape(&self.package_dir), escape(&self.target_dir));
        let home = escape(&self.home_dir);
        let filled = substitute(glob, |placeholder| match placeholder {
            Placeholder::BuildDir => &build,
            Placeholder::WorkspaceDir => &workspace,
            Placeholder::PackageDir => &package,
            Placeholder::TargetDir => &target,
            Placeholder::HomeDir => &home,
        })?;
        let (sign, glob) = match filled.strip_prefix('!') {
            Some(excluded) => ("!", excluded),
            None => ("", filled.as_str()),
        };
        if glob.starts_with('/') {
            return Ok(filled);
        }
        let base = escape(base);
        Ok(format!("{sign}{}/{glob}", base.trim_end_matches('/')))
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
