//! The launcher: one per slot, pid 1 of a pid namespace, one job at a time.
//!
//! It is single-threaded and small, so that cloning it is cheap, and holds what
//! jobs share. As pid 1 it ignores every signal of its own namespace, and those
//! of the client's but SIGKILL; it dies when its client's end of the socket
//! closes or its starter dies, and every job of the slot dies with it.

use super::channel::{Channel, Received};
use super::job::{self, JobRecord, Machine, ProgramEnd, Told};
use super::network::NetworkNamespace;
use super::prepare::{self, HostTrees};
use super::protocol::{Ended, LauncherConfig, Reply, Request, StepError, Usage};
use super::step::Step;
use super::sys::{self, Cloned};
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::resource::{Resource, getrlimit};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Largest buffer kept from one job to the next, in bytes.
const KEPT_BUFFER: usize = 256 * 1024;

/// The life of a launcher, from its first moment in its namespaces to the end
/// of its client.
pub fn run(
    config: &LauncherConfig,
    trees: Option<HostTrees>,
    channel: &mut Channel,
) -> Result<(), StepError> {
    sys::reset_signals();
    sys::leave_session_keyring().step("leave the session keyring")?;
    forbid_control_group_namespaces();
    let own_sys = prepare::enter_root(config, trees)?;
    let mut network = NetworkNamespace::set_up(config.network, own_sys)?;
    let machine = Machine {
        outer_proc: !prepare::proc_can_be_mounted(),
        processes: process_limit(),
    };
    // Errors were the client's to see until here; jobs have their own.
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .step("open /dev/null")?;
    for number in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        sys::place_descriptor(null.as_raw_fd(), number).step("leave the client's terminal")?;
    }
    let ready = Reply::Ready {
        outer_proc: machine.outer_proc,
        network_reuse: network.as_ref().is_none_or(NetworkNamespace::is_reusable),
    };
    channel.send(0, &ready).step("tell the client")?;
    let mut buffer = Vec::new();
    while let Some(received) = channel.receive_job(buffer).step("receive a job")? {
        let job = received.job;
        let (reply, used) = run_job(received, machine, channel)?;
        // The job's result stands if its network cannot be cleared; the next job
        // finds nobody here rather than a namespace that is not clean.
        let cleared = network.as_mut().map_or(Ok(()), NetworkNamespace::clear);
        if let Some(reply) = reply {
            channel.send(job, &reply).step("tell the client")?;
        }
        cleared?;
        buffer = used;
        if buffer.capacity() > KEPT_BUFFER {
            buffer = Vec::new();
        }
    }
    Ok(())
}

/// Keeps jobs from making control group namespaces, in user namespaces of their
/// own. There they could mount the file system that shows the client's control
/// group, and where that is delegated to the user, kill everything in it.
fn forbid_control_group_namespaces() {
    // Where it cannot be written, a container around us has made it read-only,
    // and its control group is not the user's.
    let _ = fs::write("/proc/sys/user/max_cgroup_namespaces", "0");
}

/// An eighth of what this user or the machine can have, so that a fork bomb leaves
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

/// Runs one job to its end. Returns what is to be told of it, if its init has not
/// done so. An error means that this launcher is of no use any more.
fn run_job(
    received: Received,
    machine: Machine,
    channel: &mut Channel,
) -> Result<(Option<Reply>, Vec<u8>), StepError> {
    let started = Instant::now();
    let request = Request::decode(&received.bytes).step("read a job")?;
    let timeout = request.timeout;
    let (record, report) = nix::unistd::pipe2(OFlag::O_CLOEXEC).step("create a status pipe")?;
    let (pid, pidfd) = match sys::clone3(job::NAMESPACES) {
        Ok(Cloned::Child) => {
            let told = Told {
                job: received.job,
                started,
                client: channel,
            };
            job::run(
                &request,
                received.stdout.as_fd(),
                received.stderr.as_fd(),
                File::from(report),
                told,
                machine,
            );
        }
        Ok(Cloned::Parent { pid, pidfd }) => (pid, pidfd),
        Err(error) => {
            let reply = Reply::Failed(StepError::new("create the job's namespaces", &error));
            drop(request);
            return Ok((Some(reply), received.bytes));
        }
    };
    drop((report, received.stdout, received.stderr));
    let timed_out = wait_for_end(pidfd.as_fd(), started, timeout, channel)?;
    let waited = sys::wait4(pid).step("wait for a job")?;
    let duration = started.elapsed();
    let mut bytes = Vec::new();
    File::from(record)
        .read_to_end(&mut bytes)
        .step("read a job's status")?;
    let end = match JobRecord::decode(&bytes) {
        Some(JobRecord::Failed(error)) => {
            return Ok((Some(Reply::Failed(error)), received.bytes));
        }
        Some(JobRecord::Told) => return Ok((None, received.bytes)),
        Some(JobRecord::Ended(end)) => end,
        None => ProgramEnd {
            wait_status: waited.status,
            scratch_full: false,
            written: Vec::new(),
        },
    };
    let reply = Reply::Ended(Ended {
        wait_status: end.wait_status,
        timed_out,
        scratch_full: end.scratch_full,
        written: end.written,
        duration,
        usage: Usage::from(waited.usage),
    });
    Ok((Some(reply), received.bytes))
}

/// Waits until the job's pid 1 has ended, killing it when its time is up. Tells
/// whether it was killed. An error when the client is gone.
fn wait_for_end(
    job: BorrowedFd<'_>,
    started: Instant,
    timeout: Duration,
    channel: &mut Channel,
) -> Result<bool, StepError> {
    let mut timed_out = false;
    let mut watch_client = true;
    loop {
        let wait = if timeout.is_zero() || timed_out {
            PollTimeout::NONE
        } else {
            // Rounded up, so that no poll ends just before the time is up.
            let left = timeout.saturating_sub(started.elapsed()) + Duration::from_millis(1);
            PollTimeout::try_from(left.min(Duration::from_secs(3600))).unwrap_or(PollTimeout::MAX)
        };
        let mut polled = [
            PollFd::new(job, PollFlags::POLLIN),
            PollFd::new(channel.as_fd(), PollFlags::POLLIN),
        ];
        let watched = if watch_client { 2 } else { 1 };
        match nix::poll::poll(&mut polled[..watched], wait) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error).step("wait for a job"),
        }
        let [job_ended, client_spoke] = polled.map(|fd| fd.any().unwrap_or(false));
        if job_ended {
            return Ok(timed_out);
        }
        if client_spoke {
            if channel.is_closed().step("hear from the client")? {
                let gone = io::Error::from_raw_os_error(libc::EPIPE);
                return Err(StepError::new("hear from the client", &gone));
            }
            // The next job, sent when this one's init had answered.
            watch_client = false;
        }
        if !timeout.is_zero() && started.elapsed() >= timeout {
            timed_out = true;
            sys::kill(job);
        }
    }
}

impl From<libc::rusage> for Usage {
    fn from(usage: libc::rusage) -> Self {
        let duration = |time: libc::timeval| {
            Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
        };
        Self {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            max_resident: usage.ru_maxrss as u64 * 1024,
        }
    }
}
