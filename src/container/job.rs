//! Starting a job: from a new clone of the launcher to the job's program.
//!
//! The clone is pid 1 of the job's pid namespace. It has every capability over the job's
//! own namespaces and none over the launcher's. It receives the job, makes the root from
//! the lower directories, and makes the mounts on it after chroot(2), so that symbolic
//! links of the root are resolved in the root. It then covers the launcher's root, and
//! becomes the program or its init. If a step fails, the program does not run and the
//! client gets the error.

use super::channel::{Channel, ReceivedDescriptors};
use super::init::Init;
use super::program::{Confinement, PreparedProgram};
use super::protocol::{
    EndedProgram, Observed, ProgramStart, ReceivedRequest, SentDescriptors, decode,
};
use super::root::{self, RetainedDescriptors};
use super::seccomp::{self, JobObservation};
use super::step::{Step, StepContext, StepError};
use super::sys::{self, Stack};
use super::view::Machine;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signalfd::SignalFd;
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// The namespaces that each job has of its own.
pub const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// The limits of the machine that a launcher's jobs depend on.
#[derive(Clone, Copy, Debug)]
pub struct HostLimits {
    /// The kernel refuses to mount a new `/proc`, so jobs see the outer one.
    pub outer_proc: bool,
    /// The number of processes and threads that a job may have.
    pub processes: Option<u64>,
}

impl HostLimits {
    /// The limits for a job that asks for a limit of its own. A control group counts its processes
    /// more exactly, so the resource limit must not be below that of the group.
    fn of_job(self, request: &ReceivedRequest<'_>, has_control_group: bool) -> Self {
        let Some((limit, general)) = request.limits.processes.zip(self.processes) else {
            return self;
        };
        // The kernel counts the init too.
        let limit = u64::from(limit) + u64::from(request.init);
        let processes = if has_control_group {
            limit.max(general)
        } else {
            limit
        };
        let hard = getrlimit(Resource::RLIMIT_NPROC).map_or(general, |(_, hard)| hard);
        Self {
            processes: Some(processes.min(hard)),
            ..self
        }
    }
}

/// The data that a job's first process works with. It is in the launcher's memory, which
/// the process shares, and is reused for the next job.
pub struct JobContext {
    limits: HostLimits,
    /// The view of the machine, if jobs have it.
    machine: Option<Machine>,
    /// The state of the job, which the launcher reads when the process has ended.
    pub state: JobState,
    /// The buffer for the job's message.
    pub message: Vec<u8>,
    program: PreparedProgram,
    child_signals: SignalFd,
    stack: Stack,
}

/// The state of a job, as its first process records it.
#[derive(Default)]
pub enum JobState {
    /// No job was received yet.
    #[default]
    Waiting,
    /// The client is gone: there will be no job.
    ClientGone,
    Started(RunningJob),
    /// The container could not be made, or the program not be executed.
    Failed(u32, StepError),
    /// The process executes the program.
    Executed(RunningJob),
    /// The program ended under an init. The reply is sent when no process is left.
    Ended(u32, EndedProgram),
    /// The job ended, and the reply was sent.
    Told,
}

/// A job that runs.
#[derive(Clone, Copy)]
pub struct RunningJob {
    /// The number that the client gave the job.
    pub job: u32,
    pub started: Instant,
    pub deadline: Option<Deadline>,
}

/// The time at which a program must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub at: Instant,
    /// The program is asked to end then, and killed after this time. `None`: it is killed then.
    pub grace: Option<Duration>,
}

impl Deadline {
    /// The first of the limits of a job.
    fn of(
        request: &ReceivedRequest<'_>,
        time_left: Option<Duration>,
        started: Instant,
    ) -> Option<Self> {
        let grace =
            (request.init && !request.limits.grace.is_zero()).then_some(request.limits.grace);
        let limits = [
            (!request.timeout.is_zero()).then_some((request.timeout, None)),
            request.limits.terminate_after.map(|limit| (limit, grace)),
            time_left.map(|limit| (limit, grace)),
        ];
        let limits = limits.into_iter().flatten();
        let (limit, grace) = limits.min_by_key(|(limit, _)| *limit)?;
        let at = started.checked_add(limit)?;
        Some(Self { at, grace })
    }
}

/// The largest buffer for messages that is kept for the next job, in bytes.
const KEPT_MESSAGE: usize = 256 * 1024;

/// The stack of the process that executes the program, in bytes.
const PROGRAM_STACK: usize = 64 * 1024;

impl JobContext {
    pub fn new(
        limits: HostLimits,
        machine: Option<Machine>,
        child_signals: SignalFd,
    ) -> Result<Self, StepError> {
        Ok(Self {
            limits,
            machine,
            state: JobState::Waiting,
            message: Vec::new(),
            program: PreparedProgram::default(),
            child_signals,
            stack: Stack::new(PROGRAM_STACK).step(Step::AllocateStack)?,
        })
    }
}

/// Receives a job, makes its container, and runs its program when it has a slot. This is
/// the job's first process. Returns when the job has ended, or does not return if this
/// process executes the program.
pub fn serve(client: &mut Channel, context: &mut JobContext) {
    let mut message = std::mem::take(&mut context.message);
    if message.capacity() > KEPT_MESSAGE {
        message = Vec::new();
    }
    let Ok(Some(received)) = client.receive_job(message) else {
        context.state = JobState::ClientGone;
        return;
    };
    context.message = received.bytes;
    let mut marked = 0;
    context.state = match run(&mut marked, received.descriptors, client, context) {
        Ok(state) => state,
        Err(error) => JobState::Failed(marked, error),
    };
}

