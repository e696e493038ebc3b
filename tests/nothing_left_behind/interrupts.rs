//! Ctrl-C and SIGTERM.

use crate::client::{Client, Collected, Run, heed_signals};
use crate::host::Random;
use crate::need::needs_containers;
use crate::project::Project;
use nix::pty::openpty;
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Tests in the project `crowd`.
const CROWD: u64 = 25;

/// A client whose terminal is ours to type at.
struct AtTerminal {
    client: Client,
    keyboard: File,
}

impl AtTerminal {
    /// Starts a command in a session of its own on a new terminal, but for its
    /// stdout, which is a pipe.
    fn start(mut command: Command) -> Self {
        let pty = openpty(None, None).unwrap();
        let slave = || Stdio::from(OwnedFd::try_clone(&pty.slave).unwrap());
        command
            .stdin(slave())
            .stdout(Stdio::piped())
            .stderr(slave())
            .env("TERM", "xterm");
        let enter = || {
            nix::unistd::setsid()?;
            rustix::process::ioctl_tiocsctty(std::io::stdin())?;
            heed_signals()
        };
        // SAFETY: system calls only.
        let child = unsafe { command.pre_exec(enter) }.spawn().unwrap();
        // Those that the command holds would keep the terminal open.
        drop((command, pty.slave));
        let screen = Collected::from(File::from(pty.master.try_clone().unwrap()));
        Self {
            client: Client::around(child, Some(screen)),
            keyboard: File::from(pty.master),
        }
    }

    fn press_ctrl_c(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }
}

/// Tests of `unruly` to run: two that pass and two that never end.
const WORDS: [&str; 5] = [
    "--",
    "tests::passes",
    "tests::also_passes",
    "tests::waits",
    "tests::takes_a_moment",
];
const SELECTED: u64 = 5;

/// Reads until all is done but the two tests that never end.
fn wait_until_stuck(client: &mut Client) {
    let mut left = SELECTED - 2;
    client.wait_for("the end of tests", |event| {
        event["type"] == "test" && event["event"] == "finished"
    });
    left -= 1;
    for _ in 0..left {
        client.wait_for("the end of tests", |event| {
            event["type"] == "test" && event["event"] == "finished"
        });
    }
}

fn assert_was_interrupted(run: &Run, reason: &str) {
    assert_eq!(run.status.code(), Some(130), "{run}");
    let cancelled: Vec<_> = run
        .events
        .iter()
        .filter(|e| e["event"] == "cancelled")
        .collect();
    assert_eq!(cancelled.len(), 1, "{run}");
    assert_eq!(cancelled[0]["reason"], reason);
    run.assert_counts_add_up(SELECTED);
    let summary = run.summary();
    assert_eq!(
        (&summary["passed"], &summary["not_run"]),
        (&3.into(), &2.into())
    );
    assert_eq!(summary["cancelled"], reason);
}

#[test]
fn ctrl_c_at_a_terminal_ends_a_run_of_unruly_with_its_summary() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    // Four slots, for two are soon taken for good.
    let mut terminal =
        AtTerminal::start(project.json(&[&["-j4", "--color=never"], &WORDS[..]].concat()));
    wait_until_stuck(&mut terminal.client);
    let pressed = Instant::now();
    terminal.press_ctrl_c();
    let run = terminal.client.finish();
    assert!(
        pressed.elapsed() < Duration::from_secs(1),
        "{:?}",
        pressed.elapsed()
    );
    assert_was_interrupted(&run, "interrupted");
    assert!(run.stderr.contains("3 passed"), "{}", run.stderr);
    assert!(run.stderr.contains("2 not run"), "{}", run.stderr);
    project.assert_nothing_is_left();
    project.assert_no_temporary_files();
}

#[test]
fn sigterm_ends_a_run_of_unruly_with_its_summary() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let mut client = project.start(&[&["-j4"], &WORDS[..]].concat());
    wait_until_stuck(&mut client);
    client.signal(Signal::SIGTERM);
    let run = client.finish();
    assert_was_interrupted(&run, "terminated");
    project.assert_nothing_is_left();
    project.assert_no_temporary_files();
}

