//! The filter with which a job is observed, and its installation in the job's process.
//!
//! The filter (see seccomp(2)) tells the observer of the calls in [`calls`], and lets all other
//! calls through. The kernel stops a process that makes one of these calls until the observer
//! has answered. The observer always answers that the call continues, so the filter refuses
//! nothing.

use super::calls::{self, CallKind};
use super::protocol::encode;
use super::root::ObservedRoot;
use super::step::{Step, StepContext, StepError};
use nix::libc::{self, c_long};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

/// The descriptors with which a job is observed.
pub struct JobObservation {
    /// The socket to the observer.
    pub observer: OwnedFd,
    /// The job's file system.
    pub root: ObservedRoot,
}

/// Sends the observer the directories of the machine that the job does not see, before it begins.
/// The memory that is allocated here is freed.
pub fn send_left_out(observer: &OwnedFd, directories: &[PathBuf]) -> Result<(), StepError> {
    let directories: Vec<&OsStr> = directories.iter().map(|path| path.as_os_str()).collect();
    let message = encode(&directories).step(Step::SendLeftOut)?;
    let mut sent = 0;
    while sent < message.len() {
        let rest = [IoSlice::new(&message[sent..])];
        let flags = MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(observer.as_raw_fd(), &rest, &[], flags, None) {
            Err(nix::Error::EINTR) => {}
            other => sent += other.step(Step::SendLeftOut)?,
        }
    }
    Ok(())
}

