//! The examples by which users of `maelstrom-run` have learned what jobs are, in the image of a
//! whole distribution.

use crate::debian;
use crate::debian::needs_images;
use crate::need::needs_containers;
use crate::registry::Registry;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A registry with the image, which is put there once for all tests.
fn registry_with(images: &Path) -> Registry {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (data, full) = (
        temporary.join("images-registry"),
        temporary.join("images-registry.full"),
    );
    fs::create_dir_all(&data).unwrap();
    let lock = File::create(temporary.join("images-registry.lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let registry = Registry::of_directory(&data);
    if !full.exists() {
        registry.push_from(&images.join("debian"), "debian", "debian:latest");
        fs::write(full, "").unwrap();
    }
    registry
}

/// A directory to run jobs in, whose specifications say `IMAGE` for the distribution's, and the
/// registry that has it.
struct Place {
    directory: TempDir,
    registry: Registry,
}

impl Place {
    fn new(images: &Path) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            registry: registry_with(images),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"))
            .args(["--config-file=-", "--cache-root"])
            .arg(debian::cache())
            .arg("--container-image-depot-root")
            .arg(debian::cache().join("depot"))
            .args(arguments)
            .env("SSL_CERT_FILE", self.registry.authority())
            .current_dir(self.directory.path())
            .env("BAR", "bar")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let image = format!("docker://{}/debian", self.registry.host());
        let input = input.replace("IMAGE", &image);
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// What `maelstrom-run --one` prints.
    #[track_caller]
    fn prints(&self, input: &str) -> String {
        let output = self.run(&["--one"], input);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(said(&output), "");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What was said to the user, but for what is left out of every image.
fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_note = |line: &&str| {
        line.starts_with("warning: the image `") && line.ends_with("devices and pipes\n")
    };
    let lines = stderr.split_inclusive('\n');
    lines.filter(|line| !is_note(line)).collect()
}

#[test]
fn an_example_says_hello_in_three_spellings() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    for image in [
        r#"{ "name": "IMAGE", "use": [ "layers", "environment" ] }"#,
        r#"{ "name": "IMAGE" }"#,
        r#""IMAGE""#,
    ] {
        let job = format!(
            r#"{{
                "image": {image},
                "program": "echo",
                "arguments": ["hello", "world"]
            }}"#
        );
        assert_eq!(place.prints(&job), "hello world\n", "{image}");
    }
}

#[test]
fn an_example_prints_an_environment_that_is_a_map() {
    needs_containers!();
    let job = r#"{
        "image": {
            "name": "IMAGE",
            "use": [ "layers" ]
        },
        "program": "/usr/bin/env",
        "environment": {
            "FOO": "foo",
            "BAR": "$env{BAR}"
        }
    }"#;
    let place = Place::new(&needs_images!());
    assert_eq!(place.prints(job), "BAR=bar\nFOO=foo\n");
}

#[test]
fn an_example_has_two_environments_to_choose_from_and_is_refused() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    let job = r#"{
        "image": {
            "name": "IMAGE",
            "use": [ "layers", "environment" ]
        },
        "program": "/usr/bin/env",
        "environment": {
            "FOO": "foo",
            "BAR": "bar"
        }
    }"#;
    let output = place.run(&["--one"], job);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let error = "error: <stdin>:7:9: `environment` is set here and also taken from the image; \
                 write `added_environment` or a list of `{ vars, extend }`";
    assert!(said(&output).starts_with(error), "{output:?}");
}

#[test]
fn an_example_keeps_one_variable_of_the_image() {
    needs_containers!();
    let job = r#"{
        "image": {
            "name": "IMAGE",
            "use": [ "layers", "environment" ]
        },
        "program": "/usr/bin/env",
        "environment": [
            { "vars": { "PATH": "$prev{PATH}", "FOO": "foo" }, "extend": false },
            { "vars": { "BAR": "$env{BAR}" }, "extend": true }
        ]
    }"#;
    let place = Place::new(&needs_images!());
    assert_eq!(
        place.prints(job),
        "BAR=bar\nFOO=foo\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    );
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
    let place = Place::new(Path::new(""));
    fs::write(place.path("busybox.c"), LIST_ROOT).unwrap();
    let status = Command::new("cc")
        .args(["-static", "-o", "busybox", "busybox.c"])
        .current_dir(place.directory.path())
        .status();
    assert!(status.unwrap().success());
    let job = r#"{
        "layers": [
            { "paths": [ "busybox" ] },
            { "symlinks": [{ "link": "/ls", "target": "/busybox" }] }
        ],
        "program": "/ls"
    }"#;
    assert_eq!(place.prints(job), "busybox\nls\n");
}

