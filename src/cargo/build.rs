//! The build: the child process `cargo test --no-run`, and its output as events.
//!
//! The child is a guard, which has Cargo as its child, or Cargo itself. The child is in the process
//! group of this process, so that Ctrl-C and Ctrl-Z at the terminal reach it and users can answer
//! password prompts. It has no standard input. The child ends by itself or by a signal from the
//! terminal. It is killed with everything that it started when [`Build::kill`] is called or the
//! build is dropped; if this process is killed, the guard does the same.

use super::{
    CargoError, Invocation, TestBinary, Workspace,
    assembly::{Assembler, DoctestLibrary, MessageEffect},
    guard::{self, Guarded},
};
use camino::Utf8Path;
use std::{collections::VecDeque, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::{ChildStderr, ChildStdout},
    time::timeout,
};

/// The limit of a line in bytes. A diagnostic in JSON can have megabytes.
const LINE_LIMIT: usize = 256 << 20;

/// How long to wait for more output after Cargo has ended, if another process (such as a daemon
/// started by a compiler wrapper) keeps a pipe open.
const OPEN_PIPE_TIMEOUT: Duration = Duration::from_millis(200);

/// The destination of the standard error of Cargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stderr {
    /// The standard error of this process. Cargo draws its own progress.
    Inherited,
    /// Nothing.
    Discarded,
    /// [`BuildEvent::Stderr`] events. Cargo draws no progress; lines are coloured if the invocation
    /// says so.
    Piped,
}

/// Something that happened in the build.
#[derive(Debug)]
pub enum BuildEvent {
    /// A target was built or is up to date. With [`Stderr::Piped`] also: Cargo started to compile a
    /// package.
    Progress,
    /// A test binary is ready to run.
    Binary(Box<TestBinary>),
    /// A line of Cargo's standard error. Only with [`Stderr::Piped`].
    Stderr(String),
    /// A line of Cargo's standard output that the user requested with `--message-format`.
    Message(String),
    /// The build has ended. `code` is the exit code of Cargo, unless it was killed.
    Finished { success: bool, code: Option<i32> },
}

/// A running build whose messages are not read yet. Dropping it kills the build.
pub struct StartedBuild {
    invocation: Invocation,
    child: Guarded,
    /// Whether the user requested the messages of Cargo.
    echo: bool,
}

/// A running build as a stream of events. Dropping it kills the build.
pub struct Build {
    child: Guarded,
    stdout: Option<PipeLines<ChildStdout>>,
    stderr: Option<PipeLines<ChildStderr>>,
    assembler: Assembler,
    echo: bool,
    ready: VecDeque<BuildEvent>,
    finished: bool,
}

