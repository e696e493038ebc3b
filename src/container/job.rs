//! A job's first moments: from a fresh clone of the launcher to its program.
//!
//! The clone is pid 1 of the job's pid namespace and holds every capability
//! over the job's own namespaces, none over the launcher's. It waits for the job,
//! makes the root from the lower directories, makes the mounts there (seen from
//! inside, so that symbolic links of the job's root lead where the job sees them),
//! covers the launcher's root with it, and ends as the program or its
//! init. A step that cannot be done is told to the client, and nothing runs.

use super::channel::Channel;
use super::init::Init;
use super::program::PreparedProgram;
use super::protocol::{EndedProgram, JobRequest};
use super::root::{self, RetainedDescriptors};
use super::step::{Step, StepContext, StepError};
use super::sys::{self, Stack};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signalfd::SignalFd;
use nix::sys::stat::Mode;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

/// The namespaces a job has for itself.
pub const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// What a launcher knows of the limits that its jobs go by.
#[derive(Clone, Copy, Debug)]
pub struct HostLimits {
    /// A fresh `/proc` is refused: jobs see the outer one.
    pub outer_proc: bool,
    /// How many processes and threads a job may have.
    pub processes: Option<u64>,
}

/// What a job's first process works with; the launcher's, whose memory it shares, and
/// kept from job to job.
pub struct JobContext {
    limits: HostLimits,
    /// What has become of the job.
    pub state: JobState,
    /// Room for a job's message.
    pub message: Vec<u8>,
    program: PreparedProgram,
    child_signals: SignalFd,
    stack: Stack,
}

/// What becomes of a job, as far as its first process can tell.
#[derive(Default)]
pub enum JobState {
    /// There is none yet.
    #[default]
    Waiting,
    /// There is none, and there will be none.
    ClientGone,
    Started(RunningJob),
    /// Its container could not be made, or its program not be executed.
    Failed(u32, StepError),
    /// The process is the program now.
    Executed(RunningJob),
    /// Its program ended under an init; the client is to be told when nothing is left.
    Ended(u32, EndedProgram),
    /// It ended, and the client knows.
    Told,
}

/// A job under way.
#[derive(Clone, Copy)]
pub struct RunningJob {
    /// What its client marks it with.
    pub job: u32,
    pub started: Instant,
    pub deadline: Option<Instant>,
}

/// Largest message whose room is kept, in bytes.
const KEPT_MESSAGE: usize = 256 * 1024;

/// The stack of what is about to execute the program, in bytes.
const PROGRAM_STACK: usize = 64 * 1024;

impl JobContext {
    pub fn new(limits: HostLimits, child_signals: SignalFd) -> Result<Self, StepError> {
        Ok(Self {
            limits,
            state: JobState::Waiting,
            message: Vec::new(),
            program: PreparedProgram::default(),
            child_signals,
            stack: Stack::new(PROGRAM_STACK).step(Step::AllocateStack)?,
        })
    }
}

/// Waits for a job, makes its container, and runs it when its turn comes, as its first
/// process. Returns when it has ended, unless this process has become the program.
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
    let outputs = (received.stdout, received.stderr);
    let mut marked = 0;
    context.state = match run(&mut marked, outputs, client, context) {
        Ok(state) => state,
        Err(error) => JobState::Failed(marked, error),
    };
}

fn run(
    marked: &mut u32,
    (stdout, stderr): (OwnedFd, OwnedFd),
    client: &mut Channel,
    context: &mut JobContext,
) -> Result<JobState, StepError> {
    let (job, request) = JobRequest::decode(&context.message).step(Step::ReadJob)?;
    *marked = job;
    context.state = JobState::Started(RunningJob {
        job,
        started: Instant::now(),
        deadline: None,
    });
    let set_up = set_up(&request, stdout.as_fd(), stderr.as_fd(), context.limits);
    drop((stdout, stderr));
    let slot = client.receive_start().step(Step::ReceiveSlot)?;
    let retained = set_up?;
    let Some(slot) = slot else {
        return Ok(JobState::ClientGone);
    };
    let started = Instant::now();
    let running = RunningJob {
        job,
        started,
        deadline: (!request.timeout.is_zero()).then(|| started + request.timeout),
    };
    context.state = JobState::Started(running);
    let program = &mut context.program;
    program.prepare(&request, slot);
    if request.init {
        let init = Init {
            running,
            request: &request,
            program,
            retained,
            child_signals: &context.child_signals,
            client,
            stack: &mut context.stack,
        };
        return init.run();
    }
    let (user, terminal) = (request.user, request.terminal);
    // What is allocated when the program takes over stays so for the launcher.
    drop(request);
    context.state = JobState::Executed(running);
    start_session(terminal)?;
    Err(program.execute(user))
}

/// Makes the calling process the leader of a session, whose terminal is stdin if that
/// is one.
pub fn start_session(terminal: bool) -> Result<(), StepError> {
    nix::unistd::setsid().step(Step::CreateSession)?;
    if terminal {
        rustix::process::ioctl_tiocsctty(io::stdin()).step(Step::TakeTerminal)?;
    }
    Ok(())
}

/// Everything up to the program.
fn set_up(
    request: &JobRequest<&CStr>,
    stdout: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
    limits: HostLimits,
) -> Result<RetainedDescriptors, StepError> {
    map_ids(request.user, request.group)?;
    sys::leave_session_keyring().step(Step::LeaveSessionKeyring)?;
    nix::unistd::sethostname(OsStr::from_bytes(request.hostname.to_bytes()))
        .step(Step::SetHostname)?;
    nix::sys::stat::umask(Mode::empty());
    let retained = root::enter(request, limits.outer_proc)?;
    nix::unistd::chdir(request.working_directory).step_with(|| Step::EnterWorkingDirectory {
        directory: request.working_directory.to_string_lossy().into_owned(),
    })?;
    set_limits(request.open_files, limits.processes)?;
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    nix::sys::prctl::set_no_new_privs().step(Step::SetNoNewPrivs)?;
    if request.terminal {
        sys::place_descriptor(stdout.as_raw_fd(), libc::STDIN_FILENO).step(Step::AttachStdin)?;
    }
    sys::place_descriptor(stdout.as_raw_fd(), libc::STDOUT_FILENO).step(Step::AttachStdout)?;
    sys::place_descriptor(stderr.as_raw_fd(), libc::STDERR_FILENO).step(Step::AttachStderr)?;
    Ok(retained)
}

/// Maps the one id a job has to the launcher's.
fn map_ids(user: u32, group: u32) -> Result<(), StepError> {
    // The launcher's namespace denies setgroups already, and so does this one.
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
