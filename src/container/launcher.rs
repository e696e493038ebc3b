//! The launcher: pid 1 of a pid namespace, one job at a time.
//!
//! It has one thread and little memory, and keeps the mounts that its jobs share. As pid 1
//! it ignores every signal from its own namespace, and every signal but SIGKILL from the
//! client's. It ends when the client's end of the socket closes or its starter ends, and
//! its jobs end with it.
//!
//! The first process of a job exists before the job is received: it is a clone in
//! namespaces of its own that shares the launcher's memory and receives the job. The
//! launcher continues when that process has exited or executed the job's program.

use super::channel::Channel;
use super::job::{self, HostLimits, JobContext, JobState};
use super::network::NetworkNamespace;
use super::prepare::{self, HostTrees};
use super::program;
use super::protocol::{
    EndedProgram, LauncherConfig, ReceivedRequest, Reply, ResourceUsage, decode,
};
use super::step::{Step, StepContext, StepError};
use super::sys::{self, Stack};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The stack of a job's first process, in bytes.
const STACK: usize = 256 * 1024;

/// Runs a launcher in its new namespaces, until its client is gone.
pub fn run(
    config: &LauncherConfig,
    trees: Option<HostTrees>,
    channel: &mut Channel,
) -> Result<(), StepError> {
    sys::reset_signals();
    sys::leave_session_keyring().step(Step::LeaveSessionKeyring)?;
    forbid_control_group_namespaces();
    let root = prepare::enter_root(config, trees)?;
    let mut network = NetworkNamespace::set_up(config.network, root.own_sys)?;
    let limits = HostLimits {
        outer_proc: !prepare::proc_can_be_mounted(),
        processes: process_limit(),
    };
    // Messages of Rust's runtime went to the client's stderr until here. Jobs have their own.
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .step(Step::OpenDevNull)?;
    for number in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        sys::place_descriptor(null.as_raw_fd(), number).step(Step::LeaveTerminal)?;
    }
    let ready = Reply::Ready {
        outer_proc: limits.outer_proc,
        network_reuse: network.as_ref().is_none_or(NetworkNamespace::is_reusable),
    };
    channel.send(0, &ready).step(Step::SendReply)?;
    sys::forget_code();
    let mut context = JobContext::new(limits, root.machine, child_signals()?)?;
    let mut stack = Stack::new(STACK).step(Step::AllocateStack)?;
    while run_job(channel, &mut context, &mut stack)? {
        // The result of the job was sent. If its network namespace cannot be cleared, the
        // launcher ends, so that no other job uses that namespace.
        network.as_mut().map_or(Ok(()), NetworkNamespace::clear)?;
    }
    Ok(())
}

/// Blocks SIGCHLD in this process and its clones, so that it can be polled for.
fn child_signals() -> Result<SignalFd, StepError> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.thread_block().step(Step::BlockSigchld)?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .step(Step::CreateSignalDescriptor)
}

/// Keeps jobs from making control group namespaces in user namespaces of their own. There
/// they could mount the file system of the client's control group. If that group is
/// delegated to the user, they could kill every process in it.
fn forbid_control_group_namespaces() {
    // If the file cannot be written, an outer container made it read-only, and its control
    // group does not belong to the user.
    let _ = fs::write("/proc/sys/user/max_cgroup_namespaces", "0");
}

/// The limit of processes of a job: an eighth of the limit of this user or the machine, but
/// at least `ENOUGH`. A fork bomb then leaves processes for others. `None` if the limit would count
/// the user's processes outside of the job too.
fn process_limit() -> Option<u64> {
    const ENOUGH: u64 = 4096;
    if !counts_processes_of_jobs() {
        return None;
    }
    let (soft, _) = getrlimit(Resource::RLIMIT_NPROC).ok()?;
    let ids: u64 = std::fs::read_to_string("/proc/sys/kernel/pid_max")
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some((soft.min(ids) / 8).max(ENOUGH).min(soft))
}

/// Whether the kernel counts the processes of a user in each user namespace separately, as it does
/// since Linux 5.14.
pub fn counts_processes_of_jobs() -> bool {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy();
    let mut numbers = release.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 14),
        _ => false,
    }
}

