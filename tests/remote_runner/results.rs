use crate::action::{RunnerFixture, count_files};
use maelstrom::container::{Step, StepError};
use maelstrom::executor::Status;

#[test]
fn each_job_of_a_batch_has_its_outcome() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh", "cat"]);
    let action = fixture.action(
        "action",
        &container,
        &[
            "cat /data/3/3; echo $MAELSTROM_SLOT >&2",
            "exit 3",
            "kill -9 $$",
            "echo left > /tmp/file",
            "cat /tmp/file",
        ],
    );
    let output = action.run();
    let ending = action.ending();
    assert_eq!(output.status.code(), Some(1), "{output:?} {ending:?}");
    let statuses: Vec<_> = ending.ended.values().map(|o| o.status.clone()).collect();
    assert_eq!(
        statuses,
        [
            Status::Exited(0),
            Status::Exited(3),
            Status::Signaled(9),
            Status::Exited(0),
            Status::Exited(1),
        ]
    );
    assert_eq!(ending.ended[&0].stdout.to_vec(), b"content 3");
    assert_eq!(ending.ended[&0].stderr.to_vec(), b"0\n");
    assert!(ending.running.is_empty());
}

#[test]
fn only_a_batch_that_passed_ends_well() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh"]);
    let passing = fixture.action("passing", &container, &["true", "true"]);
    assert_eq!(passing.run().status.code(), Some(0));
    let failing = fixture.action("failing", &container, &["true", "false"]);
    assert_eq!(failing.run().status.code(), Some(1));
    let absent = fixture.action("absent", &container, &["true", "exec nothing"]);
    assert_eq!(absent.run().status.code(), Some(1));
}

#[test]
fn a_job_that_cannot_be_started_is_an_error_and_the_others_run() {
    let fixture = RunnerFixture::new();
    let mut container = fixture.container(&["sh"]);
    container.working_directory = "/nowhere".into();
    let action = fixture.action("action", &container, &["true", "true"]);
    assert_eq!(action.run().status.code(), Some(1));
    let ending = action.ending();
    for outcome in ending.ended.values() {
        let error = StepError {
            step: Step::EnterWorkingDirectory {
                directory: "/nowhere".to_owned(),
            },
            errno: nix::libc::ENOENT,
        };
        assert_eq!(outcome.status, Status::NotStarted(error));
    }
    assert_eq!(ending.ended.len(), 2);
}

#[test]
fn output_beyond_the_limit_is_left_out_in_the_middle() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh", "seq"]);
    let action = fixture.action("action", &container, &["seq 1000"]);
    action.run();
    let stdout = &action.ending().ended[&0].stdout;
    assert!(stdout.head.starts_with(b"1\n2\n"), "{stdout:?}");
    assert!(stdout.tail.ends_with(b"999\n1000\n"), "{stdout:?}");
    assert_eq!(stdout.head.len() + stdout.tail.len(), 1000);
    assert_eq!(stdout.omitted, 3893 - 1000);
}

#[test]
fn small_files_of_a_layer_travel_as_one() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh"]);
    let action = fixture.action("action", &container, &["true"]);
    assert!(count_files(&action.directory) < 40);
    assert_eq!(count_files(&action.directory.join("packs")), 1);
}

#[test]
fn nothing_of_the_input_is_changed() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh"]);
    let one = fixture.action("one", &container, &["echo x >>/data/1/1; echo y >>/bin/sh"]);
    let files = || {
        let mut files = Vec::new();
        for top in ["blobs", "manifests", "packs", "runner"] {
            walk(&one.directory.join(top), &mut files);
        }
        files
    };
    let before = files();
    one.run();
    assert_eq!(before, files());
}

/// Everything about the files below a directory that a job could change.
fn walk(directory: &std::path::Path, files: &mut Vec<(std::path::PathBuf, u32, i64, Vec<u8>)>) {
    use std::os::unix::fs::MetadataExt;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            let (metadata, content) = (path.metadata().unwrap(), std::fs::read(&path).unwrap());
            files.push((path, metadata.mode(), metadata.mtime(), content));
        }
    }
    files.sort();
}
