//! The client is killed, which it cannot do anything about.

use crate::client::{Client, is_test};
use crate::host::{Random, wait_until};
use crate::need::needs_containers;
use crate::processes::Process;
use crate::project::Project;
use nix::sys::signal::{SigHandler, Signal, kill, killpg, signal};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Command;
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

/// A program of these tests that is run in Cargo's place.
fn in_place_of_cargo(command: &mut Command, program: &str) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nothing_left_behind");
    command
        .env("REAL_CARGO", cargo)
        .env("CARGO", tests.join(program));
}

#[test]
fn a_client_killed_as_it_starts_cargo_takes_it_along() {
    let project = Project::copy("crowd");
    for _ in 0..20 {
        let mut command = project.json(&[]);
        in_place_of_cargo(&mut command, "killing-cargo");
        let run = Client::start(&mut command).finish();
        assert_eq!(run.status.signal(), Some(Signal::SIGKILL as i32), "{run}");
        project.assert_nothing_is_left();
    }
}

#[test]
fn a_client_killed_while_its_build_is_suspended_takes_the_build_along() {
    let project = Project::copy("slow_build");
    // A process group like that of a shell's job.
    let mut client = Client::start(project.json(&[]).process_group(0));
    project.wait_for_slow_build(&mut client);
    killpg(Pid::from_raw(client.id()), Signal::SIGTSTP).unwrap();
    let is_stopped = |process: &Process| {
        let status = fs::read_to_string(format!("/proc/{}/status", process.id));
        status.is_ok_and(|status| status.contains("State:\tT"))
    };
    wait_until("all to be stopped", Duration::from_secs(60), || {
        // But for launchers, which no terminal reaches.
        let mut processes = project.processes();
        processes.retain(|process| !process.is_launcher());
        processes.iter().all(is_stopped).then_some(())
    });
    client.kill();
    project.assert_nothing_is_left();
}

#[test]
fn orphans_of_a_build_end_with_a_killed_client_unless_they_are_daemons() {
    let project = Project::copy("slow_build");
    let script = project.root().join("build.rs");
    let text = fs::read_to_string(&script).unwrap();
    let leaves = r#"fn main() {
    if std::env::args().len() == 1 {
        let leave = "sleep 301 & setsid sleep 302 &";
        Command::new("sh").args(["-c", leave]).status().unwrap();
    }"#;
    fs::write(script, text.replace("fn main() {", leaves)).unwrap();
    let mut client = project.start(&[]);
    project.wait_for_slow_build(&mut client);
    let mut wait_for = |command: &str| {
        project.wait_for_process(&mut client, command, |process| {
            process.command.starts_with(command)
        })
    };
    wait_for("sleep 301");
    let daemon = wait_for("sleep 302");
    client.kill();
    project.assert_nothing_is_left_but(|process| process.id == daemon);
    kill(Pid::from_raw(daemon), Signal::SIGKILL).unwrap();
    project.assert_nothing_is_left();
}

#[test]
fn cargo_finds_signals_as_the_client_found_them() {
    /// Those above are realtime signals, of which the C library has two for itself.
    const ORDINARY: u64 = (1 << 31) - 1;
    let project = Project::copy("crowd");
    let record = project.root().join("record");
    let recorded = |command: &mut Command, handler: SigHandler| {
        in_place_of_cargo(command, "recording-cargo");
        let set_up = move || {
            // The client handles SIGINT, also if it was ignored, as by shells for `command &`.
            let sigint = (Signal::SIGINT, SigHandler::SigDfl);
            for (number, handler) in [
                sigint,
                (Signal::SIGHUP, handler),
                (Signal::SIGQUIT, handler),
            ] {
                // SAFETY: the handler installs no code.
                unsafe { signal(number, handler) }?;
            }
            Ok(())
        };
        // SAFETY: system calls only.
        unsafe { command.env("RECORD", &record).pre_exec(set_up) };
        command.output().unwrap();
        let text = fs::read_to_string(&record).unwrap();
        fs::remove_file(&record).unwrap();
        let masks = text.lines().map(|line| {
            let (name, mask) = line.split_once(":\t").unwrap();
            let mask = u64::from_str_radix(mask, 16).unwrap() & ORDINARY;
            format!("{name} {mask:b}")
        });
        masks.collect::<Vec<_>>()
    };
    for handler in [SigHandler::SigDfl, SigHandler::SigIgn] {
        let mut cargo = Command::new("sh");
        cargo.args(["-c", r#"exec "$CARGO" test"#]);
        let expected = recorded(&mut cargo, handler);
        for argument in ["--no-run", "--doc"] {
            let found = recorded(&mut project.command([argument]), handler);
            assert_eq!(found, expected, "{argument}");
        }
    }
}

#[test]
fn unfinished_files_of_a_killed_client_are_removed_by_the_next() {
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
