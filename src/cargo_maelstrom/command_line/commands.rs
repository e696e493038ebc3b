//! The command lines of the commands besides running tests, as clap parses them.

use crate::config::command_line::text_value;
use crate::config::{Color, SharedArguments};
use camino::Utf8PathBuf;
use clap::Parser;
use std::ffi::OsString;

/// Check whether this machine can run containers, and show how to fix problems
#[derive(Debug, Parser)]
#[command(name = "cargo-maelstrom doctor", bin_name = "cargo maelstrom doctor")]
pub struct DoctorArguments {
    #[command(flatten)]
    pub cache: CacheArguments,
}

/// Remove the cache of the workspace: layers, kept results and the directories of `cache` mounts
#[derive(Debug, Parser)]
#[command(name = "cargo-maelstrom clean", bin_name = "cargo maelstrom clean")]
pub struct CleanArguments {
    #[command(flatten)]
    pub cache: CacheArguments,
}

/// Put files with durations of tests together
#[derive(Debug, Parser)]
#[command(
    name = "cargo-maelstrom history merge",
    bin_name = "cargo maelstrom history merge"
)]
pub struct MergeArguments {
    /// Write this file
    #[arg(short, long, value_name = "FILE")]
    pub output: Utf8PathBuf,

    /// Files with durations: `target/maelstrom/history` of a run, or what this command wrote
    #[arg(value_name = "HISTORY")]
    pub inputs: Vec<Utf8PathBuf>,
}

/// Run a program for which `cargo nextest` is cargo maelstrom
///
/// Tests get only their containers, as with --hermetic.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-maelstrom shim",
    bin_name = "cargo maelstrom shim",
    override_usage = "cargo maelstrom shim -- PROGRAM [ARGUMENT]..."
)]
pub struct ShimArguments {
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", last = true, required = true)]
    pub command: Vec<OsString>,
}

/// The arguments of commands about the cache of a workspace.
#[derive(Debug, clap::Args)]
pub struct CacheArguments {
    /// Use the cache of the workspace of this Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<Utf8PathBuf>,

    /// Use the cache in this target directory
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<Utf8PathBuf>,

    /// Color the output
    #[arg(long, value_name = "WHEN", value_parser = text_value::<Color>())]
    pub color: Option<Color>,

    #[command(flatten)]
    pub shared: SharedArguments,
}
