//! Running one action, from its message to its result.

use super::blocking::{BackgroundDrop, blocking};
use super::cache::{BlobKey, Cache};
use super::directory::ActionDirectory;
use super::error::WorkError;
use super::outputs::{OutputLimits, Outputs};
use super::sandbox::{ActionProgram, ProgramOutcome, Sandbox};
use super::staging::{StagedInput, check_message_size, digest_of};
use crate::container::Launcher;
use crate::engine::{Engine, protobuf, reapi, rpc};
use crate::store::Digest;
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use prost::Message;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tonic::Code;

/// Runs actions.
pub struct ActionRunner {
    pub engine: Engine,
    pub cache: Arc<Cache>,
    pub sandbox: Sandbox,
    /// The name of the worker in results.
    pub worker: String,
}

/// The status and result of an action, as they are reported to the engine.
pub struct Finished {
    pub status: rpc::Status,
    /// Present if the action ran, also if it timed out.
    pub result: Option<reapi::ActionResult>,
    /// Whether the machine failed, not the action.
    pub worker_fault: bool,
}

impl Finished {
    /// The report on an action that this worker could not run.
    pub fn failed(error: &WorkError, worker: &str) -> Self {
        let mut status = error.status();
        status.message = format!("worker {worker}: {}", status.message);
        Self {
            status,
            result: None,
            worker_fault: error.is_worker_fault(),
        }
    }

    /// The report, with an error in place of the outputs if the result has more than `limit` bytes.
    fn within(mut self, limit: usize, worker: &str) -> Self {
        let Some(result) = &mut self.result else {
            return self;
        };
        let size = result.encoded_len();
        if size > limit {
            self.status = rpc::Status {
                code: Code::InvalidArgument as i32,
                message: format!(
                    "worker {worker}: the list of the action's outputs has {size} bytes, but a \
                     result can have at most {limit}; name a directory that holds them"
                ),
                details: Vec::new(),
            };
            result.output_files.clear();
            result.output_directories.clear();
            result.output_symlinks.clear();
        }
        self
    }
}

/// Stdout and stderr up to this size are part of the result, in bytes.
const MAX_INLINE_OUTPUT: u64 = 64 << 10;

/// The largest result, in bytes. Engines refuse messages of more than 4 MiB, and one message has
/// the results of all actions that have just ended.
const MAX_RESULT_SIZE: usize = 1 << 20;

/// A disk with less free space than this counts as full, in bytes.
const MIN_FREE_SPACE: u64 = 256 << 10;

impl ActionRunner {
    /// Runs an action. If the future is dropped, all processes of the action are killed.
    pub async fn run(&self, lease: &str, message: &[u8]) -> Finished {
        let action = Digest::of(message);
        let short = &action.hex()[..12];
        tracing::info!("lease {lease} starts: action {short}");
        let started = Instant::now();
        let mut cost = ActionCost::default();
        let run = self.run_action(message, &mut cost).await;
        let took = started.elapsed().as_millis();
        let ActionCost {
            files,
            staged,
            downloaded,
            uploaded,
        } = cost;
        let cost = format!(
            "{took} ms, {files} input files of {staged} bytes, {downloaded} bytes downloaded, \
             {uploaded} bytes uploaded"
        );
        match run {
            Ok(finished) => {
                let how = match &finished.result {
                    Some(_) if finished.status.code == Code::DeadlineExceeded as i32 => {
                        "timed out".to_owned()
                    }
                    Some(result) if finished.status.code == Code::Ok as i32 => {
                        format!("exit code {}", result.exit_code)
                    }
                    _ => finished.status.message.clone(),
                };
                tracing::info!("lease {lease} ended: action {short}, {how}, {cost}");
                finished
            }
            Err(error) => {
                tracing::warn!("lease {lease} failed: action {short}, {cost}: {error}");
                Finished::failed(&error, &self.worker)
            }
        }
    }

