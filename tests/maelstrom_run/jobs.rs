//! `maelstrom-run` as people use it: the real program, real containers, programs of this
//! machine as layers.

use nix::sys::resource::{UsageWho, getrusage};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

/// The program with a cache of its own.
fn maelstrom_run(cache: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"));
    command
        .current_dir(cache.path())
        .arg("--config-file=-")
        .arg("--cache-root")
        .arg(cache.path().join("cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What comes of this input.
fn run(arguments: &[&str], input: &str) -> Output {
    let cache = tempfile::tempdir().unwrap();
    let mut child = maelstrom_run(&cache).args(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A job that runs a script.
fn script(script: &str, fields: &str) -> String {
    let script = serde_json::Value::from(script);
    format!(
        r#"{{ "layers": [{{ "programs": ["sh", "sleep", "cat"] }}], "program": "sh",
        "environment": {{ "PATH": "/usr/bin:/bin" }}, "arguments": ["-c", {script}]{fields} }}"#
    )
}

#[test]
fn a_result_is_reused_although_the_job_left_a_process_behind() {
    let cache = tempfile::tempdir().unwrap();
    let job = r#"{ "layers": [{ "programs": ["sh", "sleep", "cat"] }, { "stubs": ["/proc/", "/dev/null"] }],
        "mounts": [{ "type": "proc", "mount_point": "/proc" },
            { "type": "devices", "devices": ["null"] }], "init": true, "program": "sh",
        "environment": { "PATH": "/usr/bin:/bin" },
        "arguments": ["-c", "sleep 100 >&- 2>&- & cat /proc/sys/kernel/random/uuid"] }"#;
    let uuid = || {
        let mut child = maelstrom_run(&cache)
            .arg("--cache-results=auto")
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(job.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        stdout(&output).to_owned()
    };
    let first = uuid();
    assert_eq!(first.len(), 37, "{first}");
    assert_eq!(uuid(), first);
}

#[test]
fn every_job_of_a_stream_is_run_and_its_output_kept_together() {
    let jobs: Vec<_> = (0..20)
        .map(|n| script(&format!("echo {n}; echo {n} >&2; echo {n}"), ""))
        .collect();
    let output = run(&["--slots=4"], &jobs.join("\n"));
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(lines.len(), 40);
    assert!(lines.chunks(2).all(|pair| pair[0] == pair[1]), "{lines:?}");
    assert_eq!(stderr(&output).lines().count(), 20);
}

#[test]
fn of_more_output_than_is_kept_the_middle_is_left_out_and_the_run_fails() {
    let jobs = [
        script("printf 0123456789 >&2", ""),
        script("printf 01234567", ""),
    ];
    let output = run(&["--slots=1", "--inline-limit=8"], &jobs.concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "01234567");
    assert_eq!(
        stderr(&output),
        "0123\n[... 2 bytes left out ...]\n6789error: job 1 of the input (`sh`) printed more to \
         stderr than is kept; raise `--inline-limit`\n"
    );
    // What is passed on at once need not be kept.
    let output = run(&["--one", "--inline-limit=8"], &jobs[0]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "0123456789");
}

#[test]
fn a_client_whose_jobs_print_very_much_takes_little_memory() {
    // In KiB.
    const MUCH: i64 = 300 << 10;
    let job = format!(
        r#"{{ "layers": [{{ "programs": ["sh", "yes", "head"] }}], "program": "sh",
        "environment": {{ "PATH": "/usr/bin:/bin" }},
        "arguments": ["-c", "yes | head -c {}"] }}"#,
        MUCH << 10
    );
    let output = run(&[], &job);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let kept = output.stdout.len();
    assert!((16 << 20..17 << 20).contains(&kept), "{kept} bytes");
    // Of all clients that this process has waited for.
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    assert!(usage.max_rss() < MUCH / 2, "{} KiB", usage.max_rss());
}

#[test]
fn a_job_starts_before_the_input_ends() {
    let cache = tempfile::tempdir().unwrap();
    let mut child = maelstrom_run(&cache).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for word in ["one", "two"] {
        stdin
            .write_all(script(&format!("echo {word}"), "").as_bytes())
            .unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), word);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_failed_job_makes_the_run_fail_and_the_others_run() {
    let jobs = [script("exit 3", ""), script("echo still", "")];
    let output = run(&[], &jobs.concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "still\n");
}

#[test]
fn a_timeout_of_a_job_is_reported_after_its_output() {
    let job = script("echo so far; sleep 100", r#", "timeout": 0.5"#);
    let output = run(&[], &job);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        ("so far\n", "timed out\n")
    );
}

#[test]
fn a_mistake_is_reported_with_its_position_and_the_jobs_before_it_are_run() {
    let input = format!(
        "{}\n  {{ \"layers\": [],\n    \"programm\": 1 }} {}",
        script("echo before", ""),
        script("echo after", "")
    );
    let line = input.lines().count() - 1;
    let output = run(&[], &input);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "before\n");
    let expected = format!("error: <stdin>:{line}:5: unknown field `programm` of a job");
    assert!(stderr(&output).starts_with(&expected), "{output:?}");

    let output = run(&[], "{ \"layers\": [] \"program\"");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("error: <stdin>:1:15: this is not JSON: "),
        "{output:?}"
    );
}

#[test]
fn containers_of_the_input_are_parents_of_the_jobs_after_them() {
    let input = r#"
        { "containers": { "shell": { "layers": [{ "programs": ["sh"] }], "environment": { "A": "a" } } } }
        { "parent": "shell", "program": "/bin/sh", "arguments": ["-c", "echo $A$B"],
          "added_environment": { "B": "$prev{A}b" } }"#;
    assert_eq!(stdout(&run(&[], input)), "aab\n");
}

#[test]
fn one_job_ends_the_run_as_it_ended() {
    let job = script("exit 7", "");
    assert_eq!(run(&["--one"], &job).status.code(), Some(7));
    let job = script("kill -TERM $$", r#", "init": true"#);
    assert_eq!(run(&["-1"], &job).status.signal(), Some(15));
}

#[test]
fn one_job_can_be_given_another_program() {
    let jobs = [script("echo first", ""), script("echo second", "")].concat();
    assert_eq!(stdout(&run(&["--one"], &jobs)), "first\n");
    let output = run(&["--one", "/bin/sh", "-c", "echo $0", "word"], &jobs);
    assert_eq!(stdout(&output), "word\n");
}

#[test]
fn without_a_job_there_is_nothing_to_do() {
    assert_eq!(run(&[], " \n ").status.code(), Some(0));
    let output = run(&["--one"], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "error: there is no job in the input\n");
}

#[test]
fn defaults_are_those_of_a_job_not_of_a_test() {
    let job = script(
        "echo $$ $PWD; echo x 2>&1 >/file || cat /proc/version 2>&1; echo $USER$HOME",
        "",
    );
    let output = run(&[], &job);
    let lines: Vec<_> = stdout(&output).lines().collect();
    assert_eq!(lines[0], "1 /");
    assert!(
        stdout(&output).contains("Read-only file system"),
        "{output:?}"
    );
    assert!(
        stdout(&output).contains("No such file or directory"),
        "{output:?}"
    );
    assert_eq!(*lines.last().unwrap(), "");
}
