//! The examples by which users of `maelstrom-run` have learned what jobs are. Where they have an
//! image, the container `image` here takes its place, with programs of this machine.

use crate::both::{jobs, project};
use crate::fixture::Project;
use crate::need::needs_containers;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// What is used of an image.
fn image() -> Value {
    json!({ "containers": { "image": {
        "layers": [
            { "programs": ["bash", "echo", "env", "id", "ls", "mount", "pwd", "sleep"] },
            { "stubs": ["/{dev,proc,root,tmp}/"] },
            { "files": {
                "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
                "/etc/group": "root:x:0:\nnogroup:x:65534:\n"
            } }
        ],
        "environment": { "PATH": "/usr/local/bin:/usr/bin:/bin" }
    } } })
}

/// What `maelstrom-run --one` prints.
#[track_caller]
fn one(project: &Project, job: Value) -> String {
    let ended = jobs(project, &["--one"], &[image(), job]);
    assert!(ended.succeeded, "{ended:#?}");
    assert_eq!(ended.stderr, "", "{ended:#?}");
    ended.stdout
}

#[test]
fn an_example_says_hello_in_three_spellings() {
    needs_containers!();
    for parent in [
        json!({ "name": "image", "use": ["layers", "environment"] }),
        json!({ "name": "image" }),
        json!("image"),
    ] {
        let job = json!({ "parent": parent, "program": "echo", "arguments": ["hello", "world"] });
        assert_eq!(one(&project(), job), "hello world\n");
    }
}

#[test]
fn an_example_prints_an_environment_that_is_a_map() {
    needs_containers!();
    let job = json!({
        "parent": { "name": "image", "use": ["layers"] },
        "program": "/usr/bin/env",
        "environment": { "FOO": "foo", "BAR": "$env{BAR}" }
    });
    assert_eq!(one(&project(), job), "BAR=bar\nFOO=foo\n");
}

#[test]
fn an_example_has_two_environments_to_choose_from_and_is_refused() {
    needs_containers!();
    let job = json!({
        "parent": { "name": "image", "use": ["layers", "environment"] },
        "program": "/usr/bin/env",
        "environment": { "FOO": "foo", "BAR": "bar" }
    });
    let ended = jobs(&project(), &["--one"], &[image(), job]);
    assert!(!ended.succeeded && ended.stdout.is_empty(), "{ended:#?}");
    let message = "`environment` is set here and also taken from the parent by `use`";
    assert!(ended.stderr.contains(message), "{ended:#?}");
}

#[test]
fn an_example_keeps_one_variable_of_those_it_inherits() {
    needs_containers!();
    let job = json!({
        "parent": { "name": "image", "use": ["layers", "environment"] },
        "program": "/usr/bin/env",
        "added_environment": [
            { "vars": { "PATH": "$prev{PATH}", "FOO": "foo" }, "extend": false },
            { "vars": { "BAR": "$env{BAR}" }, "extend": true }
        ]
    });
    let expected = "BAR=bar\nFOO=foo\nPATH=/usr/local/bin:/usr/bin:/bin\n";
    assert_eq!(one(&project(), job), expected);
}

/// A program that needs no library and prints what is in the root.
const LIST_ROOT: &str = r#"
#include <dirent.h>
#include <stdio.h>
int main(void) {
    struct dirent **names;
    int count = scandir("/", &names, NULL, alphasort);
    for (int i = 0; i < count; i++)
        if (names[i]->d_name[0] != '.')
            puts(names[i]->d_name);
    return count < 0;
}
"#;

#[test]
fn an_example_runs_one_static_program_under_another_name() {
    needs_containers!();
    let project = project();
    project.write("busybox.c", LIST_ROOT);
    let status = Command::new("cc")
        .args(["-static", "-o", "busybox", "busybox.c"])
        .current_dir(&project.root)
        .status();
    assert!(status.unwrap().success());
    let job = json!({
        "layers": [
            { "paths": ["busybox"] },
            { "symlinks": [{ "link": "/ls", "target": "/busybox" }] }
        ],
        "program": "/ls"
    });
    assert_eq!(one(&project, job), "busybox\nls\n");
}

