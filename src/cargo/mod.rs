//! The interface to Cargo: the packages of the workspace, the build as a stream of test binaries,
//! and the environment that Cargo gives tests.
//!
//! Only this room starts Cargo and rustc, and only this room knows their formats. [`metadata()`]
//! and [`start_build`] may run at the same time. The stream of the build needs the workspace:
//!
//! ```no_run
//! # async fn run(invocation: maelstrom::cargo::Invocation) -> Result<(), maelstrom::cargo::CargoError> {
//! use maelstrom::cargo::{self, BuildEvent};
//!
//! let started = cargo::start_build(&invocation, cargo::Stderr::Inherited)?;
//! let workspace = cargo::metadata(&invocation).await?;
//! let mut build = started.stream(workspace.into());
//! while let Some(event) = build.next().await {
//!     if let BuildEvent::Binary(binary) = event? {
//!         println!("{}", binary.path);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `options` holds the user's options for Cargo. `root` finds the workspace. `metadata` and
//! `manifest` make the `Workspace`, with its `toolchain` and `configuration`. `selection` and
//! `targets` find the packages and targets that Cargo selects, `closure` the members that a package
//! is built from, `dependencies` the members that it depends on, and `local` the directories of all
//! packages on this machine. `build` runs Cargo below a
//! `guard`, which ends its `process_tree` if this process is killed. `assembly` turns Cargo's
//! messages into test binaries and libraries with documentation tests, with `profile_directories`,
//! `lockfile` and `environment`. `home` finds the directories of Cargo and rustup.

mod assembly;
mod build;
mod closure;
mod configuration;
mod dependencies;
mod environment;
mod error;
pub mod guard;
mod home;
mod local;
mod lockfile;
mod manifest;
mod metadata;
mod options;
mod process_tree;
mod profile_directories;
mod root;
mod selection;
mod targets;
mod toolchain;

pub use assembly::{DoctestExecutables, DoctestLibrary, TestBinary};
pub use build::{Build, BuildEvent, StartedBuild, Stderr, start_build};
pub use closure::Dependency;
pub use configuration::Configuration;
pub use dependencies::dependencies;
pub use error::CargoError;
pub use home::{cargo_home, rustup_home};
pub use local::local_packages;
pub use metadata::{Package, TargetInfo, Workspace, metadata};
pub use options::{BuiltTarget, BuiltTargets, CargoOptions, DoctestBuild, Invocation};
pub use root::{directories, has_profile, names_its_workspace, present_metadata, workspace_root};
pub use selection::Narrowed;
pub use targets::SelectedTarget;
pub use toolchain::{CompilerVersion, Toolchain};

#[cfg(test)]
pub(crate) mod tests;
