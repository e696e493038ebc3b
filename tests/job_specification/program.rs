//! What runs, and when it has ended.

use crate::both::{both, both_print, both_refuse, job, jobs, project, tools};
use crate::fixture::Project;
use crate::need::needs_containers;
use serde_json::{Value, json};

/// A container in which `/first/tool` prints its arguments and `/second/tool` the files that
/// these name.
fn with_tools(fields: &Value) -> Value {
    let mut job = json!({
        "parent": "tools",
        "added_layers": [
            { "files": { "/argument": "content\n" } },
            { "symlinks": [
                { "link": "/first/tool", "target": "/usr/bin/echo" },
                { "link": "/second/tool", "target": "/usr/bin/cat" }
            ] }
        ],
        "program": "tool",
        "arguments": ["/argument"]
    });
    for (name, value) in fields.as_object().unwrap() {
        job[name] = value.clone();
    }
    job
}

#[track_caller]
fn prints(project: &Project, fields: &Value, expected: &str) {
    let ended = jobs(project, &[], &[tools(), with_tools(fields)]);
    assert!(ended.succeeded, "{ended:#?}");
    assert_eq!(ended.stdout, expected, "{ended:#?}");
}

#[track_caller]
fn is_refused(project: &Project, fields: &Value, message: &str) {
    let ended = jobs(project, &[], &[tools(), with_tools(fields)]);
    assert!(!ended.succeeded, "{ended:#?}");
    assert!(ended.stderr.contains(message), "{ended:#?}");
}

#[test]
fn a_program_without_a_slash_is_looked_up_in_the_path_of_its_job() {
    needs_containers!();
    let project = project();
    let path = |path: &str| json!({ "environment": { "PATH": path } });
    prints(&project, &path("/first:/second"), "/argument\n");
    prints(&project, &path("/second:/first"), "content\n");
    prints(&project, &path("/nowhere:/argument:/second"), "content\n");
    is_refused(
        &project,
        &path("/nowhere"),
        "execute tool: No such file or directory",
    );

    // Without a `PATH`, where programs usually are, and not where the client has its own.
    prints(
        &project,
        &json!({ "environment": {}, "program": "cat" }),
        "content\n",
    );
    // An empty directory of it is the working directory.
    let mut here = path("/nowhere:");
    here["working_directory"] = "/second".into();
    prints(&project, &here, "content\n");
}

#[test]
fn a_program_with_a_slash_is_a_path_from_the_working_directory() {
    needs_containers!();
    let project = project();
    prints(
        &project,
        &json!({ "program": "/first/tool" }),
        "/argument\n",
    );
    prints(
        &project,
        &json!({ "program": "./tool", "working_directory": "/second" }),
        "content\n",
    );
    prints(
        &project,
        &json!({ "program": "second/tool", "environment": { "PATH": "/first" } }),
        "content\n",
    );
    is_refused(
        &project,
        &json!({ "program": "./tool", "environment": { "PATH": "/first" } }),
        "execute ./tool: No such file or directory",
    );
}

#[test]
fn a_job_must_have_a_program() {
    needs_containers!();
    let project = project();
    let ended = jobs(&project, &[], &[json!({ "layers": [] })]);
    assert!(!ended.succeeded, "{ended:#?}");
    assert!(
        ended.stderr.contains("needs the field `program`"),
        "{ended:#?}"
    );
    is_refused(&project, &json!({ "program": "" }), "must not be empty");
}

#[test]
fn arguments_reach_the_program_as_they_are_written() {
    needs_containers!();
    let project = project();
    let arguments = [
        "",
        "a b",
        "$HOME",
        "*",
        "\"quoted\"",
        "-n",
        "ü",
        "two\nlines",
    ];
    let mut words = vec!["-c", "for word; do echo \"[$word]\"; done", "name"];
    words.extend(arguments);
    let ended = jobs(
        &project,
        &[],
        &[tools(), job(&json!({ "arguments": words }), "")],
    );
    let expected = arguments.map(|word| format!("[{word}]\n")).concat();
    assert_eq!(ended.stdout, expected, "{ended:#?}");

    let none = json!({ "program": "echo", "arguments": [] });
    assert_eq!(jobs(&project, &[], &[tools(), job(&none, "")]).stdout, "\n");
    let mut without = job(&json!({ "program": "echo" }), "");
    without.as_object_mut().unwrap().remove("arguments");
    assert_eq!(jobs(&project, &[], &[tools(), without]).stdout, "\n");
}

