//! Which of the jobs that wait for a slot goes first, and how many slots it takes.

use crate::both::{job, jobs, project, tools};
use crate::fixture::{Project, mkfifo};
use crate::need::needs_containers;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

/// A container that has the project's directory `shared`.
fn sharing(fields: &Value) -> Value {
    let mut fields = fields.clone();
    fields["added_layers"] = json!([{ "stubs": ["/shared/"] }]);
    fields["added_mounts"] = json!([
        { "type": "bind", "mount_point": "/shared", "local_path": "shared" }
    ]);
    fields
}

fn project_with_fifo() -> Project {
    let project = project();
    project.write("shared/note", "");
    mkfifo(project.root.join("shared/fifo"));
    project
}

/// The words that jobs with these fields print, in the order of their turns. While they are
/// read, one that came before has the only slot.
fn turns(waiting: &[(&str, Value)]) -> Vec<String> {
    let project = project_with_fifo();
    let mut command = project.jobs(&["--slots=1"]);
    command.stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut send = |document: &Value| writeln!(stdin, "{document}").unwrap();
    send(&tools());
    send(&job(&sharing(&json!({})), "read -r line </shared/fifo"));
    // This waits until the job is at the same point.
    let fifo = File::options()
        .write(true)
        .open(project.root.join("shared/fifo"))
        .unwrap();
    // As many as are made ready ahead of their turns, which is then settled.
    for _ in 0..2 {
        send(&job(&sharing(&json!({})), "echo made ready"));
    }
    for (word, fields) in waiting {
        send(&job(&sharing(fields), &format!("echo {word}")));
    }
    // That the end has been read can be told by a complaint about it.
    send(&json!({}));
    drop(stdin);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut complaint = String::new();
    stderr.read_line(&mut complaint).unwrap();
    assert!(complaint.contains("a job needs the field"), "{complaint}");
    writeln!(&fifo).unwrap();
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    child.wait().unwrap();
    let mut words: Vec<_> = stdout.lines().map(str::to_owned).collect();
    let ready = words.drain(..2).collect::<Vec<_>>();
    assert_eq!(ready, ["made ready", "made ready"]);
    words
}

#[test]
fn of_the_jobs_that_wait_the_one_with_the_longest_estimated_duration_goes_first() {
    needs_containers!();
    let words = turns(&[
        ("short", json!({ "estimated_duration": 1 })),
        ("longest", json!({ "estimated_duration": 100 })),
        ("unknown", json!({})),
        ("medium", json!({ "estimated_duration": 2.5 })),
    ]);
    assert_eq!(words, ["unknown", "longest", "medium", "short"]);
}

#[test]
fn of_the_jobs_that_wait_the_one_with_the_highest_priority_goes_first() {
    needs_containers!();
    let words = turns(&[
        (
            "low",
            json!({ "priority": -128, "estimated_duration": 1000 }),
        ),
        ("plain", json!({ "estimated_duration": 100 })),
        ("high", json!({ "priority": 127, "estimated_duration": 1 })),
        (
            "higher than plain",
            json!({ "priority": 1, "estimated_duration": 2 }),
        ),
    ]);
    assert_eq!(words, ["high", "higher than plain", "plain", "low"]);
}

#[test]
fn priority_and_estimated_duration_are_numbers_within_bounds() {
    needs_containers!();
    let project = project();
    for (fields, message) in [
        (
            json!({ "priority": 128 }),
            "`priority` must be between -128 and 127",
        ),
        (
            json!({ "estimated_duration": -1 }),
            "`estimated_duration` must be a number of seconds",
        ),
        (json!({ "slots": 0 }), "`slots` must be between 1 and"),
    ] {
        let ended = jobs(&project, &[], &[tools(), job(&fields, "echo it runs")]);
        assert!(!ended.succeeded && ended.stdout.is_empty(), "{ended:#?}");
        assert!(ended.stderr.contains(message), "{ended:#?}");
    }
}

#[test]
fn a_job_takes_as_many_slots_as_it_says() {
    needs_containers!();
    let project = project_with_fifo();
    // Each waits for the other, which must run at the same time.
    let pair = |slots: u32| {
        let fields = sharing(&json!({ "slots": slots, "timeout": 2 }));
        let reads = job(&fields, "read -r line </shared/fifo; echo $line");
        let writes = job(&fields, "echo met >/shared/fifo");
        jobs(&project, &["--slots=2"], &[tools(), reads, writes])
    };
    let one = pair(1);
    assert!(one.succeeded, "{one:#?}");
    assert_eq!(one.stdout, "met\n");
    let two = pair(2);
    assert_eq!(two.stderr, "timed out\n".repeat(2), "{two:#?}");
    // All that there are will do for a job that wants more.
    let fields = json!({ "slots": 1000 });
    let many = jobs(
        &project,
        &["--slots=2"],
        &[tools(), job(&fields, "echo runs")],
    );
    assert_eq!(many.stdout, "runs\n", "{many:#?}");
}
