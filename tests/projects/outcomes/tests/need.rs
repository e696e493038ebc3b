//! Tests that need what is not there, or write where it does not last.

use std::{fs, process::Command};

#[test]
fn starts_git() {
    let output = Command::new("git").arg("--version").output().unwrap();
    assert!(output.stdout.starts_with(b"git version "), "{output:?}");
}

#[test]
fn starts_a_script() {
    let directory = std::env::temp_dir();
    let script = directory.join("script");
    fs::write(&script, "#!/bin/sh\necho from a script\n").unwrap();
    let output = Command::new("sh").arg(script).output().unwrap();
    assert_eq!(output.stdout, b"from a script\n");
}

#[test]
fn reads_a_file_of_the_host() {
    fs::read("/etc/profile").unwrap_or_else(|error| panic!("/etc/profile: {error}"));
}

#[test]
fn writes_sources_and_fails() {
    fs::write("snapshot.new", "written").unwrap();
    fs::write("lib.rs", "changed").unwrap();
    assert_eq!(fs::read_to_string("lib.rs").unwrap(), "changed");
    fs::remove_file("Cargo.lock").unwrap();
    panic!("after writing");
}

#[test]
fn writes_sources_and_passes() {
    assert!(!std::path::Path::new("snapshot.new").exists());
    fs::create_dir("new-directory").unwrap();
    fs::write("snapshot.new", "written").unwrap();
    fs::write("/root-file", "written").unwrap();
}
