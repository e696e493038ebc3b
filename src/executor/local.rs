//! Running jobs on this machine, on launchers that are kept from job to job.
//!
//! The container of a job is made before the job has a slot, and removed after it has left the
//! slot. So there are more launchers than slots.

mod launcher_pool;
mod settings;

pub use settings::LocalSettings;

use super::directory_lock::DirectoryLock;
use super::job::{Container, Job, JobVariable, Outcome, Status};
use super::launch_plan::LaunchPlan;
use super::limits::{self, HeldLimits, LimitGroups};
use super::observed::{ObservedLayers, observed_container};
use super::output::{Collector, Output, Stream};
use super::outputs::{self, JobOutputs};
use crate::container::{
    EndedProgram, JobControlGroup, JobDescriptors, JobEnd, JobLimits, JobRequest, Launcher,
    LauncherConfig, LauncherError, WrittenFiles,
};
use crate::observe::{Facts, Observation, ObservedContainer};
use crate::process::error_chain;
use crate::spec::{Mount, Network, RootOverlay};
use launcher_pool::LauncherPool;
use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs jobs in containers on this machine. For use on one thread.
pub struct LocalExecutor {
    settings: LocalSettings,
    pool: LauncherPool,
    limit_groups: LimitGroups,
    /// Buffers for reading output. Each running job takes one.
    buffers: RefCell<Vec<Vec<u8>>>,
    observed_layers: ObservedLayers,
    /// The time at which all jobs must end.
    deadline: Cell<Option<Instant>>,
    /// Panics instead of running a job, for tests.
    #[cfg(test)]
    pub panics: Cell<bool>,
}

impl LocalExecutor {
    pub fn new(settings: LocalSettings, slots: usize) -> Self {
        Self {
            settings,
            pool: LauncherPool::new(slots),
            limit_groups: LimitGroups::default(),
            buffers: RefCell::default(),
            observed_layers: ObservedLayers::default(),
            deadline: Cell::default(),
            #[cfg(test)]
            panics: Cell::default(),
        }
    }

