//! The command lines of the commands besides running tests, as clap parses them.

use super::archiving;
use super::arguments::TestArguments;
use crate::config::command_line::text_value;
use crate::config::{Color, SharedArguments};
use camino::Utf8PathBuf;
use clap::{Command, CommandFactory, Parser};
use std::ffi::OsString;

/// The commands besides running tests, with what they do.
pub const COMMANDS: [(&str, &str); 6] = [
    ("run", "Run tests"),
    ("archive", "Pack tests with everything that they need"),
    (
        "clean",
        "Remove the cache of the workspace, and images that are not used",
    ),
    ("doctor", "Check whether this machine can run containers"),
    ("history", "Put files with durations of tests together"),
    ("shim", "Run a program that calls cargo-nextest"),
];

/// The definition of a command line by its first words, and the number of these words.
pub fn by_words(words: &[String]) -> (Command, usize) {
    let first = words.first().map(String::as_str);
    match first {
        Some("run") => (TestArguments::command(), 1),
        Some("archive") => (archiving::command(), 1),
        Some("clean") => (CleanArguments::command(), 1),
        Some("doctor") => (DoctorArguments::command(), 1),
        Some("history") => (MergeArguments::command(), 2),
        Some("shim") => (ShimArguments::command(), 1),
        _ => (TestArguments::command(), 0),
    }
}

/// The definitions of all command lines, that of running tests first.
pub fn all() -> Vec<Command> {
    vec![
        TestArguments::command(),
        CleanArguments::command(),
        DoctorArguments::command(),
        MergeArguments::command(),
        ShimArguments::command(),
    ]
}

/// Check whether this machine can run containers, and show how to fix problems
#[derive(Debug, Parser)]
#[command(name = "cargo-maelstrom doctor", bin_name = "cargo maelstrom doctor")]
pub struct DoctorArguments {
    #[command(flatten)]
    pub cache: CacheArguments,
}

/// Remove the cache of the workspace, and images that are not used
///
/// The cache has layers, kept results and the directories of `cache` mounts. All workspaces share the
/// images.
#[derive(Debug, Parser)]
#[command(name = "cargo-maelstrom clean", bin_name = "cargo maelstrom clean")]
pub struct CleanArguments {
    /// Remove downloaded images that were not used for this number of days; 0: all (default: 30)
    #[arg(long, value_name = "DAYS", default_value_t = 30, hide_default_value = true, value_parser = days)]
    pub images_unused_for: u32,

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

fn days(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "expected a number of days".to_owned())
}
