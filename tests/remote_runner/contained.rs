use crate::action::{Action, RunnerFixture};
use maelstrom::executor::Status;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs the action where there is nothing but its input: no loader, no library, no shell.
fn run_contained(action: &Action, mounts: &[Value], user: u32) -> Output {
    let mut mounts = mounts.to_vec();
    mounts.push(json!({
        "type": "bind",
        "mount_point": "/action",
        "local_path": action.directory,
    }));
    let job = json!({
        "layers": [{ "stubs": ["/action/", "/proc/", "/sys/", "/tmp/", "/dev/null"] }],
        "mounts": mounts,
        "root_overlay": "tmp",
        "working_directory": "/action",
        "user": user,
        "group": user,
        "program": format!("/action/{}", action.command[0]),
        "arguments": action.command[1..],
    });
    let cache = tempfile::tempdir().unwrap();
    let mut outer = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"))
        .args(["--one", "--cache-root"])
        .arg(cache.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = outer.stdin.take().unwrap();
    stdin.write_all(job.to_string().as_bytes()).unwrap();
    drop(stdin);
    outer.wait_with_output().unwrap()
}

fn usual_mounts() -> Vec<Value> {
    let at = |kind: &str, path: &str| json!({ "type": kind, "mount_point": path });
    let devices = json!({ "type": "devices", "devices": ["null"] });
    vec![
        at("proc", "/proc"),
        at("sys", "/sys"),
        at("tmp", "/tmp"),
        devices,
    ]
}

#[test]
fn a_batch_runs_in_a_container_that_has_only_its_input() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh", "cat"]);
    let scripts = ["cat /data/3/3", "cat /proc/1/comm", "exit 4"];
    for user in [0, 1000] {
        let action = fixture.action(&format!("as-{user}"), &container, &scripts);
        let output = run_contained(&action, &usual_mounts(), user);
        let ending = action.ending();
        assert_eq!(output.status.code(), Some(1), "{output:?} {ending:?}");
        assert_eq!(ending.unable, None);
        assert_eq!(ending.ended[&0].stdout.to_vec(), b"content 3");
        assert_eq!(ending.ended[&1].stderr.to_vec(), b"");
        assert_eq!(ending.ended[&2].status, Status::Exited(4));
    }
}

#[test]
fn a_sandbox_without_proc_is_an_error_that_names_proc() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh"]);
    let action = fixture.action("action", &container, &["true"]);
    let output = run_contained(&action, &usual_mounts()[1..], 1000);
    let ending = action.ending();
    assert_eq!(output.status.code(), Some(2), "{output:?} {ending:?}");
    let why = ending.unable.unwrap();
    assert!(
        why.starts_with("a worker cannot make containers: "),
        "{why}"
    );
    assert!(ending.ended.is_empty());
}
