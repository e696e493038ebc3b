//! The files of a container's layers, looked up for all its observed jobs.

use super::lookup::{Sought, Tree};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The most results of lookups that are kept.
const MOST_RESULTS: usize = 10_000;

/// The layers of containers that have the same layers and mount points. The first observed job makes
/// a mount of them, and the others use this mount. Layers do not change, so a path that was looked
/// up once is known.
#[derive(Debug, Default)]
pub struct Layers(OnceLock<LayerFiles>);

impl Layers {
    pub fn are_mounted(&self) -> bool {
        self.0.get().is_some()
    }

    /// The files, after a job has sent a mount of its layers if there was none.
    pub fn receive<'a>(
        &self,
        mount: Option<OwnedFd>,
        mount_points: impl Iterator<Item = &'a Path>,
    ) -> io::Result<&LayerFiles> {
        match (self.0.get(), mount) {
            (Some(files), _) => Ok(files),
            (None, Some(mount)) => Ok(self.0.get_or_init(|| LayerFiles::new(mount, mount_points))),
            (None, None) => Err(io::Error::other("the job sent no mount of its layers")),
        }
    }
}

/// The files of the layers of a container.
#[derive(Debug)]
pub struct LayerFiles {
    pub tree: Tree,
    /// The mount points of the container's mounts without symbolic links, in the order of the
    /// mounts.
    pub mount_points: Vec<PathBuf>,
    /// The results of lookups, by the path and whether symbolic links at its end are followed.
    found: Mutex<HashMap<(PathBuf, bool), Sought>>,
}

impl LayerFiles {
    /// `mount` is the root of the layers.
    pub fn new<'a>(mount: OwnedFd, mount_points: impl Iterator<Item = &'a Path>) -> Self {
        let tree = Tree::new(mount);
        let mut resolved = Vec::new();
        for mount_point in mount_points {
            resolved.push(match tree.find(mount_point, true, &resolved) {
                Sought::Present { path, .. } | Sought::Mounted { path } => path,
                Sought::Absent => mount_point.to_owned(),
            });
        }
        Self {
            tree,
            mount_points: resolved,
            found: Mutex::default(),
        }
    }

    /// Looks up an absolute path.
    pub fn find(&self, path: &Path, follow: bool) -> Sought {
        let key = (path.to_owned(), follow);
        // No code panics while it holds the lock.
        let known = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sought) = known().get(&key) {
            return sought.clone();
        }
        let sought = self.tree.find(path, follow, &self.mount_points);
        let mut known = known();
        if known.len() >= MOST_RESULTS {
            known.clear();
        }
        known.insert(key, sought.clone());
        sought
    }
}