#[test]
fn an_example_adds_stubs_to_what_it_inherits() {
    needs_containers!();
    let job = json!({
        "parent": "image",
        "added_layers": [{ "stubs": ["/foo/{bar,baz}"] }],
        "program": "/usr/bin/ls",
        "arguments": ["/foo"]
    });
    assert_eq!(one(&project(), job), "bar\nbaz\n");
}

#[test]
fn an_example_prints_its_mounts() {
    needs_containers!();
    let job = json!({
        "parent": "image",
        "added_layers": [{ "stubs": ["/dev/{null,zero}"] }],
        "mounts": [
            { "type": "proc", "mount_point": "/proc" },
            { "type": "tmp", "mount_point": "/tmp" },
            { "type": "devices", "devices": ["null", "zero"] }
        ],
        "program": "mount"
    });
    let ended = jobs(&project(), &[], &[image(), job]);
    assert!(ended.succeeded, "{ended:#?}");
    let mounts: Vec<Vec<&str>> = (ended.stdout.lines())
        .map(|line| line.split([' ', '(', ',']).collect())
        .collect();
    let points: Vec<_> = mounts.iter().map(|words| (words[2], words[6])).collect();
    let expected = [
        ("/", "ro"),
        ("/proc", "rw"),
        ("/tmp", "rw"),
        ("/dev/null", "rw"),
        ("/dev/zero", "rw"),
    ];
    assert_eq!(points, expected, "{}", ended.stdout);
    let types: Vec<_> = mounts[1..3].iter().map(|words| words[4]).collect();
    assert_eq!(types, ["proc", "tmpfs"], "{}", ended.stdout);
}

#[test]
fn an_example_writes_to_a_file_of_this_machine() {
    needs_containers!();
    let project = project();
    project.write("output", "");
    let job = json!({
        "parent": "image",
        "added_layers": [{ "stubs": ["/output"] }],
        "mounts": [{
            "type": "bind", "mount_point": "/output", "local_path": "output", "read_only": false
        }],
        "program": "bash",
        "arguments": ["-c", "echo foo >output"]
    });
    assert_eq!(one(&project, job), "");
    assert_eq!(
        fs::read_to_string(project.root.join("output")).unwrap(),
        "foo\n"
    );
}

#[test]
fn examples_print_their_working_directories() {
    needs_containers!();
    let project = project();
    let plain = json!({ "parent": "image", "program": "pwd" });
    assert_eq!(one(&project, plain), "/\n");
    let root = json!({ "parent": "image", "program": "pwd", "working_directory": "/root" });
    assert_eq!(one(&project, root), "/root\n");
}

#[test]
fn examples_print_their_users_and_groups() {
    needs_containers!();
    let project = project();
    for (user, group, expected) in [
        (None, None, "uid=0(root) gid=0(root) groups=0(root)"),
        (Some(1234), None, "uid=1234 gid=0(root) groups=0(root)"),
        (None, Some(4321), "uid=0(root) gid=4321 groups=4321"),
    ] {
        let mut job = json!({ "parent": "image", "program": "id" });
        for (field, id) in [("user", user), ("group", group)] {
            if let Some(id) = id {
                job[field] = id.into();
            }
        }
        // Groups that the user could not leave are there, too.
        let printed = one(&project, job).replace(",65534(nogroup)", "");
        assert_eq!(printed, format!("{expected}\n"));
    }
}

#[test]
fn an_example_sleeps_too_long() {
    needs_containers!();
    let job = json!({
        "parent": "image", "program": "sleep", "arguments": ["1d"], "timeout": 1
    });
    let ended = jobs(&project(), &["--one"], &[image(), job]);
    assert!(!ended.succeeded, "{ended:#?}");
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("", "timed out\n")
    );
}
