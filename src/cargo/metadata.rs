//! `cargo metadata`: the workspace, its packages and their targets.

use super::{
    CargoError, Configuration, Dependency, Invocation, Toolchain, configuration, environment,
    manifest::ManifestFlags,
};
use crate::filter::TargetKind;
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::semver::Version;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tokio::process::Command;

/// The workspace that Cargo finds from its current directory.
#[derive(Debug)]
pub struct Workspace {
    /// The directory of the workspace's manifest.
    pub root: Utf8PathBuf,
    /// Cargo's target directory.
    pub target_directory: Utf8PathBuf,
    /// The target directory that Cargo is given in place of the usual one, which contains it.
    pub separate_target: Option<Utf8PathBuf>,
    /// The directory for intermediate files, if it is not the target directory.
    pub build_directory: Option<Utf8PathBuf>,
    /// The members, in Cargo's order.
    pub packages: Vec<Arc<Package>>,
    /// The ids of the packages that Cargo selects by default.
    pub default_members: BTreeSet<String>,
    /// The toolchain that builds the tests.
    pub toolchain: Toolchain,
    /// The parts of Cargo's configuration that concern tests.
    pub configuration: Configuration,
}

/// A package: a manifest and its targets.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: Version,
    /// Cargo's package id, unique in the build.
    pub id: String,
    pub manifest_path: Utf8PathBuf,
    /// The directory of the manifest.
    pub directory: Utf8PathBuf,
    /// `CARGO_MANIFEST_DIR`, `CARGO_MANIFEST_PATH` and every `CARGO_PKG_*`.
    pub environment: BTreeMap<String, String>,
    /// The features, each with the features that it enables.
    pub features: BTreeMap<String, Vec<String>>,
    /// The dependencies in the manifest.
    pub dependencies: Vec<Dependency>,
    /// The targets without build scripts.
    pub targets: Vec<TargetInfo>,
}

/// A target of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    pub kind: TargetKind,
    pub name: String,
    pub src_path: Utf8PathBuf,
    /// Whether the target has libtest's harness. Read from the manifest, because `cargo metadata`
    /// does not contain it.
    pub harness: bool,
    /// Whether `cargo test` runs the tests in doc comments.
    pub doctest: bool,
    /// Whether `cargo test` builds the target as tests by default.
    pub test: bool,
    /// Whether `--benches` selects the target. Read from the manifest, too.
    pub bench: bool,
    /// The features that the target requires.
    pub required_features: Vec<String>,
}

impl Package {
    /// The target with this kind and name.
    pub fn target(&self, kind: TargetKind, name: &str) -> Option<&TargetInfo> {
        self.targets
            .iter()
            .find(|target| target.kind == kind && target.name == name)
    }
}

impl Workspace {
    /// The target directory in which Cargo builds.
    pub fn build_target(&self) -> &Utf8Path {
        (self.separate_target.as_ref()).unwrap_or(&self.target_directory)
    }

    /// The member with this id.
    pub fn package(&self, id: &str) -> Option<&Arc<Package>> {
        self.packages.iter().find(|package| package.id == id)
    }

    /// The rustdoc that Cargo calls if it runs in this directory.
    pub fn rustdoc(&self, directory: &Path) -> PathBuf {
        let given = std::env::var_os("RUSTDOC").filter(|path| !path.is_empty());
        if let Some(given) = given {
            return configuration::program(&given.to_string_lossy(), directory).into();
        }
        let of_toolchain = self.toolchain.sysroot.join("bin/rustdoc");
        (self.configuration.rustdoc.clone())
            .or_else(|| of_toolchain.is_file().then(|| of_toolchain.into()))
            .unwrap_or_else(|| "rustdoc".into())
    }
}

/// Runs `cargo metadata`, and finds the toolchain and the configuration. Takes none of Cargo's
/// locks, so it may run during a build.
pub async fn metadata(invocation: &Invocation) -> Result<Workspace, CargoError> {
    let configuration = Configuration::load(invocation)?;
    let (raw, toolchain) = tokio::try_join!(
        run_metadata::<RawMetadata>(invocation, &["--no-deps"]),
        Toolchain::find(invocation, configuration.rustc.as_deref())
    )?;
    raw.into_workspace(toolchain, configuration)
}

