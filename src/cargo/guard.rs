//! The guard of a Cargo: ends it, and all that it started, when the client is killed.
//!
//! Who it is: this executable, executed anew under a name of its own, and the parent of the Cargo
//! that it runs. What it was given as standard input, output and error is Cargo's, and so are its
//! environment and its directory. It is in the client's process group, as Cargo is, so that a
//! terminal stops and continues them together; what else the terminal has to say is for Cargo.
//!
//! What it waits for: Cargo's end, after which it ends in the same way; the client's, whoever
//! killed that; or SIGTERM, by which the client asks for the end. In the latter two cases it first
//! kills Cargo and all below it: a compiler or a build script would otherwise go on, for as
//! long as it likes. What has lost its parent meanwhile is the guard's child, and does not
//! escape; but what has made itself a daemon, in a session of its own, is left alone: it may
//! serve other builds.
//!
//! A guard that was started next to Cargo would come too late for a client that is killed in
//! between. This one watches the client before there is a Cargo, and starts none for a client that
//! is gone by then.

use super::{CargoError, Invocation, process_tree, toolchain};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, getsid};
use rustix::process::{PidfdFlags, pidfd_open, set_child_subreaper};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::exit;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// argv\[0\] of a guard: what makes this executable one.
const NAME: &str = "maelstrom-guard";

/// The exit code of a guard that could not start Cargo. It has told why.
pub const NOT_STARTED: i32 = 127;

/// What comes from a terminal or goes to a whole process group, and would end a guard that does
/// nothing about it.
const FOR_CARGO: [SignalKind; 3] = [
    SignalKind::hangup(),
    SignalKind::interrupt(),
    SignalKind::quit(),
];

/// Becomes a guard if this process was executed as one, and then never returns. To
/// be called first thing by a program that lets builds be guarded
/// ([`Invocation::guard`]).
pub fn run_if_guard() {
    let mut arguments = std::env::args_os();
    if arguments.next().is_some_and(|name| name == NAME) {
        let client = arguments.next().and_then(parse);
        let cargo = arguments.next().map(PathBuf::from);
        let (Some(client), Some(cargo)) = (client, cargo) else {
            exit(NOT_STARTED)
        };
        run(client, &cargo, arguments.collect());
    }
}

fn parse(id: OsString) -> Option<Pid> {
    Some(Pid::from_raw(id.into_string().ok()?.parse().ok()?))
}

/// The program that guards the Cargo of an invocation, if that is wanted and can be.
fn program(invocation: &Invocation) -> Option<&Path> {
    let guard = invocation.guard.as_deref().filter(|guard| guard.exists())?;
    // What cannot be started is better told by who was to start it.
    let cargo = toolchain::absolute(&invocation.cargo, &invocation.directory)?;
    cargo.is_file().then_some(guard)
}

/// The command that runs Cargo, without any arguments yet; and whether under a guard.
pub fn command(invocation: &Invocation) -> (Command, bool) {
    let Some(guard) = program(invocation) else {
        return (Command::new(&invocation.cargo), false);
    };
    let mut command = Command::new(guard);
    command
        .arg0(NAME)
        .arg(getpid().to_string())
        .arg(&invocation.cargo);
    (command, true)
}

/// Ends the Cargo of a guard that is a child of this process, and all that Cargo started.
pub fn end(guard: i32) {
    // It cannot be gone: it was not waited for.
    let _ = kill(Pid::from_raw(guard), Signal::SIGTERM);
}

fn run(client: Pid, cargo: &Path, arguments: Vec<OsString>) -> ! {
    let mut command = std::process::Command::new(cargo);
    command.args(arguments);
    let error = match watch(client) {
        Ok(Some(client)) => match guard(client, command) {
            Ok(WaitStatus::Exited(_, code)) => exit(code),
            Ok(_) => die(),
            Err(error) => error,
        },
        Ok(None) => exit(NOT_STARTED),
        // That there can be no guard is no reason not to build.
        Err(_) => command.exec(),
    };
    let error = CargoError::Start {
        program: cargo.to_owned(),
        source: error,
    };
    eprintln!("error: {error}");
    exit(NOT_STARTED)
}

/// What tells the client's end; `None` if that has come already.
fn watch(client: Pid) -> io::Result<Option<OwnedFd>> {
    let Some(id) = rustix::process::Pid::from_raw(client.as_raw()) else {
        return Ok(None);
    };
    let process = match pidfd_open(id, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        opened => opened?,
    };
    // Had it ended before, and another process its id, this one would have another parent.
    Ok((getppid() == client).then_some(process))
}

/// Runs Cargo for as long as the client lives and wants it; how it ended.
fn guard(client: OwnedFd, mut command: std::process::Command) -> io::Result<WaitStatus> {
    set_child_subreaper(Some(rustix::process::getpid()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut terminate, mut child) = {
            leave_to_cargo()?;
            (
                signal(SignalKind::terminate())?,
                signal(SignalKind::child())?,
            )
        };
        let cargo = Pid::from_raw(command.spawn()?.id() as i32);
        let (sender, mut client_ended) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            wait_for(&client);
            drop(sender);
        });
        loop {
            tokio::select! {
                _ = child.recv() => {
                    if let Some(status) = reap(cargo) {
                        return Ok(status);
                    }
                }
                _ = &mut client_ended => break,
                _ = terminate.recv() => break,
            }
        }
        Ok(kill_all(cargo))
    })
}

/// Survives signals by having handlers for them, in place of which Cargo has the defaults again.
/// What is ignored stays so, for Cargo too.
fn leave_to_cargo() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_ignored = |kind: &SignalKind| ignored.unwrap_or(0) >> (kind.as_raw_value() - 1) & 1 == 1;
    for kind in FOR_CARGO.into_iter().filter(|kind| !is_ignored(kind)) {
        // The handler stays when this is dropped.
        let _ = signal(kind)?;
    }
    Ok(())
}

/// Waits until a process has ended, or cannot be watched any more.
fn wait_for(process: &OwnedFd) {
    let mut processes = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    while let Err(Errno::EINTR) = poll(&mut processes, PollTimeout::NONE) {}
}

/// Reaps the children that have ended; how Cargo ended, if it has.
fn reap(cargo: Pid) -> Option<WaitStatus> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(status) if status.pid() == Some(cargo) => return Some(status),
            Ok(_) => {}
        }
    }
}

/// Kills Cargo and all that it started, but for daemons, and waits for the end of all of them.
fn kill_all(cargo: Pid) -> WaitStatus {
    let own = getsid(None);
    let daemons: Vec<_> = process_tree::children(getpid().as_raw())
        .into_iter()
        .filter(|id| *id != cargo.as_raw() && getsid(Some(Pid::from_raw(*id))) != own)
        .collect();
    let mut status = WaitStatus::StillAlive;
    loop {
        // Those that some process started before it was killed are children by then.
        let mut children = process_tree::children(getpid().as_raw());
        children.retain(|id| !daemons.contains(id));
        if children.is_empty() {
            return status;
        }
        for child in &children {
            process_tree::kill(*child);
        }
        for child in children.into_iter().map(Pid::from_raw) {
            match waitpid(child, None) {
                Ok(ended) if child == cargo => status = ended,
                _ => {}
            }
        }
    }
}

/// Ends by a signal. Which one is of no interest, but this one nobody survives.
fn die() -> ! {
    let _ = kill(getpid(), Signal::SIGKILL);
    exit(NOT_STARTED)
}
