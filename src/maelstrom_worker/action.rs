//! One action, from its message to its result.

use super::cache::{Cache, Key, hash};
use super::error::WorkError;
use super::outputs::Outputs;
use super::sandbox::{End, Program, Sandbox};
use super::staging::{Staged, digest_of};
use crate::engine::{Engine, protobuf, reapi, rpc};
use crate::store::Digest;
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use prost::Message;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tonic::Code;

/// What runs actions.
pub struct Bench {
    pub engine: Engine,
    pub cache: Arc<Cache>,
    pub sandbox: Sandbox,
    /// What results say about who did it.
    pub worker: String,
}

/// What is told about an action.
pub struct Finished {
    pub status: rpc::Status,
    /// There is one of an action that ran, also if it took too long.
    pub result: Option<reapi::ActionResult>,
    /// Whether the machine failed, not the action.
    pub is_machine_ill: bool,
}

impl Finished {
    /// What is told of an action that this worker could not run.
    pub fn failed(error: &WorkError, worker: &str) -> Self {
        let mut status = error.status();
        status.message = format!("worker {worker}: {}", status.message);
        Self {
            status,
            result: None,
            is_machine_ill: error.is_of_machine(),
        }
    }
}

/// Output up to this size is part of the result, in bytes.
const INLINE: u64 = 64 << 10;

/// A disk with less than that is full, in bytes.
const FULL: u64 = 256 << 10;

impl Bench {
    /// Runs an action. All that it started ends with the future.
    pub async fn run(&self, lease: &str, message: &[u8]) -> Finished {
        let action = Digest::of(message);
        let short = &action.hex()[..12];
        tracing::info!("lease {lease} starts: action {short}");
        let started = Instant::now();
        let mut account = Account::default();
        let run = self.run_action(message, &mut account).await;
        let took = started.elapsed().as_millis();
        let Account {
            files,
            staged,
            downloaded,
            uploaded,
        } = account;
        let account = format!(
            "{took} ms, {files} input files of {staged} bytes, {downloaded} bytes downloaded, \
             {uploaded} bytes uploaded"
        );
        match run {
            Ok(finished) => {
                let how = match &finished.result {
                    Some(_) if finished.status.code == Code::DeadlineExceeded as i32 => {
                        "timed out".to_owned()
                    }
                    Some(result) => format!("exit code {}", result.exit_code),
                    None => finished.status.message.clone(),
                };
                tracing::info!("lease {lease} ended: action {short}, {how}, {account}");
                finished
            }
            Err(error) => {
                tracing::warn!("lease {lease} failed: action {short}, {account}: {error}");
                Finished::failed(&error, &self.worker)
            }
        }
    }

    async fn run_action(
        &self,
        message: &[u8],
        account: &mut Account,
    ) -> Result<Finished, WorkError> {
        let mut metadata = reapi::ExecutedActionMetadata {
            worker: self.worker.clone(),
            worker_start_timestamp: now(),
            ..reapi::ExecutedActionMetadata::default()
        };
        let action = reapi::Action::decode(message)
            .map_err(|error| WorkError::BadAction(format!("this is no action: {error}")))?;
        let timeout = timeout(&action)?;
        let directory = Directory::new(&self.cache)?;
        let (root, stdout, stderr) = (
            directory.0.join("root"),
            directory.0.join("stdout"),
            directory.0.join("stderr"),
        );
        let create = |path: &Path| {
            File::create(path).map_err(|error| WorkError::local("create", path, error))
        };
        let outputs = (create(&stdout)?, create(&stderr)?);
        fs::create_dir(&root).map_err(|error| WorkError::local("create", &root, error))?;

        metadata.input_fetch_start_timestamp = now();
        let input_root = digest_of(action.input_root_digest.as_ref(), "the input root")?;
        // What makes the container is started while the engine is asked for the rest.
        let ((command, downloaded), staged, mut launcher) = tokio::try_join!(
            self.command(&action),
            Staged::new(&self.cache, &self.engine, input_root, &root),
            self.sandbox.launcher(&root),
        )?;
        account.downloaded += downloaded;
        Outputs::prepare(&root, &command)?;
        account.files = staged.files();
        account.staged = staged.bytes;
        account.downloaded += staged.downloaded;
        metadata.input_fetch_completed_timestamp = now();

        let environment: Vec<_> = command
            .environment_variables
            .iter()
            .map(|variable| format!("{}={}", variable.name, variable.value))
            .collect();
        metadata.execution_start_timestamp = now();
        let end = self
            .sandbox
            .run(
                &mut launcher,
                Program {
                    working_directory: command.working_directory.trim_matches('/'),
                    arguments: &command.arguments,
                    environment: &environment,
                    timeout,
                    stdout: outputs.0,
                    stderr: outputs.1,
                },
            )
            .await?;
        metadata.execution_completed_timestamp = now();

        metadata.output_upload_start_timestamp = now();
        let (exit_code, timed_out) = match &end {
            End::Ended(ended) => {
                let exit_code = exit_code(ended.wait_status);
                if exit_code != 0 {
                    has_room(&root)?;
                }
                (exit_code, ended.timed_out)
            }
            End::NotStarted(error) => {
                let text = format!("maelstrom-worker: failed to {error}\n");
                fs::write(&stderr, text)
                    .map_err(|error| WorkError::local("write", &stderr, error))?;
                // As shells have it.
                (127, false)
            }
        };
        let mut outputs = Outputs::find(&root, &command).await?;
        let (stdout_raw, stdout_digest) = printed(&stdout, &mut outputs)?;
        let (stderr_raw, stderr_digest) = printed(&stderr, &mut outputs)?;
        account.uploaded = outputs.upload(&self.engine).await?.bytes;
        metadata.output_upload_completed_timestamp = now();
        metadata.worker_completed_timestamp = now();
        let mut status = rpc::Status::default();
        if timed_out {
            status.code = Code::DeadlineExceeded as i32;
            status.message = format!("the action took longer than {} s", timeout.as_secs_f64());
        }
        Ok(Finished {
            status,
            is_machine_ill: false,
            result: Some(reapi::ActionResult {
                output_files: outputs.files,
                output_directories: outputs.directories,
                output_symlinks: outputs.symlinks,
                exit_code,
                stdout_raw,
                stdout_digest,
                stderr_raw,
                stderr_digest,
                execution_metadata: Some(metadata),
                ..reapi::ActionResult::default()
            }),
        })
    }