#[test]
fn an_example_adds_stubs_to_an_image() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    for image in [r#"{ "name": "IMAGE", "use": [ "layers" ] }"#, r#""IMAGE""#] {
        let job = format!(
            r#"{{
                "image": {image},
                "added_layers": [
                    {{ "stubs": [ "/foo/{{bar,baz}}" ] }}
                ],
                "program": "/bin/ls",
                "arguments": [ "/foo" ]
            }}"#
        );
        assert_eq!(place.prints(&job), "bar\nbaz\n", "{image}");
    }
}

#[test]
fn an_example_prints_its_mounts() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    let job = r#"{
        "image": {
            "name": "IMAGE",
            "use": ["layers", "environment"]
        },
        "added_layers": [
            { "stubs": [ "/dev/{null,zero}" ] }
        ],
        "mounts": [
            { "type": "proc", "mount_point": "/proc" },
            { "type": "tmp", "mount_point": "/tmp" },
            { "type": "devices", "devices": [ "null", "zero" ] }
        ],
        "program": "mount"
    }"#;
    let output = place.run(&[], job);
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mounts: Vec<Vec<&str>> = (stdout.lines())
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
    assert_eq!(points, expected, "{stdout}");
    let types: Vec<_> = mounts[1..3].iter().map(|words| words[4]).collect();
    assert_eq!(types, ["proc", "tmpfs"], "{stdout}");
}

#[test]
fn an_example_writes_to_a_file_of_this_machine() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    fs::write(place.path("output"), "").unwrap();
    let job = r#"{
        "image": {
            "name": "IMAGE",
            "use": ["layers", "environment"]
        },
        "added_layers": [
            { "stubs": [ "/output" ] }
        ],
        "mounts": [
            {
                "type": "bind",
                "mount_point": "/output",
                "local_path": "output",
                "read_only": false
            }
        ],
        "program": "bash",
        "arguments": [ "-c", "echo foo >output" ]
    }"#;
    assert_eq!(place.prints(job), "");
    assert_eq!(fs::read_to_string(place.path("output")).unwrap(), "foo\n");
}

/// A job in the image, in both spellings of that.
fn in_the_image(fields: &str) -> [String; 2] {
    let used = r#"{ "name": "IMAGE", "use": [ "layers", "environment" ] }"#;
    [used, r#""IMAGE""#].map(|image| format!(r#"{{ "image": {image}, {fields} }}"#))
}

#[test]
fn examples_print_their_working_directories() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    // The image has a working directory, which is not used unless it is asked for.
    for job in in_the_image(r#""program": "pwd""#) {
        assert_eq!(place.prints(&job), "/\n");
    }
    for job in in_the_image(r#""program": "pwd", "working_directory": "/root""#) {
        assert_eq!(place.prints(&job), "/root\n");
    }
}

#[test]
fn examples_print_their_users_and_groups() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    for (fields, expected) in [
        (
            r#""program": "id""#,
            "uid=0(root) gid=0(root) groups=0(root)",
        ),
        (
            r#""program": "id", "user": 1234"#,
            "uid=1234 gid=0(root) groups=0(root)",
        ),
        (
            r#""program": "id", "group": 4321"#,
            "uid=0(root) gid=4321 groups=4321",
        ),
    ] {
        for job in in_the_image(fields) {
            let mut printed = place.prints(&job);
            if has_groups_to_keep() {
                printed = printed.replacen(",65534(nogroup)", "", 1);
            }
            assert_eq!(printed, format!("{expected}\n"));
        }
    }
}

/// Whether the user of these tests has groups besides the first, and may not leave them: the
/// kernel lets only root do so in a user namespace. No image has a name for them.
fn has_groups_to_keep() -> bool {
    let group = nix::unistd::getegid();
    let groups = nix::unistd::getgroups().unwrap();
    !nix::unistd::geteuid().is_root() && groups.iter().any(|other| *other != group)
}

#[test]
fn an_example_sleeps_too_long() {
    needs_containers!();
    let place = Place::new(&needs_images!());
    let fields = r#""program": "sleep", "arguments": [ "1d" ], "timeout": 1"#;
    for job in in_the_image(fields) {
        let output = place.run(&["--one"], &job);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert_eq!(said(&output), "timed out\n");
    }
}
