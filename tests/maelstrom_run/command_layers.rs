//! `command` layers, made by real commands in real containers.

use crate::need::needs_containers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A project directory with a cache of its own.
struct Project {
    directory: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("shared")).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&self, jobs: &[Value]) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"))
            .args(["--config-file=-", "--cache-root=cache"])
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for job in jobs {
            writeln!(stdin, "{job}").unwrap();
        }
        child
    }

    fn run(&self, jobs: &[Value]) -> Output {
        self.start(jobs).wait_with_output().unwrap()
    }

    /// What a job prints, which must succeed.
    fn print(&self, job: Value) -> String {
        let output = self.run(&[job]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    }

    fn wait_for(&self, file: &str) {
        let started = Instant::now();
        while !self.path(file).exists() {
            assert!(started.elapsed() < Duration::from_secs(60), "no {file}");
            std::thread::yield_now();
        }
    }

    /// Nothing that a client was making is left.
    fn assert_no_temporary_files(&self) {
        let left: Vec<_> = fs::read_dir(self.path("cache/store/tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn tools() -> Value {
    json!({ "programs": ["sh", "cat", "ls", "rm", "mkdir", "mkfifo", "chmod", "ln", "sleep", "stat"] })
}

fn job(layers: &[Value], script: &str) -> Value {
    json!({ "layers": layers, "program": "/bin/sh", "arguments": ["-c", script] })
}

/// A command that may write into the project's directory `shared`.
fn sharing(command: &str) -> Value {
    json!({
        "command": command,
        "mounts": [{ "type": "bind", "mount_point": "/shared", "local_path": "shared" }],
    })
}

fn shared_stub() -> Value {
    json!({ "stubs": ["/shared/"] })
}

#[test]
fn a_command_layer_compiles_a_program_with_the_hosts_compiler() {
    needs_containers!();
    let project = Project::new();
    fs::write(
        project.path("hello.c"),
        "#include <stdio.h>\nint main(void) { puts(\"hello from C\"); return 0; }\n",
    )
    .unwrap();
    // Where these are links into /usr, the container has the same links.
    let mut links = Vec::new();
    let mut stubs = vec!["/usr/".to_owned(), "/tmp/".to_owned()];
    let mut bound = vec!["/usr".to_owned()];
    for name in ["/bin", "/lib", "/lib64"] {
        if Path::new(name).is_symlink() {
            links.push(json!({ "link": name, "target": format!("usr{name}") }));
        } else if Path::new(name).is_dir() {
            stubs.push(format!("{name}/"));
            bound.push(name.to_owned());
        }
    }
    let bind = |path: &String| json!({ "type": "bind", "mount_point": path, "local_path": path, "read_only": true });
    let mounts: Vec<_> = bound.iter().map(bind).collect();
    let layers = [
        json!({ "stubs": stubs }),
        json!({ "symlinks": links }),
        json!({ "paths": ["hello.c"] }),
        json!({
            "command": ["gcc", "-static", "-o", "/hello", "/hello.c"],
            "mounts": mounts,
            "environment": { "PATH": "/usr/bin" },
        }),
    ];
    let printed = project.print(json!({ "layers": layers, "program": "/hello" }));
    assert_eq!(printed, "hello from C\n");
    project.assert_no_temporary_files();
}

#[test]
fn a_command_layer_deletes_and_replaces_files_of_the_layers_below() {
    needs_containers!();
    let project = Project::new();
    let files = json!({ "files": {
        "/gone": "g", "/kept": "kept\n", "/changed": "old\n",
        "/directory/gone/deep": "d", "/directory/kept": "kept\n",
        "/made-anew/old": "o", "/file-to-directory": "f", "/directory-to-file/x": "x",
    }});
    let command = json!({ "command": "
        rm /gone && rm -r /directory/gone &&
        echo new >/changed &&
        rm -r /made-anew && mkdir /made-anew && echo new >/made-anew/new &&
        rm /file-to-directory && mkdir /file-to-directory && echo 1 >/file-to-directory/one &&
        rm -r /directory-to-file && echo file >/directory-to-file
    "});
    let script = "cd / && ls -d gone directory/* made-anew/* file-to-directory/* 2>&1; \
                  cat kept changed directory-to-file directory/kept";
    let layers = [tools(), files.clone(), command.clone()];
    let expected = "ls: cannot access 'gone': No such file or directory\n\
        directory/kept\nfile-to-directory/one\nmade-anew/new\n\
        kept\nnew\nfile\nkept\n";
    assert_eq!(project.print(job(&layers, script)), expected);
    // What was removed can come back in a layer above.
    let above = json!({ "files": { "/gone": "back\n" } });
    let layers = [tools(), files, command, above];
    assert_eq!(
        project.print(job(&layers, "cat /gone /kept")),
        "back\nkept\n"
    );
}

#[test]
fn a_command_layer_keeps_modes_and_symlinks_and_leaves_out_pipes() {
    needs_containers!();
    let project = Project::new();
    let command = json!({ "command": "
        mkdir /made && cd /made && echo '#!/bin/sh\necho run' >program && chmod 750 program &&
        echo secret >closed && chmod 0 closed && mkdir locked && echo in >locked/in && chmod 0 locked && mkdir half && echo in >half/in && chmod 600 half &&
        ln -s program link && ln program other && mkfifo pipe && chmod 4755 other
    ", "working_directory": "/" });
    let script = "cd /made && ./link && stat -c '%a %n' * locked/in half/in && cat closed";
    let output = project.run(&[job(&[tools(), command], script)]);
    assert!(output.status.success(), "{output:?}");
    // Set-id bits are dropped, and the owner can always read, as with archives.
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "run\n400 closed\n700 half\n777 link\n700 locked\n755 other\n755 program\n644 locked/in\n\
         644 half/in\nsecret\n"
    );
    let warning = String::from_utf8_lossy(&output.stderr);
    assert!(warning.contains("left out `/made/pipe`"), "{warning}");
}

#[test]
fn a_command_layer_has_its_own_environment_directory_and_network() {
    needs_containers!();
    let project = Project::new();
    let command = |network: &str| {
        json!({
            "command": "cat /proc/net/dev >net && echo $A $PWD >said",
            "environment": [{ "vars": { "A": "a" }, "extend": true },
                            { "vars": { "A": "$prev{A}b" }, "extend": false }],
            "mounts": [{ "type": "proc", "mount_point": "/proc" }],
            "network": network,
            "working_directory": "/there",
        })
    };
    let stubs = json!({ "stubs": ["/there/", "/proc/"] });
    let layers = [tools(), stubs, command("loopback")];
    let printed = project.print(job(&layers, "cat /there/said; ls /proc"));
    // What is mounted is no part of the layer.
    assert_eq!(printed, "ab /there\n");
}

#[test]
fn the_output_of_a_command_layer_that_fails_is_shown() {
    needs_containers!();
    let project = Project::new();
    let command = json!({ "command": "echo so far; echo went wrong >&2; exit 3" });
    let output = project.run(&[job(&[tools(), command], "echo never")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: cannot build the `command` layer `echo so far; echo went wrong >&2; exit 3`: \
         the command failed with exit code 3; its output:\nso far\nwent wrong\n"
    );
    let long = json!({ "command": "i=0; while [ $i -lt 150 ]; do echo line $i; i=$((i+1)); done; exit 1" });
    let output = project.run(&[job(&[tools(), long], "echo never")]);
    let error = String::from_utf8_lossy(&output.stderr);
    let told = "its output:\n... (50 lines omitted)\nline 50\n";
    assert!(
        error.contains(told) && error.ends_with("line 149\n"),
        "{error}"
    );
    let output = project.run(&[job(&[json!({ "command": "true" })], "echo never")]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("add `{ programs = [\"sh\"] }` before it"),
        "{error}"
    );
    let output = project.run(&[job(&[json!({ "command": ["nothing"] })], "echo never")]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("could not be run: execute nothing"),
        "{error}"
    );
    project.assert_no_temporary_files();
}

#[test]
fn a_command_layer_of_500_jobs_is_made_once() {
    needs_containers!();
    let project = Project::new();
    let layers = [
        tools(),
        shared_stub(),
        sharing("echo made >>/shared/count; echo there >/file"),
    ];
    let jobs: Vec<_> = (0..500)
        .map(|n| {
            let mut job = job(&layers, "cat /file");
            // The containers differ, the layer does not.
            job["hostname"] = format!("host-{}", n % 5).into();
            job
        })
        .collect();
    for _ in 0..2 {
        let output = project.run(&jobs);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "there\n".repeat(500)
        );
    }
    let count = || fs::read_to_string(project.path("shared/count")).unwrap();
    assert_eq!(count(), "made\n");
    // Another layer below makes another of it.
    let mut layers = layers.to_vec();
    layers.insert(0, json!({ "files": { "/other": "" } }));
    project.print(job(&layers, "cat /file"));
    assert_eq!(count(), "made\nmade\n");
}

#[test]
fn a_command_layer_without_sources_is_not_made_again_when_a_source_changes() {
    needs_containers!();
    let project = Project::new();
    fs::create_dir(project.path("tree")).unwrap();
    let count = |layer: Value| {
        let _ = fs::remove_file(project.path("shared/count"));
        for content in ["first\n", "second\n"] {
            fs::write(project.path("tree/file"), content).unwrap();
            let layers = [
                tools(),
                shared_stub(),
                json!({ "source": "tree" }),
                layer.clone(),
            ];
            let file = project.path("tree/file");
            let printed = project.print(job(&layers, &format!("cat {}", file.display())));
            assert_eq!(printed, content);
        }
        fs::read_to_string(project.path("shared/count")).unwrap()
    };
    let mut layer = sharing("echo made >>/shared/count");
    assert_eq!(count(layer.clone()), "made\nmade\n");
    layer["without_sources"] = true.into();
    assert_eq!(count(layer), "made\n");
}

#[test]
fn a_command_layer_that_was_interrupted_is_made_anew() {
    needs_containers!();
    let project = Project::new();
    let layers = [
        tools(),
        shared_stub(),
        sharing(
            "mkdir /half && chmod 0 /half && echo >/shared/started; \
             test -e /shared/again || sleep 1000; echo whole >/file",
        ),
    ];
    let job = job(&layers, "cat /file");
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let mut child = project.start(std::slice::from_ref(&job));
        project.wait_for("shared/started");
        // What it makes may be set-uid for a while.
        for entry in fs::read_dir(project.path("cache/store/tmp")).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success());
        if signal == Signal::SIGINT {
            assert_eq!(status.code(), Some(130));
            project.assert_no_temporary_files();
        }
        fs::remove_file(project.path("shared/started")).unwrap();
    }
    fs::write(project.path("shared/again"), "").unwrap();
    assert_eq!(project.print(job.clone()), "whole\n");
    project.assert_no_temporary_files();
}

#[test]
fn a_cache_of_another_format_with_a_killed_command_in_it_is_made_anew() {
    needs_containers!();
    let project = Project::new();
    let layers = [
        tools(),
        shared_stub(),
        sharing("echo >/shared/started; test -e /shared/again || sleep 1000"),
    ];
    let job = job(&layers, "echo done");
    let mut child = project.start(std::slice::from_ref(&job));
    project.wait_for("shared/started");
    child.kill().unwrap();
    child.wait().unwrap();
    let mark = project.path("cache/store/maelstrom-cache");
    fs::write(mark, "maelstrom store 3\n").unwrap();
    fs::write(project.path("shared/again"), "").unwrap();
    let output = project.run(&[job]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("(maelstrom store 3)"), "{said}");
}

#[test]
fn a_command_layer_that_removes_nothing_lies_on_top_of_the_others() {
    needs_containers!();
    for (command, removes) in [
        ("mkdir /new && echo x >/new/x && rm /new/x", false),
        ("echo x >/directory/other", false),
        ("echo x >/dev/null && test -z \"$(cat /dev/null)\"", false),
        ("rm /directory/file", true),
        ("rm -r /directory && mkdir /directory", true),
        ("rm /directory/file && mkfifo /directory/file", true),
    ] {
        let project = Project::new();
        let files = json!({ "files": { "/directory/file": "" } });
        let layers = [tools(), files, json!({ "command": command })];
        let output = project.run(&[job(&layers, "test -e /directory/file && echo there")]);
        let there = String::from_utf8_lossy(&output.stdout) == "there\n";
        assert_eq!(there, !removes, "{command}: {output:?}");
        let values = project.path("cache/store/values/command-3");
        let value = fs::read_dir(values).unwrap().next().unwrap().unwrap();
        let value = fs::read(value.path()).unwrap();
        let includes_below = format!("\"includes_below\":{removes}");
        let found = String::from_utf8_lossy(&value).contains(&includes_below);
        assert!(found, "{command}");
    }
}
