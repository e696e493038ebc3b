//! Errors of the interface to Cargo.

use camino::Utf8PathBuf;
use std::{io, path::PathBuf};
use thiserror::Error;

/// Cargo or rustc could not be run, failed, or wrote something unexpected.
#[derive(Debug, Error)]
pub enum CargoError {
    #[error("could not start `{}`: {source}; is Cargo installed and on PATH?", program.display())]
    Start { program: PathBuf, source: io::Error },
    /// The error that Cargo printed, without the label `error: `.
    #[error("{message}")]
    Cargo { message: String },
    #[error("could not parse the output of `{command}`: {message}")]
    Output { command: String, message: String },
    #[error("could not read {what} of Cargo: {source}")]
    Read {
        what: &'static str,
        source: io::Error,
    },
    #[error("Cargo wrote a line of more than {limit} bytes to {what}")]
    LongLine { what: &'static str, limit: usize },
    #[error("could not read the Cargo configuration {path}: {message}")]
    Configuration { path: String, message: String },
    #[error(
        "the Cargo configuration has several runners for {triple}: {}; make at most one of them match",
        keys.join(" and ")
    )]
    Runners { triple: String, keys: Vec<String> },
    #[error("`{program}` failed: {message}")]
    Rustc { program: String, message: String },
    #[error("could not read the manifest {path}: {source}")]
    Manifest {
        path: Utf8PathBuf,
        source: io::Error,
    },
    #[error("`{specification}` matches no package of the workspace {root}")]
    NoSuchPackage {
        specification: String,
        root: Utf8PathBuf,
    },
    #[error("invalid package pattern `{pattern}`: {message}")]
    PackagePattern { pattern: String, message: String },
    #[error("--exclude can only be used together with --workspace")]
    ExcludeWithoutWorkspace,
    /// The include patterns match packages of the workspace, but the options select none of these.
    #[error(
        "no selected package matches the include patterns, but the workspace has {}: add `{}`",
        packages.join(", "),
        selecting(packages)
    )]
    OutsideSelection { packages: Vec<String> },
}

/// The options that select these packages too; `--workspace` if there are many.
fn selecting(packages: &[String]) -> String {
    const SHORT: usize = 3;
    if packages.len() > SHORT {
        return "--workspace".to_owned();
    }
    let options: Vec<_> = packages.iter().map(|name| format!("-p {name}")).collect();
    options.join(" ")
}
