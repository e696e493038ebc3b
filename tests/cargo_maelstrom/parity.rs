//! Tests of existing suites pass without a configuration file, and what they needed of this machine
//! is named briefly.

use crate::fixture::Project;
use crate::need::needs_containers;
use serde_json::json;
use std::fs;

/// A test that reads several files of the target directory. Only one of them matters.
const READING: &str = r#"
use std::{fs, path::Path};

#[test]
fn reads() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    for number in 0..8 {
        let _ = fs::read(target.join(format!("data/{number}")));
    }
    fs::read(target.join("data/7")).unwrap();
}
"#;

/// A test that links a program into the target directory, where one is already.
const LINKING: &str = r#"
use std::{path::Path, process::Command};

#[test]
fn links() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let status = Command::new("rustc")
        .args(["--crate-name", "linked", "lib.rs", "--crate-type", "cdylib"])
        .arg("--out-dir")
        .arg(target)
        .status();
    assert!(status.unwrap().success());
    assert!(target.join("liblinked.so").exists());
}
"#;

#[test]
fn outcomes_needs_that_make_no_difference_are_left_out() {
    needs_containers!();
    let project = Project::own("outcomes");
    project.write("tests/reading.rs", READING);
    let data = project.target.join("data");
    fs::create_dir_all(&data).unwrap();
    for number in 0..8 {
        fs::write(data.join(number.to_string()), "").unwrap();
    }
    for _ in 0..2 {
        let run = project.events(&["--test", "reading"]).exits(0);
        let last = data.join("7");
        assert_eq!(run.finished("reads")["needs"], json!([last]));
    }
}

#[test]
fn outcomes_a_test_replaces_a_file_of_the_target_directory() {
    needs_containers!();
    let project = Project::own("outcomes");
    project.write("tests/linking.rs", LINKING);
    fs::create_dir_all(&project.target).unwrap();
    let linked = project.target.join("liblinked.so");
    fs::write(&linked, "of the machine").unwrap();
    for _ in 0..2 {
        let run = project.events(&["--test", "linking"]).exits(0);
        assert_eq!(run.finished("links")["needs"], json!(["toolchain"]));
    }
    assert_eq!(fs::read(linked).unwrap(), b"of the machine");
}
