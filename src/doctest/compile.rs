//! The calls of rustdoc: which documentation tests a library has, and their executables.

use super::kept::{self, Kept, executable};
use super::listing::{Doctest, DoctestEnd};
use super::output::{self, PrintedResult, PrintedTest};
use super::recorder::{Recording, RustdocCall};
use super::{runtool, unnamed};
use crate::cargo::{Invocation, guard};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OnceCell, Semaphore};

/// The number of libraries whose tests are compiled at the same time. Most of the time, each uses
/// all processors.
const AT_ONCE: usize = 2;

/// What a caller wants to know about the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Their names. Rustdoc compiles no more than it needs for them.
    List,
    /// Their results or executables.
    Run,
}

/// Whether tests are compiled that their source marks as ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredTests {
    LeftOut,
    Only,
    Included,
    /// They are included, and it is known which they are.
    Marked,
}

impl IgnoredTests {
    /// The option of the test harness.
    fn option(self) -> Option<&'static str> {
        match self {
            // Rustdoc does not say which tests are ignored if it runs them: they are run alone.
            Self::LeftOut | Self::Marked => None,
            Self::Only => Some("--ignored"),
            Self::Included => Some("--include-ignored"),
        }
    }
}

/// Why the tests of a library are not known.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("cannot start {0}: {1}")]
    Start(PathBuf, io::Error),
    #[error("cannot read or write in {0}: {1}")]
    Files(Utf8PathBuf, io::Error),
    /// Rustdoc has found no tests, and says why.
    #[error("rustdoc failed ({0}):\n{1}")]
    Failed(ExitStatus, String),
    /// This rustdoc differs from those that are known.
    #[error("{0}")]
    Unexpected(String),
}

/// The tests of a library.
#[derive(Debug)]
pub struct CompiledTests {
    pub tests: Vec<Doctest>,
    /// The messages of rustdoc for the user.
    pub messages: String,
}

/// The messages of rustdoc as text. Cargo has it write diagnostics as JSON, which contains the text.
fn for_people(stderr: &str) -> String {
    let mut text = String::new();
    for line in stderr.lines() {
        let diagnostic = serde_json::from_str::<serde_json::Value>(line).ok();
        let rendered = diagnostic
            .as_ref()
            .and_then(|json| json["rendered"].as_str());
        text.push_str(rendered.unwrap_or(line).trim_end());
        text.push('\n');
    }
    text
}

/// The output of a call of rustdoc.
struct Called {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// Calls rustdoc.
#[derive(Debug)]
pub struct Compiler {
    invocation: Invocation,
    rustdoc: PathBuf,
    /// The number of tests that are compiled at the same time.
    threads: usize,
    ignored: IgnoredTests,
    turns: Semaphore,
    version: OnceCell<String>,
}

impl Compiler {
    pub fn new(
        invocation: Invocation,
        rustdoc: PathBuf,
        threads: usize,
        ignored: IgnoredTests,
    ) -> Self {
        Self {
            invocation,
            rustdoc,
            threads,
            ignored,
            turns: Semaphore::new(AT_ONCE),
            version: OnceCell::new(),
        }
    }

    pub fn rustdoc(&self) -> &Path {
        &self.rustdoc
    }

    /// The version of rustdoc, which it is asked for.
    pub async fn version(&self, recording: &Recording) -> Result<&str, CompileError> {
        let ask = async || {
            let called = self.call(recording, ["-vV".into()].into(), None).await?;
            Ok(called.stdout)
        };
        Ok(self.version.get_or_try_init(ask).await?)
    }

    /// What decides which tests there are, besides the code and rustdoc.
    pub fn mode(&self) -> String {
        format!("{:?}", self.ignored)
    }

