//! `--shell`, `--debugger` and `--tracer`: a program of the user in the container of one test, with the
//! files, the variables and the working directory that the test has.

use super::SetUpError;
use super::command_line::ForegroundProgram;
use super::debugger_files::DebuggerFiles;
use super::surroundings::Surroundings;
use super::test_run::RunSettings;
use crate::config::EscapeCharacter;
use crate::container::{JobLimits, Step};
use crate::directive::TestSpec;
use crate::executor::{Container, Job, Outcome, Output, Status, out_of_memory};
use crate::foreground::{
    self, ForegroundEnd, StreamFailure, UserTerminal, make_interactive, pass_on, run_at_terminal,
};
use crate::process::{Interrupts, command_line, error_chain, to_stderr};
use crate::report::{self, Event, Reporter};
use crate::session::Session;
use crate::spec::LayerSpec;
use crate::test_job::{TestCase, TestContainerBuilder};
use camino::Utf8PathBuf;
use std::cell::RefCell;
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

/// The shell that is preferred, if the container has it.
const BASH: &str = "bash";

/// The shell that every container with the base has.
const SH: &str = "sh";

/// The programs of this machine that a container without a shell gets.
const SHELL_PROGRAMS: [&str; 4] = [SH, "cat", "env", "ls"];

/// The parts of a run that a program in the foreground needs.
pub struct Foreground {
    pub running: RunSettings,
    pub containers: Arc<TestContainerBuilder>,
    pub session: Session,
    pub surroundings: Arc<Surroundings>,
    pub reporter: Rc<RefCell<Box<dyn Reporter>>>,
    /// The directory of the toolchain.
    pub sysroot: Utf8PathBuf,
    /// Whether tests of the run are for an engine.
    pub has_engine: bool,
    /// Whether tests see nothing of this machine besides their containers.
    pub is_hermetic: bool,
}

/// Why a program in the foreground did not start, or lost its streams.
#[derive(Debug, thiserror::Error)]
pub enum ForegroundError {
    #[error("rustdoc only compiles {0}, so that it has no program to run")]
    OnlyCompiled(String),
    #[error("failed to make the container of {test}: {message}")]
    Container { test: String, message: String },
    #[error(
        "there is no `{0}` in the container of the test, and none that tests can see in the \
         directories of PATH; programs in your home directory are not shown to tests"
    )]
    NoProgram(String),
    #[error("failed to start `{program}` in the container of the test: {message}")]
    NotStarted { program: String, message: String },
    #[error("failed to connect the terminal to `{program}`: {source}")]
    Terminal {
        program: String,
        source: std::io::Error,
    },
    #[error("failed to write the output of `{program}`: {source}")]
    Write {
        program: String,
        source: std::io::Error,
    },
    #[error("failed to pass standard input on to `{program}`: {source}")]
    Stdin {
        program: String,
        source: std::io::Error,
    },
    #[error("failed to watch signals: {0}")]
    Signals(std::io::Error),
}

impl Foreground {
    /// Runs the program, and returns its exit code as a shell reports it. `None`: it was interrupted.
    pub async fn run(
        &self,
        case: &TestCase,
        program: &ForegroundProgram,
    ) -> Result<Option<u8>, SetUpError> {
        if !case.has_program() {
            return Err(ForegroundError::OnlyCompiled(case.name().to_string()).into());
        }
        let mut interrupts = Interrupts::watch().map_err(ForegroundError::Signals)?;
        // The view of the machine would show what a hermetic run hides.
        let over_machine = !self.is_hermetic && !matches!(program, ForegroundProgram::Shell);
        let preparing = async {
            if self.has_engine {
                to_stderr(format_args!(
                    "note: `{}` runs on this machine, not on the engine",
                    program.option()
                ));
            }
            match program {
                ForegroundProgram::Shell => self.shell(case).await,
                ForegroundProgram::Debugger(words) | ForegroundProgram::Tracer(words) => {
                    if over_machine {
                        self.over_test(case, words).await
                    } else {
                        self.with_files(case, words).await
                    }
                }
            }
        };
        tokio::pin!(preparing);
        let mut ticks = tokio::time::interval(report::TICK);
        let job = loop {
            tokio::select! {
                biased;
                _ = interrupts.next() => {
                    self.containers.builder.layers.cancel();
                    return Ok(None);
                }
                job = &mut preparing => break job?,
                _ = ticks.tick() => self.reporter.borrow_mut().tick(),
            }
        };
        self.in_foreground(job, program, over_machine, &mut interrupts)
            .await
    }

