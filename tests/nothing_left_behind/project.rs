//! Fixture workspaces, each copied to a place of its own.

use crate::client::Client;
use crate::{host, processes};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How soon everything must be gone.
const SOON: Duration = Duration::from_secs(1);

/// Held shared by tests that leave the others time to run, exclusively by the rest.
static MACHINE: RwLock<()> = RwLock::new(());

enum Turn {
    Shared(#[expect(dead_code, reason = "only held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "only held")] RwLockWriteGuard<'static, ()>),
}

/// A workspace, and the program in it.
pub struct Project {
    _turn: Turn,
    directory: TempDir,
    root: PathBuf,
    program: PathBuf,
}

impl Project {
    /// A copy of `tests/projects/NAME`.
    pub fn copy(name: &str) -> Self {
        let project = Self::empty();
        project.fill(name);
        project
    }

    /// A copy of `tests/projects/NAME` for a test that takes all of the machine.
    pub fn copy_alone(name: &str) -> Self {
        let alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        let project = Self::new(Turn::Alone(alone));
        project.fill(name);
        project
    }

    fn fill(&self, name: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/projects")
            .join(name);
        copy_files(&source, &self.root);
    }

    /// A workspace whose files are yet to be written.
    pub fn empty() -> Self {
        let shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        Self::new(Turn::Shared(shared))
    }

    fn new(turn: Turn) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("nothing-left-")
            .tempdir()
            .unwrap();
        // As the kernel will name it.
        let path = directory.path().canonicalize().unwrap();
        let (root, bin) = (path.join("workspace"), path.join("bin"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&bin).unwrap();
        let program = bin.join("cargo-maelstrom");
        let built = env!("CARGO_BIN_EXE_cargo-maelstrom");
        if fs::hard_link(built, &program).is_err() {
            // Not by ourselves: a test that starts a process at that moment would
            // give it the copy, open for writing, and nobody could execute it.
            let copied = Command::new("cp")
                .args([built.as_ref(), program.as_os_str()])
                .status();
            assert!(copied.unwrap().success());
        }
        Self {
            _turn: turn,
            directory,
            root,
            program,
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn store(&self) -> PathBuf {
        self.root.join("target/maelstrom/cache")
    }

    /// `cargo maelstrom ARGUMENTS` in the workspace.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("maelstrom")
            .args(["--config-file", "-"])
            .args(arguments)
            .current_dir(&self.root)
            // Cargo would wait for other builds that lock it, and fail to say so where nobody
            // reads its stderr.
            .env("CARGO_HOME", self.directory.path().join("cargo-home"))
            .env("CARGO_NET_OFFLINE", "true");
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let of_cargo = text.starts_with("CARGO_") && text != "CARGO_HOME";
            if of_cargo || text.starts_with("RUST_") || text.starts_with("MAELSTROM_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Starts a run of two slots that tells its events as JSON.
    pub fn start(&self, arguments: &[&str]) -> Client {
        Client::start(&mut self.json(arguments))
    }

    /// The command of a run, of two slots unless the arguments say otherwise, that
    /// tells its events as JSON.
    pub fn json(&self, arguments: &[&str]) -> Command {
        let slots = arguments.iter().any(|argument| argument.starts_with("-j"));
        let slots = (!slots).then_some(&"-j2");
        self.command(
            ["--message-format=json"]
                .iter()
                .chain(slots)
                .chain(arguments),
        )
    }

    /// Builds the tests, and runs none.
    pub fn build(&self) {
        let output = self.command(["--no-run", "--quiet"]).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Processes of this workspace's runs.
    pub fn processes(&self) -> Vec<processes::Process> {
        processes::of(self.directory.path())
    }

    /// Waits for a process of a client's run, which fails if the client ends before.
    pub fn wait_for_process(
        &self,
        client: &mut Client,
        what: &str,
        wanted: impl Fn(&processes::Process) -> bool,
    ) -> i32 {
        host::wait_until(what, Duration::from_secs(60), || {
            let processes = self.processes();
            let found = processes.iter().find(|p| wanted(p)).map(|p| p.id);
            if found.is_none() {
                client.assert_has_not_ended();
            }
            found
        })
    }

    /// Waits until the build script of `slow_build` and its child are there.
    pub fn wait_for_slow_build(&self, client: &mut Client) {
        self.wait_for_process(client, "the build script's child", |process| {
            process.command.contains("build-script-build child")
        });
    }

    /// Fails unless soon nothing of a run that has ended is left. Tells how long it
    /// took.
    pub fn assert_nothing_is_left(&self) -> Duration {
        self.assert_nothing_is_left_but(|_| false)
    }

    /// As [`Self::assert_nothing_is_left`], but for some processes.
    pub fn assert_nothing_is_left_but(
        &self,
        may_stay: impl Fn(&processes::Process) -> bool,
    ) -> Duration {
        let started = Instant::now();
        loop {
            let mut left = self.processes();
            left.retain(|process| !may_stay(process));
            let elapsed = started.elapsed();
            if left.is_empty() {
                self.assert_no_mounts();
                return elapsed;
            }
            assert!(elapsed < SOON, "left after {elapsed:?}: {left:#?}");
            std::thread::yield_now();
        }
    }

    fn assert_no_mounts(&self) {
        let marker = self.directory.path().to_string_lossy();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let ours: Vec<_> = mounts
            .lines()
            .filter(|line| line.contains(&*marker))
            .collect();
        assert!(ours.is_empty(), "mounts are left: {ours:#?}");
    }

    /// Fails if temporary files are left where no client runs.
    pub fn assert_no_temporary_files(&self) {
        let left: Vec<_> = fs::read_dir(self.store().join("tmp"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "temporary files are left: {left:?}");
        let beside: Vec<_> = fs::read_dir(self.root.join("target/maelstrom"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("tmp"))
            .collect();
        assert!(beside.is_empty(), "temporary files are left: {beside:?}");
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "target" {
                fs::create_dir_all(&target).unwrap();
                copy_files(&entry.path(), &target);
            }
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
