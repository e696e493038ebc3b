//! The build: one child process, `cargo test --no-run`, and what it says while it
//! runs.
//!
//! Who the child is: a guard, which has Cargo as its child, or Cargo itself. It is in our
//! process group, so that the terminal's Ctrl-C and Ctrl-Z reach it and a question for a
//! password can be answered. It gets no standard input. It dies by itself, by the terminal,
//! or with everything it started when [`Build::kill`] is called or the build is dropped;
//! should we be killed, the guard does the same.

use super::{
    CargoError, Invocation, TestBinary, Workspace,
    assembly::{Assembler, Said},
    guard, process_tree,
};
use std::{collections::VecDeque, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdout},
    time::timeout,
};

/// More than any message; a diagnostic in JSON can take megabytes.
const MAXIMUM_LINE: usize = 256 << 20;

/// How long a pipe may stay open that something else than Cargo still holds (a daemon
/// started by a compiler wrapper, say).
const GRACE: Duration = Duration::from_millis(200);

/// What becomes of what Cargo tells people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stderr {
    /// It goes where ours goes: Cargo draws its own progress.
    Inherited,
    /// It comes as [`BuildEvent::Stderr`], without progress bar, and coloured if the
    /// invocation says so.
    Piped,
}

/// Something that happened in the build.
#[derive(Debug)]
pub enum BuildEvent {
    /// Cargo began with a package, `NAME vVERSION`. Only with [`Stderr::Piped`].
    Compiling(String),
    /// A target was built; `fresh` if it had been before.
    Built {
        package: String,
        target: String,
        fresh: bool,
    },
    /// A test binary is ready to run.
    Binary(Box<TestBinary>),
    /// A line of Cargo's standard error. Only with [`Stderr::Piped`].
    Stderr(String),
    /// A line of Cargo's standard output that the user asked for with a message format
    /// of their own.
    Message(String),
    /// The end. Whether the build succeeded, and Cargo's exit code, if it was not
    /// killed.
    Finished { success: bool, code: Option<i32> },
}

/// A build under way, whose messages nobody reads yet. Dropped, it ends.
pub struct StartedBuild {
    invocation: Invocation,
    child: Process,
    /// Whether the user wants to see the messages.
    echo: bool,
}

/// A build under way, as a stream of events. Dropped, it ends.
pub struct Build {
    child: Process,
    stdout: Option<Lines<ChildStdout>>,
    stderr: Option<Lines<ChildStderr>>,
    assembler: Assembler,
    echo: bool,
    ready: VecDeque<BuildEvent>,
    finished: bool,
}