    /// The container of a test, with this specification.
    async fn container(
        &self,
        case: &TestCase,
        spec: &Arc<TestSpec>,
    ) -> Result<Container, SetUpError> {
        let (spec, binary) = (spec.clone(), case.binary.clone());
        let builder = self.containers.clone();
        let building = tokio::task::spawn_blocking(move || builder.container(&spec, &binary));
        let built = match building.await {
            Ok(Ok(container)) => Ok(container),
            Ok(Err(error)) => Err(error_chain(&error)),
            Err(error) => Err(error_chain(&error)),
        };
        for warning in self.containers.take_warnings() {
            self.reporter.borrow_mut().report(&Event::Warning(&warning));
        }
        let mut container = built.map_err(|message| ForegroundError::Container {
            test: case.name().to_string(),
            message,
        })?;
        // A shell and a debugger expect that another process adopts orphans.
        container.init = true;
        // Nothing is copied out of the container.
        container.outputs.clear();
        container.watched.clear();
        Ok(container)
    }

    /// The job of the test in a container with this specification, without what would end it.
    async fn job(&self, case: &TestCase, spec: &Arc<TestSpec>) -> Result<Job, SetUpError> {
        let container = self.container(case, spec).await?;
        Ok(Job {
            timeout: None,
            limits: JobLimits::default(),
            should_panic: false,
            ..self.running.job(case, Arc::new(container))
        })
    }

    /// The job of a shell in the container of a test. Says how the test is run.
    async fn shell(&self, case: &TestCase) -> Result<Job, SetUpError> {
        let mut job = self.job(case, &case.spec).await?;
        let test = test_command(&job);
        let shell = self.shell_of(&job).await;
        if shell.is_none() {
            let mut spec = TestSpec::clone(&case.spec);
            spec.container.layers.push(LayerSpec::Programs {
                programs: SHELL_PROGRAMS.map(str::to_owned).to_vec(),
            });
            let container = self.container(case, &Arc::new(spec)).await?;
            job.container = Arc::new(container);
            to_stderr(format_args!(
                "note: the container has no shell, so it gets {} of this machine",
                SHELL_PROGRAMS.map(|name| format!("`{name}`")).join(", ")
            ));
        }
        job.program = shell.unwrap_or(SH).into();
        job.arguments.clear();
        let is_at_terminal = UserTerminal::of_stdin().is_some();
        if is_at_terminal {
            if shell == Some(BASH) {
                // These files would replace the prompt.
                job.arguments = ["--noprofile", "--norc"].map(str::to_owned).to_vec();
            }
            job.arguments.push("-i".to_owned());
            let environment = &mut Arc::make_mut(&mut job.container).environment;
            environment.insert("PS1".to_owned(), prompt(&case.listed.name));
        }
        let name = case.name();
        to_stderr(format_args!(
            "A shell in the container of {name}. The command of the test:\n\n    {test}\n"
        ));
        if is_at_terminal {
            to_stderr(format_args!(
                "`exit` or Ctrl-D leaves, and Ctrl-] Ctrl-C ends a shell that hangs. What is written \
                 in the container is discarded.\n"
            ));
        }
        Ok(job)
    }

