//! `maelstrom-test.toml`: the directives that give each test case its container and its limits.
//!
//! Every test case starts from the built-in default container. Each directive whose filter matches
//! changes that container, in the order of the file. Loading a file finds all errors in it.
//!
//! [`from_nextest`] makes such a file from a configuration of cargo-nextest.

mod default_container;
mod file;
mod nextest;
mod resolve;
mod run_fields;

#[cfg(test)]
mod starter_tests;

pub use default_container::{HOME, default_container};
pub use file::DirectiveError;
pub use nextest::{NEXTEST_FILE, from_nextest, is_nextest_profile};
pub use resolve::{Directives, TestSpec};

/// The name of the file in the root of the workspace.
pub const FILE_NAME: &str = "maelstrom-test.toml";

/// The file that `--init` writes: examples as comments, without an effect.
pub const STARTER: &str = include_str!("starter.toml");
