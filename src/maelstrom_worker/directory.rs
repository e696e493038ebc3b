//! The directory of an action on disk: its input root, stdout and stderr.

use super::cache::Cache;
use super::error::WorkError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The directory of an action. Dropping this removes the directory, and blocks.
pub struct ActionDirectory {
    path: PathBuf,
}

/// The files that an action's program writes its stdout and stderr to.
pub struct OutputFiles {
    pub stdout: File,
    pub stderr: File,
}

impl ActionDirectory {
    /// Makes a new directory with an empty input root.
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

/// Removes a directory. For a moment, files may still be made in it by processes that were just
/// killed and by threads whose work was cancelled, so it is tried several times. Blocks.
pub fn remove(directory: &Path) {
    const ATTEMPTS: u32 = 100;
    for _ in 0..ATTEMPTS {
        match crate::store::remove_tree(directory) {
            Ok(()) => return,
            Err(error) => tracing::debug!("cannot remove {}: {error}", directory.display()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    tracing::warn!(
        "{} could not be removed; the next start removes it",
        directory.display()
    );
}