impl JobObservation {
    /// Observes the calling process and its descendants from now on: installs the filter, and
    /// sends the observer the listener, the root, and the layers if it needs them.
    ///
    /// The process may not make an observed call before it executes its program, except for
    /// execve(2) itself. The memory that is allocated here is freed.
    pub fn begin(&self) -> Result<(), StepError> {
        let listener = install().step(Step::InstallFilter)?;
        let ObservedRoot { layers, root } = &self.root;
        let mut descriptors = [&listener, root, root].map(AsRawFd::as_raw_fd);
        let descriptors = match layers {
            Some(layers) => {
                descriptors[2] = layers.as_raw_fd();
                &descriptors[..]
            }
            None => &descriptors[..2],
        };
        // The process would wait forever for an observer that has ended if it held the
        // listener itself. It is closed here, and only the observer has it.
        sendmsg::<()>(
            self.observer.as_raw_fd(),
            &[IoSlice::new(&[0])],
            &[ControlMessage::ScmRights(descriptors)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .step(Step::SendListener)
        .map(drop)
    }
}

/// The architecture of the calls in [`calls`], as the kernel names it in `seccomp_data`, and
/// that of 32-bit programs.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: Option<(u32, u32)> = Some((0xc000_003e, 0x4000_0003));
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: Option<(u32, u32)> = Some((0xc000_00b7, 0x4000_0028));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURES: Option<(u32, u32)> = None;

/// The bit that calls of the ABI x32 have in their numbers.
#[cfg(target_arch = "x86_64")]
const FOREIGN_BIT: u32 = 0x4000_0000;
#[cfg(not(target_arch = "x86_64"))]
const FOREIGN_BIT: u32 = 0;

/// Calls of 32-bit programs that each of them makes when it starts: `open`, `execve`, `access`,
/// `brk`, and `openat` on x86 and on ARM. They are observed only to notice such programs.
const FOREIGN_CALLS: [u32; 6] = [5, 11, 33, 45, 295, 322];

/// Whether a call belongs to another ABI than those in [`calls`].
pub fn is_foreign(architecture: u32, number: i32) -> bool {
    ARCHITECTURES.is_none_or(|(native, _)| native != architecture)
        || number.cast_unsigned() & FOREIGN_BIT != 0
}

/// Offsets in `seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn low_half(argument: u32) -> u32 {
    16 + 8 * argument
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const HAS_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// A step of the filter: an operation, and where to go on if a comparison holds or not.
struct FilterStep {
    code: u32,
    operand: u32,
    holds: Target,
    fails: Target,
}

#[derive(Clone, Copy)]
enum Target {
    Next,
    Label(Label),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Allow,
    Notify,
    Foreign,
    Send,
    Seccomp,
    /// A call that reads attributes, with its flags in this argument.
    Attributes(u32),
}

/// The filter, as steps with labels.
struct Assembler {
    steps: Vec<FilterStep>,
    labels: Vec<(Label, usize)>,
}

impl Assembler {
    fn push(&mut self, code: u32, operand: u32, holds: Target, fails: Target) {
        self.steps.push(FilterStep {
            code,
            operand,
            holds,
            fails,
        });
    }

    fn load(&mut self, offset: u32) {
        self.push(LOAD, offset, Target::Next, Target::Next);
    }

    fn finish(&mut self, action: u32) {
        self.push(RETURN, action, Target::Next, Target::Next);
    }

    /// Goes on at a label if a comparison holds.
    fn jump_if(&mut self, code: u32, operand: u32, label: Label) {
        self.push(code, operand, Target::Label(label), Target::Next);
    }

    fn label(&mut self, label: Label) {
        self.labels.push((label, self.steps.len()));
    }

    fn assemble(&self) -> Vec<libc::sock_filter> {
        let position = |label| {
            let found = self.labels.iter().find(|(name, _)| *name == label);
            found.map_or(0, |(_, position)| *position)
        };
        let jump = |from: usize, target| match target {
            Target::Next => 0,
            // A filter of fewer than 256 steps has no longer jumps.
            Target::Label(label) => (position(label) - from - 1) as u8,
        };
        let steps = self.steps.iter().enumerate();
        steps
            .map(|(index, step)| libc::sock_filter {
                code: step.code as u16,
                jt: jump(index, step.holds),
                jf: jump(index, step.fails),
                k: step.operand,
            })
            .collect()
    }
}

/// The filter for these architectures.
fn filter((native, foreign): (u32, u32)) -> Vec<libc::sock_filter> {
    let mut filter = Assembler {
        steps: Vec::new(),
        labels: Vec::new(),
    };
    filter.load(ARCHITECTURE);
    filter.push(EQUALS, native, Target::Next, Target::Label(Label::Foreign));
    filter.load(NUMBER);
    if FOREIGN_BIT != 0 {
        filter.jump_if(HAS_BITS, FOREIGN_BIT, Label::Notify);
    }
    for call in calls::all() {
        let label = match (call.kind, calls::flags_with_descriptor(call.number)) {
            (CallKind::Send, _) => Label::Send,
            (CallKind::NewListener, _) => Label::Seccomp,
            (_, Some(argument)) => Label::Attributes(argument),
            (_, None) => Label::Notify,
        };
        filter.jump_if(EQUALS, call.number as u32, label);
    }
    filter.finish(libc::SECCOMP_RET_ALLOW);
    filter.label(Label::Foreign);
    filter.push(EQUALS, foreign, Target::Next, Target::Label(Label::Allow));
    filter.load(NUMBER);
    for number in FOREIGN_CALLS {
        filter.jump_if(EQUALS, number, Label::Notify);
    }
    filter.finish(libc::SECCOMP_RET_ALLOW);
    // A socket that is connected is sent to without an address.
    filter.label(Label::Send);
    filter.load(low_half(4));
    filter.push(EQUALS, 0, Target::Next, Target::Label(Label::Notify));
    filter.load(low_half(4) + 4);
    filter.push(
        EQUALS,
        0,
        Target::Label(Label::Allow),
        Target::Label(Label::Notify),
    );
    // The attributes of an open file: its path was told when it was opened.
    for argument in calls::all().filter_map(|call| calls::flags_with_descriptor(call.number)) {
        filter.label(Label::Attributes(argument));
        filter.load(low_half(argument));
        filter.push(
            HAS_BITS,
            libc::AT_EMPTY_PATH as u32,
            Target::Next,
            Target::Label(Label::Notify),
        );
        filter.load(low_half(0));
        filter.push(
            EQUALS,
            libc::AT_FDCWD as u32,
            Target::Label(Label::Notify),
            Target::Label(Label::Allow),
        );
    }
    filter.label(Label::Seccomp);
    filter.load(low_half(0));
    filter.push(
        EQUALS,
        libc::SECCOMP_SET_MODE_FILTER,
        Target::Next,
        Target::Label(Label::Allow),
    );
    filter.load(low_half(1));
    filter.jump_if(
        HAS_BITS,
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32,
        Label::Notify,
    );
    filter.label(Label::Allow);
    filter.finish(libc::SECCOMP_RET_ALLOW);
    filter.label(Label::Notify);
    filter.finish(libc::SECCOMP_RET_USER_NOTIF);
    filter.assemble()
}

/// Installs the filter in the calling process. Returns its listener.
fn install() -> io::Result<OwnedFd> {
    let unsupported = || io::Error::from_raw_os_error(libc::EOPNOTSUPP);
    let mut steps = filter(ARCHITECTURES.ok_or_else(unsupported)?);
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // Without the second flag, a signal interrupts a call that the observer has received, and a
    // timer can keep a program from ever making a call. Before the call is received, a signal
    // interrupts it in any case.
    let flags =
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: the filter and its steps live through the call, which copies them.
    let listener: c_long = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            c_long::from(libc::SECCOMP_SET_MODE_FILTER),
            flags,
            &raw const program,
        )
    };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor. It is closed by execve(2).
    Ok(unsafe { OwnedFd::from_raw_fd(listener as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIVE: u32 = 1;
    const FOREIGN: u32 = 2;

    /// The result of the filter for a call, as the kernel computes it.
    fn decide(architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let steps = filter((NATIVE, FOREIGN));
        let mut data = [number.to_ne_bytes(), architecture.to_ne_bytes()].concat();
        data.extend([0; 8]);
        data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = &steps[at];
            let jump = |holds| usize::from(if holds { step.jt } else { step.jf });
            at += 1;
            match u32::from(step.code) {
                LOAD => {
                    let offset = step.k as usize;
                    accumulator = u32::from_ne_bytes(data[offset..offset + 4].try_into().unwrap());
                }
                EQUALS => at += jump(accumulator == step.k),
                HAS_BITS => at += jump(accumulator & step.k != 0),
                RETURN => return step.k,
                code => panic!("{code}"),
            }
        }
    }

    fn is_told(number: c_long, arguments: [u64; 6]) -> bool {
        match decide(NATIVE, number as u32, arguments) {
            libc::SECCOMP_RET_USER_NOTIF => true,
            libc::SECCOMP_RET_ALLOW => false,
            other => panic!("{other:x}"),
        }
    }

    #[test]
    fn calls_with_paths_are_told_and_others_let_through() {
        for call in calls::all().filter(|call| matches!(call.kind, CallKind::Paths(_))) {
            assert!(is_told(call.number, [0; 6]), "{call:?}");
        }
        for number in [
            libc::SYS_read,
            libc::SYS_sendmsg,
            libc::SYS_exit_group,
            libc::SYS_rt_sigreturn,
        ] {
            assert!(!is_told(number, [u64::MAX; 6]), "{number}");
        }
    }

    #[test]
    fn calls_are_told_only_with_the_arguments_that_matter() {
        let send = |address| is_told(libc::SYS_sendto, [0, 0, 0, 0, address, 0]);
        assert_eq!([0, 1, 1 << 32].map(send), [false, true, true]);
        let filter = u64::from(libc::SECCOMP_SET_MODE_FILTER);
        let seccomp = |flags| is_told(libc::SYS_seccomp, [filter, flags, 0, 0, 0, 0]);
        assert_eq!([0, 1, 8, 9].map(seccomp), [false, false, true, true]);
        let operation = |operation| is_told(libc::SYS_seccomp, [operation, 8, 0, 0, 0, 0]);
        assert_eq!(
            [0, filter, 2, 3].map(operation),
            [false, true, false, false]
        );
    }

    #[test]
    fn the_attributes_of_open_files_are_not_told() {
        const EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;
        let directory = libc::AT_FDCWD as u64;
        let status = |fd, flags| is_told(libc::SYS_newfstatat, [fd, 0, 0, flags, 0, 0]);
        let statx = |fd, flags| is_told(libc::SYS_statx, [fd, 0, flags, 0, 0, 0]);
        assert_eq!(
            [status(3, EMPTY_PATH), statx(3, EMPTY_PATH)],
            [false, false]
        );
        for (fd, flags) in [(3, 0), (directory, EMPTY_PATH), (0xffff_ff9c, EMPTY_PATH)] {
            assert!(status(fd, flags) && statx(fd, flags), "{fd:x} {flags:x}");
        }
    }

    #[test]
    fn the_first_calls_of_other_abis_are_told() {
        let foreign = |number| decide(FOREIGN, number, [0; 6]);
        assert_eq!(foreign(11), libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(foreign(1), libc::SECCOMP_RET_ALLOW);
        assert_eq!(decide(3, 11, [0; 6]), libc::SECCOMP_RET_ALLOW);
        if FOREIGN_BIT != 0 {
            assert!(is_told((FOREIGN_BIT | 1).into(), [0; 6]));
        }
    }

    #[test]
    fn jumps_fit_the_filter() {
        // A jump is one byte; a longer one would be cut.
        assert!(filter((NATIVE, FOREIGN)).len() < 256);
    }
}