    /// The command of an action, and how many bytes of it had to be downloaded.
    async fn command(&self, action: &reapi::Action) -> Result<(reapi::Command, u64), WorkError> {
        let digest = digest_of(action.command_digest.as_ref(), "the command")?;
        let keys = vec![Key::plain(digest)];
        let (_held, downloaded) = self.cache.fetch(&self.engine, keys).await?;
        let message = self.cache.read(digest)?;
        let command = reapi::Command::decode(&*message)
            .map_err(|error| WorkError::BadAction(format!("{digest} is no command: {error}")))?;
        Ok((command, downloaded))
    }
}

/// What an action cost, in bytes.
#[derive(Default)]
struct Account {
    files: usize,
    staged: u64,
    downloaded: u64,
    uploaded: u64,
}

/// An action's directory, removed with this.
struct Directory(PathBuf);

impl Directory {
    fn new(cache: &Cache) -> Result<Self, WorkError> {
        cache.new_action().map(Self)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        const ATTEMPTS: u32 = 100;
        let path = std::mem::take(&mut self.0);
        // Processes that were killed this moment may still make files.
        std::thread::spawn(move || {
            for _ in 0..ATTEMPTS {
                match crate::store::remove_tree(&path) {
                    Ok(()) => return,
                    Err(error) => tracing::debug!("cannot remove {}: {error}", path.display()),
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            tracing::warn!("{} stays until the next start", path.display());
        });
    }
}

/// Zero: none.
fn timeout(action: &reapi::Action) -> Result<Duration, WorkError> {
    let Some(timeout) = &action.timeout else {
        return Ok(Duration::ZERO);
    };
    match (u64::try_from(timeout.seconds), u32::try_from(timeout.nanos)) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(WorkError::BadAction("its timeout is negative".to_owned())),
    }
}

/// Fails if the disk is full: what comes of an action there says nothing about it.
fn has_room(root: &Path) -> Result<(), WorkError> {
    let full = |errno: Errno| WorkError::local("keep what is written in", root, errno.into());
    let disk = statvfs(root).map_err(full)?;
    if disk.blocks_available() * disk.fragment_size() < FULL {
        return Err(full(Errno::ENOSPC));
    }
    Ok(())
}

/// As shells tell it.
fn exit_code(wait_status: i32) -> i32 {
    use nix::libc::{WEXITSTATUS, WIFSIGNALED, WTERMSIG};
    if WIFSIGNALED(wait_status) {
        128 + WTERMSIG(wait_status)
    } else {
        WEXITSTATUS(wait_status)
    }
}

/// What was printed: itself if it is short, else its digest.
fn printed(
    path: &Path,
    outputs: &mut Outputs,
) -> Result<(Vec<u8>, Option<reapi::Digest>), WorkError> {
    let failed = |error| WorkError::local("read", path, error);
    if fs::metadata(path).map_err(failed)?.len() <= INLINE {
        return Ok((fs::read(path).map_err(failed)?, None));
    }
    let digest = hash(path).map_err(failed)?;
    outputs.add_file(digest, path);
    Ok((Vec::new(), Some(digest.into())))
}

fn now() -> Option<protobuf::Timestamp> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    Some(protobuf::Timestamp {
        seconds: since.as_secs() as i64,
        nanos: since.subsec_nanos() as i32,
    })
}