/// Runs one job to its end. False if the client is gone. After an error the launcher must
/// end.
fn run_job(
    channel: &mut Channel,
    context: &mut JobContext,
    stack: &mut Stack,
) -> Result<bool, StepError> {
    context.state = JobState::Waiting;
    // The init of the last job made the shared memory undumpable. The next job's first
    // process must own its files in /proc, to write its uid map.
    nix::sys::prctl::set_dumpable(true).step(Step::SetDumpable)?;
    let cloned = clone_job(channel, context, stack).or_else(|_| {
        // Resources that other processes used up may be available when the job is sent.
        channel
            .wait()
            .and_then(|()| clone_job(channel, context, stack))
    });
    let (pid, pidfd) = match cloned {
        Ok(cloned) => cloned,
        Err(error) => {
            let Some(received) = channel
                .receive_job(std::mem::take(&mut context.message))
                .step(Step::ReceiveJob)?
            else {
                return Ok(false);
            };
            let (job, _, _): (u32, bool, ReceivedRequest<'_>) =
                decode(&received.bytes).step(Step::ReadJob)?;
            let reply = Reply::Failed(StepError::new(Step::CreateJobNamespaces, &error));
            if channel.receive_start().step(Step::ReceiveSlot)?.is_none() {
                return Ok(false);
            }
            channel.send(job, &reply).step(Step::SendReply)?;
            return Ok(true);
        }
    };
    let timed_out = match &context.state {
        JobState::Executed(running) => {
            program::offer_to_oom_killer(pid);
            // Without an init, the program is killed at its deadline.
            let deadline = running.deadline.map(|deadline| deadline.at);
            wait_for_end(pidfd.as_fd(), deadline, channel)?
        }
        _ => false,
    };
    let waited = sys::wait4(pid, 0).step(Step::WaitForJob)?;
    let state = std::mem::take(&mut context.state);
    let was_killed = matches!(state, JobState::Started(_));
    let (job, ended) = match state {
        JobState::Told => return Ok(true),
        JobState::ClientGone => return Ok(false),
        JobState::Waiting => return Err(killed()),
        JobState::Failed(job, error) => {
            let reply = Reply::Failed(error);
            channel.send(job, &reply).step(Step::SendReply)?;
            return Ok(true);
        }
        JobState::Ended(job, ended) => (job, ended),
        JobState::Started(running) | JobState::Executed(running) => {
            let waited = waited.ok_or_else(killed)?;
            let ended = EndedProgram {
                wait_status: waited.status,
                timed_out,
                leaked: false,
                scratch_full: false,
                changed_files: Vec::new(),
                duration: running.started.elapsed(),
                usage: ResourceUsage::from(waited.usage),
            };
            (running.job, ended)
        }
    };
    let reply = Reply::Ended {
        ended,
        is_last: was_killed,
    };
    channel.send(job, &reply).step(Step::SendReply)?;
    if was_killed { Err(killed()) } else { Ok(true) }
}

/// Clones the first process of a job, and waits until it has ended or executed the program.
fn clone_job(
    channel: &mut Channel,
    context: &mut JobContext,
    stack: &mut Stack,
) -> io::Result<(i32, OwnedFd)> {
    sys::clone_sharing(job::NAMESPACES, stack, &mut || {
        job::serve(channel, context);
        127
    })
}

/// The error if a job's first process was killed while it used this memory, which may be
/// inconsistent now.
fn killed() -> StepError {
    StepError::new(
        Step::WaitForJob,
        &io::Error::from_raw_os_error(libc::ECHILD),
    )
}

/// Waits for the end of a program that is pid 1 of its job, and kills it at its deadline.
/// Returns whether the deadline passed. Fails if the client is gone.
fn wait_for_end(
    job: BorrowedFd<'_>,
    deadline: Option<Instant>,
    channel: &mut Channel,
) -> Result<bool, StepError> {
    let mut timed_out = false;
    loop {
        let mut polled = [
            PollFd::new(job, PollFlags::POLLIN),
            PollFd::new(channel.as_fd(), PollFlags::POLLIN),
        ];
        let wait = time_to(deadline.filter(|_| !timed_out));
        match nix::poll::poll(&mut polled, wait) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error).step(Step::WaitForJob),
        }
        let [job_ended, client_gone] = polled.map(|fd| fd.any().unwrap_or(false));
        if job_ended {
            return Ok(timed_out);
        }
        if client_gone {
            return Err(client_is_gone());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            timed_out = true;
            sys::kill(job);
        }
    }
}

/// The timeout for poll(2) until a deadline, rounded up so that no poll ends before it.
pub fn time_to(deadline: Option<Instant>) -> PollTimeout {
    const LONGEST: Duration = Duration::from_secs(3600);
    deadline.map_or(PollTimeout::NONE, |deadline| {
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left.min(LONGEST)).unwrap_or(PollTimeout::MAX)
    })
}

fn client_is_gone() -> StepError {
    StepError::new(Step::PollClient, &io::Error::from_raw_os_error(libc::EPIPE))
}

impl From<libc::rusage> for ResourceUsage {
    fn from(usage: libc::rusage) -> Self {
        let duration =
            |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
        Self {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            max_resident: usage.ru_maxrss as u64 * 1024,
        }
    }
}
