//! `cargo maelstrom clean`: removes the cache of a workspace.

use super::SetUpError;
use super::command_line::CacheOptions;
use super::preparation::{cache_directory, executables_directory};
use crate::cargo::{self, CargoOptions, Invocation};
use crate::doctest;
use crate::process::to_stderr;
use crate::store::Store;

/// Removes the cache and says so.
pub async fn run(options: &CacheOptions) -> Result<(), SetUpError> {
    let mut cargo_options = CargoOptions::default();
    let paths = [
        ("manifest-path", &options.manifest_path),
        ("target-dir", &options.target_dir),
    ];
    for (name, path) in paths {
        if let Some(path) = path {
            cargo_options.push(name, Some(path.as_str()));
        }
    }
    let invocation = Invocation::new(cargo_options).map_err(SetUpError::Start)?;
    let workspace = cargo::metadata(&invocation).await?;
    let directory = cache_directory(&workspace);
    let doctests = executables_directory(&workspace);
    doctest::remove_unused(&doctests).map_err(|source| SetUpError::RemoveExecutables {
        path: doctests,
        source,
    })?;
    if Store::clear(directory.as_std_path())? {
        to_stderr(format_args!("removed the content of {directory}"));
    } else {
        to_stderr(format_args!(
            "nothing to remove: {directory} does not exist"
        ));
    }
    Ok(())
}
