//! The tiny init: pid 1 of a job whose program is not.
//!
//! The kernel ignores signals to a pid 1 that has no handler for them, so a
//! program that is pid 1 cannot abort. This one starts the program, reaps
//! whatever is left to it, and ends when the program does, upon which the kernel
//! kills everything else in the job. Where there is nothing else, it tells the client
//! first, which need not wait until the kernel has taken the container apart. It has no capability, and as its memory and
//! descriptors are a copy of the launcher's, the job can look at neither.

use super::job::{self, JobRecord, ProgramEnd, Told};
use super::protocol::{Ended, Reply, Request, StepError};
use super::step::Step;
use super::sys;
use super::written;
use std::ffi::CStr;
use std::os::fd::OwnedFd;

/// Runs the program and returns how it ended.
pub fn run(
    request: &Request<&CStr>,
    scratch: Option<&OwnedFd>,
    told: Told<'_>,
) -> Result<JobRecord, StepError> {
    // Before there is anyone to look; the program gets a new memory, which is
    // its own to show.
    nix::sys::prctl::set_dumpable(false).step("become untraceable")?;
    let mut failure = None;
    let program = sys::vfork(&mut || {
        failure = Some(start(request));
        127
    })
    .step("create the program's process")?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    sys::drop_capabilities().step("drop capabilities")?;
    nix::sys::prctl::set_name(c"init").step("take a name")?;
    let wait_status = wait_for(program)?;
    let duration = told.started.elapsed();
    let end = ProgramEnd {
        wait_status,
        scratch_full: scratch.is_some_and(is_full),
        written: match scratch {
            Some(scratch) if wait_status != 0 => written::below(scratch, &request.watched),
            _ => Vec::new(),
        },
    };
    if !is_alone() {
        // What is left may have more to say, until this process ends.
        return Ok(JobRecord::Ended(end));
    }
    let reply = Reply::Ended(Ended {
        wait_status,
        timed_out: false,
        scratch_full: end.scratch_full,
        written: end.written,
        duration,
        usage: sys::usage_of_children()
            .step("read what the program used")?
            .into(),
    });
    told.client.send(told.job, &reply).step("tell the client")?;
    Ok(JobRecord::Told)
}

/// Reaps whatever ends until the program has.
fn wait_for(program: i32) -> Result<i32, StepError> {
    loop {
        let waited = sys::wait4(-1).step("wait for the program")?;
        if waited.pid == program {
            return Ok(waited.status);
        }
    }
}

/// Whether no other process is left: all that lose their parent are this one's.
fn is_alone() -> bool {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return false,
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return true,
        }
    }
}

/// In the program's process, which shares this one's memory: becomes the program.
fn start(request: &Request<&CStr>) -> StepError {
    if let Err(error) = nix::unistd::setsid().step("create a session") {
        return error;
    }
    if request.user != 0
        && let Err(error) = sys::drop_capabilities().step("drop capabilities")
    {
        return error;
    }
    job::execute(request)
}

fn is_full(scratch: &OwnedFd) -> bool {
    nix::sys::statvfs::fstatvfs(scratch)
        .is_ok_and(|space| space.blocks_available() == 0 || space.files_available() == 0)
}