    async fn run_action(
        &self,
        message: &[u8],
        cost: &mut ActionCost,
    ) -> Result<Finished, WorkError> {
        let mut metadata = reapi::ExecutedActionMetadata {
            worker: self.worker.clone(),
            worker_start_timestamp: now(),
            ..reapi::ExecutedActionMetadata::default()
        };
        let action = reapi::Action::decode(message)
            .map_err(|error| WorkError::BadAction(format!("malformed action: {error}")))?;
        let timeout = timeout(&action)?;
        let cache = Arc::clone(&self.cache);
        let (directory, streams) = blocking(move |_| {
            let (directory, streams) = ActionDirectory::new(&cache)?;
            Ok::<_, WorkError>((BackgroundDrop::new(directory), streams))
        })
        .await?;
        let root = directory.root();

        metadata.input_fetch_start_timestamp = now();
        let input_root = digest_of(action.input_root_digest.as_ref(), "the input root")?;
        // The launcher starts while the inputs are downloaded.
        let ((command, downloaded), staged, launcher) = tokio::try_join!(
            self.command(&action),
            StagedInput::new(&self.cache, &self.engine, input_root, directory),
            self.sandbox.launcher(&root),
        )?;
        cost.downloaded += downloaded;
        cost.files = staged.files();
        cost.staged = staged.bytes;
        cost.downloaded += staged.downloaded;
        let mut resources = BackgroundDrop::new(ActionResources {
            launcher,
            staged: staged.into_inner(),
        });
        let to_prepare = (root.clone(), Arc::clone(&command));
        blocking(move |_| Outputs::prepare(&to_prepare.0, &to_prepare.1)).await?;
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
                &mut resources.launcher,
                ActionProgram {
                    working_directory: command.working_directory.trim_matches('/'),
                    arguments: &command.arguments,
                    environment: &environment,
                    timeout,
                    stdout: streams.stdout,
                    stderr: streams.stderr,
                },
            )
            .await?;
        metadata.execution_completed_timestamp = now();

        metadata.output_upload_start_timestamp = now();
        let (stdout, stderr) = {
            let directory = &resources.staged.directory;
            (directory.stdout(), directory.stderr())
        };
        let (exit_code, timed_out) = match end {
            ProgramOutcome::Ended(ended) => {
                let exit_code = exit_code(ended.wait_status);
                if exit_code != 0 {
                    let root = root.clone();
                    blocking(move |_| has_room(&root)).await?;
                }
                (exit_code, ended.timed_out)
            }
            ProgramOutcome::NotStarted(error) => {
                let text = format!("maelstrom-worker: failed to {error}\n");
                let path = stderr.clone();
                let written = blocking(move |_| fs::write(path, text)).await;
                written.map_err(|error| WorkError::local("write", &stderr, error))?;
                // The exit code that shells use for this.
                (127, false)
            }
        };
        let limits = OutputLimits::of(&self.engine);
        let mut outputs = Outputs::find(root, command, limits).await?;
        let (stdout_raw, stdout_digest) = outputs
            .stream_content("stdout", stdout, MAX_INLINE_OUTPUT, limits)
            .await?;
        let (stderr_raw, stderr_digest) = outputs
            .stream_content("stderr", stderr, MAX_INLINE_OUTPUT, limits)
            .await?;
        cost.uploaded = outputs.upload(&self.engine).await?.bytes;
        metadata.output_upload_completed_timestamp = now();
        metadata.worker_completed_timestamp = now();
        let mut status = match &outputs.fault {
            Some(fault) => fault.status(&self.worker),
            None => rpc::Status::default(),
        };
        if timed_out {
            status.code = Code::DeadlineExceeded as i32;
            status.message = format!("the action took longer than {} s", timeout.as_secs_f64());
        }
        Ok(Finished {
            status,
            worker_fault: false,
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
        }
        .within(MAX_RESULT_SIZE, &self.worker))
    }

    /// The command of an action, and the number of bytes that were downloaded for it.
    async fn command(
        &self,
        action: &reapi::Action,
    ) -> Result<(Arc<reapi::Command>, u64), WorkError> {
        let digest = digest_of(action.command_digest.as_ref(), "the command")?;
        check_message_size(digest, 0)?;
        let keys = vec![BlobKey::plain(digest)];
        let (_pinned, downloaded) = self.cache.fetch(&self.engine, keys).await?;
        let cache = Arc::clone(&self.cache);
        let command = blocking(move |_| {
            let command = reapi::Command::decode(&*cache.read(digest)?).map_err(|error| {
                WorkError::BadAction(format!("malformed command {digest}: {error}"))
            })?;
            can_be_given(&command)?;
            Ok::<_, WorkError>(command)
        });
        Ok((Arc::new(command.await?), downloaded))
    }
}

/// The launcher and the input root of an action. Dropping them blocks.
struct ActionResources {
    /// Dropped first: the action may change its input root as long as it runs.
    launcher: Launcher,
    staged: StagedInput,
}

/// The inputs and transfers of an action, for the log. Sizes are in bytes.
#[derive(Default)]
struct ActionCost {
    files: usize,
    staged: u64,
    downloaded: u64,
    uploaded: u64,
}

/// The time limit of an action; zero if it has none.
fn timeout(action: &reapi::Action) -> Result<Duration, WorkError> {
    let Some(timeout) = &action.timeout else {
        return Ok(Duration::ZERO);
    };
    match (u64::try_from(timeout.seconds), u32::try_from(timeout.nanos)) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(WorkError::BadAction("its timeout is negative".to_owned())),
    }
}

