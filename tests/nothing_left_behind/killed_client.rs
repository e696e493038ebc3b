//! The client is killed, which it cannot do anything about.

use crate::client::{Client, is_test};
use crate::host::Random;
use crate::need::needs_containers;
use crate::project::Project;
use nix::sys::signal::Signal;
use std::fs;
use std::time::{Duration, Instant};

/// Tests in the project `crowd`.
const CROWD: usize = 25;

const ROUNDS: usize = 30;

/// More than one run takes, given that the kernel frees them a little later, and
/// fewer than there would be if only those of the launchers were kept.
const NAMESPACES: usize = 50;

#[test]
fn a_killed_run_of_crowd_leaves_nothing_and_the_next_works() {
    needs_containers!();
    let mut random = Random::seeded();
    let project = Project::copy("crowd");
    let whole = project.start(&[]).finish();
    whole.assert_all_passed(CROWD);
    let events = whole.events.len() as u64;
    let mut longest = Duration::ZERO;
    for round in 0..ROUNDS {
        if round % 3 == 0 {
            // So that this round packs anew.
            fs::remove_dir_all(project.store()).unwrap();
        }
        let after = random.below(events);
        let mut client = project.start(&[]);
        for _ in 0..after {
            client.next();
        }
        let run = client.kill();
        for (name, statuses) in run.finished() {
            assert_eq!(statuses, ["passed"], "{name}: {run}");
        }
        longest = longest.max(project.assert_nothing_is_left());
    }
    println!("nothing was left after {longest:?} at most");
    let mut last = project.start(&["-j1"]);
    let mut started = Vec::new();
    while let Some(event) = last.next() {
        assert_ne!(event["event"], "warning", "{event}");
        if event["event"] == "started" && event["type"] == "test" {
            started.push(event["name"].as_str().unwrap().to_owned());
        }
    }
    last.finish().assert_all_passed(CROWD);
    // What the first run taught is still known.
    assert_eq!(started[0], "tests::z_takes_longest");
    project.assert_no_temporary_files();
}

#[test]
fn a_client_killed_at_any_time_leaves_nothing() {
    needs_containers!();
    let mut random = Random::seeded();
    let project = Project::copy("crowd");
    add_sources(&project, 2000);
    let started = Instant::now();
    project.start(&[]).finish().assert_all_passed(CROWD);
    let length = started.elapsed().as_micros() as u64;
    for round in 0..ROUNDS / 2 {
        match round % 3 {
            0 => fs::remove_dir_all(project.store()).unwrap(),
            1 => fs::remove_dir_all(project.root().join("target")).unwrap(),
            _ => {}
        }
        let client = project.start(&[]);
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_micros(random.below(length)));
        client.kill();
        project.assert_nothing_is_left();
    }
    project.start(&[]).finish().assert_all_passed(CROWD);
    project.assert_no_temporary_files();
}

/// Files that take a moment to pack.
fn add_sources(project: &Project, count: usize) {
    let directory = project.root().join("data");
    fs::create_dir(&directory).unwrap();
    for number in 0..count {
        fs::write(
            directory.join(number.to_string()),
            format!("content {number}"),
        )
        .unwrap();
    }
}

#[test]
fn a_client_killed_in_the_build_of_slow_build_takes_the_build_along() {
    let project = Project::copy("slow_build");
    let mut client = project.start(&[]);
    project.wait_for_slow_build(&mut client);
    client.kill();
    project.assert_nothing_is_left();
}

#[test]
fn what_a_killed_client_was_making_is_cleared_by_the_next() {
    needs_containers!();
    let project = Project::copy("crowd");
    project.start(&[]).finish().assert_all_passed(CROWD);
    let mut client = project.start(&[]);
    client.wait_for("a test", |event| event["type"] == "test");
    // As if it was in the middle of something.
    let own = fs::read_dir(project.store().join("tmp"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::write(own.path().join("half"), "made").unwrap();
    client.kill();
    assert!(own.path().join("half").exists());
    project.start(&[]).finish().assert_all_passed(CROWD);
    project.assert_no_temporary_files();
}

#[test]
fn namespaces_of_killed_runs_are_free_again() {
    needs_containers!();
    if nix::unistd::geteuid().is_root() {
        println!("only as an ordinary user: root's limit on namespaces is the machine's");
        return;
    }
    let project = Project::copy("crowd");
    project.start(&[]).finish().assert_all_passed(CROWD);
    let nest = crate::full_disk::Nest::new();
    for kind in ["user", "mnt", "net", "pid", "ipc", "uts"] {
        nest.write(
            &format!("/proc/sys/user/max_{kind}_namespaces"),
            &NAMESPACES.to_string(),
        );
    }
    for _ in 0..ROUNDS {
        let mut client = Client::start(&mut nest.command(project.json(&[])));
        client.wait_for("a test's end", |event| {
            event["type"] == "test" && event["event"] == "finished"
        });
        client.kill();
        project.assert_nothing_is_left();
    }
    Client::start(&mut nest.command(project.json(&[])))
        .finish()
        .assert_all_passed(CROWD);
}

#[test]
fn a_killed_client_ends_a_test_that_ignores_signals() {
    needs_containers!();
    let project = Project::copy("unruly");
    let test = "tests::waits_and_ignores_signals";
    let mut client = project.start(&["--", "--exact", test]);
    client.wait_for_start_of(test);
    project.wait_for_process(&mut client, "the test", |process| process.is_test(test));
    client.signal(Signal::SIGKILL);
    let run = client.finish();
    assert!(
        !run.events
            .iter()
            .any(|event| is_test(event, "finished", test))
    );
    project.assert_nothing_is_left();
}