    /// The shell that the container has.
    async fn shell_of(&self, job: &Job) -> Option<&'static str> {
        let probe = Job {
            program: SH.into(),
            arguments: vec!["-c".to_owned(), format!("command -v {BASH} || true")],
            ..job.clone()
        };
        let local = &self.session.executors.local;
        let output = Output::Capture { limit: 4096 };
        let outcome = local.run(&probe, output, ready(Some(0))).await?;
        let has_bash = !outcome.stdout.is_empty();
        (outcome.is_success()).then_some(if has_bash { BASH } else { SH })
    }

    /// The job of a program to which the command of the test is given, over the view of the machine.
    async fn over_test(&self, case: &TestCase, words: &[String]) -> Result<Job, SetUpError> {
        let mut job = self.job(case, &case.spec).await?;
        self.surroundings
            .add_variables(Arc::make_mut(&mut job.container));
        prepend(&mut job, words);
        to_stderr(format_args!(
            "note: for `{}`, the container shows the files of this machine too, read-only",
            job.program
        ));
        Ok(job)
    }

    /// The job of a program to which the command of the test is given, in the container of the test
    /// with the files of this program.
    async fn with_files(&self, case: &TestCase, words: &[String]) -> Result<Job, SetUpError> {
        let files = DebuggerFiles {
            sysroot: &self.sysroot,
            cargo_home: &self.surroundings.cargo_home,
        };
        let mut words = words.to_vec();
        let mut spec = TestSpec::clone(&case.spec);
        if let Some(program) = words.first_mut() {
            files.add_to(&mut spec.container, program);
            *program = files.program(program);
        }
        let mut job = self.job(case, &Arc::new(spec)).await?;
        prepend(&mut job, &words);
        Ok(job)
    }

    /// Runs the job at the user's terminal, or with the standard streams. `over_machine`: over the
    /// view of the machine.
    async fn in_foreground(
        &self,
        mut job: Job,
        program: &ForegroundProgram,
        over_machine: bool,
        interrupts: &mut Interrupts,
    ) -> Result<Option<u8>, SetUpError> {
        let name = job.program.to_string();
        let terminal = match program {
            ForegroundProgram::Tracer(_) => None,
            _ => UserTerminal::of_stdin(),
        };
        let local = self.session.executors.local.clone();
        let run = async |job: &Job, output| {
            let turn = ready(Some(0));
            if over_machine {
                local.run_over_machine(job, output, turn).await
            } else {
                local.run(job, output, turn).await
            }
        };
        let end = if let Some(terminal) = terminal {
            make_interactive(&mut job);
            let run = |output| run(&job, output);
            run_at_terminal(terminal, EscapeCharacter::DEFAULT, interrupts, run)
                .await
                .map_err(|source| ForegroundError::Terminal {
                    program: name.clone(),
                    source,
                })?
        } else {
            let failure = StreamFailure::default();
            let sink = pass_on(failure.clone());
            let output = match program {
                // As the test itself.
                ForegroundProgram::Tracer(_) => Output::Stream { limit: 0, sink },
                _ => Output::Piped {
                    stdin: foreground::stdin_pipe().map_err(|source| ForegroundError::Stdin {
                        program: name.clone(),
                        source,
                    })?,
                    sink,
                },
            };
            let end = tokio::select! {
                biased;
                _ = interrupts.next() => ForegroundEnd::Interrupted,
                outcome = run(&job, output) => outcome.into(),
            };
            if let Some(source) = failure.take() {
                let program = name;
                return Err(ForegroundError::Write { program, source }.into());
            }
            end
        };
        match end {
            ForegroundEnd::Ended(outcome) => exit_code(*outcome, name).map(Some),
            ForegroundEnd::Interrupted => Ok(None),
        }
    }
}

/// The exit code of a program as a shell reports it.
fn exit_code(outcome: Outcome, program: String) -> Result<u8, SetUpError> {
    let message = match outcome.status {
        Status::Exited(code) => return Ok(u8::try_from(code).unwrap_or(1)),
        Status::Signaled(signal) => return Ok(u8::try_from(128 + signal).unwrap_or(1)),
        Status::NotStarted(error) => match &error.step {
            Step::Execute { program } if error.errno == nix::libc::ENOENT => {
                return Err(ForegroundError::NoProgram(program.clone()).into());
            }
            _ => error.message(),
        },
        Status::Error(message) => message,
        Status::TimedOut => "it took too long".to_owned(),
        Status::OutOfMemory { limit } => out_of_memory(limit),
    };
    Err(ForegroundError::NotStarted { program, message }.into())
}

/// Puts words before the command of a job.
fn prepend(job: &mut Job, words: &[String]) {
    let mut words = words.to_vec();
    words.push(job.program.to_string());
    words.append(&mut job.arguments);
    job.program = words.remove(0).into();
    job.arguments = words;
}

/// The command that runs a test in its container, for a shell.
fn test_command(job: &Job) -> String {
    let words = [&*job.program].into_iter();
    command_line(words.chain(job.arguments.iter().map(String::as_str)))
}

/// The prompt of a shell in the container of a test with this name. Shells expand it.
fn prompt(test: &str) -> String {
    let plain = |c: char| if "$`\\!".contains(c) { '?' } else { c };
    let name: String = test.chars().map(plain).collect();
    format!("({name}) $PWD $ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_expanded_in_the_prompt() {
        assert_eq!(prompt("mod::test"), "(mod::test) $PWD $ ");
        assert_eq!(prompt("$(rm -r /)`\\u!"), "(?(rm -r /)??u?) $PWD $ ");
    }
}
