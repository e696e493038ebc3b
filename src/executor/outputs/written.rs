//! The files of the source tree that this program writes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The files of the source tree that outputs of jobs were copied to, or that were removed as jobs
/// removed them. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct WrittenSources(Arc<Mutex<HashSet<PathBuf>>>);

impl WrittenSources {
    pub(super) fn add(&self, path: &Path) {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.insert(path.to_owned());
    }

    pub fn contains(&self, path: &Path) -> bool {
        let paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.contains(path)
    }
}
