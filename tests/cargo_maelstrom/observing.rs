//! `cargo maelstrom --observe`: one test in its ordinary container, and what it asks for.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use serde_json::{Value, json};

/// Tests that ask for something.
const ASKING: &str = r#"
use std::{fs, process::Command};

#[test]
fn asks() {
    assert!(fs::read("Cargo.toml").is_ok());
    fs::read("/observed/missing").unwrap_err();
    fs::read_dir("/observed/directory").unwrap_err();
    fs::write("/observed-new", "").unwrap();
    Command::new("/observed/program").spawn().unwrap_err();
    std::net::UdpSocket::bind("192.0.2.1:9").unwrap_err();
}

#[test]
fn asks_more() {}
"#;

fn asking() -> Project {
    let project = Project::own("outcomes");
    project.write("tests/asking.rs", ASKING);
    project
}

/// The lines of a group of the text.
fn group(run: &Run, title: &str) -> Vec<String> {
    let mut lines = run.stdout.lines();
    assert!(
        lines.any(|line| line == format!("{title}:")),
        "{}",
        run.stdout
    );
    let group = lines.take_while(|line| !line.is_empty());
    // Words are separated from paths by more than one space.
    let words = |line: &str| {
        line.split("  ")
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    };
    group.map(|line| words(line).trim().to_owned()).collect()
}

fn is_listed(group: &[String], start: &str, end: &str) -> bool {
    group
        .iter()
        .any(|line| line.starts_with(start) && line.ends_with(end))
}

#[test]
fn outcomes_a_test_that_passes_is_observed() {
    needs_containers!();
    let project = asking();
    let run = project.maelstrom(&["--observe", "asks"]).exits(0);
    assert!(run.stderr.contains("1 passed"), "{}", run.stderr);
    let first = run.stdout.lines().next();
    assert_eq!(first, Some("outcomes test/asking asks asked for"));
    let missing = group(&run, "Neither in the container nor on this machine");
    assert!(
        is_listed(&missing, "opened", " /observed/missing"),
        "{missing:?}"
    );
    assert!(
        is_listed(&missing, "listed", " /observed/directory"),
        "{missing:?}"
    );
    assert!(
        is_listed(&missing, "executed", " /observed/program"),
        "{missing:?}"
    );
    let programs = group(&run, "Programs of the container");
    assert!(
        programs.iter().any(|line| line.contains("/asking-")),
        "{programs:?}"
    );
    let files = group(&run, "Files of the container");
    assert!(is_listed(&files, "opened", "/Cargo.toml"), "{files:?}");
    let written = group(&run, "Changed, or meant to be changed");
    assert_eq!(written, ["written /observed-new"]);
    let addresses = group(&run, "Addresses beyond loopback");
    assert_eq!(addresses, ["bound 192.0.2.1:9"]);
    let note = "note: left out, and shown with `-v`: ";
    assert!(run.stdout.contains(note), "{}", run.stdout);
}

#[test]
fn outcomes_a_test_that_fails_is_observed_and_shown() {
    needs_containers!();
    let project = asking();
    project.directives("[[directives]]\nroot_overlay = 'none'");
    let run = project.maelstrom(&["--observe", "asks"]);
    // The root is read-only, so the test fails before it asks for a program.
    let run = run.exits(100);
    assert!(run.stderr.contains("FAIL "), "{}", run.stderr);
    let written = group(&run, "Changed, or meant to be changed");
    let refused = "written /observed-new (refused: it is in a read-only part of the container)";
    assert_eq!(written, [refused]);
    assert!(!run.stdout.contains("/observed/program"), "{}", run.stdout);
}

