//! The engine `buildbox-casd`.

use crate::engine::{find, free_port};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::yield_now;
use tempfile::TempDir;

/// An id that no account has.
const ORDINARY: u32 = 60999;

/// The directory of the engine's blobs.
const BLOBS: &str = "cas";

/// An engine that only this test uses.
pub struct Casd {
    process: Child,
    program: PathBuf,
    port: u16,
    directory: TempDir,
}

impl Casd {
    /// Starts an engine, and waits until it answers. `None`, with a message, if it is not
    /// installed on this machine.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            println!("SKIPPED: no buildbox-casd here; tests/run-all installs it");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(directory.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
        let port = free_port();
        let process = begin(&program, directory.path(), port);
        let mut engine = Self {
            process,
            program,
            port,
            directory,
        };
        engine.wait();
        Some(engine)
    }

    /// Kills the engine, then its runners: an engine that outlives its runners for a moment would
    /// report that they died. Removes the files of the actions that it was executing.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        self.signal(Signal::SIGKILL);
        self.kill_runners();
        let _ = fs::remove_dir_all(self.directory.path().join(BLOBS).join("cas/staging"));
    }

    fn kill_runners(&self) {
        // Sandboxes are in process groups of their own. One that has just been made has no runner yet.
        loop {
            let mut left = self.runners();
            left.extend(Self::processes(|words, _| {
                words.contains("bwrap") && words.contains(&self.name())
            }));
            if left.is_empty() {
                return;
            }
            for process in left {
                let _ = kill(process, Signal::SIGKILL);
            }
            yield_now();
        }
    }

    /// Restarts the engine. It has forgotten its actions.
    pub fn start_again(&mut self) {
        self.process = begin(&self.program, self.directory.path(), self.port);
        self.wait();
    }

    /// Removes all blobs of a stopped engine.
    pub fn lose_blobs(&self) {
        fs::remove_dir_all(self.directory.path().join(BLOBS)).unwrap();
    }

    fn wait(&mut self) {
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert_eq!(ended, None, "{}", self.log());
            yield_now();
        }
    }

    fn signal(&mut self, signal: Signal) {
        // The group has all processes of the engine, except those that moved to other groups.
        let group = Pid::from_raw(-(self.process.id() as i32));
        let _ = kill(group, signal);
        let _ = self.process.wait();
    }

    /// Options for programs that run jobs on the engine. Without the user and group, jobs in its
    /// sandboxes are user 0 without capabilities, and cannot make containers.
    pub fn options(&self) -> Vec<String> {
        vec![
            format!("--remote=grpc://127.0.0.1:{}", self.port),
            "--remote-platform=unixUID=1000".to_owned(),
            "--remote-platform=unixGID=1000".to_owned(),
        ]
    }

    /// The file of the blob with this content, if the engine has it.
    pub fn blob(&self, content: &[u8]) -> Option<PathBuf> {
        find(self.directory.path(), &|path| {
            fs::read(path).is_ok_and(|found| found == content)
        })
    }

    /// The file of a blob that contains `part` and is not a program.
    pub fn blob_with(&self, part: &[u8]) -> Option<PathBuf> {
        const LARGE: usize = 1 << 20;
        find(self.directory.path(), &|path| {
            fs::read(path).is_ok_and(|found| {
                found.len() < LARGE && found.windows(part.len()).any(|window| window == part)
            })
        })
    }

    /// The processes of the engine's runners.
    pub fn runners(&self) -> Vec<Pid> {
        Self::processes(|words, mounts| {
            words.trim_end().ends_with("runner/maelstrom-runner")
                && !words.contains("bwrap")
                && mounts.contains(&self.name())
        })
    }

    /// The name of the engine's directory, which no other engine has. Its whole path is not in
    /// mountinfo if it is on a file system of its own.
    fn name(&self) -> String {
        let name = self.directory.path().file_name().unwrap();
        name.to_str().unwrap().to_owned()
    }

    /// The processes with such a command line and such mounts.
    fn processes(are: impl Fn(&str, &str) -> bool) -> Vec<Pid> {
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let mounts = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
            if are(&words, &mounts) {
                processes.push(Pid::from_raw(pid));
            }
        }
        processes
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Casd {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
    }
}

fn begin(program: &Path, directory: &Path, port: u16) -> Child {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    let runner = program.with_file_name("buildbox-run");
    let mut command = Command::new(program);
    if nix::unistd::geteuid().is_root() {
        // Sandboxes of root cannot make containers.
        command.uid(ORDINARY).gid(ORDINARY);
    }
    command
        .arg(format!("--bind=127.0.0.1:{port}"))
        .arg(format!("--buildbox-run={}", runner.display()))
        .arg("--jobs=2")
        .arg(directory.join(BLOBS))
        // Without the engine's own directory, where it would find a stager that needs FUSE.
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap()
}

/// The path at which `tests/run-all` installs the engine.
fn program() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let program = target.join("engines/buildstream/subprojects/buildbox/buildbox-casd");
    program.exists().then_some(program)
}