    /// The tests of a library. Executables are kept in the directory, which must be empty.
    pub async fn compile(
        &self,
        recording: &Recording,
        directory: &Utf8Path,
        purpose: Purpose,
    ) -> Result<CompiledTests, CompileError> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let calls = Calls {
            compiler: self,
            recording,
            call: recording.call(),
            ignored: self.ignored,
        };
        let mut found = calls.compile(directory, purpose).await?;
        let leaves_out = |test: &Doctest| test.end == DoctestEnd::Ignored;
        if self.ignored == IgnoredTests::Marked && found.alone.iter().any(leaves_out) {
            let ignored = IgnoredTests::Only;
            let calls = Calls { ignored, ..calls };
            let ignored = calls.compile(&directory.join("ignored"), purpose).await?;
            complete(&mut found.alone, ignored.alone)?;
        }
        let mut tests = found.bundled;
        tests.extend(found.alone);
        if purpose == Purpose::List {
            // Rustdoc has compiled those that share an executable, as only this executable names them.
            kept::remove(directory)?;
            for test in &mut tests {
                test.end = DoctestEnd::Unknown;
            }
        }
        kept::settle(directory, &mut tests)?;
        Ok(CompiledTests {
            tests,
            messages: for_people(&found.stderr),
        })
    }

    /// Has rustdoc run the tests, as Cargo does. Returns whether they passed, and the output.
    pub async fn run_outside(
        &self,
        recording: &Recording,
        filters: &[String],
    ) -> Result<(bool, String), CompileError> {
        let mut arguments: Vec<OsString> = recording.arguments.iter().map(OsString::from).collect();
        let harness = filters.iter().map(String::as_str);
        arguments.extend(harness_arguments(harness.chain(self.ignored.option())));
        let called = self.call(recording, arguments, None).await?;
        let output = format!("{}{}", called.stderr, called.stdout);
        Ok((called.status.success(), output))
    }

    async fn call(
        &self,
        recording: &Recording,
        arguments: Vec<OsString>,
        temporary: Option<&Utf8Path>,
    ) -> Result<Called, CompileError> {
        let failed = |error| CompileError::Start(self.rustdoc.clone(), error);
        let (mut command, is_guarded) = guard::command(&self.invocation, &self.rustdoc);
        command
            .args(arguments)
            .current_dir(&recording.directory)
            .envs(&recording.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(temporary) = temporary {
            command.env("TMPDIR", temporary);
            // Rustdoc would print what belongs to a test anywhere.
            command.env_remove("RUST_TEST_NOCAPTURE");
        }
        let mut process = guard::Guarded::spawn(command, is_guarded).map_err(failed)?;
        let (stdout, stderr) = (process.child.stdout.take(), process.child.stderr.take());
        let started = Instant::now();
        let (stdout, stderr, status) =
            tokio::try_join!(read(stdout), read(stderr), process.child.wait()).map_err(failed)?;
        let directory = recording.directory.display();
        tracing::debug!("rustdoc took {:?} in {directory}", started.elapsed());
        Ok(Called {
            status,
            stdout,
            stderr,
        })
    }
}

/// The tests that calls of rustdoc have found.
struct Found {
    /// Those that share an executable with others.
    bundled: Vec<Doctest>,
    alone: Vec<Doctest>,
    stderr: String,
}

/// The calls of rustdoc for a library.
struct Calls<'a> {
    compiler: &'a Compiler,
    recording: &'a Recording,
    call: RustdocCall,
    ignored: IgnoredTests,
}