/// Fails if the disk is full. The failure of an action on a full disk says nothing about the
/// action.
fn has_room(root: &Path) -> Result<(), WorkError> {
    let full = |errno: Errno| WorkError::local("keep what is written in", root, errno.into());
    let disk = statvfs(root).map_err(full)?;
    if disk.blocks_available() * disk.fragment_size() < MIN_FREE_SPACE {
        return Err(full(Errno::ENOSPC));
    }
    Ok(())
}

/// The exit code as shells report it: 128 and the number of the signal for a killed program.
fn exit_code(wait_status: i32) -> i32 {
    use nix::libc::{WEXITSTATUS, WIFSIGNALED, WTERMSIG};
    if WIFSIGNALED(wait_status) {
        128 + WTERMSIG(wait_status)
    } else {
        WEXITSTATUS(wait_status)
    }
}

/// Fails for arguments and variables that execve(2) cannot pass: those with a NUL byte.
fn can_be_given(command: &reapi::Command) -> Result<(), WorkError> {
    let nul = |what: String| WorkError::BadAction(format!("{what} of the command has a NUL byte"));
    let mut arguments = command.arguments.iter();
    if let Some(index) = arguments.position(|argument| argument.contains('\0')) {
        return Err(nul(format!("argument {index}")));
    }
    let mut variables = command.environment_variables.iter();
    let has_nul = variables.find(|v| v.name.contains('\0') || v.value.contains('\0'));
    match has_nul {
        Some(variable) => Err(nul(format!("the variable `{}`", variable.name))),
        None => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maelstrom_worker::blocking::tests::{Busy, poll_once};
    use crate::maelstrom_worker::cache::tests::open;
    use crate::maelstrom_worker::fetch::tests::stuck_engine;
    use std::pin::pin;

    #[test]
    fn a_result_that_is_too_long_is_the_fault_of_the_action() {
        let finished = |outputs: usize| Finished {
            status: rpc::Status::default(),
            result: Some(reapi::ActionResult {
                output_files: vec![reapi::OutputFile::default(); outputs],
                exit_code: 3,
                ..reapi::ActionResult::default()
            }),
            worker_fault: false,
        };
        let short = finished(10).within(100, "w");
        assert_eq!(short.status, rpc::Status::default());
        assert_eq!(short.result.unwrap().output_files.len(), 10);
        let long = finished(100).within(100, "w");
        assert_eq!(long.status.code, Code::InvalidArgument as i32);
        assert!(!long.worker_fault);
        let result = long.result.unwrap();
        assert_eq!((result.exit_code, result.output_files.len()), (3, 0));
    }

    #[test]
    fn a_command_with_a_nul_is_the_fault_of_the_action() {
        let command = |argument: &str, name: &str, value: &str| reapi::Command {
            arguments: vec!["program".to_owned(), argument.to_owned()],
            environment_variables: vec![reapi::command::EnvironmentVariable {
                name: name.to_owned(),
                value: value.to_owned(),
            }],
            ..reapi::Command::default()
        };
        assert!(can_be_given(&command("a", "NAME", "b")).is_ok());
        for (command, expected) in [
            (command("a\0", "NAME", "b"), "argument 1"),
            (command("a", "NAME", "b\0"), "the variable `NAME`"),
            (command("a", "NA\0ME", "b"), "the variable"),
        ] {
            let error = can_be_given(&command).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert!(!error.is_worker_fault());
        }
    }

    #[test]
    fn the_longest_timeout_is_not_a_short_one() {
        let timeout = |seconds, nanos| {
            timeout(&reapi::Action {
                timeout: Some(protobuf::Duration { seconds, nanos }),
                ..reapi::Action::default()
            })
        };
        assert_eq!(timeout(1, 5).unwrap(), Duration::new(1, 5));
        let longest = timeout(i64::MAX, 999_999_999).unwrap();
        assert_eq!(longest, Duration::new(i64::MAX.unsigned_abs(), 999_999_999));
        assert!(timeout(-1, 0).is_err());
    }

    #[test]
    fn the_event_loop_makes_nothing_on_disk_for_an_action() {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let server = tokio::runtime::Runtime::new().unwrap();
        let runner = ActionRunner {
            engine: server.block_on(stuck_engine()),
            sandbox: Sandbox::new(&root.path().join("base"), 1).unwrap(),
            cache,
            worker: "w".to_owned(),
        };
        let actions = root.path().join("worker/actions");
        let entries = || fs::read_dir(&actions).unwrap().count();
        let busy = Busy::new();
        busy.runtime.block_on(async {
            let mut run = pin!(runner.run("lease", b""));
            assert!(poll_once(run.as_mut()).is_pending());
            assert_eq!(entries(), 0);
            busy.release();
            // There is no input root.
            let finished = run.await;
            assert_eq!(finished.status.code, Code::InvalidArgument as i32);
        });
        drop(busy);
        assert_eq!(entries(), 0);
    }
}