/// Starts the build. Cargo gets going at once; it waits for its messages to be read
/// only when they fill a pipe.
pub fn start_build(invocation: &Invocation, stderr: Stderr) -> Result<StartedBuild, CargoError> {
    let (format, echo) = message_format(invocation);
    let (mut command, is_guarded) = guard::command(invocation);
    command
        .current_dir(&invocation.directory)
        .args(["test", "--no-run", "--message-format", &format])
        .args(invocation.options.build_arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    match stderr {
        Stderr::Inherited => command.stderr(Stdio::inherit()),
        Stderr::Piped => command
            .stderr(Stdio::piped())
            .env("CARGO_TERM_PROGRESS_WHEN", "never"),
    };
    if let Some(color) = invocation.color {
        command.env("CARGO_TERM_COLOR", if color { "always" } else { "never" });
    }
    let child = command.spawn().map_err(|source| CargoError::Start {
        program: invocation.cargo.clone(),
        source,
    })?;
    Ok(StartedBuild {
        invocation: invocation.clone(),
        child: Process { child, is_guarded },
        echo,
    })
}

/// The format to ask Cargo for, and whether the user is to see it. We need JSON in any
/// case; `short` and `human` only say how diagnostics look.
fn message_format(invocation: &Invocation) -> (String, bool) {
    let wanted: Vec<&str> = invocation
        .options
        .texts("message-format")
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
    /// The stream of its events, now that the workspace is known.
    pub fn stream(mut self, workspace: Arc<Workspace>) -> Build {
        Build {
            stdout: self.child.child.stdout.take().map(Lines::new),
            stderr: self.child.child.stderr.take().map(Lines::new),
            child: self.child,
            assembler: Assembler::new(self.invocation, workspace),
            echo: self.echo,
            ready: VecDeque::new(),
            finished: false,
        }
    }
}

impl Build {
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

    /// Ends Cargo and all it started; what it still said before can be read.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Waits for something to happen, and makes it events.
    async fn advance(&mut self) -> Result<(), CargoError> {
        if self.stdout.is_none() && self.stderr.is_none() {
            return self.finish().await;
        }
        tokio::select! {
            line = next_line(&mut self.stdout), if self.stdout.is_some() => match line? {
                Some(line) => self.hear(line)?,
                None => self.stdout = None,
            },
            line = next_line(&mut self.stderr), if self.stderr.is_some() => match line? {
                Some(line) => self.tell(line),
                None => self.stderr = None,
            },
            _ = self.child.child.wait() => self.drain().await?,
        }
        Ok(())
    }

    /// Cargo is gone: reads what it left, without waiting for others who hold the
    /// pipes.
    async fn drain(&mut self) -> Result<(), CargoError> {
        while self.stdout.is_some() {
            match timeout(GRACE, next_line(&mut self.stdout)).await {
                Ok(line) => match line? {
                    Some(line) => self.hear(line)?,
                    None => self.stdout = None,
                },
                Err(_) => self.stdout = None,
            }
        }
        while self.stderr.is_some() {
            match timeout(GRACE, next_line(&mut self.stderr)).await {
                Ok(line) => match line? {
                    Some(line) => self.tell(line),
                    None => self.stderr = None,
                },
                Err(_) => self.stderr = None,
            }
        }
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

    fn hear(&mut self, line: String) -> Result<(), CargoError> {
        let said = self.assembler.hear(&line)?;
        if self.echo || said == Said::Other {
            self.ready.push_back(BuildEvent::Message(line));
        }
        let binaries = match said {
            Said::Built {
                package,
                target,
                fresh,
                binaries,
            } => {
                self.ready.push_back(BuildEvent::Built {
                    package,
                    target,
                    fresh,
                });
                binaries
            }
            Said::Ended { binaries } => binaries,
            Said::Nothing | Said::Other => return Ok(()),
        };
        let binaries = binaries.into_iter().map(Box::new);
        self.ready.extend(binaries.map(BuildEvent::Binary));
        Ok(())
    }

    fn tell(&mut self, line: String) {
        let begun = begun(&line);
        self.ready.push_back(BuildEvent::Stderr(line));
        self.ready.extend(begun.map(BuildEvent::Compiling));
    }
}

/// The package in a line such as `   Compiling serde v1.0.0 (/path)`.
fn begun(line: &str) -> Option<String> {
    let plain = console::strip_ansi_codes(line);
    let package = plain.trim_start().strip_prefix("Compiling ")?;
    Some(package.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

/// The running Cargo or its guard, ended when nobody holds it any more.
struct Process {
    child: Child,
    is_guarded: bool,
}

impl Process {
    /// Ends Cargo and what it started: a compiler would go on, and be in the way of the
    /// next build.
    fn kill(&mut self) {
        // No id: it has been waited for, and is no process any more.
        let Some(id) = self.child.id() else { return };
        if self.is_guarded {
            guard::end(id as i32);
        } else {
            process_tree::kill(id as i32);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lines of a pipe. What was read of one is kept when waiting for its end is given up.
struct Lines<R> {
    what: &'static str,
    reader: BufReader<R>,
    partial: Vec<u8>,
}

/// The name of a pipe, for errors.
trait Named {
    const NAME: &'static str;
}

impl Named for ChildStdout {
    const NAME: &'static str = "the standard output";
}

impl Named for ChildStderr {
    const NAME: &'static str = "the standard error";
}

impl<R: AsyncRead + Unpin + Named> Lines<R> {
    fn new(pipe: R) -> Self {
        Self {
            what: R::NAME,
            reader: BufReader::with_capacity(64 << 10, pipe),
            partial: Vec::new(),
        }
    }

    async fn next(&mut self) -> Result<Option<String>, CargoError> {
        let room = (MAXIMUM_LINE - self.partial.len()) as u64;
        (&mut self.reader)
            .take(room)
            .read_until(b'\n', &mut self.partial)
            .await
            .map_err(|source| CargoError::Read {
                what: self.what,
                source,
            })?;
        if self.partial.len() >= MAXIMUM_LINE {
            return Err(CargoError::LongLine {
                what: self.what,
                limit: MAXIMUM_LINE,
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

/// The next line of a pipe that may be closed already.
async fn next_line<R: AsyncRead + Unpin + Named>(
    lines: &mut Option<Lines<R>>,
) -> Result<Option<String>, CargoError> {
    match lines {
        Some(lines) => lines.next().await,
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Options;

    #[test]
    fn a_line_of_cargos_names_what_it_compiles() {
        assert_eq!(
            begun("\u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m my-app v1.2.3 (/ws/my app)"),
            Some("my-app v1.2.3".to_owned())
        );
        assert_eq!(begun("    Finished `test` profile"), None);
        assert_eq!(begun("error: Compiling"), None);
    }

    #[test]
    fn json_is_asked_for_whatever_people_want_to_see() {
        let format = |arguments: &[&str]| {
            let options = Options::parse(arguments);
            message_format(&Invocation::new(options).unwrap())
        };
        let ours = "json-render-diagnostics".to_owned();
        assert_eq!(format(&[]), (ours.clone(), false));
        assert_eq!(
            format(&["--cargo-message-format=human"]),
            (ours.clone(), false)
        );
        let short = format!("{ours},json-diagnostic-short");
        assert_eq!(format(&["--cargo-message-format=short"]), (short, false));
        assert_eq!(
            format(&["--message-format", "json"]),
            ("json".to_owned(), true)
        );
    }
}
