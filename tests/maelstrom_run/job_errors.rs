//! What `maelstrom-run` says of jobs that cannot be read or run, and what becomes of the
//! others.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A directory to run jobs in, which the cache is in too.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"))
            .current_dir(self.0.path())
            .args(["--config-file=-", "--cache-root=cache"])
            .args(arguments)
            .env_remove("NO_SUCH_VARIABLE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What is said about a job that cannot be run.
    #[track_caller]
    fn refusal(&self, job: &str) -> String {
        let output = self.run(&[], job.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(stdout(&output), "");
        let directory = self.0.path().canonicalize().unwrap();
        let path = std::env::var("PATH").unwrap();
        stderr(&output)
            .replace(directory.to_str().unwrap(), "<directory>")
            .replace(&path, "<path>")
    }
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A job that prints a word, if nothing in these fields hinders it. There is an empty
/// directory `/directory` and an empty file `/file`.
fn echo(word: &str, fields: &str) -> String {
    format!(
        r#"{{ "layers": [{{ "programs": ["sh"] }}, {{ "stubs": ["/directory/", "/file"] }}],
        "program": "/bin/sh", "arguments": ["-c", "echo {word}"]{fields} }}"#
    )
}

#[test]
fn a_job_that_can_be_run_is() {
    let output = Directory::new().run(&[], echo("word", "").as_bytes());
    assert_eq!((stdout(&output), stderr(&output)), ("word\n", ""));
}

#[test]
fn jobs_before_a_mistake_are_finished_and_printed() {
    let first = echo("first", "");
    let input = format!(
        "{first} {}\n\n{{\n  \"layers\": [],\n  \"program\": \"x\",\n  \"slots\": 0\n}}\n{}",
        echo("second", ""),
        echo("third", "")
    );
    let line = input
        .lines()
        .position(|line| line.contains("slots"))
        .unwrap()
        + 1;
    let output = Directory::new().run(&[], input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let mut lines: Vec<_> = stdout(&output).lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["first", "second"]);
    assert_eq!(
        stderr(&output),
        format!(
            "error: <stdin>:{line}:12: `slots` must be between 1 and 4294967295, but it is 0\n  \
             |\n{line} |   \"slots\": 0\n  |            ^\n"
        )
    );
}