#[test]
fn outcomes_facts_are_an_event_and_results_are_not_cached() {
    needs_containers!();
    let project = asking();
    for _ in 0..2 {
        let run = project.events(&["--observe", "asks", "--cache-results", "auto"]);
        assert_eq!(run.finished("asks")["status"], "passed");
        assert_eq!(run.finished("asks")["cached"], Value::Null);
        let observed = run.of_tests("observed");
        assert_eq!(observed.len(), 1);
        let files = observed[0]["files"].as_array().unwrap();
        let program = json!({
            "path": "/observed/program",
            "uses": ["executed"],
            "found": "nowhere",
        });
        assert!(files.contains(&program), "{files:#?}");
        let address = json!([{ "call": "bind", "address": "192.0.2.1:9" }]);
        assert_eq!(observed[0]["addresses"], address);
        assert_eq!(observed[0]["void"], Value::Null);
    }
}

#[test]
fn outcomes_a_test_that_is_not_started_is_an_error_without_facts() {
    needs_containers!();
    let project = asking();
    for directive in [
        "working_directory = '/no/such/directory'",
        "added_mounts = [{ type = 'bind', mount_point = '/tmp', local_path = 'no-such-directory' }]",
    ] {
        project.directives(&format!(
            "[[directives]]\nfilter = 'name.equals(asks)'\n{directive}"
        ));
        let run = project.maelstrom(&["--observe", "asks"]).exits(100);
        assert!(run.stderr.contains("\n    1 error\n"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
        let run = project.events(&["--observe", "asks"]);
        assert_eq!(run.of_tests("observed"), Vec::<Value>::new());
    }
}

#[test]
fn outcomes_one_test_must_be_chosen() {
    needs_containers!();
    let project = asking();
    let run = project.maelstrom(&["--observe", "ask"]).exits(96);
    for line in [
        "error: `--observe` is for one test, and 2 tests have `ask` in their names",
        "  outcomes test/asking asks\n",
        "  outcomes test/asking asks_more\n",
    ] {
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
    assert_eq!(run.stdout, "");
    let run = project.maelstrom(&["--observe", "asks_m"]).exits(0);
    assert!(
        run.stdout
            .starts_with("outcomes test/asking asks_more asked for\n")
    );
    let run = project.maelstrom(&["--observe", "no_such_test"]).exits(4);
    assert!(
        run.stderr.contains("error: no test was observed"),
        "{}",
        run.stderr
    );
    let run = project.maelstrom(&["--observe", "asks", "other"]).exits(96);
    assert!(
        run.stderr.contains("give no other filter word"),
        "{}",
        run.stderr
    );
}

/// A function of tests that asks for a filter with a listener, by a system call of its own.
pub const SUPERVISE: &str = r#"
unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn prctl(option: i32, ...) -> i32;
}

fn supervise() {
    #[repr(C)]
    struct Program { length: u16, steps: *const [u64; 1] }
    // BPF_RET | BPF_K, SECCOMP_RET_ALLOW
    let steps = [0x7fff_0000_0000_0006u64];
    let program = Program { length: 1, steps: &steps };
    let number = if cfg!(target_arch = "x86_64") { 317 } else { 277 };
    unsafe { prctl(38, 1u64, 0u64, 0u64, 0u64) };
    assert!(unsafe { syscall(number, 1u64, 8u64, &program) } >= 0);
}
"#;

#[test]
fn outcomes_a_run_that_is_void_is_an_error_and_no_failure() {
    needs_containers!();
    let project = Project::own("outcomes");
    let test = "#[test]\nfn supervises() { supervise(); }\n";
    project.write("tests/supervising.rs", &format!("{SUPERVISE}{test}"));
    project.maelstrom(&["supervises"]).exits(0);
    let run = project.maelstrom(&["--observe", "supervises"]).exits(100);
    assert!(run.stderr.contains("ERROR"), "{}", run.stderr);
    assert!(!run.stderr.contains("FAIL "), "{}", run.stderr);
    assert!(run.stderr.contains("\n    1 error\n"), "{}", run.stderr);
    let void = "the job supervises system calls of its own";
    assert!(run.stderr.contains(void), "{}", run.stderr);
    assert!(
        run.stdout.contains("note: the run is void:"),
        "{}",
        run.stdout
    );
}
