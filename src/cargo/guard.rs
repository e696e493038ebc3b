//! The guard of Cargo: a process that kills Cargo and its descendants when the client (the process
//! that started the build) is killed. Rustdoc has a guard, too, if the client calls it.
//!
//! The guard is this executable, executed again with another `argv[0]`, and the parent of Cargo.
//! Cargo inherits the guard's standard streams, environment and directory. The guard and Cargo are
//! in the client's process group, so that a terminal stops and continues all of them together. The
//! guard ignores other signals of the terminal; Cargo handles them.
//!
//! The guard waits for one of three events. When Cargo ends, the guard ends with the same exit code.
//! When the client ends, or the client sends SIGTERM, the guard first kills Cargo and its
//! descendants; a compiler or a build script would otherwise continue. The guard is a child
//! subreaper (prctl(2)), so processes that lose their parent become its children and are killed
//! too. Daemons, which have a session of their own, are not killed, because they may serve other
//! builds.
//!
//! The guard starts to watch the client before it starts Cargo, and does not start Cargo if the
//! client has ended. So there is no moment at which the client can be killed and Cargo remains.

use super::{CargoError, Invocation, process_tree, toolchain};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, getsid};
use rustix::process::{
    PidfdFlags, pidfd_open, set_child_subreaper, set_parent_process_death_signal,
};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::exit;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The `argv[0]` by which an executable recognizes that it is to be a guard.
const GUARD_NAME: &str = "maelstrom-guard";

/// The exit code of a guard that could not start Cargo. The guard has printed the reason.
pub const NOT_STARTED: i32 = 127;

/// The signals that a terminal sends to the whole process group. Only Cargo handles them.
const TERMINAL_SIGNALS: [SignalKind; 3] = [
    SignalKind::hangup(),
    SignalKind::interrupt(),
    SignalKind::quit(),
];

/// Runs the guard and never returns, if this process was executed as a guard. A program that is
/// used as [`Invocation::guard`] must call this before anything else.
pub fn run_if_guard() {
    let mut arguments = std::env::args_os();
    if arguments.next().is_some_and(|name| name == GUARD_NAME) {
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

/// The program to run as the guard of a program. `None`: no guard is wanted or possible.
fn guard_for<'a>(invocation: &'a Invocation, program: &Path) -> Option<&'a Path> {
    let guard = invocation.guard.as_deref().filter(|guard| guard.exists())?;
    // If the program does not exist, the client reports it, not the guard.
    let program = toolchain::absolute(program, &invocation.directory)?;
    program.is_file().then_some(guard)
}

/// The command that runs Cargo or rustdoc, without arguments, and whether it runs a guard.
pub fn command(invocation: &Invocation, program: &Path) -> (Command, bool) {
    let Some(guard) = guard_for(invocation, program) else {
        return (Command::new(program), false);
    };
    let mut command = Command::new(guard);
    command
        .arg0(GUARD_NAME)
        .arg(getpid().to_string())
        .arg(program);
    (command, true)
}

/// A running program or its guard. Dropping it kills both.
pub struct Guarded {
    pub child: Child,
    pub(super) is_guarded: bool,
}

impl Guarded {
    /// Starts a command that [`command`] has made.
    pub fn spawn(mut command: Command, is_guarded: bool) -> io::Result<Self> {
        Ok(Self {
            child: command.spawn()?,
            is_guarded,
        })
    }

    /// Kills the program and all processes that it started. A compiler would otherwise continue and
    /// delay the next build.
    pub fn kill(&mut self) {
        // A process without an id has been waited for.
        let Some(id) = self.child.id() else { return };
        if self.is_guarded {
            // The id is still valid, because the guard was not waited for.
            let _ = kill(Pid::from_raw(id as i32), Signal::SIGTERM);
        } else {
            process_tree::kill(id as i32);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(client: Pid, cargo: &Path, arguments: Vec<OsString>) -> ! {
    let mut command = std::process::Command::new(cargo);
    command.args(arguments);
    let error = match watch(client) {
        Ok(Some(client)) => match guard(client, command) {
            Ok(WaitStatus::Exited(_, code)) => exit(code),
            Ok(_) => end_by_signal(),
            Err(error) => error,
        },
        Ok(None) => exit(NOT_STARTED),
        // If the client cannot be watched, Cargo runs without a guard.
        Err(_) => command.exec(),
    };
    let error = CargoError::Start {
        program: cargo.to_owned(),
        source: error,
    };
    eprintln!("error: {error}");
    exit(NOT_STARTED)
}

/// A file descriptor that becomes readable when the client ends. `None`: the client has ended.
fn watch(client: Pid) -> io::Result<Option<OwnedFd>> {
    let Some(id) = rustix::process::Pid::from_raw(client.as_raw()) else {
        return Ok(None);
    };
    let process = match pidfd_open(id, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        opened => opened?,
    };
    // If the client had ended and its id were reused, this process would have another parent.
    Ok((getppid() == client).then_some(process))
}

/// Runs Cargo until it ends, the client ends, or the client sends SIGTERM. Returns how Cargo ended.
fn guard(client: OwnedFd, mut command: std::process::Command) -> io::Result<WaitStatus> {
    set_child_subreaper(Some(rustix::process::getpid()))?;
    // A guard that was stopped with the client would not notice the end of the client. The kernel
    // continues it only if its process group is orphaned then, which depends on the new parent.
    set_parent_process_death_signal(Some(rustix::process::Signal::CONT))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut terminate, mut child) = {
            survive_terminal_signals()?;
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

/// Installs handlers for the signals of the terminal, so that they do not end the guard. In Cargo,
/// execve(2) resets handled signals to their defaults. Ignored signals stay ignored in both.
fn survive_terminal_signals() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_ignored = |kind: &SignalKind| ignored.unwrap_or(0) >> (kind.as_raw_value() - 1) & 1 == 1;
    for kind in TERMINAL_SIGNALS
        .into_iter()
        .filter(|kind| !is_ignored(kind))
    {
        // The handler stays installed when this value is dropped.
        let _ = signal(kind)?;
    }
    Ok(())
}

/// Waits until a process has ended or can no longer be watched.
fn wait_for(process: &OwnedFd) {
    let mut processes = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    while let Err(Errno::EINTR) = poll(&mut processes, PollTimeout::NONE) {}
}

/// Reaps the children that have ended. Returns how Cargo ended, if it has ended.
fn reap(cargo: Pid) -> Option<WaitStatus> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(status) if status.pid() == Some(cargo) => return Some(status),
            Ok(_) => {}
        }
    }
}

/// Kills Cargo and its descendants except daemons, and waits until all of them have ended.
fn kill_all(cargo: Pid) -> WaitStatus {
    let own = getsid(None);
    let daemons: Vec<_> = process_tree::children(getpid().as_raw())
        .into_iter()
        .filter(|id| *id != cargo.as_raw() && getsid(Some(Pid::from_raw(*id))) != own)
        .collect();
    let mut status = WaitStatus::StillAlive;
    loop {
        // Processes that a killed process has started are children of the guard by now.
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

/// Ends this process by a signal, because Cargo was ended by a signal.
fn end_by_signal() -> ! {
    let _ = kill(getpid(), Signal::SIGKILL);
    exit(NOT_STARTED)
}
