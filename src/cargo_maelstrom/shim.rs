//! `cargo maelstrom shim`: a program that calls cargo-nextest gets this program instead.

use super::SetUpError;
use super::command_line::{NEXTEST_PROGRAM, ShimOptions};
use crate::cargo;
use crate::process::{ExitCode, Interrupt, Interrupts, error_chain, to_stderr};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::{fs::symlink, process::ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The variable with the program that cargo-insta calls as cargo-nextest.
const INSTA_VARIABLE: &str = "INSTA_CARGO_NEXTEST_BIN";

/// Runs a program, with this one as `cargo-nextest` on its `PATH`. Ends as that program ends.
pub fn shim(options: &ShimOptions) -> std::process::ExitCode {
    match super::runtime().and_then(|runtime| runtime.block_on(run(options))) {
        Ok(status) => exit_code(status),
        Err(error) => {
            to_stderr(format_args!("error: {}", error_chain(&error)));
            ExitCode::SetUp.into()
        }
    }
}

async fn run(options: &ShimOptions) -> Result<ExitStatus, SetUpError> {
    let mut interrupts = Interrupts::watch().map_err(SetUpError::Start)?;
    let directory = directory().map_err(SetUpError::Start)?;
    let mut command = Command::new(&options.program);
    command
        .args(&options.arguments)
        .env("PATH", search_path(directory.path()))
        .env(INSTA_VARIABLE, directory.path().join(NEXTEST_PROGRAM));
    let mut child = command.spawn().map_err(|source| SetUpError::StartProgram {
        program: options.program.to_string_lossy().into_owned(),
        source,
    })?;
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(SetUpError::Start),
            // Ctrl-C on the terminal reaches the program too.
            interrupt = interrupts.next() => if interrupt == Interrupt::Terminated {
                terminate(&child);
            },
        }
    }
}

/// A directory with this program as `cargo-nextest`.
fn directory() -> io::Result<TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("maelstrom-shim-")
        .tempdir()?;
    symlink(env::current_exe()?, directory.path().join(NEXTEST_PROGRAM))?;
    Ok(directory)
}

/// The directory, before those of this process. Cargo and rustup look for commands in the directory of
/// installed programs first, unless it is on the `PATH`.
fn search_path(directory: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories = vec![directory.to_owned()];
    directories.extend(env::split_paths(&path));
    let installed = cargo::cargo_home().map(|home| PathBuf::from(home).join("bin"));
    if let Some(installed) = installed
        && !directories.contains(&installed)
    {
        directories.push(installed);
    }
    // No directory has the separator in its name, as they come from such a list.
    env::join_paths(directories).unwrap_or(path)
}

fn terminate(child: &Child) {
    if let Some(id) = child.id() {
        // It may have ended in between.
        let _ = kill(Pid::from_raw(id as i32), Signal::SIGTERM);
    }
}

/// The exit code of a shell for a program that ended in this way.
fn exit_code(status: ExitStatus) -> std::process::ExitCode {
    let code = match status.code() {
        Some(code) => code,
        None => 128 + status.signal().unwrap_or_default(),
    };
    u8::try_from(code).unwrap_or(1).into()
}
