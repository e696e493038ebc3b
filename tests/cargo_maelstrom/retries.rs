//! Failed tests are run again.

use crate::fixture::{Project, Run};
use serde_json::Value;
use std::fs;

/// The numbers of the attempts in the events of a test called `event`.
fn attempts(run: &Run, event: &str, name: &str) -> Vec<u64> {
    let mut events = run.of_tests(event);
    events.retain(|event| event["name"] == name);
    let attempt = |event: &Value| event["attempt"].as_u64().unwrap();
    events.iter().map(attempt).collect()
}

/// The options that select one test.
fn only(name: &str) -> Vec<String> {
    vec!["-i".to_owned(), format!("n.eq(tests::{name})")]
}

fn run(project: &Project, name: &str, options: &[&str]) -> Run {
    let only = only(name);
    let mut all: Vec<&str> = only.iter().map(String::as_str).collect();
    all.extend(options);
    project.events(&all)
}

#[test]
fn flaky_a_test_that_passes_in_the_end_is_flaky_and_each_attempt_is_an_event() {
    let run = Project::shared("flaky").events(&["--retries", "2", "--hermetic"]);
    let run = run.exits(100);
    let name = "tests::passes_at_the_third_attempt";
    assert_eq!(attempts(&run, "started", name), [1, 2, 3]);
    assert_eq!(attempts(&run, "attempt", name), [1, 2]);
    let failed = run.of_tests("attempt");
    let failed = failed.iter().find(|event| event["name"] == name).unwrap();
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["exit_code"], 101);
    assert!(failed["stderr"].as_str().unwrap().contains("too early"));
    assert_eq!(failed["retry_in"], 0.0);
    let finished = run.finished(name);
    assert_eq!(finished["status"], "passed");
    assert_eq!(finished["flaky"], true);
    assert_eq!(
        (&finished["attempt"], &finished["attempts"]),
        (&3.into(), &3.into())
    );

    let finished = run.finished("tests::passes_at_once");
    assert_eq!(finished["flaky"], Value::Null);
    assert_eq!(finished["attempt"], 1);
    let finished = run.finished("tests::never_passes");
    assert_eq!(
        (&finished["status"], &finished["attempt"]),
        (&"failed".into(), &3.into())
    );
    let summary = run.summary();
    assert_eq!(summary["passed"], 4, "{run}");
    assert_eq!(summary["flaky"], 3);
    assert_eq!(summary["failed"], 2);
}

