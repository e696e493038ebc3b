//! The init: pid 1 of a job whose program has another pid.
//!
//! The kernel ignores signals to a pid 1 that has no handler for them, so a program that is
//! pid 1 cannot abort. The init starts the program, reaps orphaned processes, and ends when
//! the program ends. The kernel then kills all other processes of the job. If there are
//! none, the init sends the reply to the client before it ends, so that the client need not
//! wait until the kernel has removed the container. The init has no capability. Its memory
//! is the launcher's, and the job cannot read it.

use super::changed_files;
use super::channel::Channel;
use super::job::{self, JobState, RunningJob};
use super::launcher;
use super::outputs;
use super::program::{self, Confinement, PreparedProgram};
use super::protocol::{EndedProgram, ReceivedRequest, Reply, ResourceUsage, Root};
use super::root::RetainedDescriptors;
use super::seccomp::JobObservation;
use super::step::{Step, StepContext, StepError};
use super::sys::{self, Stack};
use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

pub struct Init<'a> {
    pub running: RunningJob,
    pub request: &'a ReceivedRequest<'a>,
    pub program: &'a PreparedProgram,
    pub confinement: Confinement,
    pub retained: RetainedDescriptors,
    /// `None` if the program is not observed.
    pub observation: Option<JobObservation>,
    pub child_signals: &'a SignalFd,
    pub client: &'a mut Channel,
    pub stack: &'a mut Stack,
}

/// The result of waiting for the program.
enum WaitResult {
    Ended { status: i32, timed_out: bool },
    ClientGone,
}

impl Init<'_> {
    /// Runs the program to its end.
    pub fn run(mut self) -> Result<JobState, StepError> {
        job::start_session()?;
        let mut failure = None;
        let program = sys::vfork(self.stack, &mut || {
            failure = Some(start(
                self.program,
                self.request,
                &self.confinement,
                &self.retained.proc,
                self.observation.as_ref(),
            ));
            127
        })
        .step(Step::CreateProgramProcess)?;
        // The observer notices by this that a program was not started.
        self.observation = None;
        if let Some(failure) = failure {
            return Err(failure);
        }
        sys::drop_capabilities().step(Step::DropCapabilities)?;
        nix::sys::prctl::set_name(c"init").step(Step::SetProcessName)?;
        let (wait_status, timed_out) = match self.wait_for(program)? {
            WaitResult::Ended { status, timed_out } => (status, timed_out),
            WaitResult::ClientGone => return Ok(JobState::ClientGone),
        };
        let usage = sys::usage_of_children().step(Step::ReadResourceUsage)?;
        let mut ended = EndedProgram {
            wait_status,
            timed_out,
            leaked: false,
            scratch_full: self.retained.scratch.as_ref().is_some_and(is_full),
            changed_files: match &self.retained.scratch {
                Some(scratch) if wait_status != 0 => {
                    let uppers = &self.retained.root.uppers;
                    changed_files::below(scratch, &self.request.watched, uppers)
                }
                _ => Vec::new(),
            },
            duration: self.running.started.elapsed(),
            usage: ResourceUsage::from(usage),
        };
        let limits = self.request.limits;
        let is_alone = self.wait_for_others(limits.leak.unwrap_or_default());
        ended.leaked = !is_alone && !timed_out && self.request.limits.leak.is_some();
        let is_alone = if !is_alone && !limits.farewell.is_zero() {
            let _ = kill(Pid::from_raw(-1), Signal::SIGTERM);
            self.wait_for_others(limits.farewell)
        } else {
            is_alone
        };
        let is_alone = if self.request.outputs.is_empty() {
            is_alone
        } else {
            // The files of a job are read when none of its processes can change them.
            end_all();
            true
        };
        let job = self.running.job;
        if let Some(scratch) = &self.retained.scratch {
            let written =
                outputs::written_directories(scratch, self.request, &self.retained.root.uppers);
            if !written.is_empty() {
                let reply = Reply::Written(written);
                (self.client)
                    .send_with_descriptor(job, &reply, scratch.as_fd())
                    .step(Step::SendReply)?;
            }
        }
        // The other processes may still print until this process ends. An upper directory
        // of the client is free for the next job only when this job's mount is gone.
        if !is_alone || matches!(self.request.root, Root::Local { .. }) {
            return Ok(JobState::Ended(job, ended));
        }
        let reply = Reply::Ended {
            ended,
            is_last: false,
        };
        self.client.send(job, &reply).step(Step::SendReply)?;
        Ok(JobState::Told)
    }

    /// Waits for the ends of the other processes of the job, at most for this time. Returns whether
    /// none is left. There is no wait if none is left now.
    fn wait_for_others(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if is_alone() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            let mut polled = [
                PollFd::new(self.child_signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.client.as_fd(), PollFlags::POLLIN),
            ];
            let result = nix::poll::poll(&mut polled, launcher::time_to(Some(deadline)));
            let is_client_gone = polled[1].any().unwrap_or(false);
            if is_client_gone || !matches!(result, Ok(_) | Err(nix::Error::EINTR)) {
                return false;
            }
            while let Ok(Some(_)) = self.child_signals.read_signal() {}
        }
    }

    /// Reaps processes until the program has ended. When the time limit is reached, asks the program
    /// to end if it has a grace period, and kills all after that.
    fn wait_for(&mut self, program: i32) -> Result<WaitResult, StepError> {
        let mut deadline = self.running.deadline.map(|deadline| deadline.at);
        let mut grace = self.running.deadline.and_then(|deadline| deadline.grace);
        let mut timed_out = false;
        loop {
            let mut polled = [
                PollFd::new(self.child_signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.client.as_fd(), PollFlags::POLLIN),
            ];
            match nix::poll::poll(&mut polled, launcher::time_to(deadline)) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error).step(Step::WaitForProgram),
            }
            // The client sends nothing before the reply: readable means closed.
            if polled[1].any().unwrap_or(false) {
                return Ok(WaitResult::ClientGone);
            }
            while let Ok(Some(_)) = self.child_signals.read_signal() {}
            while let Ok(Some(waited)) = sys::wait4(-1, libc::WNOHANG) {
                if waited.pid == program {
                    return Ok(WaitResult::Ended {
                        status: waited.status,
                        timed_out,
                    });
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                timed_out = true;
                deadline = None;
                if let Some(grace) = grace.take() {
                    // The program leads a process group.
                    let _ = kill(Pid::from_raw(-program), Signal::SIGTERM);
                    deadline = Instant::now().checked_add(grace);
                } else {
                    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
                }
            }
        }
    }
}

