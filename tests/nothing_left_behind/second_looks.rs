//! The second look at a failed test, when the client is interrupted or killed.

use crate::client::{Client, is_test};
use crate::need::needs_containers;
use crate::project::Project;
use nix::sys::signal::Signal;
use std::fs;

/// A test that fails without a file of this machine, and waits for ever with it.
const LOOKED_AT: &str = r#"
#[test]
fn waits_in_the_second_look() {
    println!("this is all");
    std::fs::read("/etc/login.defs").unwrap();
    println!("this is too much");
    std::process::Command::new("sleep").arg("7305").status().unwrap();
}
"#;

const NAME: &str = "waits_in_the_second_look";

/// A client whose test waits in its second look.
fn looking(project: &Project) -> Client {
    let tests = project.root().join("tests");
    fs::create_dir(&tests).unwrap();
    fs::write(tests.join("looked_at.rs"), LOOKED_AT).unwrap();
    let mut client = project.start(&["--test=looked_at"]);
    client.wait_for_start_of(NAME);
    project.wait_for_process(&mut client, "the second look", |process| {
        process.command.starts_with("sleep 7305")
    });
    client
}

#[test]
fn a_test_keeps_its_failure_if_its_second_look_is_interrupted() {
    needs_containers!();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let project = Project::copy("unruly");
        let client = looking(&project);
        client.signal(signal);
        let run = client.finish();
        assert_eq!(run.status.code(), Some(130), "{run}");
        let test = run.test(NAME);
        assert_eq!(test["status"], "failed", "{run}");
        let stdout = test["stdout"].as_str().unwrap();
        assert!(stdout.contains("this is all"), "{run}");
        assert!(!stdout.contains("too much"), "{run}");
        run.assert_counts_add_up(1);
        project.assert_nothing_is_left();
        project.assert_no_temporary_files();
        // Nothing is known of the test, so it is looked at again.
        assert!(!project.root().join("target/maelstrom/needs.json").exists());
    }
}

#[test]
fn a_killed_client_ends_the_second_look() {
    needs_containers!();
    let project = Project::copy("unruly");
    let run = looking(&project).kill();
    let is_reported = |event| is_test(event, "finished", NAME);
    assert!(!run.events.iter().any(is_reported), "{run}");
    project.assert_nothing_is_left();
}
