//! No process survives: if a client, a starter or a launcher ends in any way, all processes below
//! it end too.

use crate::fixture::{Client, Processes, Slot, eventually, inside, raw, ready, until_killed};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// Starts a daemon: an orphaned process in a session of its own, which does not end by itself.
fn leave_a_daemon() {
    let (mut daemon_lives, lives) = std::io::pipe().unwrap();
    if raw::fork().unwrap() == 0 {
        nix::unistd::setsid().unwrap();
        if raw::fork().unwrap() == 0 {
            raw::ignore(nix::libc::SIGTERM);
            std::io::Write::write_all(&mut &lives, b"x").unwrap();
            until_killed();
        }
        raw::exit_now(0);
    }
    std::io::Read::read_exact(&mut daemon_lives, &mut [0]).unwrap();
}

/// The starter, the launcher, and the first process of the next job, which the
/// launcher clones as soon as it is ready.
fn idle_count(slot: &Slot) -> usize {
    while slot.processes().count() < 3 {
        std::thread::yield_now();
    }
    3
}

#[test]
fn daemons_end_with_their_job() {
    inside("job", || leave_a_daemon());
    let mut slot = Slot::start();
    let idle = idle_count(&slot);
    for (user, init) in [(1000, true), (1000, false), (0, true), (0, false)] {
        slot.job("job").user(user).init(init).run().succeeds();
        // All its processes have ended before the job is reported as ended.
        assert!(slot.processes().count() <= idle);
    }
}

#[test]
fn a_fork_bomb_ends_at_its_time_limit() {
    inside("bomb", || {
        // The limit counts all processes of the job's uid in its user namespace.
        setrlimit(Resource::RLIMIT_NPROC, 200, 200).unwrap();
        ready();
        loop {
            let _ = raw::fork();
        }
    });
    inside("job", || {});
    let mut slot = Slot::start();
    let idle = idle_count(&slot);
    let ran = slot.job("bomb").timeout(Duration::from_millis(500)).run();
    assert!(ran.ended().timed_out);
    assert!(slot.processes().count() <= idle);
    slot.job("job").run().succeeds();
}

/// A job with children and a daemon.
fn a_family() {
    leave_a_daemon();
    if raw::fork().unwrap() == 0 {
        until_killed();
    }
    ready();
    until_killed();
}

#[test]
fn nothing_survives_a_launcher_that_is_dropped() {
    inside("family", || a_family());
    for init in [true, false] {
        let mut slot = Slot::start();
        let mut family = None;
        slot.job("family")
            .init(init)
            .abandon_after(|processes| family = Some(processes.clone()));
        family.unwrap().are_all_gone();
    }
}

#[test]
fn nothing_survives_an_idle_launcher_that_is_dropped() {
    inside("job", || {});
    let mut slot = Slot::start();
    slot.job("job").run().succeeds();
    let processes = slot.processes();
    assert!(processes.count() >= 2, "a starter and a launcher");
    slot.drop_launcher();
    processes.are_all_gone();
}

/// Kills the starter or the launcher while a job runs.
fn kill_one_of_two(which: usize) {
    let mut slot = Slot::start();
    let mut family = None;
    let ran = slot.job("family").run_while(|processes| {
        family = Some(processes.clone());
        let pid = processes.ids().nth(which).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is ours");
    });
    ran.is_lost();
    // The client still runs, and waits for the starter.
    slot.drop_launcher();
    family.unwrap().are_all_gone();
}

#[test]
fn nothing_survives_a_starter_that_is_killed() {
    inside("family", || a_family());
    kill_one_of_two(0);
}

#[test]
fn nothing_survives_a_launcher_that_is_killed() {
    inside("family", || a_family());
    kill_one_of_two(1);
}

#[test]
fn nothing_survives_a_client_that_is_killed_in_the_middle_of_a_job() {
    inside("family", || a_family());
    inside("client", || {
        let mut slot = Slot::start();
        slot.job("family").run_while(|_| {
            ready();
            until_killed();
        });
    });
    let mut client = Client::start("client", |_| {});
    client.until_ready();
    let processes = Processes::from(client.id());
    assert!(processes.count() >= 6, "{processes:?}");
    client.kill();
    processes.are_all_gone();
}

#[test]
fn nothing_survives_a_client_that_is_killed_between_jobs() {
    inside("client", || {
        let _slot = Slot::start();
        ready();
        until_killed();
    });
    let mut client = Client::start("client", |_| {});
    client.until_ready();
    let processes = Processes::from(client.id());
    assert!(
        processes.count() >= 3,
        "a client, a starter and a launcher: {processes:?}"
    );
    client.kill();
    processes.are_all_gone();
}

#[test]
fn nothing_survives_a_client_that_is_killed_at_any_moment() {
    inside("job", || {});
    inside("client", || {
        ready();
        loop {
            Slot::start().job("job").run().succeeds();
        }
    });
    // Orphaned processes become children of the guardian, so that it sees all of them.
    inside("guardian", || {
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        let family = || Processes::from(std::process::id().cast_signed());
        for round in 0..15 {
            let mut client = Client::start("client", |_| {});
            client.until_ready();
            // This takes more time in each round.
            for _ in 0..round * 4 {
                family();
            }
            client.kill();
            eventually("only the guardian is left", || family().count() == 1);
        }
    });
    Client::start("guardian", |_| {}).succeeds();
}
