//! An action's directory on disk: its input root, and what it prints.

use super::cache::Cache;
use super::error::WorkError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An action's directory, removed with this. To drop it blocks.
pub struct ActionDirectory {
    path: PathBuf,
}

/// Where an action's program writes to.
pub struct OutputFiles {
    pub stdout: File,
    pub stderr: File,
}

impl ActionDirectory {
    /// Makes a new one, with an empty input root.
    pub fn new(cache: &Cache) -> Result<(Self, OutputFiles), WorkError> {
        let directory = Self {
            path: cache.new_action()?,
        };
        let create = |path: &Path| {
            File::create(path).map_err(|error| WorkError::local("create", path, error))
        };
        let streams = OutputFiles {
            stdout: create(&directory.stdout())?,
            stderr: create(&directory.stderr())?,
        };
        let root = directory.root();
        fs::create_dir(&root).map_err(|error| WorkError::local("create", &root, error))?;
        Ok((directory, streams))
    }

    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    pub fn stdout(&self) -> PathBuf {
        self.path.join("stdout")
    }

    pub fn stderr(&self) -> PathBuf {
        self.path.join("stderr")
    }
}

impl Drop for ActionDirectory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes a directory in which files may still be made for a moment: by processes that were just
/// killed, or by threads whose work nobody waits for any more. Blocks.
pub fn remove(directory: &Path) {
    const ATTEMPTS: u32 = 100;
    for _ in 0..ATTEMPTS {
        match crate::store::remove_tree(directory) {
            Ok(()) => return,
            Err(error) => tracing::debug!("cannot remove {}: {error}", directory.display()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    tracing::warn!("{} stays until the next start", directory.display());
}
