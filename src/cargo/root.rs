//! The root of the workspace, for what must be known before `cargo metadata` has ended, and the
//! profiles that Cargo knows.

use super::metadata::succeeded;
use super::{CargoError, Invocation};
use camino::{Utf8Path, Utf8PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fs, io};
use toml::de::{DeTable, DeValue};

/// The directories in which Cargo looks for the workspace, nearest first. The root of the workspace
/// may be elsewhere if a manifest [says so](names_its_workspace).
pub fn directories(invocation: &Invocation) -> Vec<Utf8PathBuf> {
    let manifest = invocation.options.value("manifest-path");
    let manifest = invocation.directory.join(manifest.unwrap_or("Cargo.toml"));
    let parents = manifest.ancestors().skip(1);
    parents
        .filter_map(Utf8Path::from_path)
        .map(ToOwned::to_owned)
        .collect()
}

/// Whether the manifest in a directory has `package.workspace`, the path of a workspace.
pub fn names_its_workspace(directory: &Utf8Path) -> bool {
    let text = fs::read_to_string(directory.join("Cargo.toml")).unwrap_or_default();
    let manifest = DeTable::parse(&text).ok();
    let package = manifest
        .as_ref()
        .and_then(|table| table.get_ref().get("package"));
    match package.map(toml::Spanned::get_ref) {
        Some(DeValue::Table(package)) => package.contains_key("workspace"),
        _ => false,
    }
}

/// Asks Cargo for the root of the workspace. Blocks for some 20 ms.
pub fn workspace_root(invocation: &Invocation) -> Result<Utf8PathBuf, CargoError> {
    let mut command = command(invocation, "locate-project");
    command.args(["--workspace", "--message-format=plain"]);
    let output = output_of(&mut command, invocation)?;
    let manifest = String::from_utf8_lossy(succeeded(&output, "cargo locate-project")?);
    let root = Utf8Path::new(manifest.trim_end_matches('\n')).parent();
    root.map(ToOwned::to_owned).ok_or(CargoError::Output {
        command: "cargo locate-project".to_owned(),
        message: "the manifest is in no directory".to_owned(),
    })
}

/// Asks Cargo whether it has a profile. Blocks for some 20 ms.
pub fn has_profile(invocation: &Invocation, name: &str) -> Result<bool, CargoError> {
    // This command needs a profile, and does nothing else.
    let mut command = command(invocation, "clean");
    command.args(["--dry-run", "--profile", name]);
    let output = output_of(&mut command, invocation)?;
    let message = String::from_utf8_lossy(&output.stderr);
    Ok(output.status.success() || !message.contains(&format!("profile `{name}` is not defined")))
}

fn command(invocation: &Invocation, subcommand: &str) -> Command {
    let mut command = Command::new(&invocation.cargo);
    command
        .current_dir(&invocation.directory)
        .arg(subcommand)
        .args(invocation.options.location_arguments())
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null());
    command
}

fn output_of(command: &mut Command, invocation: &Invocation) -> Result<Output, CargoError> {
    let start = |source: io::Error| CargoError::Start {
        program: invocation.cargo.clone(),
        source,
    };
    command.output().map_err(start)
}

/// What `cargo metadata` says about the workspace without its dependencies. Blocks for some 50 ms, and
/// downloads nothing. `None`: there is no workspace, or it has a mistake.
pub fn present_metadata(manifest_path: Option<&str>) -> Option<cargo_metadata::Metadata> {
    let mut command = cargo_metadata::MetadataCommand::new();
    command
        .no_deps()
        .other_options(vec!["--offline".to_owned()]);
    if let Some(path) = manifest_path {
        command.manifest_path(path);
    }
    command.exec().ok()
}
