use super::casd::Casd;
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use serde_json::Value;

/// Runs the tests of a project on the engine.
fn remotely(project: &Project, engine: &Casd, arguments: &[&str]) -> Run {
    let options = engine.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    project.events(&[&options, arguments].concat())
}

#[test]
fn the_same_tests_pass_and_fail_on_an_engine_as_here() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    for name in ["outcomes", "together"] {
        let project = Project::shared(name);
        let arguments = ["--no-fail-fast", "--timeout=3"];
        let here = project.events(&arguments);
        let there = remotely(&project, &engine, &arguments);
        assert_eq!(here.statuses(), there.statuses(), "{there}{}", engine.log());
        assert_eq!(here.code, there.code, "{there}");
        let text = |run: &Run, name: &str, key: &str| run.finished(name)[key].clone();
        for name in here.statuses().keys() {
            for key in ["exit_code", "signal"] {
                assert_eq!(text(&here, name, key), text(&there, name, key), "{name}");
            }
        }
        assert_eq!(count(&here.summary()), count(&there.summary()));
    }
}

/// The counts in the summary of a run.
fn count(summary: &Value) -> Vec<(String, Value)> {
    let entries = summary.as_object().unwrap().iter();
    let counts = entries.filter(|(key, _)| *key != "seconds");
    counts
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[test]
fn jobs_that_need_this_machine_run_here_at_the_same_time() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("plain");
    project.write("here.txt", "of this machine\n");
    let job = |more: &str| {
        format!(
            r#"{{ "layers": [{{ "programs": ["sh", "cat"] }}, {{ "stubs": ["/here.txt"] }}],
                 "program": "sh", {more} }}"#
        )
    };
    let bound = job(
        r#""arguments": ["-c", "cat /here.txt"], "mounts": [{ "type": "bind",
           "mount_point": "/here.txt", "local_path": "here.txt" }]"#,
    );
    let elsewhere = job(r#""arguments": ["-c", "echo elsewhere; exit 3"]"#);
    project.write("jobs.json", &format!("{bound}{elsewhere}"));
    let options = engine.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut command = project.jobs(&[&options[..], &["--file", "jobs.json"]].concat());
    let run = Run::of(&mut command, &project).exits(1);
    let mut lines = run.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["elsewhere", "of this machine"], "{run}");
}

#[test]
fn jobs_with_estimated_durations_share_an_action() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("plain");
    let job = |number: usize, more: &str| {
        format!(
            r#"{{ "layers": [{{ "programs": ["echo"] }}], "program": "echo",
                 "arguments": ["{number}"] {more} }}"#
        )
    };
    let run = |more: &str| {
        let jobs: Vec<_> = (0..60).map(|number| job(number, more)).collect();
        project.write("jobs.json", &jobs.concat());
        let options = engine.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let more = ["--slots=1", "--log-level=debug", "--file", "jobs.json"];
        let run = Run::of(&mut project.jobs(&[&options, &more[..]].concat()), &project).exits(0);
        let mut numbers: Vec<usize> = run.lines().iter().map(|l| l.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..60), "{run}");
        run.stderr.matches("an action took").count()
    };
    assert_eq!(run(""), 60);
    let together = run(r#", "estimated_duration": 0.01"#);
    assert!(together <= 20, "{together}");
}

#[test]
fn one_job_on_an_engine_has_its_output_and_exit_code() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("plain");
    let job = r#"{ "layers": [{ "programs": ["sh"] }], "program": "sh",
                   "arguments": ["-c", "echo out; echo err >&2; exit 7"] }"#;
    project.write("job.json", job);
    let options = engine.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut command = project.jobs(&[&options[..], &["--one", "--file", "job.json"]].concat());
    let run = Run::of(&mut command, &project).exits(7);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("out\n", "err\n")
    );
}

#[test]
fn the_inline_limit_applies_to_all_output_of_a_job_on_an_engine() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("plain");
    let job = r#"{ "layers": [{ "programs": ["sh"] }], "program": "sh",
                   "arguments": ["-c", "printf 0123456789abcdef"] }"#;
    project.write("job.json", job);
    let options = engine.options();
    let run = |more: &[&str]| {
        let options = options.iter().map(String::as_str);
        let words: Vec<_> = options
            .chain(["--inline-limit=8", "--file=job.json"])
            .chain(more.iter().copied())
            .collect();
        Run::of(&mut project.jobs(&words), &project)
    };
    let cut = "0123\n[... 8 bytes left out ...]\ncdef";
    assert_eq!(run(&["--one"]).exits(0).stdout, cut);
    let all = run(&[]).exits(1);
    assert_eq!(all.stdout, cut);
    let expected = "error: job 1 of the input (`sh`) printed more to stdout than is kept; raise \
                    `--inline-limit`\n";
    assert_eq!(all.stderr, expected);
}

#[test]
fn a_worker_that_cannot_make_containers_as_user_0_reports_the_remedy() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    // Without the platform properties that run actions as another user.
    let remote = &engine.options()[0];
    Project::own("plain")
        .maelstrom(&[remote])
        .exits(100)
        .says("a worker cannot make containers: ")
        .says("run it as another user (on an engine that uses buildbox: --remote-platform unixUID")
        .does_not_say("WARN");
}
