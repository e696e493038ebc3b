//! Follows the instructions of the book's chapter on a cluster of your own.

use crate::engine::{Engine, buildgrid};
use crate::fixture::Project;
use crate::needs_cluster;
use crate::worker::{Worker, new_cache};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const CHAPTER: &str = include_str!("../../docs/src/cluster.md");

/// An engine as in the chapter, and the directory of its files.
struct Chapter {
    engine: Engine,
    caches: Vec<TempDir>,
}

impl Chapter {
    /// Follows the instructions up to the engine's service.
    fn follow() -> Self {
        let engine = Engine::configured(|directory, database, port| {
            let adapted = |text: &str| adapt(text, directory, port);
            shell(&adapted(block("openssl req -x509")));
            shell(&adapted(block("openssl rand")));
            let access = adapted(block("# /etc/buildgrid/access.yml"));
            fs::write(directory.join("access.yml"), access).unwrap();
            shell(&adapted(block("for role in")));
            let connection = r#"connection-string: ""#;
            let text = adapted(block("# /etc/buildgrid/engine.yml"));
            let (before, after) = text.split_once(connection).unwrap();
            let (_, after) = after.split_once('"').unwrap();
            format!("{before}{connection}{database}\"{after}")
        });
        Self {
            engine,
            caches: Vec::new(),
        }
    }

    fn adapt(&self, text: &str) -> String {
        adapt(text, &self.engine.file(""), self.engine.port)
    }

    fn token(&self, role: &str) -> String {
        let token = fs::read_to_string(self.engine.file(&format!("{role}.token"))).unwrap();
        format!("authorization=Bearer {}", token.trim())
    }

    /// A worker with this token.
    fn worker(&mut self, role: &str) -> Worker {
        let cache = new_cache();
        let text = self
            .adapt(block("# /etc/xdg/maelstrom/worker/config.toml"))
            .replace(
                "/var/cache/maelstrom-worker",
                cache.path().join("cache").to_str().unwrap(),
            );
        let file = cache.path().join("config.toml");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_maelstrom-worker"));
        command
            .args(["-c", file.to_str().unwrap()])
            .env("MAELSTROM_WORKER_REMOTE_HEADER", self.token(role));
        self.caches.push(cache);
        Worker::of(&mut command)
    }

    /// The configuration of a client with this token.
    fn client(&self, project: &Project, role: &str) -> String {
        let text = self
            .adapt(block("# ~/.config/maelstrom/cargo-maelstrom/config.toml"))
            .replace("authorization=Bearer …", &self.token(role));
        let name = format!("{role}.toml");
        project.write(&name, &text);
        name
    }
}

/// The chapter's code with this text in it.
fn block(text: &str) -> &'static str {
    let mut blocks = CHAPTER.split("\n```").skip(1).step_by(2);
    let block = blocks.find(|block| block.contains(text));
    let (_language, code) = block.expect(text).split_once('\n').unwrap();
    code
}

/// Adapts text of the chapter to this machine: paths, host names and ports.
fn adapt(text: &str, directory: &Path, port: u16) -> String {
    let directory = directory.to_str().unwrap().trim_end_matches('/');
    let programs = buildgrid().unwrap();
    let programs = programs.parent().unwrap().parent().unwrap();
    [
        ("/etc/buildgrid", directory),
        ("/etc/maelstrom", directory),
        ("/var/lib/buildgrid", directory),
        ("/opt/buildgrid", programs.to_str().unwrap()),
        ("engine.example", "localhost"),
        ("50052", &port.to_string()),
    ]
    .iter()
    .fold(text.to_owned(), |text, (there, here)| {
        text.replace(there, here)
    })
}

fn shell(script: &str) {
    let output = Command::new("bash").args(["-euc", script]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}

#[test]
fn the_instructions_of_the_chapter_make_a_cluster_that_enforces_its_rights() {
    needs_cluster!();
    let mut chapter = Chapter::follow();
    let project = Project::own("plain");
    let mut worker = chapter.worker("worker");
    worker.wait_for("begins");
    let client = chapter.client(&project, "client");
    project.maelstrom(&["-c", &client]).exits(0);
    worker.wait_for("exit code 0");
    // Each token grants the rights of one role only.
    let mut intruder = chapter.worker("client");
    intruder.wait_for("the engine requires authentication");
    let client = chapter.client(&project, "worker");
    project
        .maelstrom(&["-c", &client])
        .exits(100)
        .says("the engine requires authentication");
    // Without the engine no test is reported as passed.
    chapter.engine.stop();
    let client = chapter.client(&project, "client");
    project
        .maelstrom(&["-c", &client])
        .exits(96)
        .does_not_say("PASS");
}