/// Starts the build. Cargo runs without delay until its messages fill a pipe.
pub fn start_build(invocation: &Invocation, stderr: Stderr) -> Result<StartedBuild, CargoError> {
    let (format, echo) = message_format(invocation);
    let (mut command, is_guarded) = guard::command(invocation, &invocation.cargo);
    command
        .current_dir(&invocation.directory)
        .args(["test", "--message-format", &format])
        .args(invocation.options.build_arguments())
        .envs(invocation.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    match &invocation.doctests {
        None => command.arg("--no-run"),
        Some(build) => command
            .arg("--doc")
            .args(build.quiet.then_some("--quiet"))
            .envs(build.environment.iter().cloned()),
    };
    match stderr {
        Stderr::Inherited => command.stderr(Stdio::inherit()),
        Stderr::Discarded => command.stderr(Stdio::null()),
        Stderr::Piped => command
            .stderr(Stdio::piped())
            .env("CARGO_TERM_PROGRESS_WHEN", "never"),
    };
    if let Some(color) = invocation.color {
        command.env("CARGO_TERM_COLOR", if color { "always" } else { "never" });
    }
    let child = Guarded::spawn(command, is_guarded).map_err(|source| CargoError::Start {
        program: invocation.cargo.clone(),
        source,
    })?;
    Ok(StartedBuild {
        invocation: invocation.clone(),
        child,
        echo,
    })
}

/// The message format to request from Cargo, and whether to pass messages on to the user. JSON is
/// always needed; `short` and `human` decide only the form of diagnostics.
fn message_format(invocation: &Invocation) -> (String, bool) {
    let wanted: Vec<&str> = invocation
        .options
        .values("message-format")
        .flat_map(|value| value.split(','))
        .collect();
    match wanted.as_slice() {
        [] | ["human"] => ("json-render-diagnostics".to_owned(), false),
        ["short"] => (
            "json-render-diagnostics,json-diagnostic-short".to_owned(),
            false,
        ),
        formats => (formats.join(","), true),
    }
}

impl StartedBuild {
    /// The stream of events of the build. `workspace` is needed to read the messages.
    pub fn stream(mut self, workspace: Arc<Workspace>) -> Build {
        Build {
            stdout: self.child.child.stdout.take().map(PipeLines::new),
            stderr: self.child.child.stderr.take().map(PipeLines::new),
            child: self.child,
            assembler: Assembler::new(self.invocation, workspace),
            echo: self.echo,
            ready: VecDeque::new(),
            finished: false,
        }
    }
}

impl Build {
    /// For tests: a build with these events.
    #[cfg(test)]
    pub fn of(events: Vec<BuildEvent>, workspace: Arc<Workspace>) -> Self {
        let child = tokio::process::Command::new("true")
            .spawn()
            .expect("start a program");
        let invocation = Invocation::new(super::CargoOptions::default());
        Self {
            child: Guarded {
                child,
                is_guarded: false,
            },
            stdout: None,
            stderr: None,
            assembler: Assembler::new(invocation.expect("there is a directory"), workspace),
            echo: false,
            ready: events.into(),
            finished: true,
        }
    }

    /// The next event; `None` after the end. May be cancelled and called again.
    pub async fn next(&mut self) -> Option<Result<BuildEvent, CargoError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.finished {
                return None;
            }
            if let Err(error) = self.advance().await {
                self.finished = true;
                self.kill();
                return Some(Err(error));
            }
        }
    }

    /// The library with this file, as if it were a test binary, and the files of all libraries that
    /// it may be made of. Only for a build of documentation tests that has ended. Blocks if the
    /// library is not a member's.
    pub fn doctest_library(
        &mut self,
        file: &Utf8Path,
    ) -> Result<Option<DoctestLibrary>, CargoError> {
        self.assembler.doctest_library(file)
    }

    /// Kills Cargo and all processes that it started. Earlier events can still be read.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Waits for output or the end of Cargo, and queues the resulting events.
    async fn advance(&mut self) -> Result<(), CargoError> {
        if self.stdout.is_none() && self.stderr.is_none() {
            return self.finish().await;
        }
        tokio::select! {
            line = next_line(&mut self.stdout), if self.stdout.is_some() => match line? {
                Some(line) => self.on_stdout(line)?,
                None => self.stdout = None,
            },
            line = next_line(&mut self.stderr), if self.stderr.is_some() => match line? {
                Some(line) => self.on_stderr(line),
                None => self.stderr = None,
            },
            _ = self.child.child.wait() => self.drain().await?,
        }
        Ok(())
    }

    /// Reads the remaining output after the end of Cargo. Does not wait for other processes that
    /// keep the pipes open.
    async fn drain(&mut self) -> Result<(), CargoError> {
        while let Some(line) = line_within_timeout(&mut self.stdout).await? {
            self.on_stdout(line)?;
        }
        while let Some(line) = line_within_timeout(&mut self.stderr).await? {
            self.on_stderr(line);
        }
        (self.stdout, self.stderr) = (None, None);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), CargoError> {
        let status = self
            .child
            .child
            .wait()
            .await
            .map_err(|source| CargoError::Read {
                what: "the exit status",
                source,
            })?;
        self.finished = true;
        self.ready.push_back(BuildEvent::Finished {
            success: status.success(),
            code: status.code(),
        });
        Ok(())
    }

    fn on_stdout(&mut self, line: String) -> Result<(), CargoError> {
        let effect = self.assembler.on_message(&line)?;
        if self.echo || effect == MessageEffect::Other {
            self.ready.push_back(BuildEvent::Message(line));
        }
        let binaries = match effect {
            MessageEffect::Built { binaries } => {
                self.ready.push_back(BuildEvent::Progress);
                binaries
            }
            MessageEffect::Ended { binaries } => binaries,
            MessageEffect::Nothing | MessageEffect::Other => return Ok(()),
        };
        let binaries = binaries.into_iter().map(Box::new);
        self.ready.extend(binaries.map(BuildEvent::Binary));
        Ok(())
    }

    fn on_stderr(&mut self, line: String) {
        let is_progress = names_compiled_package(&line);
        self.ready.push_back(BuildEvent::Stderr(line));
        self.ready
            .extend(is_progress.then_some(BuildEvent::Progress));
    }
}