fn run(
    marked: &mut u32,
    ReceivedDescriptors {
        stdout,
        stderr,
        mut others,
    }: ReceivedDescriptors,
    client: &mut Channel,
    context: &mut JobContext,
) -> Result<JobState, StepError> {
    let (job, sent, observed, request): (
        u32,
        SentDescriptors,
        Option<Observed>,
        ReceivedRequest<'_>,
    ) = decode(&context.message).step(Step::ReadJob)?;
    *marked = job;
    let stdin = sent.stdin.then(|| others.next()).flatten();
    let control_group = sent.control_group.then(|| others.next()).flatten();
    let to_observer = others.next();
    drop(others);
    context.state = JobState::Started(RunningJob {
        job,
        started: Instant::now(),
        deadline: None,
    });
    let set_up = set_up(
        &request,
        stdin.as_ref().map(AsFd::as_fd),
        stdout.as_fd(),
        stderr.as_fd(),
        observed,
        context.machine.as_ref(),
        context.limits.of_job(&request, sent.control_group),
    );
    drop((stdin, stdout, stderr));
    let slot = client.receive_start().step(Step::ReceiveSlot)?;
    let mut retained = set_up?;
    let Some(ProgramStart { slot, time_left }) = slot else {
        return Ok(JobState::ClientGone);
    };
    let started = Instant::now();
    let running = RunningJob {
        job,
        started,
        deadline: Deadline::of(&request, time_left, started),
    };
    context.state = JobState::Started(running);
    let program = &mut context.program;
    program.prepare(&request, slot);
    if let Some(observer) = &to_observer {
        seccomp::send_left_out(observer, &retained.root.left_out)?;
    }
    let observation = to_observer.zip(retained.observed.take());
    let observation = observation.map(|(observer, root)| JobObservation { observer, root });
    let confinement = Confinement {
        memory: request.limits.memory.filter(|_| !sent.control_group),
        control_group,
    };
    if request.init {
        let init = Init {
            running,
            request: &request,
            program,
            confinement,
            retained,
            observation,
            child_signals: &context.child_signals,
            client,
            stack: &mut context.stack,
        };
        return init.run();
    }
    let (user, terminal) = (request.user, request.terminal);
    // Memory that is allocated when the program is executed is lost to the launcher.
    drop((request, retained));
    context.state = JobState::Executed(running);
    start_session()?;
    if terminal {
        take_terminal()?;
    }
    Err(program.execute(user, &confinement, observation.as_ref()))
}

/// Makes the calling process the leader of a session.
pub fn start_session() -> Result<(), StepError> {
    nix::unistd::setsid().step(Step::CreateSession).map(drop)
}

/// Makes stdin the terminal of the session that the calling process leads.
pub fn take_terminal() -> Result<(), StepError> {
    rustix::process::ioctl_tiocsctty(io::stdin()).step(Step::TakeTerminal)
}

/// Makes the container. Without a stdin, stdin is `/dev/null`, or the terminal of the job.
fn set_up(
    request: &ReceivedRequest<'_>,
    stdin: Option<BorrowedFd<'_>>,
    stdout: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
    observed: Option<Observed>,
    machine: Option<&Machine>,
    limits: HostLimits,
) -> Result<RetainedDescriptors, StepError> {
    map_ids(request.user, request.group)?;
    sys::leave_session_keyring().step(Step::LeaveSessionKeyring)?;
    nix::unistd::sethostname(OsStr::from_bytes(request.hostname.to_bytes()))
        .step(Step::SetHostname)?;
    nix::sys::stat::umask(Mode::empty());
    let retained = root::enter(request, limits.outer_proc, machine, observed)?;
    nix::unistd::chdir(&*request.working_directory).step_with(|| Step::EnterWorkingDirectory {
        directory: request.working_directory.to_string_lossy().into_owned(),
    })?;
    set_limits(request.open_files, limits.processes)?;
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    nix::sys::prctl::set_no_new_privs().step(Step::SetNoNewPrivs)?;
    if let Some(stdin) = stdin.or(request.terminal.then_some(stdout)) {
        sys::place_descriptor(stdin.as_raw_fd(), libc::STDIN_FILENO).step(Step::AttachStdin)?;
    }
    sys::place_descriptor(stdout.as_raw_fd(), libc::STDOUT_FILENO).step(Step::AttachStdout)?;
    sys::place_descriptor(stderr.as_raw_fd(), libc::STDERR_FILENO).step(Step::AttachStderr)?;
    Ok(retained)
}

/// Maps the job's user and group to the launcher's.
fn map_ids(user: u32, group: u32) -> Result<(), StepError> {
    // The launcher's namespace denies setgroups(2), and so does this one below it.
    fs::write("/proc/self/uid_map", format!("{user} 0 1")).step(Step::WriteJobUidMap)?;
    fs::write("/proc/self/gid_map", format!("{group} 0 1")).step(Step::WriteJobGidMap)
}

fn set_limits(open_files: u64, processes: Option<u64>) -> Result<(), StepError> {
    // Not zero: only 1 keeps a dump handler from being run. See core(5).
    setrlimit(Resource::RLIMIT_CORE, 1, 1).step(Step::SetCoreLimit)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).step(Step::ReadFileLimit)?;
    setrlimit(Resource::RLIMIT_NOFILE, open_files.min(hard), hard).step(Step::SetFileLimit)?;
    match processes {
        Some(limit) => setrlimit(Resource::RLIMIT_NPROC, limit, limit).step(Step::SetProcessLimit),
        None => Ok(()),
    }
}
