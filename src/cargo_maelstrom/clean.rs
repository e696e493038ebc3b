//! `cargo maelstrom clean`: removes the cache of a workspace, and images that were not used for long.

use super::SetUpError;
use super::command_line::CleanOptions;
use super::preparation::{cache_directory, executables_directory};
use crate::cargo::{self, CargoOptions, Invocation};
use crate::doctest;
use crate::image::{self, RemovedBlobs};
use crate::process::to_stderr;
use crate::report::{Bytes, Count};
use crate::store::{Store, disk_usage};
use std::time::Duration;

const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

/// Removes the cache and old images, and says how much space this frees.
pub async fn run(options: &CleanOptions) -> Result<(), SetUpError> {
    let mut cargo_options = CargoOptions::default();
    let paths = [
        ("manifest-path", &options.cache.manifest_path),
        ("target-dir", &options.cache.target_dir),
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
    let used = || disk_usage(doctests.as_std_path()).unwrap_or_default();
    let before = used();
    doctest::remove_unused(&doctests).map_err(|source| SetUpError::RemoveExecutables {
        path: doctests.clone(),
        source,
    })?;
    let of_doctests = before.saturating_sub(used());
    let of_store = Store::clear(directory.as_std_path())?;
    if of_doctests > 0 {
        to_stderr(format_args!(
            "removed executables of documentation tests from {doctests}: {} freed",
            Bytes(of_doctests)
        ));
    }
    match of_store {
        Some(freed) => to_stderr(format_args!(
            "removed the content of {directory}: {} freed",
            Bytes(freed)
        )),
        None if of_doctests == 0 => to_stderr(format_args!(
            "nothing to remove: {directory} does not exist"
        )),
        None => {}
    }
    clean_images(options)
}

/// Removes the images that were not used for long.
fn clean_images(options: &CleanOptions) -> Result<(), SetUpError> {
    let CleanOptions { cache, unused_days } = options;
    let images = &cache.settings.images;
    let unused = Duration::from_secs(u64::from(*unused_days) * SECONDS_OF_DAY);
    let removed = image::remove_unused(images, unused);
    let depot = images.depot.display();
    let RemovedBlobs { blobs, bytes } = removed.map_err(|source| SetUpError::RemoveImages {
        path: images.depot.clone(),
        source,
    })?;
    if blobs > 0 {
        to_stderr(format_args!(
            "removed {} of images that were not used for {} from {depot}: {} freed",
            Count(blobs, "file", "files"),
            Count(u64::from(*unused_days), "day", "days"),
            Bytes(bytes)
        ));
    }
    Ok(())
}