/// Whether this is a line such as `   Compiling serde v1.0.0 (/path)`.
fn names_compiled_package(line: &str) -> bool {
    let plain = console::strip_ansi_codes(line);
    plain.trim_start().starts_with("Compiling ")
}

/// The lines of a pipe. A line that was read partially is kept when waiting is cancelled.
struct PipeLines<R> {
    what: &'static str,
    reader: BufReader<R>,
    partial: Vec<u8>,
}

/// The name of a pipe in errors.
trait NamedPipe {
    const NAME: &'static str;
}

impl NamedPipe for ChildStdout {
    const NAME: &'static str = "the standard output";
}

impl NamedPipe for ChildStderr {
    const NAME: &'static str = "the standard error";
}

impl<R: AsyncRead + Unpin + NamedPipe> PipeLines<R> {
    fn new(pipe: R) -> Self {
        Self {
            what: R::NAME,
            reader: BufReader::with_capacity(64 << 10, pipe),
            partial: Vec::new(),
        }
    }

    async fn next(&mut self) -> Result<Option<String>, CargoError> {
        let room = (LINE_LIMIT - self.partial.len()) as u64;
        (&mut self.reader)
            .take(room)
            .read_until(b'\n', &mut self.partial)
            .await
            .map_err(|source| CargoError::Read {
                what: self.what,
                source,
            })?;
        if self.partial.len() >= LINE_LIMIT {
            return Err(CargoError::LongLine {
                what: self.what,
                limit: LINE_LIMIT,
            });
        }
        let line = std::mem::take(&mut self.partial);
        if line.is_empty() {
            return Ok(None);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }
}

/// The next line of a pipe, or `None` if the pipe is closed.
async fn next_line<R: AsyncRead + Unpin + NamedPipe>(
    lines: &mut Option<PipeLines<R>>,
) -> Result<Option<String>, CargoError> {
    match lines {
        Some(lines) => lines.next().await,
        None => Ok(None),
    }
}

/// The next line of a pipe. `None`: the pipe is closed, or other processes keep it open.
async fn line_within_timeout<R: AsyncRead + Unpin + NamedPipe>(
    lines: &mut Option<PipeLines<R>>,
) -> Result<Option<String>, CargoError> {
    match timeout(OPEN_PIPE_TIMEOUT, next_line(lines)).await {
        Ok(line) => line,
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::CargoOptions;

    #[test]
    fn a_status_line_names_the_compiled_package() {
        assert!(names_compiled_package(
            "\u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m my-app v1.2.3 (/ws/my app)"
        ));
        assert!(!names_compiled_package("    Finished `test` profile"));
        assert!(!names_compiled_package("error: Compiling"));
    }

    #[test]
    fn json_is_requested_with_every_message_format() {
        let format = |arguments: &[&str]| {
            let options = CargoOptions::parse(arguments.iter().copied());
            message_format(&Invocation::new(options).unwrap())
        };
        let ours = "json-render-diagnostics".to_owned();
        assert_eq!(format(&[]), (ours.clone(), false));
        assert_eq!(format(&["--message-format=human"]), (ours.clone(), false));
        let short = format!("{ours},json-diagnostic-short");
        assert_eq!(format(&["--message-format=short"]), (short, false));
        assert_eq!(
            format(&["--message-format", "json"]),
            ("json".to_owned(), true)
        );
    }
}
