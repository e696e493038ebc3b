//! Workers of one slot each.

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A worker that has registered, killed with this value.
pub struct Worker {
    process: Child,
    _cache: TempDir,
}

impl Worker {
    pub fn start(engine: &str) -> Result<Self, Box<dyn Error>> {
        let cache = tempfile::tempdir()?;
        // A worker of root has jobs that are nobody, who must get through.
        fs::set_permissions(cache.path(), Permissions::from_mode(0o755))?;
        let log: PathBuf = cache.path().join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_maelstrom-worker"));
        for (name, _) in std::env::vars() {
            if name.starts_with("MAELSTROM") {
                command.env_remove(name);
            }
        }
        let process = command
            .args([
                "-c",
                "-",
                "--remote",
                engine,
                "--slots",
                "1",
                "--cache-root",
            ])
            .arg(cache.path().join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let worker = Self {
            process,
            _cache: cache,
        };
        while !fs::read_to_string(&log)?.contains("begins") {
            std::thread::yield_now();
        }
        Ok(worker)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
