//! Tests that are slow, tests that are stopped, and tests whose processes outlive them.

use crate::fixture::{Project, Run};
use serde_json::Value;
use std::fs;

/// Runs one test with this directive.
fn run(project: &Project, test: &str, directive: &str) -> Run {
    run_with(project, test, directive, &[])
}

fn run_with(project: &Project, test: &str, directive: &str, options: &[&str]) -> Run {
    project.directives(&format!("[[directives]]\n{directive}\n"));
    let pattern = format!("n.eq(tests::{test})");
    let all = [
        &["--hermetic", "-i", &pattern, "--message-format=json"],
        options,
    ]
    .concat();
    project.maelstrom(&all)
}

#[test]
fn lasting_slow_tests_are_reported_while_they_run() {
    let project = Project::own("lasting");
    let run = run(&project, "hangs", "slow_timeout = '100ms'\ntimeout = 0.5").exits(100);
    let events = run.all_events();
    let of_tests = events.iter().filter(|event| event["type"] == "test");
    let names: Vec<_> = of_tests
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(names[..2], ["started", "slow"], "{run}");
    assert_eq!(names.last(), Some(&"finished"));
    assert!(run.of_tests("slow")[0]["seconds"].as_f64().unwrap() >= 0.1);
    assert_eq!(
        run.finished("tests::hangs")["message"],
        "timed out after 0.5s"
    );
    run.says("SLOW ");
}

#[test]
fn lasting_a_test_is_asked_to_end_and_killed_if_it_does_not() {
    let project = Project::own("lasting");
    let stopped = |test: &str, grace: &str| {
        let directive = format!(
            "slow_timeout = {{ period = '100ms', terminate-after = 2, grace-period = '{grace}' }}"
        );
        let run = run(&project, test, &directive).exits(100);
        let finished = run.finished(&format!("tests::{test}"));
        assert_eq!(finished["status"], "timed-out", "{run}");
        assert_eq!(finished["message"], "timed out after 0.2s");
        finished["stdout"].as_str().unwrap().to_owned()
    };
    assert!(stopped("ends_when_asked_to", "1h").ends_with("asked to end\n"));
    assert!(!stopped("ends_when_asked_to", "0s").contains("asked to end"));
    stopped("does_not_end_when_asked_to", "50ms");
}

#[test]
fn lasting_a_test_that_is_stopped_passes_if_that_is_set() {
    let project = Project::own("lasting");
    let directive = "slow_timeout = { period = '100ms', terminate-after = 1, on-timeout = 'pass' }";
    let passed = run(&project, "hangs", directive).exits(0).says("TMPASS ");
    let finished = passed.finished("tests::hangs");
    assert_eq!(finished["status"], "passed");
    assert_eq!(finished["timed_out_after"], 0.1);
    // The limit of `timeout` is another one.
    let directive = format!("{directive}\ntimeout = 0.05");
    run(&project, "hangs", &directive).exits(100);
}

#[test]
fn lasting_the_setting_is_for_tests_without_a_directive() {
    let project = Project::own("lasting");
    let file = project.temporary().join("config.toml");
    let setting = "slow-timeout = { period = '50ms', terminate-after = 2, grace-period = '0s' }\n";
    fs::write(&file, setting).unwrap();
    let file = ["-c", file.to_str().unwrap()];
    let stopped = run_with(&project, "hangs", "", &file).exits(100);
    assert_eq!(
        stopped.finished("tests::hangs")["message"],
        "timed out after 0.1s"
    );
    let directive = "slow_timeout = '1h'\ntimeout = 0.3";
    let stopped = run_with(&project, "hangs", directive, &file).exits(100);
    assert_eq!(
        stopped.finished("tests::hangs")["message"],
        "timed out after 0.3s"
    );
}

#[test]
fn lasting_processes_that_outlive_their_test_are_reported_and_fail_it_if_that_is_set() {
    let project = Project::own("lasting");
    let leaves = "leaves_a_process";
    let passed = run(&project, leaves, "").exits(0).says("LEAK ");
    let finished = passed.finished("tests::leaves_a_process");
    assert_eq!(
        (&finished["status"], &finished["leaked"]),
        (&"passed".into(), &true.into())
    );
    assert_eq!(passed.summary()["leaky"], 1);
    let passed = passed.says("1 passed, 1 of them leaky");
    passed.says("(left processes behind)");

    let failed = run(
        &project,
        leaves,
        "leak_timeout = { period = '1ms', result = 'fail' }",
    );
    let finished = failed.exits(100).finished("tests::leaves_a_process");
    assert_eq!(finished["status"], "failed");
    assert_eq!(finished["message"], "left processes behind");
    let failed = run(&project, "fails_and_leaves_a_process", "").exits(100);
    assert_eq!(
        failed.finished("tests::fails_and_leaves_a_process")["leaked"],
        true
    );
    assert_eq!(failed.summary()["leaky"], 0);

    let ended = run(
        &project,
        "leaves_a_process_that_ends",
        "leak_timeout = '1h'",
    )
    .exits(0);
    assert_eq!(
        ended.finished("tests::leaves_a_process_that_ends")["leaked"],
        Value::Null
    );
    let quick = run(&project, "quick", "leak_timeout = '1h'").exits(0);
    assert_eq!(quick.finished("tests::quick")["leaked"], Value::Null);
}

#[test]
fn lasting_a_result_with_a_leak_is_not_reused() {
    let project = Project::own("lasting");
    for _ in 0..2 {
        let run = run_with(&project, "leaves_a_process", "", &["--cache-results=auto"]).exits(0);
        assert_eq!(
            run.finished("tests::leaves_a_process")["cached"],
            Value::Null
        );
    }
}

#[test]
fn lasting_the_tests_of_a_run_end_at_its_time_limit() {
    let project = Project::own("lasting");
    let file = project.temporary().join("config.toml");
    fs::write(
        &file,
        "global-timeout = '500ms'\nslow-timeout = { period = '1h', grace-period = '1ms' }\n",
    )
    .unwrap();
    let options = ["-c", file.to_str().unwrap(), "-j1", "-x", "n.c(leaves)"];
    let run = project.maelstrom(&[&options[..], &["--message-format=json"]].concat());
    let run = run.exits(100);
    let finished = run.finished("tests::does_not_end_when_asked_to");
    assert_eq!(finished["status"], "timed-out", "{run}");
    assert_eq!(run.summary()["cancelled"], "timed-out");
    assert_eq!(run.summary()["timed_out"], 1);
    assert_eq!(run.summary()["not_run"], 3);
    run.says("Cancelled: the tests took longer than the global timeout of 0.5s");
}
