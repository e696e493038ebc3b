//! The fields that only directives have: they are about tests, which jobs are not.

use crate::both::{TOOLS, job, jobs, project, test, tools};
use crate::need::needs_containers;
use serde_json::json;

/// A directive for every test that leaves it nothing but the programs that scripts need.
const ALL: &str = "[[directives]]\nparent = 'tools'\n";

#[test]
fn a_directive_is_for_the_tests_that_its_filter_matches_and_the_last_one_counts() {
    needs_containers!();
    let project = project();
    project.directives(&format!(
        "{TOOLS}{ALL}user = 1\ngroup = 1\n\
         [[directives]]\nfilter = 'name.equals(script)'\nuser = 2\n\
         [[directives]]\nfilter = 'name.equals(another)'\nuser = 3\n"
    ));
    let ended = test(&project, "id -u; id -g");
    assert_eq!(ended.stdout, "2\n1\n", "{ended:#?}");
}

#[test]
fn ignore_keeps_a_test_from_running() {
    needs_containers!();
    let project = project();
    let run = |ignore: bool| {
        project.directives(&format!("{TOOLS}{ALL}ignore = {ignore}\n"));
        project.events(&["--", "--script=exit"]).exits(0).statuses()
    };
    assert_eq!(run(true)["script"], "ignored");
    assert_eq!(run(false)["script"], "passed");
}

#[test]
fn include_shared_libraries_adds_the_libraries_of_the_test_binary() {
    needs_containers!();
    let project = project();
    let run = |lines: &str| {
        project.directives(&format!(
            "{TOOLS}{ALL}layers = [{{ stubs = ['/bin/'] }}]\nmounts = []\n{lines}\n"
        ));
        test(&project, "")
    };
    // It starts, and finds that there is no shell.
    for lines in ["", "include_shared_libraries = true"] {
        let ended = run(lines);
        assert!(
            ended.stderr.contains("No such file or directory"),
            "{ended:#?}"
        );
        assert!(ended.stderr.contains("panicked"), "{ended:#?}");
    }
    let ended = run("include_shared_libraries = false");
    assert!(
        !ended.succeeded && !ended.stderr.contains("panicked"),
        "{ended:#?}"
    );
}

/// A script that fails at the first attempt.
const SECOND: &str = "test \"$NEXTEST_ATTEMPT\" = 2";

#[test]
fn retries_is_how_often_a_failed_test_is_run_again() {
    needs_containers!();
    let project = project();
    project.directives(&format!("{TOOLS}{ALL}retries = 1\n"));
    assert!(test(&project, SECOND).succeeded);
    project.directives(&format!("{TOOLS}{ALL}"));
    assert!(!test(&project, SECOND).succeeded);
    for (wrong, message) in [
        ("'often'", "`retries` must be a whole number or a table"),
        ("{ count = 1 }", "`retries` needs `backoff`"),
        (
            "{ backoff = 'fixed', count = 1, delay = '1x' }",
            "`delay` must be a time such as `60s`",
        ),
        (
            "{ backoff = 'fixed', count = 1, dely = '1s' }",
            "unknown field `dely` of `retries`; did you mean `delay`?",
        ),
    ] {
        project.directives(&format!("{TOOLS}{ALL}retries = {wrong}\n"));
        let ended = test(&project, "echo ended");
        assert!(ended.stderr.contains(message), "{wrong}: {ended:#?}");
    }
}

#[test]
fn flaky_result_is_what_a_flaky_test_counts_as() {
    needs_containers!();
    let project = project();
    for (result, succeeds) in [("pass", true), ("fail", false)] {
        project.directives(&format!(
            "{TOOLS}{ALL}retries = 1\nflaky_result = '{result}'\n"
        ));
        assert_eq!(test(&project, SECOND).succeeded, succeeds, "{result}");
    }
}

#[test]
fn jobs_do_not_have_the_fields_of_tests_nor_tests_those_of_jobs() {
    needs_containers!();
    let project = project();
    for field in [
        "filter",
        "ignore",
        "include_shared_libraries",
        "retries",
        "flaky_result",
    ] {
        let ended = jobs(&project, &[], &[tools(), job(&json!({ field: true }), "")]);
        let message = format!("unknown field `{field}` of a job");
        assert!(ended.stderr.contains(&message), "{ended:#?}");
    }
    for field in ["program", "arguments", "estimated_duration", "priority"] {
        project.directives(&format!("{TOOLS}{ALL}{field} = 1\n"));
        let ended = test(&project, "");
        let message = format!("unknown field `{field}` of a directive");
        assert!(ended.stderr.contains(&message), "{ended:#?}");
    }
}