/// Runs `cargo metadata` with the user's options and these, and reads the used parts of its output.
pub(super) async fn run_metadata<T: DeserializeOwned>(
    invocation: &Invocation,
    options: &[&str],
) -> Result<T, CargoError> {
    let mut command = Command::from(command(invocation));
    command
        .args(options)
        .args(invocation.options.metadata_arguments())
        .kill_on_drop(true);
    let output = command.output().await.map_err(|source| CargoError::Start {
        program: invocation.cargo.clone(),
        source,
    })?;
    parse(&output)
}

/// Reads a package that is not a member of the workspace: with `-p`, Cargo also tests
/// dependencies. Blocks for some 20 ms, which is acceptable for a rare case.
pub(super) fn package_outside(
    invocation: &Invocation,
    manifest: &Utf8Path,
    id: &str,
) -> Result<Package, CargoError> {
    let output = command(invocation)
        .args(["--no-deps", "--offline"])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .map_err(|source| CargoError::Start {
            program: invocation.cargo.clone(),
            source,
        })?;
    let found = parse::<RawMetadata>(&output)?
        .packages
        .into_iter()
        .find(|package| package.manifest_path == manifest)
        .ok_or_else(|| CargoError::Output {
            command: "cargo metadata".to_owned(),
            message: format!("there is no package with the manifest {manifest}"),
        })?;
    let mut package = found.into_package()?;
    id.clone_into(&mut package.id);
    Ok(package)
}

/// `cargo metadata`, without the user's options.
fn command(invocation: &Invocation) -> std::process::Command {
    let mut command = std::process::Command::new(&invocation.cargo);
    command
        .current_dir(&invocation.directory)
        .args(["metadata", "--format-version", "1"])
        .stdin(Stdio::null());
    if let Some(directory) = invocation.options.value("target-dir") {
        command.env("CARGO_TARGET_DIR", directory);
    }
    if let Some(color) = invocation.color {
        command.env("CARGO_TERM_COLOR", if color { "always" } else { "never" });
    }
    command
}

/// The used parts of the output of `cargo metadata`.
fn parse<T: DeserializeOwned>(output: &std::process::Output) -> Result<T, CargoError> {
    serde_json::from_slice(succeeded(output, "cargo metadata")?).map_err(|error| {
        CargoError::Output {
            command: "cargo metadata".to_owned(),
            message: error.to_string(),
        }
    })
}

/// The standard output of a command of Cargo, or its error.
pub(super) fn succeeded<'a>(
    output: &'a std::process::Output,
    command: &str,
) -> Result<&'a [u8], CargoError> {
    if !output.status.success() {
        let mut message = error_message(&String::from_utf8_lossy(&output.stderr));
        if message.is_empty() {
            message = format!("`{command}` failed: {}", output.status);
        }
        return Err(CargoError::Cargo { message });
    }
    Ok(&output.stdout)
}

/// The error in the standard error of Cargo, without its label `error: `, which the report adds.
/// Warnings before the error are moved behind it.
fn error_message(stderr: &str) -> String {
    let mut before = String::new();
    let mut rest = stderr;
    while !rest.is_empty() {
        let (line, following) = rest.split_once('\n').unwrap_or((rest, ""));
        if let Some(text) = without_label(line) {
            return format!("{text}\n{following}{before}").trim_end().to_owned();
        }
        before.push_str(line);
        before.push('\n');
        rest = following;
    }
    before.trim_end().to_owned()
}

/// A line without the label `error: `; the label may be coloured. `None`: the line has no such
/// label.
fn without_label(line: &str) -> Option<&str> {
    let text = without_styles(line).strip_prefix("error")?;
    without_styles(text).strip_prefix(": ")
}

/// Text without control sequences for styles (`ESC [ … m`) at its start.
fn without_styles(mut text: &str) -> &str {
    while let Some((_, rest)) = text
        .strip_prefix("\x1b[")
        .and_then(|sequence| sequence.split_once('m'))
    {
        text = rest;
    }
    text
}

/// The used parts of Cargo's output. (The types of the crate `cargo_metadata` turn
/// `rust-version = "1.70"` into 1.70.0, but `CARGO_PKG_RUST_VERSION` is 1.70.)
#[derive(Deserialize)]
struct RawMetadata {
    packages: Vec<RawPackage>,
    workspace_members: Vec<String>,
    workspace_default_members: Option<BTreeSet<String>>,
    workspace_root: Utf8PathBuf,
    target_directory: Utf8PathBuf,
    build_directory: Option<Utf8PathBuf>,
}

