//! Tests with limits of memory and processes. Control groups hold the limits where this user can make
//! them, otherwise resource limits do; the tests are for both.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use serde_json::Value;
use std::fs;

/// Whether control groups hold the limits, as the doctor says.
fn has_control_groups(project: &Project) -> bool {
    let report = project.maelstrom(&["doctor"]);
    let mut lines = report.stdout.lines();
    let line = lines
        .find(|line| line.contains("limits of tests"))
        .expect("it says how");
    let is_good = line.starts_with("good");
    assert_eq!(is_good, line.contains("control groups in /"), "{line}");
    assert_eq!(
        !is_good,
        line.contains("the address space of each process"),
        "{line}"
    );
    is_good
}

/// Runs one test with this directive, and with a JUnit report.
fn run(project: &Project, test: &str, directive: &str) -> Run {
    project.directives(&format!("[[directives]]\n{directive}\n"));
    let pattern = format!("n.eq(tests::{test})");
    let report = project.temporary().join("report.xml");
    let options = [
        "--hermetic",
        "-i",
        &pattern,
        "--message-format=json",
        "--junit",
    ];
    project.maelstrom(&[&options[..], &[report.to_str().unwrap()]].concat())
}

fn hints(finished: &Value) -> String {
    let hints = finished["hints"].as_array().cloned().unwrap_or_default();
    hints
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn limits_a_test_that_uses_more_memory_than_its_limit_fails_and_the_limit_is_told() {
    needs_containers!();
    let project = Project::own("limits");
    let has_groups = has_control_groups(&project);
    let name = "tests::uses_200_mebibytes";
    let within = run(&project, "uses_200_mebibytes", "memory_limit = '1 GiB'").exits(0);
    let within = within.finished(name);
    assert_eq!(within["status"], "passed");
    let peak = within["usage"]["max_rss"].as_u64().unwrap();
    assert!((200 << 20..1 << 30).contains(&peak), "{within}");

    let failed = run(&project, "uses_200_mebibytes", "memory_limit = '150 MiB'").exits(100);
    let finished = failed.finished(name);
    assert_eq!(finished["status"], "failed", "{finished}");
    let report = fs::read_to_string(project.temporary().join("report.xml")).unwrap();
    if has_groups {
        let message = "out of memory: the limit is 150 MiB (`memory_limit`)";
        assert_eq!(finished["message"], message);
        assert_eq!(finished["out_of_memory"], true);
        assert_eq!(finished["memory_limit"], 150 << 20);
        assert!(
            report.contains(&format!("<failure message=\"{message}\" type=\"failed\">")),
            "{report}"
        );
        failed.says("OOM ").says(&format!("({message})"));
    } else {
        // Rust's message about an allocation that failed.
        assert_eq!(finished["signal_name"], "SIGABRT", "{finished}");
        assert!(finished["out_of_memory"].is_null());
        let hint = "each process of the test may have 150 MiB of address space (`memory_limit`)";
        assert!(hints(&finished).contains(hint), "{finished}");
        assert!(report.contains(hint), "{report}");
        failed.says(hint);
    }
    // Another directive takes the limit away.
    let directives = "memory_limit = '150 MiB'\n[[directives]]\nmemory_limit = 0";
    run(&project, "uses_200_mebibytes", directives).exits(0);
}

#[test]
fn limits_a_test_that_starts_more_processes_than_its_limit_is_refused_some() {
    needs_containers!();
    let project = Project::own("limits");
    let has_groups = has_control_groups(&project);
    let name = "tests::starts_30_processes";
    run(&project, "starts_30_processes", "process_limit = 40").exits(0);
    let failed = run(&project, "starts_30_processes", "process_limit = 20").exits(100);
    let finished = failed.finished(name);
    let stderr = finished["stderr"].as_str().unwrap();
    assert!(
        stderr.contains("Resource temporarily unavailable"),
        "{stderr}"
    );
    let hint = if has_groups {
        "the test tried to have more than 20 processes and threads at once (`process_limit`)"
    } else {
        "the test may have 20 processes and threads at once (`process_limit`)"
    };
    assert!(hints(&finished).contains(hint), "{finished}");
    failed.says(hint);
}

#[test]
fn limits_a_failure_without_a_sign_of_a_limit_has_no_hint() {
    needs_containers!();
    let project = Project::own("limits");
    project.change(
        "src/lib.rs",
        "fn is_small() {}",
        "fn is_small() { panic!() }",
    );
    let failed = run(
        &project,
        "is_small",
        "memory_limit = '1 GiB'\nprocess_limit = 50",
    )
    .exits(100);
    assert_eq!(hints(&failed.finished("tests::is_small")), "");
}

#[test]
fn limits_belong_to_the_identity_of_a_result() {
    needs_containers!();
    let project = Project::own("limits");
    let is_cached = |limit: &str| {
        project.directives(&format!("[[directives]]\nmemory_limit = '{limit}'\n"));
        let options = [
            "-i",
            "n.eq(tests::is_small)",
            "--cache-results=auto",
            "--message-format=json",
        ];
        let run = project.maelstrom(&options).exits(0);
        run.finished("tests::is_small")["cached"] == true
    };
    assert!(!is_cached("1 GiB"));
    assert!(is_cached("1 GiB"));
    assert!(!is_cached("2 GiB"));
}

#[test]
fn limits_are_in_the_specification_that_is_printed() {
    let project = Project::own("limits");
    project.directives("[[directives]]\nmemory_limit = '512 MiB'\nprocess_limit = 100\n");
    let printed = project.maelstrom(&["--print-spec", "n.eq(tests::is_small)"]);
    let printed = printed.exits(0);
    let spec: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(spec["memory_limit"], "512 MiB");
    assert_eq!(spec["process_limit"], 100);
}
