//! The home directories of Cargo and rustup.

use super::configuration::Variables;
use camino::Utf8PathBuf;
use std::path::{Path, PathBuf};

/// Cargo's [home directory](https://doc.rust-lang.org/cargo/guide/cargo-home.html). `None`: the
/// user has no home directory, or the path is not UTF-8.
pub fn cargo_home() -> Option<Utf8PathBuf> {
    of_this_process("CARGO_HOME", ".cargo")
}

/// The home directory of rustup, as [`cargo_home`].
pub fn rustup_home() -> Option<Utf8PathBuf> {
    of_this_process("RUSTUP_HOME", ".rustup")
}

fn of_this_process(variable: &str, name: &str) -> Option<Utf8PathBuf> {
    let directory = std::env::current_dir().ok()?;
    let home = home(variable, name, &directory, &|name| match name {
        "HOME" => std::env::home_dir().map(PathBuf::into_os_string),
        _ => std::env::var_os(name),
    });
    Utf8PathBuf::from_path_buf(home?).ok()
}

/// The directory that a variable names, relative to the working directory, or the one with this
/// name in the user's home directory.
pub fn home(
    variable: &str,
    name: &str,
    working_directory: &Path,
    variables: Variables<'_>,
) -> Option<PathBuf> {
    variables(variable)
        .filter(|home| !home.is_empty())
        .map(|home| working_directory.join(home))
        .or_else(|| Some(PathBuf::from(variables("HOME")?).join(name)))
}
