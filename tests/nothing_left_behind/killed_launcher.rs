//! Somebody else, the kernel short of memory perhaps, kills what runs a test.

use crate::client::Run;
use crate::host::{Random, wait_until};
use crate::need::needs_containers;
use crate::processes::{self, Process};
use crate::project::Project;
use maelstrom::container::{LauncherConfig, NetworkKind, encode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

const STUCK: &str = "tests::waits_and_ignores_signals";

/// Runs tests of `unruly`, of which one never ends, kills the process `chosen`
/// of its slot, and reads on.
fn run_and_kill(project: &Project, chosen: impl Fn(&[Process], &Process) -> i32) -> Run {
    // One slot: the tests behind the stuck one need it.
    let mut client = project.start(&[
        "-j1",
        "--",
        "--exact",
        STUCK,
        "tests::passes",
        "tests::also_passes",
        "tests::takes_a_moment",
    ]);
    client.wait_for_start_of(STUCK);
    let test = project.wait_for_process(&mut client, "the test", |process| process.is_test(STUCK));
    let processes = project.processes();
    let test = processes.iter().find(|process| process.id == test).unwrap();
    kill(Pid::from_raw(chosen(&processes, test)), Signal::SIGKILL).unwrap();
    client.finish()
}

fn parent<'a>(processes: &'a [Process], of: &Process) -> &'a Process {
    processes
        .iter()
        .find(|process| process.id == of.parent)
        .unwrap()
}

fn assert_stuck_is_an_error_and_others_ran(run: &Run) {
    let event = run.test(STUCK);
    assert_eq!(event["status"], "error", "{run}");
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("launcher"), "{message}");
    assert_others_passed(run);
    assert_eq!(run.status.code(), Some(100), "{run}");
    run.assert_counts_add_up(4);
    assert!(run.stderr.contains(STUCK), "{run}");
}

fn assert_others_passed(run: &Run) {
    for name in [
        "tests::passes",
        "tests::also_passes",
        "tests::takes_a_moment",
    ] {
        assert_eq!(run.test(name)["status"], "passed", "{run}");
    }
}

#[test]
fn a_killed_launcher_makes_its_test_of_unruly_an_error() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    // The test's parent is its init, and the launcher that one's.
    let run = run_and_kill(&project, |all, test| parent(all, parent(all, test)).id);
    assert_stuck_is_an_error_and_others_ran(&run);
    project.assert_nothing_is_left();
}

#[test]
fn a_killed_starter_makes_its_test_of_unruly_an_error() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let run = run_and_kill(&project, |all, test| {
        parent(all, parent(all, parent(all, test))).id
    });
    assert_stuck_is_an_error_and_others_ran(&run);
    project.assert_nothing_is_left();
}

#[test]
fn a_killed_init_or_test_of_unruly_is_a_failure_by_that_signal() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let killed_test = run_and_kill(&project, |_, test| test.id);
    let killed_init = run_and_kill(&project, |all, test| parent(all, test).id);
    for run in [killed_test, killed_init] {
        let event = run.test(STUCK);
        assert_eq!(
            (&event["status"], &event["signal"]),
            (&"failed".into(), &9.into()),
            "{run}"
        );
        assert_others_passed(&run);
        assert_eq!(run.status.code(), Some(100), "{run}");
        run.assert_counts_add_up(4);
    }
    project.assert_nothing_is_left();
}

#[test]
fn a_starter_killed_at_any_time_leaves_nothing() {
    needs_containers!();
    let mut random = Random::seeded();
    let directory = tempfile::tempdir().unwrap();
    let config = LauncherConfig {
        trees: directory.path().to_owned(),
        network: NetworkKind::Disabled,
        binds: Vec::new(),
        machine: None,
    };
    let message = encode(&config).unwrap();
    for _ in 0..200 {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut starter = Command::new(env!("CARGO_BIN_EXE_cargo-maelstrom"))
            .arg0("maelstrom-launcher")
            .env_clear()
            .env("OF", directory.path())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        ours.write_all(&message).unwrap();
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_micros(random.below(5000)));
        starter.kill().unwrap();
        starter.wait().unwrap();
    }
    wait_until("the end of all", Duration::from_secs(10), || {
        processes::of(directory.path()).is_empty().then_some(())
    });
}
