//! The state that a job's program starts with.

use crate::fixture::{Slot, in_a_container, in_containers_as_any_user, inside};
use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::resource::{Resource, getrlimit};
use std::fs;
use std::sync::OnceLock;

/// `/proc/self/status` before Rust's runtime changed anything.
static BIRTH: OnceLock<String> = OnceLock::new();

/// The loader calls this before `main`, and thus before Rust's runtime ignores SIGPIPE.
#[used]
// SAFETY: the section holds pointers to functions of this type.
#[unsafe(link_section = ".init_array")]
static REMEMBER_BIRTH: extern "C" fn() = {
    extern "C" fn remember_birth() {
        let _ = BIRTH.set(fs::read_to_string("/proc/self/status").unwrap_or_default());
    }
    remember_birth
};

/// A field of `/proc/self/status` as the program found it.
pub fn at_birth(field: &str) -> String {
    let status = BIRTH.get().expect("the loader calls it");
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields
        .find(|(name, _)| *name == field)
        .expect("the kernel tells");
    value.trim().to_owned()
}

#[test]
fn signals_have_their_defaults_and_none_is_blocked() {
    in_containers_as_any_user(|| {
        for set in ["SigIgn", "SigBlk", "SigCgt", "SigPnd", "ShdPnd"] {
            assert_eq!(at_birth(set), "0000000000000000", "{set}");
        }
    });
}

#[test]
fn signals_that_the_client_ignores_or_blocks_are_not_the_jobs() {
    use crate::fixture::{Client, raw};
    use nix::sys::signal::{SigSet, Signal};
    inside("job", || {
        assert_eq!(at_birth("SigIgn"), "0000000000000000");
        assert_eq!(at_birth("SigBlk"), "0000000000000000");
    });
    inside("client", || {
        for signal in [libc::SIGCHLD, libc::SIGHUP, libc::SIGUSR1, libc::SIGRTMIN()] {
            raw::ignore(signal);
        }
        SigSet::from_iter([Signal::SIGUSR2, Signal::SIGTERM])
            .thread_block()
            .unwrap();
        Slot::start().job("job").run().succeeds();
    });
    Client::start("client", |_| {}).succeeds();
}

#[test]
fn a_job_has_a_session_and_leads_its_process_group_and_has_no_terminal() {
    in_containers_as_any_user(|| {
        // The session of an init, or of the job itself: each is process 1.
        assert_eq!(nix::unistd::getsid(None).unwrap().as_raw(), 1);
        assert_eq!(nix::unistd::getpgrp(), nix::unistd::getpid());
        let tty = fs::File::open("/dev/tty").unwrap_err();
        assert_eq!(tty.raw_os_error(), Some(libc::ENXIO), "it has a terminal");
    });
}

#[test]
fn a_terminal_that_a_job_opens_does_not_become_its_own() {
    in_a_container(|| {
        let master = posix_openpt(OFlag::O_RDWR).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut options = fs::File::options();
        let terminal = options.read(true).write(true);
        let terminal = terminal.open(ptsname_r(&master).unwrap()).unwrap();
        let own = fs::File::open("/dev/tty").unwrap_err();
        assert_eq!(own.raw_os_error(), Some(libc::ENXIO), "it has a terminal");
        // The kernel sends SIGHUP to the session of the terminal.
        drop(master);
        drop(terminal);
    });
}

#[test]
fn the_umask_is_022() {
    in_containers_as_any_user(|| assert_eq!(at_birth("Umask"), "0022"));
}

#[test]
fn the_limit_on_open_files_is_as_asked() {
    inside("job", || {
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, 100);
    });
    Slot::start().job("job").open_files(100).run().succeeds();
}

#[test]
fn a_limit_on_open_files_above_the_hard_limit_becomes_that() {
    inside("job", || {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    });
    Slot::start()
        .job("job")
        .open_files(u64::MAX)
        .run()
        .succeeds();
}

#[test]
fn no_dump_handler_runs_for_a_job() {
    // Zero would let a handler run; see core(5).
    in_a_container(|| assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (1, 1)));
}

#[test]
fn jobs_are_killed_first_when_memory_is_short() {
    in_a_container(|| {
        assert_eq!(
            fs::read_to_string("/proc/self/oom_score_adj")
                .unwrap()
                .trim(),
            "500"
        );
    });
}

#[test]
fn the_environment_has_only_the_requested_variables() {
    inside("job", || {
        let mut names: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["ISOLATION_ROLE", "MAELSTROM_SLOT", "TMPDIR", "WORD"]
        );
    });
    Slot::start().job("job").tell("WORD", "x").run().succeeds();
}

#[test]
fn user_and_group_are_as_asked() {
    inside("job", || {
        let ids = std::env::var("ID").unwrap();
        for field in ["Uid", "Gid"] {
            assert_eq!(at_birth(field), [ids.as_str(); 4].join("\t"), "{field}");
        }
    });
    let mut slot = Slot::start();
    for id in [0, 1, 1000, 65534, 4_000_000_000] {
        slot.job("job").user(id).tell("ID", id).run().succeeds();
    }
}
