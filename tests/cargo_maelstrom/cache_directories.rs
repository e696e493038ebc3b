//! Directories that are given for a cache and hold something else: every program leaves them as
//! they are, and says what to do.

use crate::fixture::{Project, Run};
use crate::need;
use crate::need::needs_containers;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855-0";

/// Makes files, and directories where a path ends in a slash.
fn fill(directory: &Path, paths: &[&str]) {
    for path in paths {
        let full = directory.join(path);
        if path.ends_with('/') {
            fs::create_dir_all(full).unwrap();
        } else {
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(&full, format!("this is {path}\n")).unwrap();
        }
    }
}

/// As `/` is on some machine, with files of the names that caches have.
fn root(directory: &Path) {
    let paths = [
        "etc/passwd",
        "usr/bin/sh",
        "home/me/letter",
        "proc/",
        "tmp/letter",
        "tmp/0123abcd/draft",
        "tmp/.X11-unix/X0",
        "actions/monday",
        "blobs/ab/photo",
        "base/root/plan",
        "lock",
        "version",
        "values/old/bond",
        "store/bread",
        "worker/contract",
        "memory",
    ];
    fill(directory, &paths);
    symlink("usr/bin", directory.join("bin")).unwrap();
}

/// As somebody's home is, who has worked on this very program.
fn home(directory: &Path) {
    let paths = [
        ".bashrc",
        ".cache/other/thing",
        "tmp/letter",
        "maelstrom/cache/tmp/letter",
        "maelstrom/cache/version",
        "maelstrom/history",
    ];
    fill(directory, &paths);
}

/// The cache of a client from before there were marks, without what is in its files.
fn older_store(directory: &Path) {
    let blob = format!("blobs/e3/{DIGEST}.644");
    let tree = format!("trees/{DIGEST}/etc/passwd");
    let value = format!("values/listing-1/{DIGEST}");
    let (manifest, mark) = (format!("manifests/{DIGEST}"), format!("marks/{DIGEST}"));
    fill(
        directory,
        &[
            &blob, &tree, &value, &manifest, &mark, "memory", "usage", "tmp/",
        ],
    );
    fs::write(directory.join("lock"), "").unwrap();
    fs::write(directory.join("version"), "maelstrom store 1\n").unwrap();
}

/// The cache of a worker from before there were marks.
fn older_worker(directory: &Path) {
    let blob = format!("blobs/e3/{DIGEST}");
    fill(
        directory,
        &[&blob, "bot-id", "tmp/", "actions/", "base/root/etc/passwd"],
    );
    fs::write(directory.join("lock"), "").unwrap();
}

/// Everything in a directory: how it may be used, and what it holds.
fn listing(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            found.extend(listing(&path));
            Vec::new()
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            target.into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        found.insert(path, (metadata.mode(), content));
    }
    found
}

/// Asserts that everything in a directory is as it was, whatever came to it.
#[track_caller]
fn is_kept(before: &BTreeMap<PathBuf, (u32, Vec<u8>)>, directory: &Path, said: &dyn Display) {
    let after = listing(directory);
    for (path, file) in before {
        let is_same = after.get(path) == Some(file);
        assert!(is_same, "{} is gone or changed: {said}", path.display());
    }
}

/// Asserts that everything in a directory is as it was, and nothing came to it.
#[track_caller]
fn is_untouched(before: &BTreeMap<PathBuf, (u32, Vec<u8>)>, directory: &Path, said: &dyn Display) {
    is_kept(before, directory, said);
    for path in listing(directory).keys() {
        assert!(
            before.contains_key(path),
            "{} is new: {said}",
            path.display()
        );
    }
}