#[derive(Deserialize)]
pub(super) struct RawPackage {
    pub(super) name: String,
    pub(super) version: Version,
    id: String,
    pub(super) manifest_path: Utf8PathBuf,
    #[serde(default)]
    pub(super) authors: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) homepage: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) license: Option<String>,
    pub(super) license_file: Option<String>,
    pub(super) rust_version: Option<String>,
    pub(super) readme: Option<String>,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    targets: Vec<cargo_metadata::Target>,
}

impl RawMetadata {
    fn into_workspace(
        self,
        toolchain: Toolchain,
        configuration: Configuration,
    ) -> Result<Workspace, CargoError> {
        let packages = self
            .packages
            .into_iter()
            .map(|package| package.into_package().map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Workspace {
            build_directory: self
                .build_directory
                .filter(|directory| *directory != self.target_directory),
            root: self.workspace_root,
            target_directory: self.target_directory,
            separate_target: None,
            packages,
            // The output of Cargo before 1.71 lacks this; all members are assumed then.
            default_members: self
                .workspace_default_members
                .unwrap_or_else(|| self.workspace_members.into_iter().collect()),
            toolchain,
            configuration,
        })
    }
}

impl RawPackage {
    fn into_package(self) -> Result<Package, CargoError> {
        let text =
            fs::read_to_string(&self.manifest_path).map_err(|source| CargoError::Manifest {
                path: self.manifest_path.clone(),
                source,
            })?;
        let flags = ManifestFlags::parse(&text);
        let targets = self
            .targets
            .iter()
            .filter_map(|target| target_info(target, &flags))
            .collect();
        Ok(Package {
            environment: environment::of_package(&self),
            directory: directory_of(&self.manifest_path),
            name: self.name,
            version: self.version,
            id: self.id,
            manifest_path: self.manifest_path,
            features: self.features,
            dependencies: self.dependencies,
            targets,
        })
    }
}

fn target_info(target: &cargo_metadata::Target, flags: &ManifestFlags) -> Option<TargetInfo> {
    let kind = kind_of(target)?;
    Some(TargetInfo {
        kind,
        name: target.name.clone(),
        src_path: target.src_path.clone(),
        harness: flags.harness(kind, &target.name),
        doctest: target.doctest,
        test: target.test,
        bench: flags.bench(kind, &target.name),
        required_features: target.required_features.clone(),
    })
}

/// The kind of a target of Cargo. `None`: a build script or an unknown kind.
pub(super) fn kind_of(target: &cargo_metadata::Target) -> Option<TargetKind> {
    use cargo_metadata::TargetKind as CargoKind;
    target.kind.iter().find_map(|kind| match kind {
        CargoKind::Lib
        | CargoKind::RLib
        | CargoKind::DyLib
        | CargoKind::CDyLib
        | CargoKind::StaticLib => Some(TargetKind::Library),
        CargoKind::ProcMacro => Some(TargetKind::ProcMacro),
        CargoKind::Bin => Some(TargetKind::Binary),
        CargoKind::Test => Some(TargetKind::Test),
        CargoKind::Example => Some(TargetKind::Example),
        CargoKind::Bench => Some(TargetKind::Benchmark),
        _ => None,
    })
}

/// The directory that a file is in.
pub(super) fn directory_of(file: &Utf8Path) -> Utf8PathBuf {
    file.parent()
        .map_or_else(|| Utf8PathBuf::from("/"), Utf8Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::error_message;

    #[test]
    fn the_label_of_an_error_of_cargo_is_left_out_in_colour_too() {
        assert_eq!(
            error_message("error: a\n\nCaused by:\n  b\n"),
            "a\n\nCaused by:\n  b"
        );
        assert_eq!(error_message("\x1b[1m\x1b[91merror\x1b[0m: a\n"), "a");
        assert_eq!(
            error_message("\x1b[1m\x1b[91merror\x1b[0m\x1b[1m: a\x1b[0m\n b\n"),
            "a\x1b[0m\n b"
        );
    }

    #[test]
    fn warnings_of_cargo_follow_its_error() {
        assert_eq!(
            error_message("warning: w\n  x\nerror: a\n  b\n"),
            "a\n  b\nwarning: w\n  x"
        );
        assert_eq!(error_message("killed\n"), "killed");
        assert_eq!(error_message(""), "");
    }
}
