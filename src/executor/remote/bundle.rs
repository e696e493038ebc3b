//! The files that start this program on any machine with a suitable kernel and processor.

use crate::container::LAUNCHER_NAME;
use crate::libraries::{Libraries, LibraryError, SearchContext};
use crate::store::{Digest, Store, StoreError};
use camino::Utf8PathBuf;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, io};

/// The directory of the bundle in the input of an action.
pub const DIRECTORY: &str = "runner";

/// The file name in argv\[0\] that makes this executable a runner.
pub const RUNNER_NAME: &str = "maelstrom-runner";

/// The name of the loader in the bundle.
pub const LOADER: &str = "loader";

/// The directory of the libraries in the bundle.
pub const LIBRARIES: &str = "lib";

/// This program with its loader and its libraries. The loader of the bundle starts the program
/// with the libraries of the bundle, so those of the machine are not used. The program recognises
/// a runner or launcher by the file name in argv\[0\], as a loader sets argv\[0\] to the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerBundle {
    /// The paths in the bundle, with digests and sources, sorted.
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
    /// The bundle of this process. The store keeps the digests of its files.
    pub fn of_process(store: &Store) -> Result<Self, BundleError> {
        let program = env::current_exe().map_err(BundleError::Program)?;
        let program = Utf8PathBuf::from_path_buf(program)
            .map_err(|path| BundleError::Path(path.display().to_string()))?;
        Self::of(store, program)
    }

    /// The bundle of a program that calls [`run_if_launcher`](crate::run_if_launcher) first.
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

    /// The command that starts the runner in the directory of an action's input.
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

/// The program and arguments that start a launcher from the bundle in this directory.
pub fn launcher(kit: &Path) -> (PathBuf, Vec<OsString>) {
    let (loader, program) = (kit.join(LOADER), kit.join(LAUNCHER_NAME));
    if !loader.exists() {
        return (program, Vec::new());
    }
    let libraries = kit.join(LIBRARIES);
    let arguments = vec!["--library-path".into(), libraries.into(), program.into()];
    (loader, arguments)
}
