//! Tests that leave things behind or take too much.

use crate::client::Client;
use crate::host::{self, wait_until};
use crate::need::needs_containers;
use crate::project::Project;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

/// Where the bomb would stop were there no limit for each test.
const PROCESSES: u64 = 8000;

/// Where it does stop.
const OF_A_TEST: u64 = 4096;

#[test]
fn daemons_of_a_test_of_unruly_end_with_it() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let (daemons, waits) = ("tests::leaves_daemons", "tests::waits_and_ignores_signals");
    let mut client = project.start(&["-j2", "--", "--exact", daemons, waits]);
    client.wait_for(daemons, |event| {
        crate::client::is_test(event, "finished", daemons)
    });
    // The run goes on, but of that test nobody is there any more.
    let left: Vec<_> = project
        .processes()
        .into_iter()
        .filter(|process| process.is_test(daemons))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    client.kill();
    project.assert_nothing_is_left();
}

#[test]
fn shared_objects_of_a_test_of_unruly_are_gone_for_the_next_and_for_the_host() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let before = shared_things();
    let leaves = "tests::leaves_shared_things";
    let anew = "tests::makes_shared_things_anew";
    // One slot, so that one comes after the other in the same launcher.
    let run = project
        .start(&["-j1", "--repeat", "3", "--", "--exact", leaves, anew])
        .finish();
    assert_eq!(run.finished()[leaves], ["passed"; 3], "{run}");
    assert_eq!(run.finished()[anew], ["passed"; 3], "{run}");
    assert_eq!(shared_things(), before);
    project.assert_nothing_is_left();
}

/// Shared memory, semaphores and queues of the host.
fn shared_things() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in ["shm", "sem", "msg"] {
        let text = fs::read_to_string(format!("/proc/sysvipc/{table}")).unwrap_or_default();
        // Of each only its key.
        found.extend(text.lines().filter_map(|line| {
            let key = line.split_whitespace().next()?;
            (key == "1835099500").then(|| format!("{table} {key}"))
        }));
    }
    for directory in ["/dev/shm", "/dev/mqueue", "/tmp"] {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        let names = entries
            .flatten()
            .map(|entry| entry.path().display().to_string());
        found.extend(names.filter(|name| name.contains("maelstrom-unruly")));
    }
    found
}

#[test]
fn a_test_of_unruly_that_fills_its_scratch_space_gets_a_hint() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let (fills, other) = ("tests::fills_the_scratch_space", "tests::takes_a_moment");
    // The more slots, the smaller each one's space.
    let run = project
        .start(&["-j64", "--", "--exact", fills, other])
        .finish();
    let event = run.test(fills);
    assert_eq!(event["status"], "failed", "{run}");
    assert!(
        event["stderr"].as_str().unwrap().contains("StorageFull"),
        "{run}"
    );
    let hint = event["hints"][0].as_str().unwrap();
    assert!(
        hint.contains("the test used up the space for the files that it writes"),
        "{hint}"
    );
    assert_eq!(run.test(other)["status"], "passed", "{run}");
    project.assert_nothing_is_left();
}

#[test]
fn a_fork_bomb_of_unruly_ends_with_its_time_and_leaves_room_for_others() {
    needs_containers!();
    let project = Project::copy_alone("unruly");
    project.build();
    let (bomb, other) = ("tests::bombs_with_forks", "tests::takes_a_moment");
    let words = ["--timeout", "2", "--", "--exact", bomb, other];
    let mut command = project.json(&words);
    let limit = || {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC)?;
        setrlimit(Resource::RLIMIT_NPROC, soft.min(PROCESSES), hard)?;
        Ok(())
    };
    // SAFETY: system calls only.
    unsafe { command.pre_exec(limit) };
    let started = Instant::now();
    let mut client = Client::start(&mut command);
    client.wait_for_start_of(bomb);
    let before = host::tasks();
    wait_until("the bomb", Duration::from_secs(20), || {
        (host::tasks() > before + 500).then_some(())
    });
    let mut most = 0;
    while let now @ 500.. = host::tasks().saturating_sub(before) {
        most = most.max(now);
    }
    let run = client.finish();
    println!(
        "{most} processes were seen; it took {:?}",
        started.elapsed()
    );
    // Others come and go on this machine.
    assert!(most <= OF_A_TEST + 1000, "{most}");
    assert_eq!(run.test(bomb)["status"], "timed-out", "{run}");
    assert_eq!(run.test(other)["status"], "passed", "{run}");
    project.assert_nothing_is_left();
}
