//! The directories of all packages on this machine that the workspace is built from: its members, and
//! packages outside of it that are dependencies by path or replace others.

use super::metadata::{command, directory_of, parse};
use super::{CargoError, Invocation};
use camino::Utf8PathBuf;
use serde::Deserialize;
use std::collections::BTreeSet;
use tokio::process::Command;

/// Asks Cargo, which may download the packages of the workspace.
pub async fn local_packages(invocation: &Invocation) -> Result<BTreeSet<Utf8PathBuf>, CargoError> {
    let mut command = Command::from(command(invocation));
    command
        .args(invocation.options.metadata_arguments())
        .kill_on_drop(true);
    let output = command.output().await.map_err(|source| CargoError::Start {
        program: invocation.cargo.clone(),
        source,
    })?;
    let packages: PackageSources = parse(&output)?;
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
