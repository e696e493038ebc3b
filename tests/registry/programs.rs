//! `maelstrom-run` and `cargo maelstrom` with images of registries.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::registry::{Layout, PASSWORD, Registry, USER};
use crate::stub::{Made, Reply, Stub};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A workspace, and somebody who is logged in to a registry.
struct Place {
    registry: Registry,
    project: Project,
}

impl Place {
    fn new() -> Self {
        let registry = Registry::with_password();
        let layout = Layout::new();
        layout.add_busybox("busybox", "greeting", b"good morning");
        registry.push(&layout, "busybox", "tools:1");
        let place = Self {
            registry,
            project: Project::own("plain"),
        };
        place.log_in(PASSWORD);
        place
    }

    fn log_in(&self, password: &str) {
        let auths = serde_json::json!({
            "auths": { self.registry.host(): { "username": USER, "password": password } }
        });
        let path = self.project.temporary().join("config.json");
        fs::write(path, auths.to_string()).unwrap();
    }

    fn image(&self) -> String {
        format!("docker://{}/tools:1", self.registry.host())
    }

    fn depot(&self) -> PathBuf {
        self.project.temporary().join("cache/maelstrom/containers")
    }

    /// In the surroundings of that somebody.
    fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let temporary = self.project.temporary();
        command
            .env("SSL_CERT_FILE", self.registry.authority())
            .env("DOCKER_CONFIG", temporary)
            .env("XDG_CACHE_HOME", temporary.join("cache"))
    }

    /// Runs a script in the image, with a cache of this name.
    fn script(&self, cache: &str, script: &str) -> Run {
        let job = serde_json::json!({
            "image": self.image(), "program": "/bin/sh", "arguments": ["-c", script]
        });
        self.project.write("job.json", &job.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"));
        command
            .args([
                "--file=job.json",
                "--one",
                "--config-file=-",
                "--cache-root",
            ])
            .arg(self.project.temporary().join(cache))
            .current_dir(&self.project.root);
        Run::of(self.surround(&mut command), &self.project)
    }

    /// Runs the workspace's tests in the image.
    fn tests(&self, arguments: &[&str]) -> Run {
        self.project.directives(&format!(
            "[[directives]]\nimage = {{ name = '{}', use = ['layers'] }}\n\
             include_shared_libraries = true\n",
            self.image()
        ));
        let mut command = self.project.command(arguments);
        Run::of(self.surround(&mut command), &self.project)
    }
}

#[test]
fn plain_tests_and_jobs_run_in_the_image_of_a_registry_and_later_without_it() {
    needs_containers!();
    let mut place = Place::new();
    let run = place.script("one", "busybox cat /greeting; echo; echo $GREETING");
    assert_eq!(run.exits(0).stdout, "good morning\nhello\n");
    let tags = place.project.root.join("maelstrom-container-tags.lock");
    let before = fs::read_to_string(&tags).unwrap();
    let line = format!("\"{}/tools:1\" = \"sha256:", place.registry.host());
    assert_eq!(before.matches(&line).count(), 1, "{before}");

    place.registry.kill();
    // Another cache, and another program.
    place.script("two", "busybox test -e /greeting").exits(0);
    place.tests(&[]).exits(0).says("3 passed");
    assert_eq!(fs::read_to_string(&tags).unwrap(), before);
}

#[test]
fn plain_an_image_that_cannot_be_downloaded_is_an_error_of_the_tests_that_need_it() {
    needs_containers!();
    let place = Place::new();
    place.log_in("wrong");
    let told = format!("docker login {}", place.registry.host());
    let run = place.script("one", "").exits(1).says(&told);
    assert!(
        run.stderr
            .starts_with("error: cannot get the image `docker://")
    );
    place
        .tests(&["-p", "plain"])
        .exits(100)
        .says("cannot get the image")
        .says(&told);
    assert!(!place.depot().join("blobs").exists());
}

#[test]
fn plain_a_layer_of_the_depot_that_was_damaged_is_downloaded_once_more() {
    needs_containers!();
    let place = Place::new();
    place.script("one", "").exits(0);
    let blobs = fs::read_dir(place.depot().join("blobs/sha256")).unwrap();
    let blobs = blobs.map(|entry| entry.unwrap().path());
    let largest = blobs.max_by_key(|path| path.metadata().unwrap().len());
    let path = largest.unwrap();
    let right = fs::read(&path).unwrap();
    let mut damaged = right.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&path, damaged).unwrap();
    place.script("two", "busybox test -e /greeting").exits(0);
    assert_eq!(fs::read(&path).unwrap(), right);
}

#[test]
fn plain_an_interrupt_ends_a_download_that_does_not_come_to_its_end() {
    needs_containers!();
    let place = Place::new();
    let layer = vec![7; 100_000];
    let image = Made::new(&[&layer]);
    let layer = image.path(0);
    let stub = Stub::of(&image, move |request, image| {
        let is_layer = request.path.ends_with(&layer);
        // Who goes on with the first half gets nothing more.
        let length = if request.from > Some(0) { 0 } else { 50_000 };
        is_layer.then(|| Reply::Stall(image.layers[0].clone(), length))
    });
    let job = serde_json::json!({ "image": stub.image(), "program": "x" });
    place.project.write("job.json", &job.to_string());
    place
        .project
        .directives(&format!("[[directives]]\nimage = '{}'\n", stub.image()));
    let jobs = place.project.jobs(&["--file=job.json", "-L", "debug"]);
    let tests = place.project.command(&["-L", "debug"]);
    for mut command in [jobs, tests] {
        let before = stub.requests("/blobs/").len();
        let mut child = place
            .surround(&mut command)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What it says is of no matter, but has to go somewhere.
        let mut stderr = child.stderr.take().unwrap();
        let reader = std::thread::spawn(move || io::read_to_string(&mut stderr).unwrap());
        let partial = place.depot().join("tmp");
        let has_begun = || {
            let mut files = fs::read_dir(&partial).into_iter().flatten().flatten();
            files.any(|file| file.metadata().is_ok_and(|file| file.len() == 50_000))
        };
        while stub.requests("/blobs/").len() == before || !has_begun() {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{status}: {}", reader.join().unwrap());
            }
            std::thread::yield_now();
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        reader.join().unwrap();
    }
    // The next one goes on with it.
    let blobs = fs::read_dir(place.depot().join("blobs/sha256")).unwrap();
    assert_eq!(blobs.count(), 2);
}
