//! Talking to Cargo: what the workspace holds, the build as a stream of test
//! binaries, and what Cargo gives a test at run time.
//!
//! Only this room starts Cargo or rustc and knows their formats. [`metadata()`] and
//! [`start_build`] may run at the same time; the build's stream needs the
//! workspace, so a run looks like this:
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
//! Front to back: `options` are what the user gave Cargo; `metadata` and
//! `manifest` make the `Workspace`, with its `toolchain` and `configuration`;
//! `selection` and `targets` say what Cargo would select, `closure` what a package is built
//! from; `build` runs Cargo, below a
//! `guard` that ends its `process_tree` should we be killed, and
//! `assembly` turns its messages into test binaries with the help of `place`,
//! `lockfile` and `environment`; `doctests` looks for what is left out.

mod assembly;
mod build;
mod closure;
mod configuration;
mod doctests;
mod environment;
mod error;
pub mod guard;
mod lockfile;
mod manifest;
mod metadata;
mod options;
mod place;
mod process_tree;
mod selection;
mod targets;
mod toolchain;

pub use assembly::TestBinary;
pub use build::{Build, BuildEvent, StartedBuild, Stderr, start_build};
pub use closure::Dependency;
pub use configuration::Configuration;
pub use doctests::has_doctests;
pub use error::CargoError;
pub use metadata::{Package, TargetInfo, Workspace, metadata};
pub use options::{Invocation, Options};
pub use selection::Narrowed;
pub use targets::SelectedTarget;
pub use toolchain::Toolchain;

#[cfg(test)]
mod tests;