#[test]
fn a_job_ends_when_its_program_does_whatever_else_is_still_running() {
    needs_containers!();
    let project = project();
    for init in [false, true] {
        both_print(
            &project,
            &json!({ "added_layers": [{ "programs": ["sleep"] }], "init": init }),
            &format!("added_layers = [{{ programs = ['sleep'] }}]\ninit = {init}"),
            "sleep 1000 & echo ended",
            "ended\n",
        );
    }
}

#[test]
fn a_job_that_takes_longer_than_its_timeout_is_ended_and_its_output_is_shown() {
    needs_containers!();
    let project = project();
    let ended = both(
        &project,
        &json!({ "added_layers": [{ "programs": ["sleep"] }], "timeout": 0.3 }),
        "added_layers = [{ programs = ['sleep'] }]\ntimeout = 0.3",
        "echo so far; sleep 1000",
    );
    for (ended, message) in ended.iter().zip(["timed out\n", "timed out after 0.3"]) {
        assert!(!ended.succeeded, "{ended:#?}");
        assert_eq!(ended.stdout, "so far\n", "{ended:#?}");
        assert!(ended.stderr.contains(message), "{ended:#?}");
    }
}

#[test]
fn a_timeout_is_a_number_of_seconds_and_0_means_none() {
    needs_containers!();
    let project = project();
    for timeout in ["0", "0.0", "100"] {
        let number: Value = timeout.parse().unwrap();
        both_print(
            &project,
            &json!({ "timeout": number }),
            &format!("timeout = {timeout}"),
            "echo ended",
            "ended\n",
        );
    }
    both_refuse(
        &project,
        &json!({ "timeout": -1 }),
        "timeout = -1",
        "`timeout` must be a number of seconds from 0 (no limit)",
    );
}

#[test]
fn a_job_that_needs_more_memory_than_its_limit_fails() {
    needs_containers!();
    let project = project();
    let grow = "x=0123456789abcdef; while :; do x=$x$x; done; echo ended";
    let (json, toml) = (
        json!({ "memory_limit": "64 MiB" }),
        "memory_limit = '64 MiB'",
    );
    for ended in both(&project, &json, toml, grow) {
        assert!(!ended.succeeded && ended.stdout.is_empty(), "{ended:#?}");
    }
    both_print(&project, &json, toml, "echo ended", "ended\n");
    both_refuse(
        &project,
        &json!({ "memory_limit": "much" }),
        "memory_limit = 'much'",
        "`memory_limit` must be a size such as `512 MiB` or a number of bytes, but it is `much`",
    );
}

#[test]
fn a_job_cannot_have_more_processes_than_its_limit() {
    needs_containers!();
    let project = project();
    // The shell and three programs.
    let start = "for i in 1 2 3; do sleep 1000 & all=\"$all $!\"; done; kill $all; echo ended";
    let sleep = |limit: u32| {
        (
            json!({ "added_layers": [{ "programs": ["sleep"] }], "process_limit": limit }),
            format!("added_layers = [{{ programs = ['sleep'] }}]\nprocess_limit = {limit}"),
        )
    };
    let (json, toml) = sleep(4);
    both_print(&project, &json, &toml, start, "ended\n");
    let (json, toml) = sleep(3);
    for ended in both(&project, &json, &toml, start) {
        assert!(!ended.succeeded && ended.stdout.is_empty(), "{ended:#?}");
    }
    let (json, toml) = sleep(0);
    both_print(&project, &json, &toml, start, "ended\n");
}