impl Calls<'_> {
    /// Has rustdoc compile the tests. Executables are kept in the directory.
    async fn compile(&self, directory: &Utf8Path, purpose: Purpose) -> Result<Found, CompileError> {
        let mut harness = vec![format!("--test-threads={}", self.compiler.threads)];
        harness.extend(self.ignored.option().map(str::to_owned));
        if purpose == Purpose::List {
            harness.push("--list".to_owned());
        }
        let called = self.test(directory, runtool::FAILED, &harness).await?;
        let kept = Kept::read(directory)?;
        let is_usual = matches!(called.status.code(), Some(0 | runtool::FAILED));
        if !is_usual || (called.stdout.trim().is_empty() && !called.status.success()) {
            return Err(CompileError::Failed(
                called.status,
                for_people(&called.stderr),
            ));
        }
        let mut alone = if purpose == Purpose::List {
            let names = output::parse_list(&called.stdout)?.into_iter();
            names
                .map(|name| Doctest::new(&name, DoctestEnd::Unknown))
                .collect()
        } else {
            let printed = output::parse(&called.stdout)?;
            let has_section = called.stdout.contains("\nrunning ");
            if !has_section && kept.bundles.is_empty() {
                return Err(CompileError::Unexpected(
                    "the output has another form: it names no tests".to_owned(),
                ));
            }
            self.alone(directory, printed, &kept).await?
        };
        // Rustdoc does not say which tests are marked as ignored if it runs them.
        for test in &mut alone {
            test.listed.ignored |= self.ignored == IgnoredTests::Only;
        }
        Ok(Found {
            bundled: kept.bundled(self.ignored),
            alone,
            stderr: called.stderr,
        })
    }

    /// Calls rustdoc with the tool that keeps executables.
    async fn test(
        &self,
        directory: &Utf8Path,
        exit_code: i32,
        harness: &[String],
    ) -> Result<Called, CompileError> {
        let failed = |error| CompileError::Files(directory.to_owned(), error);
        // The executables can be moved only within a file system.
        let temporary = directory.join("tmp");
        fs::create_dir_all(&temporary).map_err(failed)?;
        let mut arguments: Vec<OsString> = self.call.arguments.iter().map(OsString::from).collect();
        arguments.extend(["--color", "never"].map(OsString::from));
        arguments.extend(runtool::options(directory.as_std_path(), exit_code).map_err(failed)?);
        arguments.extend(harness_arguments(harness.iter().map(String::as_str)));
        let calling = (self.compiler).call(self.recording, arguments, Some(&temporary));
        let called = calling.await?;
        fs::remove_dir_all(&temporary).map_err(failed)?;
        Ok(called)
    }

    /// The tests that share no executable with others.
    async fn alone(
        &self,
        directory: &Utf8Path,
        printed: Vec<PrintedTest>,
        kept: &Kept,
    ) -> Result<Vec<Doctest>, CompileError> {
        let mut unnamed: Vec<&String> = kept.alone.iter().collect();
        let mut tests = Vec::new();
        // The tests that should panic: the tool has failed for them, so they passed.
        let mut panicking = Vec::new();
        for test in &printed {
            let end = match &test.result {
                PrintedResult::Ignored => DoctestEnd::Ignored,
                PrintedResult::Failed(text) => DoctestEnd::Failed(text.clone()),
                PrintedResult::Kept(name) => {
                    let index = unnamed.iter().position(|other| *other == name);
                    let index = index.ok_or_else(|| {
                        CompileError::Unexpected(format!("{} has no executable", test.name))
                    })?;
                    unnamed.swap_remove(index);
                    executable(directory, name, false)
                }
                PrintedResult::Passed => {
                    if !test.only_compiled {
                        panicking.push(tests.len());
                    }
                    DoctestEnd::Passed
                }
            };
            tests.push(Doctest::new(&test.name, end));
        }
        if panicking.len() != unnamed.len() {
            return Err(CompileError::Unexpected(format!(
                "{} tests passed without being run, and {} executables have no name",
                panicking.len(),
                unnamed.len()
            )));
        }
        let names: Vec<&str> = panicking
            .iter()
            .map(|&index| printed[index].name.as_str())
            .collect();
        let pairs = if let ([_], [_]) = (&names[..], &unnamed[..]) {
            vec![(0, 0)]
        } else {
            unnamed::match_by_symbols(&names, &kept::symbols(directory, &unnamed).await?)
        };
        for &(name, found) in &pairs {
            tests[panicking[name]].end = executable(directory, unnamed[found], true);
        }
        let is_found = |name: usize| pairs.iter().any(|(other, _)| *other == name);
        let open: Vec<usize> = (0..names.len())
            .filter(|&name| !is_found(name))
            .map(|name| panicking[name])
            .collect();
        if !open.is_empty() {
            self.one_by_one(directory, &printed, &open, &mut tests)
                .await?;
        }
        Ok(tests)
    }

    /// Compiles tests that should panic once more, one after the other, so that the order of the
    /// executables is that of the names. `open` are the indices of these tests.
    async fn one_by_one(
        &self,
        directory: &Utf8Path,
        first: &[PrintedTest],
        open: &[usize],
        tests: &mut [Doctest],
    ) -> Result<(), CompileError> {
        let directory = directory.join("one-by-one");
        let mut harness = vec!["--test-threads=1".to_owned()];
        harness.extend(self.ignored.option().map(str::to_owned));
        // Rustdoc divides arguments at spaces, so no filter can be a whole name.
        let lines = open
            .iter()
            .map(|&index| unnamed::line_of(&first[index].name));
        if let Some(lines) = lines.collect::<Option<Vec<_>>>() {
            harness.extend(lines.into_iter().map(|line| format!("{line})")));
        }
        // The tool succeeds, so that the tests fail, and compiling alone does not look like that.
        let called = self.test(&directory, 0, &harness).await?;
        let printed = output::parse(&called.stdout)?;
        let kept = Kept::read(&directory)?;
        let ran_before = |name: &str| {
            first.iter().zip(&*tests).any(|(test, doctest)| {
                test.name == name
                    && (matches!(doctest.end, DoctestEnd::Executable { .. })
                        || test.result == PrintedResult::Passed)
            })
        };
        let ran: Vec<&str> = printed
            .iter()
            .filter(|test| !test.only_compiled && test.result != PrintedResult::Ignored)
            .map(|test| test.name.as_str())
            .filter(|name| ran_before(name))
            .collect();
        if ran.len() != kept.alone.len() {
            return Err(CompileError::Unexpected(format!(
                "of tests one by one, {} ran, and {} executables were kept",
                ran.len(),
                kept.alone.len()
            )));
        }
        let mut pairs: Vec<(&str, &String)> = ran.into_iter().zip(&kept.alone).collect();
        for &index in open {
            let name = &first[index].name;
            let found = pairs.iter().position(|(other, _)| other == name);
            let found = found.ok_or_else(|| {
                CompileError::Unexpected(format!("{name} was not run when its line was selected"))
            })?;
            let (_, found) = pairs.remove(found);
            tests[index].end = executable(&directory, found, true);
        }
        Ok(())
    }
}

