//! Processes of workers, and their logs.

use crate::engine::Engine;
use maelstrom::engine::random_word;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use tempfile::TempDir;

/// A worker. Dropping this kills it.
pub struct Worker {
    process: Child,
    lines: Receiver<String>,
    /// The part of the log that has been read.
    pub log: String,
}

/// A name for the pool of workers of one test.
pub fn new_pool() -> String {
    format!("pool-{}", random_word())
}

/// A directory for the cache of a worker.
pub fn new_cache() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    // The jobs of a worker that runs as root run as nobody, and must be able to enter the directory.
    fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    directory
}

impl Worker {
    /// One that has registered.
    pub fn start(engine: &Engine, pool: &str, cache: &TempDir) -> Self {
        Self::begin(Self::command_for(&engine.endpoint(), pool, cache).args(["--slots", "2"]))
    }

    /// One that has registered.
    pub fn begin(command: &mut Command) -> Self {
        let mut worker = Self::of(command);
        worker.wait_for("begins");
        worker
    }

    /// The command of a worker for this engine.
    pub fn command_for(endpoint: &str, pool: &str, cache: &TempDir) -> Command {
        let mut command = Self::command(cache);
        command.args(["--remote", endpoint]);
        command.args(["--property", &format!("pool={pool}")]);
        command
    }

    /// The command of a worker with a cache, and without settings from the environment of the tests.
    pub fn command(cache: &TempDir) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_maelstrom-worker"));
        command
            .args(["-c", "-", "--cache-root"])
            .arg(cache.path())
            .env("SECRET_OF_THE_WORKER", "xyzzy");
        for (name, _) in std::env::vars() {
            if name.starts_with("MAELSTROM") {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn of(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self {
            process,
            lines,
            log: String::new(),
        }
    }

    /// Waits for the next line of the log with this text.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv() else {
                panic!("the worker ended without saying {text:?}:\n{}", self.log);
            };
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    /// Waits for the end of the worker, and reads the rest of its log.
    pub fn end(&mut self) -> ExitStatus {
        let status = self.process.wait().unwrap();
        while let Ok(line) = self.lines.recv() {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        status
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that runs a worker with its cache on a disk of this number of KiB.
pub fn on_small_disk(worker: &Command, cache: &TempDir, kib: u64) -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::Uid::effective().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = format!("mount -t tmpfs -o size={kib}k none \"$1\"; shift; exec \"$@\"");
    command
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(cache.path());
    inside(command, worker)
}

/// The command `outer` with the words of `command` as its last arguments.
pub fn inside(mut outer: Command, command: &Command) -> Command {
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}

/// Waits until a process has this word in its command line.
pub fn wait_for_process(word: &str) {
    while !is_running(word) {
        thread::yield_now();
    }
}

/// Waits until no process has this word in its command line.
pub fn wait_for_end_of(word: &str) {
    while is_running(word) {
        thread::yield_now();
    }
}

fn is_running(word: &str) -> bool {
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        process.path() != own
            && fs::read(process.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(word))
    })
}