/// A program with nothing of these tests' surroundings.
fn program(path: &str, home: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars() {
        if ["MAELSTROM", "XDG_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn maelstrom_run(home: &Path) -> Command {
    program(env!("CARGO_BIN_EXE_maelstrom-run"), home)
}

/// A worker of an engine that is not there, which it does not give up.
fn maelstrom_worker(home: &Path) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_maelstrom-worker"), home);
    command.args(["--remote", "grpc://127.0.0.1:1/main"]);
    command
}

/// A worker, killed with this value.
struct Worker(Child);

impl Worker {
    /// One that has ended, or is ready to work. What it said.
    fn start(command: &mut Command) -> (Self, String) {
        let mut worker = Self(command.spawn().unwrap());
        let mut said = String::new();
        for line in BufReader::new(worker.0.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.contains("trying again") {
                break;
            }
        }
        (worker, said)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a job that prints `hello`.
fn hello(command: &mut Command) -> Output {
    let mut child = command
        .arg("--config-file=-")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let job = r#"{ "layers": [{ "programs": ["echo"] }], "program": "echo",
        "arguments": ["hello"] }"#;
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended by now.
    let _ = stdin.write_all(job.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn says_hello(command: &mut Command) -> String {
    let output = hello(command);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"hello\n");
    String::from_utf8(output.stderr).unwrap()
}

/// The ways to give `maelstrom-run` and a worker a cache root.
const WAYS: [&str; 2] = ["--cache-root", "MAELSTROM_CACHE_ROOT"];

fn give(command: &mut Command, way: &str, cache_root: &Path) {
    if way.starts_with("--") {
        command.arg(way).arg(cache_root);
    } else {
        command.env(way, cache_root);
    }
}

/// Whether a message names the directory and says why and what to do.
#[track_caller]
fn explains(said: &str, directory: &Path, why: &str, what: &str) {
    let name = format!("error: cannot use {} as a cache: ", directory.display());
    for part in [name.as_str(), why, what] {
        assert!(said.contains(part), "does not say {part:?}: {said}");
    }
}

/// Has `maelstrom-run` use a directory that it must leave as it is.
#[track_caller]
fn client_refuses(directory: &Path, why: &str) {
    let elsewhere = tempfile::tempdir().unwrap();
    let before = listing(directory);
    for way in WAYS {
        let mut client = maelstrom_run(elsewhere.path());
        give(&mut client, way, directory);
        let output = hello(&mut client);
        let said = String::from_utf8(output.stderr).unwrap();
        is_untouched(&before, directory, &said);
        assert_eq!(output.status.code(), Some(1), "{way}: {said}");
        explains(&said, directory, why, "(`--cache-root`");
    }
}

/// Has a worker use a directory that it must leave as it is.
#[track_caller]
fn worker_refuses(directory: &Path, why: &str) {
    let elsewhere = tempfile::tempdir().unwrap();
    let before = listing(directory);
    for way in WAYS {
        let mut worker = maelstrom_worker(elsewhere.path());
        give(&mut worker, way, directory);
        let (mut worker, said) = Worker::start(&mut worker);
        is_untouched(&before, directory, &said);
        explains(&said, directory, why, "(`--cache-root`)");
        let code = worker.0.wait().unwrap().code();
        assert_eq!(code, Some(96), "{way}: {said}");
    }
}

/// Has `cargo maelstrom` use a target directory with a cache that it must leave as it is.
#[track_caller]
fn cargo_maelstrom_refuses(make: fn(&Path), why: &str) {
    let project = Project::own("plain");
    let cache = project.target.join("maelstrom/cache");
    fs::create_dir_all(&cache).unwrap();
    make(&cache);
    let before = listing(&cache);
    let run = project.maelstrom(&[]);
    is_untouched(&before, &cache, &run);
    explains(&run.stderr, &cache, why, "`--target-dir`");
    assert_eq!(run.code, Some(96), "{run}");
}

fn made(make: fn(&Path)) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    directory
}

const NOT_OURS: &str = "which no cache of Maelstrom made, and caches remove files";
const OLDER: &str = "it looks like the cache of an earlier version";

#[test]
fn a_worker_leaves_a_root_and_a_home_as_they_are() {
    for make in [root, home] {
        worker_refuses(made(make).path(), NOT_OURS);
    }
}

#[test]
fn maelstrom_run_leaves_a_root_and_a_home_as_they_are() {
    for make in [root, home] {
        client_refuses(made(make).path(), NOT_OURS);
    }
}

#[test]
fn plain_cargo_maelstrom_leaves_a_cache_that_is_not_its_own_as_it_is() {
    cargo_maelstrom_refuses(root, NOT_OURS);
    cargo_maelstrom_refuses(older_worker, OLDER);
}

#[test]
fn plain_cargo_maelstrom_leaves_a_home_that_is_its_target_directory_as_it_is() {
    let mut project = Project::own("plain");
    project.target = project.temporary().join("home");
    home(&project.target);
    let before = listing(&project.target);
    let run = project.maelstrom(&[]);
    is_kept(&before, &project.target, &run);
    let cache = project.target.join("maelstrom/cache");
    explains(&run.stderr, &cache, NOT_OURS, "`--target-dir`");
    assert_eq!(run.code, Some(96), "{run}");
    let run = clean(&project, &[]);
    is_kept(&before, &project.target, &run);
    explains(&run.stderr, &cache, NOT_OURS, "`--target-dir`");
    assert_eq!(run.code, Some(96), "{run}");
    // The doctor looks at the same place.
    let run = project.maelstrom(&["doctor"]);
    is_kept(&before, &project.target, &run);
    assert!(run.stdout.contains(NOT_OURS), "{run}");
    assert_eq!(run.code, Some(96), "{run}");
}

#[test]
fn plain_a_history_that_is_something_else_is_left_as_it_is() {
    needs_containers!();
    let project = Project::own("plain");
    fill(&project.target, &["maelstrom/history"]);
    let run = project.maelstrom(&[]).exits(0);
    let run = run.says("maelstrom/history` is not a history of earlier runs; it is not replaced");
    let history = fs::read_to_string(project.target.join("maelstrom/history")).unwrap();
    assert_eq!(history, "this is maelstrom/history\n", "{run}");
}

#[test]
fn unmarked_caches_are_left_as_they_are() {
    for make in [older_store, older_worker] {
        worker_refuses(made(make).path(), OLDER);
        client_refuses(made(make).path(), OLDER);
    }
}

#[test]
fn programs_with_one_cache_root_use_nothing_of_each_other() {
    needs_containers!();
    let directory = tempfile::tempdir().unwrap();
    let shared = directory.path().join("shared");
    let client = || {
        let mut client = maelstrom_run(directory.path());
        client.env("MAELSTROM_CACHE_ROOT", &shared);
        says_hello(&mut client)
    };
    assert_eq!(client(), "");
    // As a client has there that runs at the same time.
    fill(&shared, &["store/tmp/running"]);
    let before = listing(&shared);
    let mut command = maelstrom_worker(directory.path());
    command.env("MAELSTROM_CACHE_ROOT", &shared);
    let (worker, said) = Worker::start(&mut command);
    assert!(said.contains("trying again"), "{said}");
    is_kept(&before, &shared, &said);

    let of_worker = listing(&shared.join("worker"));
    assert_eq!(client(), "");
    is_untouched(&of_worker, &shared.join("worker"), &"the client ended well");
    // One worker excludes another, and no client.
    let (_other, said) = Worker::start(&mut command);
    let expected = format!(
        "error: another running worker uses the cache {}",
        shared.display()
    );
    assert!(said.contains(&expected), "{said}");
    drop(worker);

    // What is below the root is for one kind of cache alone.
    let part = |name: &str| shared.join(name);
    worker_refuses(&part("store"), "part of another cache (maelstrom store 2)");
    client_refuses(
        &part("worker"),
        "part of another cache (maelstrom worker 1)",
    );
    client_refuses(&part("store"), "part of another cache (maelstrom store 2)");
    // Nor is the directory above a cache.
    worker_refuses(directory.path(), "it holds `shared`");
}

#[test]
fn programs_may_make_one_cache_root_at_the_same_time() {
    needs_containers!();
    let (directory, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = maelstrom_run(home.path());
                give(&mut client, "--cache-root", directory.path());
                says_hello(&mut client);
            });
        }
    });
}

