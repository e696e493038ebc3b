//! What it takes to start this program on a machine of which nothing is known but its
//! kernel and its processor.

use crate::container::LAUNCHER_NAME;
use crate::libraries::{Libraries, LibraryError, SearchContext};
use crate::store::{Digest, Store, StoreError};
use camino::Utf8PathBuf;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, io};

/// Where all of it is in the input of an action.
pub const DIRECTORY: &str = "runner";

/// The last part of the argv\[0\] of a runner.
pub const RUNNER_NAME: &str = "maelstrom-runner";

/// What the loader is called in the kit.
pub const LOADER: &str = "loader";

/// The directory of the libraries in the kit.
pub const LIBRARIES: &str = "lib";

/// This program with its loader and its libraries. It is started by the loader, which is
/// told where they are: the machine's own do not matter, and need not be there. The
/// program knows by its name what it is, since a loader calls it by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerBundle {
    /// By their paths within the kit, sorted.
    pub files: Vec<(String, Digest, PathBuf)>,
    has_loader: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("failed to find this program")]
    Program(#[source] io::Error),
    #[error("this program is at {0}, which is not UTF-8")]
    Path(String),
    #[error("failed to find the libraries of this program")]
    Libraries(#[from] LibraryError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RunnerBundle {
    /// Of this process. The store remembers the digests.
    pub fn of_process(store: &Store) -> Result<Self, BundleError> {
        let program = env::current_exe().map_err(BundleError::Program)?;
        let program = Utf8PathBuf::from_path_buf(program)
            .map_err(|path| BundleError::Path(path.display().to_string()))?;
        Self::of(store, program)
    }

    /// Of a program that calls [`run_if_launcher`](crate::run_if_launcher) first thing.
    pub fn of(store: &Store, program: Utf8PathBuf) -> Result<Self, BundleError> {
        let libraries = Libraries::new();
        let loader = libraries.loader(program.as_std_path())?;
        let closure = libraries.closure(std::slice::from_ref(&program), &SearchContext::default());
        let mut files = Vec::new();
        let mut add = |name: String, path: PathBuf| {
            files.push((name, store.hash_file(&path)?, path));
            Ok::<_, StoreError>(())
        };
        for (path, entry) in closure? {
            let Some(file) = entry.file() else { continue };
            if Some(&path) == loader.as_ref() {
                add(LOADER.to_owned(), file.to_owned())?;
            } else if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                add(format!("{LIBRARIES}/{name}"), file.to_owned())?;
            }
        }
        add(RUNNER_NAME.to_owned(), program.clone().into())?;
        add(LAUNCHER_NAME.to_owned(), program.into())?;
        files.sort_unstable();
        files.dedup_by(|a, b| a.0 == b.0);
        Ok(Self {
            files,
            has_loader: loader.is_some(),
        })
    }

    /// The words that start the runner in the directory of an action's input.
    pub fn command(&self) -> Vec<String> {
        let runner = format!("{DIRECTORY}/{RUNNER_NAME}");
        if !self.has_loader {
            return vec![runner];
        }
        vec![
            format!("{DIRECTORY}/{LOADER}"),
            "--library-path".to_owned(),
            format!("{DIRECTORY}/{LIBRARIES}"),
            runner,
        ]
    }
}

/// How a runner starts launchers from the kit in this directory.
pub fn launcher(kit: &Path) -> (PathBuf, Vec<OsString>) {
    let (loader, program) = (kit.join(LOADER), kit.join(LAUNCHER_NAME));
    if !loader.exists() {
        return (program, Vec::new());
    }
    let libraries = kit.join(LIBRARIES);
    let arguments = vec!["--library-path".into(), libraries.into(), program.into()];
    (loader, arguments)
}