    /// Sets the time at which all jobs that start from now on must end.
    pub fn set_deadline(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// The identifier of the run: [`LocalSettings::run_id`].
    pub fn run_id(&self) -> &str {
        &self.settings.run_id
    }

    /// Starts a launcher with this network, before the first job. Fails if this machine cannot
    /// make containers.
    pub async fn warm_up(&self, network: Network) -> Result<(), LauncherError> {
        let config = LauncherConfig {
            trees: self.settings.trees.clone(),
            network: network.into(),
            binds: Vec::new(),
            machine: None,
        };
        let launcher = self.start(&config).await?;
        self.pool.put_back(config, launcher);
        Ok(())
    }

    /// Runs a job to its end. Its container is made at once. Its program starts when `turn` gives
    /// it a slot; without a slot there is no outcome. Dropping the future kills the job.
    ///
    /// A job whose launcher is lost before its program was started gets another launcher, once.
    /// The program is never started twice: its effects are not known, and it may have killed the
    /// launcher.
    pub async fn run(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<Outcome> {
        #[cfg(test)]
        assert!(!self.panics.get(), "a panic for a test");
        match self.try_run(job, output, turn, Mode::Run).await {
            Ok(ended) => ended.map(|(outcome, _)| outcome),
            Err(error) => Some(error_outcome(&error)),
        }
    }

    /// Runs a job as [`Self::run`] does, and observes what it asks for. If observing may have
    /// changed the outcome, the outcome is an error, and the facts say why. There are no
    /// facts if the container could not be made, or if its launcher was lost.
    pub async fn observe(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<(Outcome, Option<Facts>)> {
        self.run_observed(job, output, turn, Mode::Observe).await
    }

    /// Observes a job as [`Self::observe`] does, in its container laid over the view of the
    /// machine ([`LocalSettings::machine`]): the job sees the files of this machine below those of
    /// its layers, and cannot change them. The outcome of a job whose root keeps its changes
    /// ([`RootOverlay::Local`]) is an error.
    pub async fn look(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<(Outcome, Option<Facts>)> {
        self.run_observed(job, output, turn, Mode::Look).await
    }

    /// Runs a job as [`Self::run`] does, over the view of the machine, as [`Self::look`] does. The job
    /// is not observed, so that it can trace processes itself.
    pub async fn run_over_machine(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<Outcome> {
        match self.try_run(job, output, turn, Mode::RunOverMachine).await {
            Ok(ended) => ended.map(|(outcome, _)| outcome),
            Err(error) => Some(error_outcome(&error)),
        }
    }

    async fn run_observed(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
        mode: Mode,
    ) -> Option<(Outcome, Option<Facts>)> {
        let (mut outcome, facts) = match self.try_run(job, output, turn, mode).await {
            Ok(ended) => ended?,
            Err(error) => (error_outcome(&error), None),
        };
        if let Some(reason) = facts.as_ref().and_then(|facts| facts.void.as_ref()) {
            outcome.status = Status::Error(reason.to_string());
        }
        Some((outcome, facts))
    }

    async fn try_run(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
        mode: Mode,
    ) -> Result<Option<(Outcome, Option<Facts>)>, LauncherError> {
        let directories = self.exclusive_directories(&job.container);
        let lock = match directories.map_err(LauncherError::Start)? {
            none if none.is_empty() => None,
            directories => {
                let lock = DirectoryLock::wait(directories).await;
                Some(lock.map_err(LauncherError::Start)?)
            }
        };
        let plan = LaunchPlan::new(&job.container, &self.settings.cache_mounts);
        let lowers: Vec<String> = job
            .container
            .layers
            .iter()
            .map(ToString::to_string)
            .collect();
        let environment = environment(job, &self.settings.run_id);
        let observed = match mode {
            Mode::Observe | Mode::Look => {
                let layers = self.observed_layers.of(&job.container, &plan);
                Some(observed_container(job, &plan, &environment, layers))
            }
            Mode::Run | Mode::RunOverMachine => None,
        };
        let config = LauncherConfig {
            trees: self.settings.trees.clone(),
            network: plan.network,
            binds: plan.binds,
            machine: match mode {
                Mode::Look | Mode::RunOverMachine => Some(self.settings.machine.clone()),
                Mode::Run | Mode::Observe => None,
            },
        };
        let outputs = outputs::directories(&job.container.outputs);
        let request = JobRequest {
            lowers: lowers.iter().map(String::as_str).collect(),
            root: plan.root,
            mounts: plan.mounts,
            user: job.container.user,
            group: job.container.group,
            // Without an init, the scratch space is gone when the program has ended.
            init: job.container.init || !outputs.is_empty(),
            terminal: output.is_terminal(),
            hostname: job.container.hostname.as_str(),
            working_directory: job.container.working_directory.as_str(),
            program: &job.program,
            arguments: job.arguments.iter().map(String::as_str).collect(),
            environment: environment.iter().map(String::as_str).collect(),
            slot_variables: slot_variables(&job.variables),
            timeout: job.timeout.unwrap_or(Duration::ZERO),
            limits: job.limits,
            open_files: self.settings.open_files,
            scratch_size: self.settings.scratch_size,
            watched: job.container.watched.iter().map(|d| d.as_str()).collect(),
            outputs: outputs.iter().map(String::as_str).collect(),
        };
        // `turn` is polled first, so that jobs get slots in the order in which they came.
        let prepare = |choice| self.prepare(&config, &request, &output, choice, observed.clone());
        let (slot, prepared) = tokio::join!(turn, prepare(LauncherChoice::Any));
        let Some(slot) = slot else {
            return Ok(None);
        };
        let ended = match prepared {
            Ok(prepared) => self.run_prepared(prepared, slot, &job.limits).await,
            Err(error) => Err(error),
        };
        let (mut outcome, mut launcher, observation) = match ended {
            Err(LauncherError::LostBeforeStart(error)) => {
                tracing::warn!("a launcher was lost, and its job gets another one: {error}");
                let prepared = prepare(LauncherChoice::New).await?;
                self.run_prepared(prepared, slot, &job.limits).await?
            }
            ended => ended?,
        };
        if let Some(files) = launcher.take_written() {
            outcome.outputs = find_outputs(files, &job.container.outputs).await;
        }
        self.pool.put_back(config, launcher);
        // The lookups do not use the directories, so other jobs may.
        drop(lock);
        let facts = match observation {
            Some(observation) => observation.finish().await,
            None => None,
        };
        if job.should_panic {
            outcome.expect_panic(&output);
        }
        Ok(Some((outcome, facts)))
    }

    /// The directories that no other job may use meanwhile. Those of `cache` mounts are made.
    fn exclusive_directories(&self, container: &Container) -> io::Result<Vec<PathBuf>> {
        let mut directories = Vec::new();
        if let RootOverlay::Local { upper, work } = &container.root_overlay {
            directories.extend([upper, work].map(|path| path.as_std_path().to_owned()));
        }
        for mount in &container.mounts {
            if let Mount::Cache { name, .. } = mount {
                let directory = self.settings.cache_mounts.join(name);
                fs::create_dir_all(&directory)?;
                directories.push(directory);
            }
        }
        Ok(directories)
    }

    /// Makes a container with a launcher of the pool or a new one.
    async fn prepare(
        &self,
        config: &LauncherConfig,
        request: &JobRequest<&str>,
        output: &Output,
        choice: LauncherChoice,
        to_observe: Option<ObservedContainer>,
    ) -> Result<PreparedContainer, LauncherError> {
        let (observation, observer) = match to_observe.map(Observation::start) {
            Some(started) => {
                let (observation, observer) = started.map_err(LauncherError::Start)?;
                (Some(observation), Some(observer))
            }
            None => (None, None),
        };
        let (stdout, job_stdout) =
            Collector::new(Stream::Stdout, output.clone()).map_err(LauncherError::Start)?;
        let (stderr, job_stderr) =
            Collector::new(Stream::Stderr, output.clone()).map_err(LauncherError::Start)?;
        let kept = match choice {
            LauncherChoice::Any => self.pool.take(config),
            LauncherChoice::New => None,
        };
        let mut launcher = match kept {
            Some(launcher) => launcher,
            None => self.start(config).await?,
        };
        let group = self.limit_groups.group(&request.limits);
        let processes = group.as_ref().map(JobControlGroup::processes);
        let descriptors = JobDescriptors {
            stdout: job_stdout,
            stderr: job_stderr,
            stdin: (output.stdin().map(OwnedFd::try_clone).transpose())
                .map_err(LauncherError::Start)?,
            control_group: processes.transpose().map_err(LauncherError::Start)?,
            observer,
        };
        launcher.prepare(request, descriptors).await?;
        Ok(PreparedContainer {
            launcher,
            group,
            observation,
            stdout,
            stderr,
        })
    }

    /// Runs the program in the container that was made for it. Returns the launcher and the
    /// observer too.
    async fn run_prepared(
        &self,
        prepared: PreparedContainer,
        slot: usize,
        limits: &JobLimits,
    ) -> Result<(Outcome, Launcher, Option<Observation>), LauncherError> {
        let PreparedContainer {
            // Dropped after the launcher, with which the job ends.
            group,
            mut launcher,
            observation,
            mut stdout,
            mut stderr,
        } = prepared;
        let deadline = self.deadline.get();
        let time_left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        launcher.start_program(slot as u32, time_left).await?;
        let mut buffer = self.buffers.borrow_mut().pop().unwrap_or_default();
        let mut other_buffer = Vec::new();
        let end = tokio::select! {
            end = launcher.end() => end?,
            () = stdout.collect(&mut buffer) => unreachable!("collecting does not end"),
            () = stderr.collect(&mut other_buffer) => unreachable!("collecting does not end"),
        };
        // No process of the job is left, so the pipes have the rest of its output.
        let (stdout, stderr) = (stdout.finish(&mut buffer), stderr.finish(&mut buffer));
        self.buffers.borrow_mut().push(buffer);
        let events = group.map(|group| group.events());
        let outcome = match end {
            JobEnd::NotStarted(error) => Outcome::not_started(error),
            JobEnd::Ended(ended) => Outcome {
                status: limits::with_events(status(&ended), limits, events),
                stdout,
                stderr,
                duration: ended.duration,
                usage: ended.usage,
                limits: HeldLimits::of(limits, events),
                scratch_full: ended.scratch_full,
                leaked: ended.leaked,
                changed_files: ended.changed_files,
                outputs: None,
                cached: false,
            },
        };
        Ok((outcome, launcher, observation))
    }

    async fn start(&self, config: &LauncherConfig) -> Result<Launcher, LauncherError> {
        let launcher = Launcher::start(&self.settings.launcher, config).await?;
        tracing::debug!("a launcher for {:?} is ready", config.network);
        Ok(launcher)
    }
}

fn error_outcome(error: &LauncherError) -> Outcome {
    Outcome::error(match error.remedy() {
        Some(remedy) => format!("{}; {remedy}", error_chain(error)),
        None => error_chain(error),
    })
}

/// The variables whose values are known before the job has a slot, as `NAME=VALUE`.
fn environment(job: &Job, run_id: &str) -> Vec<String> {
    let of_container = job.container.environment.iter();
    let of_container = of_container.map(|(name, value)| format!("{name}={value}"));
    // getenv(3) finds the first variable of a name.
    let of_job = job.variables.iter().filter_map(|variable| match variable {
        JobVariable::Text { name, value } => Some(format!("{name}={value}")),
        JobVariable::RunId { name, suffix } => Some(format!("{name}={run_id}{suffix}")),
        JobVariable::GroupSlot { name } => Some(format!("{name}={}", job.group_slot_text())),
        JobVariable::Slot { .. } => None,
    });
    of_container.chain(of_job).collect()
}

fn slot_variables(variables: &[JobVariable]) -> Vec<&str> {
    let names = variables.iter().filter_map(|variable| match variable {
        JobVariable::Slot { name } => Some(name.as_str()),
        JobVariable::Text { .. } | JobVariable::RunId { .. } | JobVariable::GroupSlot { .. } => {
            None
        }
    });
    names.collect()
}

/// The way in which a job is run.
#[derive(Clone, Copy)]
enum Mode {
    /// In its container.
    Run,
    /// In its container laid over the view of the machine.
    RunOverMachine,
    /// In its container, and observed.
    Observe,
    /// In its container laid over the view of the machine, and observed.
    Look,
}

/// The launcher for a job.
#[derive(Clone, Copy)]
enum LauncherChoice {
    /// A launcher of the pool if there is one, otherwise a new one.
    Any,
    New,
}

/// A container that a launcher makes or has made for a job.
struct PreparedContainer {
    launcher: Launcher,
    /// The control group with the job's limits, if it has one.
    group: Option<JobControlGroup>,
    /// The observer of the job, if it has one.
    observation: Option<Observation>,
    stdout: Collector,
    stderr: Collector,
}

/// Searches on another thread, since a job may have written many files.
async fn find_outputs(files: WrittenFiles, globs: &[String]) -> Option<Arc<JobOutputs>> {
    let globs = globs.to_vec();
    let finding = tokio::task::spawn_blocking(move || JobOutputs::find(files, &globs));
    finding.await.ok().flatten().map(Arc::new)
}

fn status(ended: &EndedProgram) -> Status {
    use nix::libc::{WEXITSTATUS, WIFSIGNALED, WTERMSIG};
    if ended.timed_out {
        Status::TimedOut
    } else if WIFSIGNALED(ended.wait_status) {
        Status::Signaled(WTERMSIG(ended.wait_status))
    } else {
        Status::Exited(WEXITSTATUS(ended.wait_status))
    }
}
