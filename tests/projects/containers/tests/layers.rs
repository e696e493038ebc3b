//! One test for each kind of layer that `maelstrom-test.toml` adds.

use std::{fs, path::Path, process::Command};

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn tar() {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(read("/from-tar/note.txt"), "from the archive\n");
    let mode = fs::metadata("/from-tar/note.txt").unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(fs::read_link("/from-tar/link").unwrap(), Path::new("note.txt"));
}

#[test]
fn glob() {
    assert_eq!(names("/globbed"), ["deep", "one.txt"]);
    assert_eq!(read("/globbed/deep/two.txt"), "two\n");
}

#[test]
fn paths() {
    assert_eq!(names("/as-is"), ["deep", "link", "one.txt"]);
    assert_eq!(names("/as-is/deep"), [""; 0]);
    assert_eq!(fs::read_link("/as-is/link").unwrap(), Path::new("one.txt"));
    assert!(fs::symlink_metadata("/followed/link").unwrap().is_file());
    assert_eq!(read("/followed/link"), "one\n");
}

#[test]
fn stubs() {
    assert_eq!(read("/stubs/file"), "");
    assert_eq!(names("/stubs"), ["deep", "directory", "file"]);
    assert!(Path::new("/stubs/deep/er").is_dir());
}

#[test]
fn symlinks() {
    assert_eq!(read("/links/to-data/one.txt"), "one\n");
}

#[test]
fn files() {
    assert_eq!(read("/etc/motd"), "hello\n");
    assert_eq!(read("/empty"), "");
}

#[test]
fn programs() {
    let shell = Command::new("sh").args(["-c", "echo $0 $((6 * 7))"]).output().unwrap();
    assert_eq!(shell.stdout, b"sh 42\n");
    let env = Command::new("/usr/bin/env").env_clear().env("A", "b").output().unwrap();
    assert_eq!(env.stdout, b"A=b\n");
    assert!(Command::new("git").output().is_err());
}

#[test]
fn libraries() {
    // There is no `/dev/null` for its standard input.
    let output = Command::new("/helper").stdin(std::process::Stdio::inherit()).output();
    assert_eq!(output.unwrap().stdout, b"helped\n");
}

#[test]
fn source() {
    assert_eq!(read("data/deep/two.txt"), "two\n");
    assert!(!Path::new("Cargo.toml").exists());
}

#[test]
fn later_layers_win() {
    assert_eq!(read("/etc/hostname"), "second");
    assert_eq!(read("/etc/motd"), "first");
}

#[test]
fn is_ignored_here() {
    panic!();
}

#[test]
#[ignore]
fn is_ignored_in_the_source() {}