#[test]
fn a_mistake_in_a_file_is_reported_with_the_name_of_the_file() {
    let directory = Directory::new();
    let job = echo("word", "");
    let column = job.lines().last().unwrap().len() + 2;
    let line = job.lines().count();
    fs::write(directory.0.path().join("jobs.json"), format!("{job} []")).unwrap();
    let output = directory.run(&["--file=jobs.json"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "word\n");
    let place = format!("error: jobs.json:{line}:{column}: a job must be a table of fields");
    assert!(stderr(&output).starts_with(&place), "{output:?}");
    let output = directory.run(&["--file=no.json"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "error: failed to read `no.json`: No such file or directory (os error 2)\n"
    );
}

#[test]
fn bytes_that_are_no_text_run_nothing() {
    let mut input = echo("word", "").into_bytes();
    let at = input.windows(4).position(|word| word == b"word").unwrap();
    input[at] = 0xE4;
    let output = Directory::new().run(&[], &input);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    let message =
        "error: <stdin>:2:57: this is not UTF-8: the byte 0xe4 is not part of a character";
    assert!(stderr(&output).starts_with(message), "{output:?}");
}

#[test]
fn an_input_that_ends_in_a_job_is_a_mistake_of_that_job() {
    let input = format!("{}\n{{ \"layers\": [],\n", echo("word", ""));
    let output = Directory::new().run(&[], input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "word\n");
    assert_eq!(
        stderr(&output),
        "error: <stdin>:3:1: this is not JSON: unterminated object\n  \
         |\n3 | { \"layers\": [],\n  | ^^^^^^^^^^^^^^^\n"
    );
}

#[test]
fn one_job_is_run_whatever_comes_after_it() {
    let input = format!("{} garbage", echo("word", ""));
    let output = Directory::new().run(&["--one"], input.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((stdout(&output), stderr(&output)), ("word\n", ""));
    let output = Directory::new().run(&["--one"], b"{ \"layers\": [] }");
    assert_eq!(output.status.code(), Some(1));
    let message = "error: <stdin>:1:1: a job needs the field `program`\n";
    assert!(stderr(&output).starts_with(message), "{output:?}");
}

#[test]
fn a_job_that_cannot_be_run_hinders_no_other() {
    let jobs = [
        echo("", r#", "working_directory": "/no/such""#),
        r#"{ "layers": [{ "tar": "no.tar" }], "program": "x" }"#.to_owned(),
        echo("word", ""),
    ];
    let output = Directory::new().run(&[], jobs.concat().as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "word\n");
    assert_eq!(stderr(&output).matches("error: ").count(), 2, "{output:?}");
}

#[test]
fn each_job_of_a_container_that_cannot_be_made_says_so() {
    let job = r#"{ "layers": [{ "tar": "no.tar" }], "program": "x" }"#;
    let output = Directory::new().run(&[], job.repeat(3).as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).matches("no.tar does not exist").count(), 3);
}

#[test]
fn the_parts_that_a_container_lacks_are_named() {
    let directory = Directory::new();
    let told = [
        r#""mounts": [{ "type": "tmp", "mount_point": "/no/such" }]"#,
        r#""mounts": [{ "type": "tmp", "mount_point": "/file" }]"#,
        r#""mounts": [{ "type": "devices", "devices": ["null"] }]"#,
        r#""mounts": [{ "type": "bind", "mount_point": "/directory", "local_path": "no-such" }]"#,
        r#""mounts": [{ "type": "bind", "mount_point": "/no/such", "local_path": "." }]"#,
        r#""mounts": [{ "type": "bind", "mount_point": "/file", "local_path": "." }]"#,
        r#""working_directory": "/no/such""#,
        r#""working_directory": "/file""#,
        r#""root_overlay": { "local": { "upper": "cache", "work": "no-such" } }"#,
        r#""environment": { "A": "$env{NO_SUCH_VARIABLE}" }"#,
        r#""environment": { "A": "$prev{A}" }"#,
    ]
    .map(|field| directory.refusal(&echo("word", &format!(", {field}"))));
    insta::assert_snapshot!(told.concat(), @r"
    error: mount tmp at /no/such: No such file or directory (os error 2); a `stubs` layer makes mount points: files, and directories where the path ends in `/`
    error: mount tmp at /file: Not a directory (os error 20); a `stubs` layer makes mount points: files, and directories where the path ends in `/`
    error: mount null at /dev/null: No such file or directory (os error 2); a `stubs` layer makes mount points: files, and directories where the path ends in `/`
    error: the `local_path` <directory>/no-such of the `bind` mount at /directory does not exist; create it first
    error: mount a host path at /no/such: No such file or directory (os error 2); a `stubs` layer makes mount points: files, and directories where the path ends in `/`
    error: mount a host path at /file: Not a directory (os error 20); a `stubs` layer makes mount points: files, and directories where the path ends in `/`
    error: enter the working directory /no/such: No such file or directory (os error 2); a layer has to bring it, a `stubs` layer for one
    error: enter the working directory /file: Not a directory (os error 20); a layer has to bring it, a `stubs` layer for one
    error: the directory <directory>/no-such of `root_overlay` does not exist; create it first
    error: failed to compute the environment variable `A`: its value refers to `$env{NO_SUCH_VARIABLE}`, but the client's environment has no variable `NO_SUCH_VARIABLE`; set it, or give a default: `$env{NO_SUCH_VARIABLE:-...}`
    error: failed to compute the environment variable `A`: its value refers to `$prev{A}`, but the job's environment so far has no variable `A`; set it, or give a default: `$prev{A:-...}`
    ");
}

#[test]
fn the_files_that_a_layer_lacks_are_named() {
    let directory = Directory::new();
    let told = [
        r#"{ "tar": "no.tar" }"#,
        r#"{ "paths": ["no-such"] }"#,
        r#"{ "programs": ["no-such-program"] }"#,
        r#"{ "shared_library_dependencies": ["no-such"] }"#,
        r#"{ "source": "no-such" }"#,
        r#"{ "stubs": ["/{a,b"] }"#,
        r#"{ "stubs": ["/a", "/a/b"] }"#,
    ]
    .map(|layer| directory.refusal(&format!(r#"{{ "layers": [{layer}], "program": "/x" }}"#)));
    insta::assert_snapshot!(told.concat(), @r"
    error: cannot build the `tar` layer `<directory>/no.tar`: <directory>/no.tar does not exist
    error: cannot build the `paths` layer `no-such`: `no-such` does not exist: <directory>/no-such is missing
    error: cannot build the `programs` layer `no-such-program`: cannot find a program:
      no-such-program
    looked in PATH: <path>
    install the program, add its directory to PATH, or name it by its path
    error: cannot build the `shared_library_dependencies` layer `<directory>/no-such`: <directory>/no-such does not exist
    error: cannot build the `source` layer `<directory>/no-such`: <directory>/no-such does not exist
    error: cannot build the `stubs` layer `/{a,b`: `/{a,b` has a `{` without a `}`; write a literal one as `\{`
    error: cannot build the `stubs` layer of `/a` and 1 more: `/a/b` cannot be made, because `/a` is not a directory
    ");
}

#[test]
fn a_program_that_cannot_be_run_is_named() {
    let directory = Directory::new();
    let told = [
        r#"{ "layers": [{ "stubs": ["/file"] }], "program": "/no/such" }"#,
        r#"{ "layers": [{ "stubs": ["/file"] }], "program": "no-such" }"#,
        r#"{ "layers": [{ "stubs": ["/file"] }], "program": "/file" }"#,
        r#"{ "layers": [], "program": "/x" }"#,
        r#"{ "parent": "empty", "program": "/x" }"#,
    ]
    .map(|job| directory.refusal(job));
    insta::assert_snapshot!(told.concat(), @r"
    error: execute /no/such: No such file or directory (os error 2); a layer has to bring it, and the loader or interpreter that it names, as a `programs` layer does
    error: execute no-such: No such file or directory (os error 2); no directory of the job's `PATH` has it; a layer has to bring it, a `programs` layer for one
    error: execute /file: Permission denied (os error 13)
    error: the job has no layers, so it has no program to run; add a layer with the program, such as `programs`, or an image
    error: the job has no layers, so it has no program to run; add a layer with the program, such as `programs`, or an image
    ");
    let output = directory.run(&["--one", "/no/such"], echo("word", "").as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "error: execute /no/such: No such file or directory (os error 2); a layer has to bring it, and the loader or interpreter that it names, as a `programs` layer does; `--add-programs /no/such` adds the one of this machine\n"
    );
}

#[test]
fn a_glob_without_a_match_is_a_warning() {
    let layers = r#"[{ "programs": ["sh"] }, { "glob": "*.nothing" }]"#;
    let job = format!(
        r#"{{ "layers": {layers}, "program": "/bin/sh", "arguments": ["-c", "echo word"] }}"#
    );
    let output = Directory::new().run(&[], job.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        (
            "word\n",
            "warning: the `glob` layer `*.nothing`: no file matches the pattern\n"
        )
    );
}

#[test]
fn older_spellings_are_warned_about_once_with_their_place() {
    let job = echo("word", r#", "enable_loopback": true"#);
    let output = Directory::new().run(&[], [&*job, &job].join("\n").as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "word\nword\n");
    let warning = "warning: <stdin>:2:65: `enable_loopback` is an older spelling; write `network`";
    assert!(stderr(&output).starts_with(warning), "{output:?}");
    assert_eq!(stderr(&output).matches("warning").count(), 1, "{output:?}");
}

#[test]
fn a_wrong_command_line_has_an_exit_code_of_its_own() {
    let output = Directory::new().run(&["--no-such-option"], b"");
    assert_eq!(output.status.code(), Some(96));
    let message = "error: unexpected argument '--no-such-option' found\n";
    assert!(stderr(&output).starts_with(message), "{output:?}");
}