/// Whether no other process of the job is left. Orphans are children of this process.
fn is_alone() -> bool {
    loop {
        match sys::wait4(-1, libc::WNOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Kills all other processes of the job, and waits for their ends.
fn end_all() {
    // A process that forks at this moment is killed too: the kernel gives the signal to all at once.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while let Ok(Some(_)) = sys::wait4(-1, 0) {}
}

/// Executes the program. Runs in the program's process, which shares this one's memory.
fn start(
    program: &PreparedProgram,
    request: &ReceivedRequest<'_>,
    confinement: &Confinement,
    proc: &OwnedFd,
    observation: Option<&JobObservation>,
) -> StepError {
    if let Err(error) = start_process_group(request.terminal)
        .and_then(|()| program::offer_self_to_oom_killer(proc))
        // Before the program runs, which could read the memory of this process. The
        // program gets a memory of its own, which is dumpable again.
        .and_then(|()| nix::sys::prctl::set_dumpable(false).step(Step::ClearDumpable))
    {
        return error;
    }
    program.execute(request.user, confinement, observation)
}

/// Makes the calling process the leader of a process group in the init's session. With
/// `terminal`, it is the leader of a session of its own, whose terminal is stdin.
///
/// A leader of a session without a terminal would get the first terminal that it opens, and a
/// SIGHUP when the other end of that terminal is closed. Programs that open terminals, such as
/// tests of terminals, do not expect this.
fn start_process_group(terminal: bool) -> Result<(), StepError> {
    if terminal {
        return job::start_session().and_then(|()| job::take_terminal());
    }
    let itself = Pid::from_raw(0);
    nix::unistd::setpgid(itself, itself).step(Step::CreateProcessGroup)
}

fn is_full(scratch: &OwnedFd) -> bool {
    nix::sys::statvfs::fstatvfs(scratch)
        .is_ok_and(|space| space.blocks_available() == 0 || space.files_available() == 0)
}
