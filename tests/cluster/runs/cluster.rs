//! An engine with workers that only one test uses, and runs on them.

use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::worker::{Worker, new_cache, new_pool};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

pub struct Cluster {
    endpoint: String,
    pub pool: String,
    pub workers: Vec<Worker>,
    pub caches: Vec<TempDir>,
}

impl Cluster {
    /// Starts this number of workers, each with two slots.
    pub fn start(engine: &Engine, workers: usize) -> Self {
        let mut cluster = Self::of(&engine.endpoint());
        for _ in 0..workers {
            let worker = cluster.worker(2);
            cluster.add(worker);
        }
        cluster
    }

    /// A cluster without workers.
    pub fn of(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            pool: new_pool(),
            workers: Vec::new(),
            caches: Vec::new(),
        }
    }

    /// The command of a further worker with its own cache.
    pub fn worker(&mut self, slots: u32) -> Command {
        let cache = new_cache();
        let mut command = Worker::command_for(&self.endpoint, &self.pool, &cache);
        command.args(["--slots", &slots.to_string()]);
        self.caches.push(cache);
        command
    }

    /// Starts a worker, and waits until it has registered.
    pub fn add(&mut self, mut worker: Command) {
        self.workers.push(Worker::begin(&mut worker));
    }

    pub fn options(&self) -> [String; 2] {
        [
            format!("--remote={}", self.endpoint),
            format!("--remote-platform=pool={}", self.pool),
        ]
    }

    pub fn run(&self, project: &Project, arguments: &[&str]) -> Run {
        self.begin(project, arguments).end()
    }

    /// Starts `cargo maelstrom --message-format json` on the cluster.
    pub fn begin<'a>(&self, project: &'a Project, arguments: &[&str]) -> Running<'a> {
        let [remote, pool] = self.options();
        let options = ["--message-format=json", "--ui=quiet", &remote, &pool];
        Running::start(
            &mut project.command(&[&options, arguments].concat()),
            project,
        )
    }
}

/// A run in progress.
pub struct Running<'a> {
    process: Child,
    /// The lines of the run's stdout.
    lines: Receiver<String>,
    /// The lines that have been read.
    stdout: String,
    stderr: JoinHandle<Vec<u8>>,
    project: &'a Project,
}

impl<'a> Running<'a> {
    pub fn start(command: &mut Command, project: &'a Project) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        let mut stderr = process.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).unwrap();
            text
        });
        Self {
            process,
            lines,
            stdout: String::new(),
            stderr,
            project,
        }
    }

    /// Waits for the next line of the run's stdout with this text.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        while let Ok(line) = self.lines.recv() {
            self.stdout.push_str(&line);
            self.stdout.push('\n');
            if line.contains(text) {
                return;
            }
        }
        panic!("the run ended without saying {text:?}: {}", self.stdout);
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    pub fn end(mut self) -> Run {
        for line in self.lines {
            self.stdout.push_str(&line);
            self.stdout.push('\n');
        }
        let output = Output {
            status: self.process.wait().unwrap(),
            stdout: self.stdout.into_bytes(),
            stderr: self.stderr.join().unwrap(),
        };
        Run::that_left(output, self.project)
    }
}