#[test]
fn flaky_attempts_and_flaky_tests_are_shown() {
    let project = Project::shared("flaky");
    let options = ["--retries=1", "-j1", "-i", "n.c(second) || n.c(third)"];
    let run = project.maelstrom(&[&options[..], &["--ui=simple", "--hermetic"]].concat());
    let run = run.exits(100);
    let lines = run.stable.lines().filter(|line| {
        let labels = ["RETRY", "FLAKY", "FAIL "];
        labels.iter().any(|label| line.starts_with(label))
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @"
    FAIL    [   0.000s] flaky lib/flaky tests::passes_at_the_third_attempt (exit code 101, attempt 2 of 2)
    FLAKY   [   0.000s] flaky lib/flaky tests::passes_at_the_second_attempt (passed at attempt 2 of 2)
    RETRY   [   0.000s] flaky lib/flaky tests::passes_at_the_second_attempt (attempt 1 of 2 failed: exit code 101)
    RETRY   [   0.000s] flaky lib/flaky tests::passes_at_the_third_attempt (attempt 1 of 2 failed: exit code 101)
    ");
    let (_, summary) = run.stable.split_once("Ran ").expect("there is a summary");
    insta::assert_snapshot!(summary, @"
    2 tests in 0.00s
        1 passed, 1 of them flaky
        1 failed

    Failures:
        FAIL    flaky lib/flaky tests::passes_at_the_third_attempt (exit code 101, attempt 2 of 2)

    Flaky:
        FLAKY   flaky lib/flaky tests::passes_at_the_second_attempt (passed at attempt 2 of 2)

    note: with `--hermetic`, tests get their containers only; `cargo maelstrom --observe TEST` shows what a test asks for
    ");
}

#[test]
fn flaky_tests_count_as_failed_if_that_is_set() {
    let project = Project::own("flaky");
    let second = "passes_at_the_second_attempt";
    let fails = ["--retries=1", "--flaky-result=fail"];
    let failed = run(&project, second, &fails).exits(100);
    let finished = failed.finished(&format!("tests::{second}"));
    assert_eq!(finished["status"], "failed");
    assert_eq!(finished["flaky"], true);
    assert_eq!(
        finished["message"],
        "passed at attempt 2 of 2, but counts as failed because it is flaky"
    );
    assert_eq!(
        (&failed.summary()["failed"], &failed.summary()["flaky"]),
        (&1.into(), &0.into())
    );

    project.directives("[[directives]]\nretries = 1\nflaky_result = 'fail'\n");
    run(&project, second, &[]).exits(100);
    run(&project, second, &["--flaky-result", "pass"]).exits(0);
    run(&project, "passes_at_once", &[]).exits(0);
}

#[test]
fn flaky_the_option_and_the_variable_override_directives_and_files_do_not() {
    let project = Project::own("flaky");
    project.directives("[[directives]]\nretries = 1\n");
    let second = "passes_at_the_second_attempt";
    run(&project, second, &[]).exits(0);
    run(&project, second, &["--retries=0"]).exits(100);
    run(&project, "passes_at_the_third_attempt", &["--retries=2"]).exits(0);
    let file = project.temporary().join("config.toml");
    fs::write(&file, "retries = 0\n").unwrap();
    run(&project, second, &["-c", file.to_str().unwrap()]).exits(0);

    project.directives("");
    let table = "retries = { backoff = 'exponential', count = 2, delay = '10ms', jitter = true }\n";
    fs::write(&file, table).unwrap();
    let third = run(
        &project,
        "passes_at_the_third_attempt",
        &["-c", file.to_str().unwrap()],
    );
    let delays: Vec<f64> = (third.exits(0).of_tests("attempt").iter())
        .map(|event| event["retry_in"].as_f64().unwrap())
        .collect();
    let [first, second_delay] = delays[..] else {
        panic!("{delays:?}")
    };
    assert!((0.005..=0.01).contains(&first), "{first}");
    assert!((0.01..=0.02).contains(&second_delay), "{second_delay}");
    let only = only(second);
    let mut command = project.command(&[&only[0], &only[1], "--ui=quiet"]);
    Run::of(command.env("MAELSTROM_RETRIES", "1"), &project).exits(0);
}

#[test]
fn flaky_attempts_have_the_variables_of_nextest() {
    let project = Project::shared("flaky");
    let run = run(
        &project,
        "shows_its_variables",
        &["--retries=3", "--show-output"],
    )
    .exits(0);
    let variables = |event: &Value| {
        let output = event["stdout"].as_str().unwrap();
        let lines = output.lines().filter(|line| line.starts_with("NEXTEST"));
        let value = |line: &str| {
            let (_, value) = line.split_once('=').unwrap();
            match value.split_once(':') {
                Some((_, test)) => test.to_owned(),
                None => value.to_owned(),
            }
        };
        lines.map(value).collect::<Vec<_>>()
    };
    let test = "flaky$tests::shows_its_variables";
    assert_eq!(variables(&run.of_tests("attempt")[0]), ["1", "4", test]);
    let second = format!("{test}#2");
    assert_eq!(variables(&run.of_tests("finished")[0]), ["2", "4", &second]);
}

#[test]
fn flaky_only_the_last_attempt_counts_for_fail_fast_and_history() {
    let project = Project::own("flaky");
    let options = [
        "--retries=2",
        "--fail-fast",
        "-j1",
        "-x",
        "n.c(never) || n.c(needs)",
    ];
    let run = project.events(&options).exits(0);
    assert_eq!(run.summary()["flaky"], 3);
    assert_eq!(run.summary()["not_run"], 0);
    // No test counts as failed, so none runs before the others.
    let options = [
        "--retries=2",
        "-i",
        "n.c(passes)",
        "-x",
        "n.c(never)",
        "-j1",
    ];
    let run = project.events(&options).exits(0);
    assert_eq!(run.statuses().len(), 3);
}

#[test]
fn flaky_a_test_that_waits_for_its_next_attempt_has_failed_if_the_run_ends() {
    let project = Project::own("flaky");
    project.directives(
        "[[directives]]\nretries = { backoff = 'fixed', count = 1, delay = '1h' }\n\
         [[directives]]\nfilter = 'name.contains(shows)'\nretries = 0\n",
    );
    let tests = ["-i", "n.c(second) || n.c(shows)"];
    let run = project.events(&[&tests[..], &["-j1", "--fail-fast"]].concat());
    let run = run.exits(100);
    assert_eq!(run.summary()["cancelled"], "failures");
    assert_eq!(run.summary()["failed"], 2, "{run}");
    assert_eq!(run.summary()["not_run"], 0);
    let finished = run.finished("tests::passes_at_the_second_attempt");
    assert_eq!(finished["status"], "failed");
    assert_eq!(
        (&finished["attempt"], &finished["attempts"]),
        (&1.into(), &2.into())
    );
}

#[test]
fn flaky_a_test_that_is_proven_to_need_something_passes_at_its_first_attempt() {
    let project = Project::own("flaky");
    let run = run(
        &project,
        "needs_a_program_of_this_machine",
        &["--retries=2"],
    )
    .exits(0);
    let finished = run.finished("tests::needs_a_program_of_this_machine");
    assert_eq!(finished["attempt"], 1, "{run}");
    assert_eq!(finished["flaky"], Value::Null);
    assert_ne!(finished["needs"], Value::Null);
    assert_eq!(run.of_tests("attempt"), Vec::<Value>::new());
}

#[test]
fn flaky_each_repetition_has_its_attempts() {
    let project = Project::shared("flaky");
    let second = "passes_at_the_second_attempt";
    let run = run(&project, second, &["--retries=1", "--repeat=3"]).exits(0);
    let mut attempts: Vec<_> = (run.of_tests("started").iter())
        .map(|event| (event["repeat"].as_u64(), event["attempt"].as_u64()))
        .collect();
    attempts.sort_unstable();
    let expected = [1, 2, 3].map(|repeat| [1, 2].map(|attempt| (Some(repeat), Some(attempt))));
    assert_eq!(attempts, expected.as_flattened());
    assert_eq!(run.summary()["flaky"], 3);
}

#[test]
fn flaky_a_result_that_took_several_attempts_is_not_reused() {
    let project = Project::own("flaky");
    let options = [
        "--retries=1",
        "--cache-results=auto",
        "-i",
        "n.c(second) || n.c(at_once)",
    ];
    project.events(&options).exits(0);
    let again = project.events(&options).exits(0);
    assert_eq!(again.finished("tests::passes_at_once")["cached"], true);
    let second = "tests::passes_at_the_second_attempt";
    assert_eq!(attempts(&again, "started", second), [1, 2]);
}

#[test]
fn plain_documentation_tests_are_tried_again_unless_they_do_not_compile() {
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        r#"//! ```
//! assert_eq!(std::env::var("NEXTEST_ATTEMPT").unwrap(), "2", "too early");
//! ```
//!
//! ```
//! let number: u32 = "text";
//! ```
"#,
    );
    let report = project.temporary().join("junit.xml");
    let junit = format!("--junit={}", report.display());
    let run = project
        .events(&["--doc", "--retries=1", "--hermetic", &junit])
        .exits(100);
    let flaky = "src/lib.rs - (line 1)";
    assert_eq!(attempts(&run, "started", flaky), [1, 2], "{run}");
    let finished = run.finished(flaky);
    assert_eq!(
        (&finished["status"], &finished["flaky"]),
        (&"passed".into(), &true.into())
    );
    let wrong = "src/lib.rs - (line 5)";
    assert_eq!(attempts(&run, "attempt", wrong), [0; 0], "{run}");
    assert_eq!(run.finished(wrong)["status"], "failed");
    let report = quick_junit::Report::deserialize_from_str(&fs::read_to_string(report).unwrap());
    let report = report.unwrap();
    assert_eq!((report.tests, report.failures), (2, 1));
    let suites: Vec<_> = report
        .test_suites
        .iter()
        .map(|suite| suite.name.as_str())
        .collect();
    assert_eq!(suites, ["plain::doctest/plain"]);
}

#[test]
fn flaky_reports_in_junit_are_those_of_nextest() {
    let project = Project::shared("flaky");
    let report = project.temporary().join("junit.xml");
    let junit = format!("--junit={}", report.display());
    let options = [
        "--retries=1",
        "--hermetic",
        "-i",
        "n.c(second) || n.c(never)",
    ];
    project
        .events(&[&options[..], &[&junit]].concat())
        .exits(100);
    let report = quick_junit::Report::deserialize_from_str(&fs::read_to_string(report).unwrap());
    let report = report.unwrap();
    assert_eq!((report.tests, report.failures), (2, 1));
    let [never, second] = &report.test_suites[0].test_cases[..] else {
        panic!("{report:?}")
    };
    let reruns = |case: &quick_junit::TestCase| match &case.status {
        quick_junit::TestCaseStatus::Success { flaky_runs } => ("flaky", flaky_runs.clone()),
        quick_junit::TestCaseStatus::NonSuccess { reruns, .. } => ("failed", reruns.runs.clone()),
        quick_junit::TestCaseStatus::Skipped { .. } => panic!("{case:?}"),
    };
    for (case, expected) in [(never, "failed"), (second, "flaky")] {
        let (result, runs) = reruns(case);
        assert_eq!((result, runs.len()), (expected, 1), "{case:?}");
        assert_eq!(runs[0].message.as_deref(), Some("exit code 101"));
        assert!(runs[0].system_err.as_ref().unwrap().contains("too early"));
    }
}
