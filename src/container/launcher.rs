//! The launcher: pid 1 of a pid namespace, one job at a time.
//!
//! It is single-threaded and small, and holds what jobs share. As pid 1 it ignores
//! every signal of its own namespace, and those of the client's but SIGKILL; it dies
//! when its client's end of the socket closes or its starter dies, and every job of
//! it dies with it.
//!
//! Before a job comes its pid 1 is there: a clone in namespaces of its own that
//! shares the launcher's memory and waits for the job in its stead. The launcher
//! goes on when that has exited, or has executed the job's program itself.

use super::channel::Channel;
use super::job::{self, HostLimits, JobContext, JobState};
use super::network::NetworkNamespace;
use super::prepare::{self, HostTrees};
use super::program;
use super::protocol::{EndedProgram, JobRequest, LauncherConfig, Reply, ResourceUsage};
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

/// The life of a launcher, from its first moment in its namespaces to the end
/// of its client.
pub fn run(
    config: &LauncherConfig,
    trees: Option<HostTrees>,
    channel: &mut Channel,
) -> Result<(), StepError> {
    sys::reset_signals();
    sys::leave_session_keyring().step(Step::LeaveSessionKeyring)?;
    forbid_control_group_namespaces();
    let own_sys = prepare::enter_root(config, trees)?;
    let mut network = NetworkNamespace::set_up(config.network, own_sys)?;
    let limits = HostLimits {
        outer_proc: !prepare::proc_can_be_mounted(),
        processes: process_limit(),
    };
    // Errors were the client's to see until here; jobs have their own.
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
    let mut context = JobContext::new(limits, child_signals()?)?;
    let mut stack = Stack::new(STACK).step(Step::AllocateStack)?;
    while run_job(channel, &mut context, &mut stack)? {
        // The job's result stands if its network cannot be cleared; the next job
        // finds nobody here rather than a namespace that is not clean.
        network.as_mut().map_or(Ok(()), NetworkNamespace::clear)?;
    }
    Ok(())
}

/// Blocks SIGCHLD, here and in what is cloned from here, so that it can be polled.
fn child_signals() -> Result<SignalFd, StepError> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.thread_block().step(Step::BlockSigchld)?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .step(Step::CreateSignalDescriptor)
}

/// Keeps jobs from making control group namespaces, in user namespaces of their
/// own. There they could mount the file system that shows the client's control
/// group, and where that is delegated to the user, kill everything in it.
fn forbid_control_group_namespaces() {
    // Where it cannot be written, a container around us has made it read-only,
    // and its control group is not the user's.
    let _ = fs::write("/proc/sys/user/max_cgroup_namespaces", "0");
}

/// An eighth of what this user or the limits can have, so that a fork bomb leaves
/// others room; but no less than anybody could reasonably need. Before Linux 5.14
/// the limit counts the user's processes outside the job too: none is set then.
fn process_limit() -> Option<u64> {
    const ENOUGH: u64 = 4096;
    let release = rustix::system::uname();
    let mut numbers = release
        .release()
        .to_str()
        .ok()?
        .split('.')
        .map(str::parse::<u32>);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    if version < (5, 14) {
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

/// Serves one job to its end; false when the client is gone. An error means that
/// this launcher is of no use any more.
fn run_job(
    channel: &mut Channel,
    context: &mut JobContext,
    stack: &mut Stack,
) -> Result<bool, StepError> {
    context.state = JobState::Waiting;
    // The last job's init made the memory untraceable; this one has to write its maps.
    nix::sys::prctl::set_dumpable(true).step(Step::SetDumpable)?;
    let cloned = clone_job(channel, context, stack).or_else(|_| {
        // What was used up by others may be there again when the job comes.
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
            let (job, _) = JobRequest::decode(&received.bytes).step(Step::ReadJob)?;
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
            wait_for_end(pidfd.as_fd(), running.deadline, channel)?
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

/// Clones the first process of a job, and waits until it has ended or become the program.
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

/// A job's first process was killed from outside while it used this memory, which
/// nothing can be said of any more.
fn killed() -> StepError {
    StepError::new(
        Step::WaitForJob,
        &io::Error::from_raw_os_error(libc::ECHILD),
    )
}

/// Waits until a program that is its job's pid 1 has ended, and kills it when its time
/// is up. Tells whether its time was up. An error when the client is gone.
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

/// How long to poll for; rounded up, so that no poll ends just before the time.
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
