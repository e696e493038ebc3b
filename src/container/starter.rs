//! From a freshly executed program to a launcher in namespaces of its own.
//!
//! The *starter* is this executable, executed by a client with a socket as stdin. It reads
//! the configuration, makes the namespaces, and clones the *launcher* into them as pid 1 of
//! a pid namespace. Then it waits for the launcher. The launcher has a parent-death signal,
//! so that the launcher and its job end with the starter. The launcher also ends when the
//! client's end of the socket closes, in whatever way the client ended.

use super::channel::Channel;
use super::launcher;
use super::prepare::HostTrees;
use super::protocol::{LauncherConfig, NetworkKind, Reply};
use super::step::{Step, StepContext, StepError};
use super::sys::{self, Cloned};
use nix::fcntl::OFlag;
use nix::libc;
use nix::sched::CloneFlags;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

/// The host's uid and gid of jobs if the client is the real root. It is in the range that
/// systemd reserves for containers, and owns no files.
const UNPRIVILEGED_ID: u32 = 1_878_982_656;

/// Runs a starter. Never returns.
pub fn main() -> ! {
    sys::reset_signals();
    ignore_terminal();
    sys::close_from(3);
    let Ok(mut channel) = Channel::from_stdin() else {
        sys::exit(1)
    };
    let Ok(Some(config)) = channel.receive_config() else {
        sys::exit(1)
    };
    match start(&config, &mut channel) {
        Ok(pid) => {
            drop(channel);
            sys::forget_code();
            let _ = sys::wait4(pid, 0);
            sys::exit(0)
        }
        Err(error) => {
            let _ = channel.send(0, &Reply::Failed(error));
            sys::exit(1)
        }
    }
}

/// Leaves the terminal's session, so that Ctrl-C does not reach the starter. The client
/// handles interrupts.
fn ignore_terminal() {
    let _ = nix::unistd::setsid();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: SIG_IGN installs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn start(config: &LauncherConfig, channel: &mut Channel) -> Result<i32, StepError> {
    let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    if config.network != NetworkKind::Local {
        flags |= libc::CLONE_NEWNET;
    }
    let trees = if is_real_root() {
        Some(leave_root(config)?)
    } else {
        flags |= libc::CLONE_NEWUSER;
        None
    };
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    match sys::clone3(flags).step(Step::CreateLauncherNamespaces)? {
        Cloned::Parent { pid } => Ok(pid),
        Cloned::Child => {
            let outcome = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
                .step(Step::SetParentDeathSignal)
                .and_then(|()| {
                    if trees.is_none() {
                        write_own_maps(uid.as_raw(), gid.as_raw())?;
                    }
                    launcher::run(config, trees, channel)
                });
            if let Err(error) = outcome {
                let _ = channel.send(0, &Reply::Failed(error));
            }
            sys::exit(0)
        }
    }
}

/// Makes the user of jobs the owner of a pipe, so that a job can open it by a name such as
/// `/dev/stdout`. This is needed only if the client is the real root.
pub fn give_to_jobs(pipe: BorrowedFd<'_>) -> io::Result<()> {
    static IS_REAL_ROOT: LazyLock<bool> = LazyLock::new(is_real_root);
    if *IS_REAL_ROOT {
        let (uid, gid) = (UNPRIVILEGED_ID.into(), UNPRIVILEGED_ID.into());
        nix::unistd::fchown(pipe, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// Whether this user is uid 0 of the machine, which owns the files in `/proc/sys`.
///
/// The uid map of this namespace does not show this: its 0 may be the 0 of a parent
/// namespace that maps 0 to another user. The owner of those files does.
pub fn is_real_root() -> bool {
    // The uid that stands for users without a uid in this namespace.
    const NOBODY: &str = "/proc/sys/kernel/overflowuid";
    let user = nix::unistd::geteuid().as_raw();
    let nobody = fs::read_to_string(NOBODY)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    Some(user) != nobody && fs::metadata(NOBODY).is_ok_and(|file| file.uid() == user)
}

/// Maps the caller's ids to 0, which every user may do in a new namespace.
fn write_own_maps(uid: u32, gid: u32) -> Result<(), StepError> {
    // The kernel requires this before the gid map: see user_namespaces(7).
    fs::write("/proc/self/setgroups", "deny").step(Step::DenySetgroups)?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).step(Step::WriteUidMap)?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).step(Step::WriteGidMap)
}

/// Opens the host's trees as root, then enters a user namespace in which 0 is an
/// unprivileged id of the host.
fn leave_root(config: &LauncherConfig) -> Result<HostTrees, StepError> {
    let user_ns = unprivileged_user_namespace()?;
    let trees = HostTrees::open(config, Some(user_ns.as_fd()))?;
    nix::unistd::setgroups(&[]).step(Step::DropSupplementaryGroups)?;
    nix::sched::setns(&user_ns, CloneFlags::CLONE_NEWUSER).step(Step::EnterUserNamespace)?;
    let (uid, gid) = (nix::unistd::Uid::from_raw(0), nix::unistd::Gid::from_raw(0));
    nix::unistd::setresgid(gid, gid, gid).step(Step::SetGroup)?;
    nix::unistd::setresuid(uid, uid, uid).step(Step::SetUser)?;
    // Changing ids made this process's /proc files the real root's.
    nix::sys::prctl::set_dumpable(true).step(Step::SetDumpable)?;
    Ok(trees)
}

/// A user namespace that maps 0 to [`UNPRIVILEGED_ID`]. A child makes it and waits until its
/// maps are written, or until this process is gone.
fn unprivileged_user_namespace() -> Result<OwnedFd, StepError> {
    let (awaited, held) = nix::unistd::pipe2(OFlag::O_CLOEXEC).step(Step::CreateUserNamespace)?;
    match sys::clone3(libc::CLONE_NEWUSER).step(Step::CreateUserNamespace)? {
        Cloned::Child => {
            drop(held);
            let _ = nix::unistd::read(awaited, &mut [0]);
            sys::exit(0)
        }
        Cloned::Parent { pid } => {
            let map = format!("0 {UNPRIVILEGED_ID} 1");
            let user_ns = fs::write(format!("/proc/{pid}/setgroups"), "deny")
                .and_then(|()| fs::write(format!("/proc/{pid}/uid_map"), &map))
                .and_then(|()| fs::write(format!("/proc/{pid}/gid_map"), &map))
                .and_then(|()| fs::File::open(format!("/proc/{pid}/ns/user")))
                .step(Step::MapUnprivilegedUser);
            drop(held);
            let _ = sys::wait4(pid, 0);
            user_ns.map(OwnedFd::from)
        }
    }
}
