//! Runs that `--watch` ends, as files change.

use crate::need::needs_containers;
use crate::project::Project;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_hundred_changes_each_during_the_run_for_the_one_before_leave_nothing() {
    needs_containers!();
    let project = Project::copy("crowd");
    let mut child = project
        .command(["--watch", "-j2"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines().map(Result::unwrap);
    let mut wait_for = |text: &str| lines.find(|line| line.contains(text)).expect("it goes on");
    wait_for("Waiting for a change");
    let source = project.root().join("src/lib.rs");
    let original = fs::read_to_string(&source).unwrap();
    for number in 0..100 {
        // Some runs end before or in the build, others while tests run.
        if number % 4 == 3 {
            wait_for("PASS");
        }
        fs::write(&source, format!("{original}// {number}\n")).unwrap();
        wait_for("Changed src/lib.rs");
    }
    wait_for("Ran 25 tests in");
    wait_for("Waiting for a change");
    let processes = project.processes();
    assert!(processes.len() < 10, "{processes:#?}");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id() as i32),
        Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    project.assert_nothing_is_left();
    // The next run of the program removes temporary files.
    let next = project.command(["-q"]).output().unwrap();
    assert!(next.status.success(), "{next:?}");
    project.assert_no_temporary_files();
}
