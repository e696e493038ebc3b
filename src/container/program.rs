//! Executing the program of a job.

use super::protocol::{ReceivedRequest, ReceivedString};
use super::seccomp::JobObservation;
use super::step::{Step, StepContext, StepError};
use super::sys;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use std::cell::Cell;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

/// The `oom_score_adj` of jobs: the kernel kills them first when memory is short.
const OOM_SCORE: &str = "500";

/// A program with everything that execve(2) needs, so that executing it allocates nothing.
#[derive(Default)]
pub struct PreparedProgram {
    /// For the error if it cannot be executed. No memory may be available then.
    name: Cell<String>,
    /// The paths it may be at.
    candidates: Vec<CString>,
    /// Most of these point into the job's message. The last is a null pointer.
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// The variables that have the number of the slot.
    slot: Vec<CString>,
}

impl PreparedProgram {
    pub fn prepare(&mut self, request: &ReceivedRequest<'_>, slot: u32) {
        let pointer = |text: &ReceivedString<'_>| text.as_ptr();
        self.name
            .set(request.program.to_string_lossy().into_owned());
        self.candidates = candidates(request);
        self.arguments.clear();
        self.arguments.push(request.program.as_ptr());
        self.arguments.extend(request.arguments.iter().map(pointer));
        self.arguments.push(std::ptr::null());
        self.environment.clear();
        self.environment
            .extend(request.environment.iter().map(pointer));
        let number = format!("={slot}");
        let slot_variables = request.slot_variables.iter();
        let slot_variables =
            slot_variables.map(|name| [name.to_bytes(), number.as_bytes()].concat());
        self.slot = slot_variables
            .filter_map(|v| CString::new(v).ok())
            .collect();
        self.environment
            .extend(self.slot.iter().map(|v| v.as_ptr()));
        self.environment.push(std::ptr::null());
    }

    /// Executes the program, without capabilities unless it has uid 0. Returns only the error.
    pub fn execute(
        &self,
        user: u32,
        confinement: &Confinement,
        observation: Option<&JobObservation>,
    ) -> StepError {
        if let Err(error) = confinement.enter_control_group() {
            return error;
        }
        if user != 0
            && let Err(error) = sys::drop_capabilities().step(Step::DropCapabilities)
        {
            return error;
        }
        sys::unblock_signals();
        if let Some(Err(error)) = observation.map(JobObservation::begin) {
            return error;
        }
        if let Err(error) = confinement.limit_memory() {
            return error;
        }
        let mut error = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in &self.candidates {
            let tried = sys::exec(candidate, &self.arguments, &self.environment);
            // As in execvp(3), EACCES takes precedence over ENOENT.
            match tried.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                Some(libc::EACCES) => error = tried,
                _ => {
                    error = tried;
                    break;
                }
            }
        }
        let program = self.name.take();
        StepError::new(Step::Execute { program }, &error)
    }
}

/// The limits that the process of a program puts on itself and the processes that it starts, before
/// it executes the program.
#[derive(Default)]
pub struct Confinement {
    /// The file `cgroup.procs` of the control group with the limits. The client opened it: the kernel
    /// examines whether the client, not this process, may move processes.
    pub control_group: Option<OwnedFd>,
    /// The limit of the address space of each process, in bytes. This process shares the memory of the
    /// launcher until it executes the program, which may be larger.
    pub memory: Option<u64>,
}

impl Confinement {
    fn enter_control_group(&self) -> Result<(), StepError> {
        // The number 0 stands for the process that writes.
        self.control_group.as_ref().map_or(Ok(()), |processes| {
            nix::unistd::write(processes, b"0")
                .step(Step::EnterControlGroup)
                .map(drop)
        })
    }

    fn limit_memory(&self) -> Result<(), StepError> {
        self.memory.map_or(Ok(()), |limit| {
            let (_, hard) = getrlimit(Resource::RLIMIT_AS).step(Step::SetMemoryLimit)?;
            let limit = limit.min(hard);
            setrlimit(Resource::RLIMIT_AS, limit, limit).step(Step::SetMemoryLimit)
        })
    }
}

fn candidates(request: &ReceivedRequest<'_>) -> Vec<CString> {
    let environment = request.environment.iter().map(|text| text.to_bytes());
    program_candidates(request.program.to_bytes(), environment)
        .into_iter()
        .filter_map(|path| CString::new(path).ok())
        .collect()
}

/// The paths that a job's program may be at, in the order in which they are tried: its own, or
/// one for each directory of `PATH`. `environment` has elements of the form `NAME=VALUE`.
pub fn program_candidates<'a>(
    program: &[u8],
    mut environment: impl Iterator<Item = &'a [u8]>,
) -> Vec<Vec<u8>> {
    if program.contains(&b'/') {
        return vec![program.to_owned()];
    }
    let path = environment.find_map(|variable| variable.strip_prefix(b"PATH="));
    path.unwrap_or(b"/bin:/usr/bin")
        .split(|byte| *byte == b':')
        .map(|directory| match directory {
            b"" => [b"./", program].concat(),
            _ => [directory, b"/", program].concat(),
        })
        .collect()
}

/// Raises the `oom_score_adj` of a job whose program is its first process. The process
/// cannot do this itself: the value would also apply to the launcher, whose memory it shares
/// before it executes the program. An error is ignored, as the job runs without it.
pub fn offer_to_oom_killer(pid: i32) {
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE);
}

/// Raises the `oom_score_adj` of the calling process, which was cloned with `CLONE_VFORK` and
/// so has a value of its own. `proc` is the launcher's `/proc`.
pub fn offer_self_to_oom_killer(proc: &OwnedFd) -> Result<(), StepError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    nix::fcntl::openat(proc, "self/oom_score_adj", flags, Mode::empty())
        .and_then(|file| nix::unistd::write(file, OOM_SCORE.as_bytes()))
        .step(Step::RaiseOomScore)
        .map(drop)
}
