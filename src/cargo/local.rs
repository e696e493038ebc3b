//! The directories of all packages on this machine that the workspace is built from: its members, and
//! packages outside of it that are dependencies by path or replace others.

use super::metadata::{directory_of, run_metadata};
use super::{CargoError, Invocation};
use camino::Utf8PathBuf;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Asks Cargo, which may download the packages of the workspace.
pub async fn local_packages(invocation: &Invocation) -> Result<BTreeSet<Utf8PathBuf>, CargoError> {
    let packages: PackageSources = run_metadata(invocation, &[]).await?;
    let local = (packages.packages.iter()).filter(|package| package.source.is_none());
    Ok(local
        .map(|package| directory_of(&package.manifest_path))
        .collect())
}

/// The used parts of Cargo's output.
#[derive(Deserialize)]
struct PackageSources {
    packages: Vec<PackageSource>,
}

#[derive(Deserialize)]
struct PackageSource {
    /// `None`: the package is on this machine.
    source: Option<String>,
    manifest_path: Utf8PathBuf,
}
