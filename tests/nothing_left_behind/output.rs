//! Tests that print a lot, and readers of our output that go away.

use crate::need::needs_containers;
use crate::project::Project;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn a_gibibyte_of_output_is_kept_in_part_and_in_little_memory() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let test = "tests::prints_a_gibibyte";
    let run = project
        .start(&["--show-output", "--", "--exact", test])
        .finish();
    let event = run.test(test);
    assert_eq!(event["status"], "passed", "{run}");
    let stdout = event["stdout"].as_str().unwrap();
    assert!(stdout.contains("the first line") && stdout.contains("the last line"));
    assert!(stdout.len() < 2 << 20, "{}", stdout.len());
    let omitted = event["stdout_omitted"].as_u64().unwrap();
    assert!(omitted > (1 << 30) - (2 << 20), "{omitted}");
    println!("the client's peak: {} KiB", run.peak);
    assert!(run.peak < 64 << 10, "{} KiB", run.peak);
}

#[test]
fn a_test_that_prints_for_ever_is_stopped_by_its_timeout() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let (printer, other) = ("tests::prints_for_ever", "tests::takes_a_moment");
    let run = project
        .start(&["--timeout", "1", "--", "--exact", printer, other])
        .finish();
    assert_eq!(run.test(printer)["status"], "timed-out");
    // The other slot was served meanwhile.
    assert_eq!(run.test(other)["status"], "passed");
    assert!(run.test(other)["seconds"].as_f64().unwrap() < 0.9);
    assert!(run.peak < 64 << 10, "{} KiB", run.peak);
    project.assert_nothing_is_left();
}

#[test]
fn lines_of_many_writers_come_whole_and_all() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let test = "tests::has_many_writers";
    let run = project
        .start(&["--show-output", "--", "--exact", test])
        .finish();
    let stdout = run.test(test)["stdout"].as_str().unwrap();
    for writer in 0..64 {
        for line in 0..200 {
            let wanted = format!("writer {writer} line {line}");
            assert!(stdout.lines().any(|found| found == wanted), "no {wanted}");
        }
    }
}

#[test]
fn a_test_can_open_its_stdout_by_name() {
    needs_containers!();
    let project = Project::copy("unruly");
    let test = "tests::opens_its_stdout_by_name";
    let run = project
        .start(&["--show-output", "--", "--exact", test])
        .finish();
    assert_eq!(run.test(test)["status"], "passed", "{run}");
    assert!(
        run.test(test)["stdout"]
            .as_str()
            .unwrap()
            .contains("by name")
    );
}

#[test]
fn a_closed_reader_of_events_does_not_stop_the_run_of_crowd() {
    needs_containers!();
    let project = Project::copy("crowd");
    let mut child = project
        .json(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert!(stderr.contains("25 passed"), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    project.assert_nothing_is_left();
}

#[test]
fn a_closed_reader_of_stderr_does_not_stop_the_run_of_crowd() {
    needs_containers!();
    let project = Project::copy("crowd");
    project.build();
    let mut client = {
        let mut child = project
            .json(&["--ui", "simple"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut String::new()).unwrap();
        drop(stderr);
        crate::client::Client::around(child, None)
    };
    while client.next().is_some() {}
    client.finish().assert_all_passed(25);
    project.assert_nothing_is_left();
}

/// Everything that prints, with nobody there to read it.
#[test]
fn nothing_panics_without_a_reader() {
    needs_containers!();
    let project = Project::copy("crowd");
    project.build();
    for arguments in [
        &["--list"][..],
        &["--list", "--message-format", "json"],
        &["--list-binaries"],
        &["--list-packages"],
        &["--print-config"],
        &["--help"],
        &["--version"],
        &["--no-run", "--cargo-message-format", "json"],
        &["--cargo-message-format", "json"],
        &["--nocapture", "prints_much"],
        &["doctor"],
        &["--no-tests=warn", "no_such_test"],
        &["--no-such-option"],
        &["-i", "no such pattern"],
    ] {
        for (no_stdout, no_stderr) in [(true, false), (false, true), (true, true)] {
            let pipe = |closed: bool| {
                if closed {
                    without_reader()
                } else {
                    Stdio::null()
                }
            };
            let status = project
                .command(arguments)
                .stdout(pipe(no_stdout))
                .stderr(pipe(no_stderr))
                .status()
                .unwrap();
            // 101 is a panic, or a build that failed for want of a stderr.
            let code = status.code();
            assert!(
                matches!(code, Some(0 | 4 | 96)),
                "{arguments:?}, stdout closed: {no_stdout}, stderr closed: {no_stderr}: {status}"
            );
        }
    }
    project.assert_nothing_is_left();
}

fn without_reader() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}