/// Gives tests that were left out as ignored the ends that they have when they are run.
fn complete(tests: &mut [Doctest], ignored: Vec<Doctest>) -> Result<(), CompileError> {
    // Several tests may have one name: then nothing tells them apart.
    let mut ends: HashMap<String, VecDeque<DoctestEnd>> = HashMap::new();
    for test in ignored {
        ends.entry(test.listed.name)
            .or_default()
            .push_back(test.end);
    }
    for test in tests {
        if test.end == DoctestEnd::Ignored {
            let end = ends
                .get_mut(&test.listed.name)
                .and_then(VecDeque::pop_front);
            test.end = end.ok_or_else(|| {
                let name = &test.listed.name;
                CompileError::Unexpected(format!("{name} was not run with `--ignored`"))
            })?;
        }
    }
    Ok(())
}

/// The arguments of rustdoc that give these to the test harness.
fn harness_arguments<'a>(harness: impl Iterator<Item = &'a str>) -> impl Iterator<Item = OsString> {
    harness.map(|word| format!("--test-args={word}").into())
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_are_shown_as_their_text() {
        let stderr = "plain\n{\"$message_type\":\"diagnostic\",\"message\":\"no\",\"rendered\":\"error: no\\n --> a\\n\\n\"}\n{\"other\":1}\n";
        assert_eq!(
            for_people(stderr),
            "plain\nerror: no\n --> a\n{\"other\":1}\n"
        );
        assert_eq!(for_people(""), "");
    }
}