/// A home that its user cannot write to, and how a command is made that user's.
fn locked_home() -> Option<(TempDir, impl Fn(Command) -> Command)> {
    const ORDINARY: &str = "60998";
    let is_root = nix::unistd::geteuid().is_root();
    if is_root && !need::has_real_root() {
        return None;
    }
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o555)).unwrap();
    let as_user = move |command: Command| {
        if !is_root {
            return command;
        }
        let mut outer = program("setpriv", Path::new("/"));
        outer
            .args(["--reuid", ORDINARY, "--regid", ORDINARY, "--clear-groups"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    };
    Some((home, as_user))
}

#[test]
fn a_home_that_cannot_be_written_to_is_named_with_the_remedy() {
    let Some((home, as_user)) = locked_home() else {
        return;
    };
    let path = home.path().display();
    let output = hello(&mut as_user(maelstrom_run(home.path())));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "error: cannot write to the store {path}/.cache/maelstrom/run: Permission denied (os \
             error 13); make the directory writable for this user, remove it if another user made \
             it, or choose another place for it\n"
        )
    );
    let (mut worker, said) = Worker::start(&mut as_user(maelstrom_worker(home.path())));
    assert_eq!(
        said,
        format!(
            "error: cannot make the directory {path}/.cache/maelstrom/worker: Permission denied \
             (os error 13); make the directory writable for this user, or choose another one \
             (`cache-root`)\n"
        )
    );
    assert_eq!(worker.0.wait().unwrap().code(), Some(96));
}