#[test]
fn a_run_of_crowd_interrupted_at_any_time_tells_of_each_test_once() {
    needs_containers!();
    let mut random = Random::seeded();
    let project = Project::copy("crowd");
    let whole = project.start(&[]).finish();
    whole.assert_all_passed(CROWD as usize);
    let first_test = whole
        .events
        .iter()
        .position(|e| e["type"] == "test")
        .unwrap() as u64;
    for _ in 0..10 {
        let after = first_test + random.below(2 * CROWD - 4);
        let mut client = project.start(&[]);
        for _ in 0..after {
            client.next();
        }
        client.signal(Signal::SIGINT);
        let run = client.finish();
        assert!(matches!(run.status.code(), Some(130 | 0)), "{run}");
        run.assert_counts_add_up(CROWD);
        project.assert_nothing_is_left();
    }
}

#[test]
fn a_client_interrupted_as_it_starts_ends_as_interrupted() {
    let mut random = Random::seeded();
    let project = Project::copy("slow_build");
    for round in 0..20 {
        let client = project.start(&[]);
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_micros(random.below(100_000)));
        let signal = if round % 2 == 0 {
            Signal::SIGINT
        } else {
            Signal::SIGTERM
        };
        client.signal(signal);
        let run = client.finish();
        // Before it could say what to do with the signal, it is the kernel's.
        let by_kernel = run.status.signal() == Some(signal as i32) && run.events.is_empty();
        assert!(by_kernel || run.status.code() == Some(130), "{run}");
        project.assert_nothing_is_left();
    }
}

#[test]
fn ctrl_c_in_the_build_of_slow_build_ends_the_build() {
    let project = Project::copy("slow_build");
    let mut terminal = AtTerminal::start(project.json(&[]));
    project.wait_for_slow_build(&mut terminal.client);
    terminal.press_ctrl_c();
    let run = terminal.client.finish();
    assert_eq!(run.status.code(), Some(130), "{run}");
    assert_eq!(run.summary()["cancelled"], "interrupted", "{run}");
    project.assert_nothing_is_left();
}

#[test]
fn sigterm_to_the_client_alone_ends_the_build_of_slow_build() {
    let project = Project::copy("slow_build");
    let mut client = project.start(&[]);
    project.wait_for_slow_build(&mut client);
    client.signal(Signal::SIGTERM);
    let run = client.finish();
    assert_eq!(run.status.code(), Some(130), "{run}");
    project.assert_nothing_is_left();
}

#[test]
fn a_second_ctrl_c_ends_the_client_at_once() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let mut terminal = AtTerminal::start(project.json(&["--", "tests::waits"]));
    terminal
        .client
        .wait_for_start_of("tests::waits_and_ignores_signals");
    // The client is held up: another has the lock on the history.
    let lock = File::create(project.root().join("target/maelstrom/history.lock")).unwrap();
    lock.lock().unwrap();
    terminal.press_ctrl_c();
    terminal
        .client
        .wait_for("the cancellation", |event| event["event"] == "cancelled");
    let client = terminal.client.id();
    project.assert_nothing_is_left_but(|process| process.id == client);
    let pressed = Instant::now();
    terminal.press_ctrl_c();
    let run = terminal.client.finish();
    assert!(
        pressed.elapsed() < Duration::from_secs(1),
        "{:?}",
        pressed.elapsed()
    );
    assert_eq!(run.status.code(), Some(130), "{run}");
    project.assert_nothing_is_left();
}

#[test]
fn a_test_that_prints_for_ever_does_not_keep_the_client_from_ctrl_c() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let test = "tests::prints_for_ever";
    let mut client = project.start(&["--", "--exact", test]);
    client.wait_for_start_of(test);
    // It has printed much by the time it has used some.
    let printer =
        project.wait_for_process(&mut client, "the test", |process| process.is_test(test));
    crate::host::wait_until("output", Duration::from_secs(60), || {
        let io = std::fs::read_to_string(format!("/proc/{printer}/stat")).ok()?;
        let (_, fields) = io.rsplit_once(") ")?;
        // Its time in the kernel, in ticks of 10 ms.
        let ticks: u64 = fields.split(' ').nth(12)?.parse().ok()?;
        (ticks >= 3).then_some(())
    });
    let asked = Instant::now();
    client.signal(Signal::SIGINT);
    let run = client.finish();
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(run.status.code(), Some(130), "{run}");
    project.assert_nothing_is_left();
}
