//! The guard of a child: ends Cargo when we are killed.
//!
//! Who it is: this executable, executed anew under a name of its own next to a
//! Cargo that was just started, in a session of its own so that no terminal's
//! signal reaches it. It has a descriptor of Cargo's process as stdin and one of
//! ours as stdout, and waits for either to end. If Cargo ends first, so does the
//! guard; if we do, whoever killed us, it first ends Cargo and all below it: a
//! compiler or a build script would otherwise go on, for as long as it likes.

use super::process_tree;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// argv\[0\] of a guard: what makes this executable one.
const NAME: &str = "maelstrom-guard";

/// Becomes a guard if this process was executed as one, and then never returns. To
/// be called first thing by a program that lets builds be guarded
/// ([`Invocation::guard`](super::Invocation::guard)).
pub fn run_if_guard() {
    let mut arguments = std::env::args_os();
    if arguments.next().is_some_and(|name| name == NAME) {
        let guarded = arguments.next().and_then(parse);
        std::process::exit(i32::from(guarded.is_none_or(|id| guard(id).is_err())))
    }
}

fn parse(id: OsString) -> Option<i32> {
    id.into_string().ok()?.parse().ok()
}

/// Starts the guard of a child of this process. It is not waited for.
pub fn start(program: &Path, child: u32) -> io::Result<Child> {
    let descriptor = |id| pidfd_open(id, PidfdFlags::empty()).map(Stdio::from);
    let id = Pid::from_raw(child as i32).ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .arg0(NAME)
        .arg(child.to_string())
        .env_clear()
        .stdin(descriptor(id)?)
        .stdout(descriptor(rustix::process::getpid())?)
        .stderr(Stdio::null())
        .spawn()
}

fn guard(guarded: i32) -> io::Result<()> {
    nix::unistd::setsid()?;
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let mut processes = [stdin.as_fd(), stdout.as_fd()].map(|p| PollFd::new(p, PollFlags::POLLIN));
    loop {
        match poll(&mut processes, PollTimeout::NONE) {
            Ok(_) => break,
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let has_ended = processes[0].any().unwrap_or(true);
    if !has_ended {
        process_tree::kill(guarded);
    }
    Ok(())
}
