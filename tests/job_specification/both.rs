//! A script in a container that is specified twice: as a JSON job for `maelstrom-run`, and by a
//! directive of `maelstrom-test.toml` for `cargo maelstrom`.
//!
//! Unless a test says otherwise, both have the container `tools` for their parent. It has some
//! programs and nothing else of what tests get by default, so that what a field does can be
//! told from what would be there anyway. Relative paths start at the same directory.

use crate::fixture::{Project, Run};
use serde_json::{Value, json};
use std::io::{Seek as _, Write as _};

/// The container `tools` as a table of `maelstrom-test.toml`.
pub const TOOLS: &str = r#"
[containers.tools]
layers = [
    { programs = ["sh", "cat", "echo", "id", "ls", "mkdir", "readlink", "rm", "stat"] },
    { stubs = ["/dev/null"] },
]
mounts = [{ type = "devices", devices = ["null"] }]
environment = { PATH = "/usr/bin:/bin" }
working_directory = "/"
"#;

/// The container `tools` as an object that stands before jobs.
pub fn tools() -> Value {
    json!({ "containers": { "tools": {
        "layers": [
            { "programs": ["sh", "cat", "echo", "id", "ls", "mkdir", "readlink", "rm", "stat"] },
            { "stubs": ["/dev/null"] }
        ],
        "mounts": [{ "type": "devices", "devices": ["null"] }],
        "environment": { "PATH": "/usr/bin:/bin" },
        "working_directory": "/"
    } } })
}

/// Variables of whoever runs the programs.
const CLIENT: [(&str, &str); 2] = [("OF_THE_CLIENT", "red"), ("BAR", "bar")];

/// A workspace with a test that becomes whatever script it is given.
pub fn project() -> Project {
    Project::own("shell")
}

/// What became of jobs.
#[derive(Debug)]
pub struct Ended {
    pub succeeded: bool,
    pub stdout: String,
    /// With what the program that ran them said.
    pub stderr: String,
}

/// Runs the jobs and containers of `documents`, which come one after the other.
pub fn jobs(project: &Project, options: &[&str], documents: &[Value]) -> Ended {
    let mut input = tempfile::tempfile().unwrap();
    for document in documents {
        writeln!(input, "{document}").unwrap();
    }
    input.rewind().unwrap();
    let mut command = project.jobs(options);
    let run = Run::of(command.envs(CLIENT).stdin(input), project);
    Ended {
        succeeded: run.code == Some(0),
        stdout: run.stdout,
        stderr: run.stderr,
    }
}

/// A job with these fields that runs a script; others may stand in `fields`, too.
pub fn job(fields: &Value, script: &str) -> Value {
    let mut job = json!({ "parent": "tools", "program": "sh", "arguments": ["-c", script] });
    for (name, value) in fields.as_object().expect("fields are an object") {
        job[name] = value.clone();
    }
    job
}

/// Runs the test of the project, which has its directives already.
pub fn test(project: &Project, script: &str) -> Ended {
    let options = ["--message-format=json", "--ui=quiet", "--show-output"];
    let mut command = project.command(&options);
    command.args(["--", &format!("--script={script}")]);
    // What a container lacks must not be found on this machine.
    command.env("MAELSTROM_HERMETIC", "true");
    let run = Run::of(command.envs(CLIENT), project);
    let finished = run.of_tests("finished").pop().unwrap_or_default();
    let text = |key: &str| finished[key].as_str().unwrap_or_default().to_owned();
    Ended {
        succeeded: run.code == Some(0) && finished["status"] == "passed",
        stdout: text("stdout"),
        stderr: [text("stderr"), text("message"), run.stderr].join("\n"),
    }
}

/// Runs a script in a container with these fields, written in both ways.
pub fn both(project: &Project, json: &Value, toml: &str, script: &str) -> [Ended; 2] {
    project.directives(&format!(
        "{TOOLS}\n[[directives]]\nparent = \"tools\"\n{toml}\n"
    ));
    [
        jobs(project, &[], &[tools(), job(json, script)]),
        test(project, script),
    ]
}

/// Asserts that a script succeeds and prints this, whichever way its container is written.
#[track_caller]
pub fn both_print(project: &Project, json: &Value, toml: &str, script: &str, expected: &str) {
    for (form, ended) in ["JSON", "TOML"]
        .iter()
        .zip(both(project, json, toml, script))
    {
        assert!(ended.succeeded, "{form}: {ended:#?}");
        assert_eq!(ended.stdout, expected, "{form}: {ended:#?}");
    }
}

/// Asserts that a container cannot be had, and that this is said about it.
#[track_caller]
pub fn both_refuse(project: &Project, json: &Value, toml: &str, message: &str) {
    for (form, ended) in ["JSON", "TOML"]
        .iter()
        .zip(both(project, json, toml, "echo it runs"))
    {
        assert!(
            !ended.succeeded && ended.stdout.is_empty(),
            "{form}: {ended:#?}"
        );
        assert!(ended.stderr.contains(message), "{form}: {ended:#?}");
    }
}