#[test]
fn the_usual_directories_are_made_by_the_first_run() {
    needs_containers!();
    let home = tempfile::tempdir().unwrap();
    assert_eq!(says_hello(&mut maelstrom_run(home.path())), "");
    let (_worker, said) = Worker::start(&mut maelstrom_worker(home.path()));
    assert!(said.contains("trying again"), "{said}");
    let caches = home.path().join(".cache/maelstrom");
    for part in ["run/store", "worker/worker"] {
        assert!(caches.join(part).join("maelstrom-cache").exists(), "{part}");
    }
}

#[test]
fn plain_clean_removes_the_cache_and_the_next_run_makes_it_again() {
    needs_containers!();
    let project = Project::own("plain");
    let cache = project.target.join("maelstrom/cache");
    let run = clean(&project, &[]).exits(0);
    assert!(run.stderr.contains("nothing to remove"), "{run}");
    project.maelstrom(&[]).exits(0);
    let blobs = cache.join("store/blobs");
    assert!(blobs.exists());
    let run = clean(&project, &[]).exits(0);
    let said = format!("removed the content of {}: ", cache.display());
    let freed = run
        .stderr
        .split(&said)
        .nth(1)
        .unwrap_or_else(|| panic!("{run}"));
    assert!(freed.ends_with("MiB freed\n"), "{run}");
    assert!(!blobs.exists());
    project.maelstrom(&[]).exits(0);
}

/// `cargo maelstrom clean` with images in a directory of the test.
fn clean(project: &Project, arguments: &[&str]) -> Run {
    let mut command = project.command(&[&["clean"], arguments].concat());
    let images = project.temporary().join("images");
    command.env("MAELSTROM_CONTAINER_IMAGE_DEPOT_ROOT", images);
    Run::of(&mut command, project)
}

#[test]
fn plain_clean_removes_images_that_were_not_used_for_long() {
    let project = Project::own("plain");
    let images = project.temporary().join("images");
    let blobs = images.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(images.join("maelstrom-cache"), "maelstrom images 1\n").unwrap();
    let blob = |digit: &str, days: u64| {
        let path = blobs.join(digit.repeat(64));
        fs::write(&path, vec![1; 1 << 20]).unwrap();
        let used = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 60);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(used).unwrap();
        path
    };
    let (old, young, today) = (blob("a", 31), blob("b", 8), blob("c", 0));
    let exist = || [&old, &young, &today].map(|path| path.exists());
    let run = clean(&project, &[]).exits(0);
    assert_eq!(exist(), [false, true, true], "{run}");
    let said = "removed 1 file of images that were not used for 30 days from ";
    assert!(run.stderr.contains(said), "{run}");
    assert!(run.stderr.ends_with(": 1.0 MiB freed\n"), "{run}");
    clean(&project, &["--images-unused-for", "7"]).exits(0);
    assert_eq!(exist(), [false, false, true]);
    clean(&project, &["--images-unused-for=0"]).exits(0);
    assert_eq!(exist(), [false; 3]);
    let run = clean(&project, &["--images-unused-for", "long"]).exits(96);
    assert!(run.stderr.contains("expected a number of days"), "{run}");
    // Files of others stay.
    fs::write(images.join("notes"), "mine").unwrap();
    fs::remove_file(images.join("maelstrom-cache")).unwrap();
    fs::remove_dir_all(images.join("blobs")).unwrap();
    let run = clean(&project, &["--images-unused-for=0"]).exits(96);
    assert!(
        run.stderr
            .contains("failed to remove images that are not used"),
        "{run}"
    );
}
