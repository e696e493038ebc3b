//! System calls that nix and rustix lack, each with a safe interface.

use nix::libc;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The process in which clone3 returned.
pub enum Cloned {
    Child,
    Parent { pid: i32 },
}

/// clone3(2) in the manner of fork(2): the child continues here on a copy of the caller's
/// memory, with the default actions for signals that had handlers.
///
/// Must be called from a process with one thread. Otherwise the child could not allocate.
pub fn clone3(flags: libc::c_int) -> io::Result<Cloned> {
    // SAFETY: plain old data, for which all zeroes means "not asked for".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags as u32) | CLONE_CLEAR_SIGHAND;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has its own copy of everything; `args` lives
    // through the call.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of_val(&args)) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    Ok(Cloned::Parent { pid: pid as i32 })
}

/// `CLONE_CLEAR_SIGHAND`, which does not fit the type libc gives flags.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// The stack of a process that shares the rest of this one's memory, with a guard below it:
/// an overflow ends that process. Pages that are not used take no memory.
pub struct Stack {
    bottom: *mut libc::c_void,
    size: usize,
}

impl Stack {
    pub fn new(size: usize) -> io::Result<Self> {
        let size = size.next_multiple_of(GUARD);
        // SAFETY: asks for fresh memory, which nobody else uses.
        let bottom = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size + GUARD,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if bottom == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { bottom, size };
        // SAFETY: within what was mapped just now.
        check(libc::c_long::from(unsafe {
            libc::mprotect(
                bottom.byte_add(GUARD),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        }))?;
        Ok(stack)
    }

    /// The start of the stack, which grows down.
    fn top(&mut self) -> *mut libc::c_void {
        self.bottom.wrapping_byte_add(GUARD + self.size)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: this is what was mapped, and nobody runs on it any more.
        unsafe { libc::munmap(self.bottom, GUARD + self.size) };
    }
}

/// The size of the guard below a stack, in bytes: the largest page size of any machine.
const GUARD: usize = 64 * 1024;

/// Runs `child` in a new process that has namespaces of its own and shares this one's
/// memory, and waits until it has executed a program or exited. The caller sees the changes
/// that the child made in memory.
///
/// As with vfork(2), only one of the two processes runs on the memory at a time, and no page
/// is copied. Unlike vfork(2), the wait can be interrupted by a signal and does not count
/// as load. Must be called from a process with one thread. Memory that the child has
/// allocated when it executes a program is lost.
pub fn clone_sharing(
    namespaces: libc::c_int,
    stack: &mut Stack,
    child: &mut dyn FnMut() -> u8,
) -> io::Result<(i32, OwnedFd)> {
    let (released, held) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let mut pidfd: RawFd = -1;
    let flags = namespaces | libc::CLONE_VM | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut child = child;
    // SAFETY: what the child works with stays in place until it has let go of it: the
    // pipe ends when the child's descriptors do.
    let pid = unsafe { clone(flags, stack, &raw mut child, &raw mut pidfd) }?;
    drop(held);
    while let Err(nix::Error::EINTR) = nix::unistd::read(&released, &mut [0]) {}
    // SAFETY: the kernel has just made this descriptor for us.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Runs `child` in a new process that shares this one's memory while the caller
/// waits for it to exec or exit, as vfork(2) does, on a stack of its own.
pub fn vfork(stack: &mut Stack, child: &mut dyn FnMut() -> u8) -> io::Result<i32> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let mut child = child;
    // SAFETY: CLONE_VFORK keeps this thread out of the way until the child has left
    // its stack.
    unsafe { clone(flags, stack, &raw mut child, std::ptr::null_mut()) }
}

/// # Safety
///
/// The caller must not go on, nor free or use `stack` or `child`, before the new
/// process has executed a program or exited. `pidfd` is null or valid.
unsafe fn clone(
    flags: libc::c_int,
    stack: &mut Stack,
    child: *mut &mut dyn FnMut() -> u8,
    pidfd: *mut RawFd,
) -> io::Result<i32> {
    extern "C" fn enter(argument: *mut libc::c_void) -> libc::c_int {
        // SAFETY: `argument` is `child` below, which the caller keeps.
        let child = unsafe { &mut *argument.cast::<&mut dyn FnMut() -> u8>() };
        libc::c_int::from(child())
    }
    // SAFETY: as the caller promises.
    let pid = unsafe { libc::clone(enter, stack.top(), flags, child.cast(), pidfd) };
    check(libc::c_long::from(pid)).map(|pid| pid as i32)
}

/// A child that ended, as wait4(2) reports it.
pub struct ReapedChild {
    pub pid: i32,
    pub status: i32,
    pub usage: libc::rusage,
}

/// Waits for the child `pid`, or for any child if it is -1. `None` only with `WNOHANG`, if no
/// child has ended.
pub fn wait4(pid: i32, options: libc::c_int) -> io::Result<Option<ReapedChild>> {
    let mut status = 0;
    // SAFETY: plain old data.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are valid for the call.
        let waited = unsafe { libc::wait4(pid, &raw mut status, options, &raw mut usage) };
        match check(libc::c_long::from(waited)) {
            Ok(0) => return Ok(None),
            Ok(pid) => {
                return Ok(Some(ReapedChild {
                    pid: pid as i32,
                    status,
                    usage,
                }));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The resource usage of the children that were waited for, and of theirs. See getrusage(2).
pub fn usage_of_children() -> io::Result<libc::rusage> {
    // SAFETY: plain old data.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the call.
    check(libc::c_long::from(unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage)
    }))?;
    Ok(usage)
}

/// Kills the process of `pidfd`.
pub fn kill(pidfd: BorrowedFd<'_>) {
    // SAFETY: no pointers but a null one. An error means it is gone already.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        );
    }
}

/// Sets the attributes `set` of a mount, and with `user_ns` maps ids as that namespace does.
/// See `mount_setattr(2)`.
pub fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    set: u64,
    user_ns: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    // SAFETY: plain old data.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = set;
    if let Some(user_ns) = user_ns {
        attributes.attr_set |= libc::MOUNT_ATTR_IDMAP;
        attributes.userns_fd = user_ns.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and `attributes` outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })
    .map(drop)
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: RawFd) {
    // SAFETY: the callers own no descriptor at or above `first` any more that
    // they would use or drop before exec or exit.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
}

/// Joins a new, anonymous session keyring, so that the process cannot use the keys of the
/// session that started it. A kernel without keyrings is no error.
///
/// Keyrings that are found by name belong to a user namespace, so the process has left these
/// too. The kernel still gives it access, by the number of a key, to the user keyring of
/// another process with the same uid on the host.
pub fn leave_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    const ATTEMPTS: u32 = 200;
    let join = || {
        // SAFETY: a null name asks for an anonymous keyring.
        check(unsafe {
            libc::syscall(
                libc::SYS_keyctl,
                KEYCTL_JOIN_SESSION_KEYRING,
                std::ptr::null::<libc::c_char>(),
            )
        })
    };
    let mut joined = join();
    // A user may have 200 keys, see keyrings(7). The keyrings of jobs that have ended count until the
    // kernel has collected them, which it does in the background.
    for _ in 1..ATTEMPTS {
        match &joined {
            Err(error) if error.raw_os_error() == Some(libc::EDQUOT) => {
                std::thread::sleep(Duration::from_millis(5));
                joined = join();
            }
            _ => break,
        }
    }
    match joined {
        // A seccomp profile that refuses keyctl (Docker's) refuses it to jobs too.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
        other => other.map(drop),
    }
}

/// Empties the permitted, effective and inheritable capability sets.
pub fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct CapabilityHeader {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = CapabilityHeader {
        version: VERSION_3,
        pid: 0,
    };
    let none = [0u32; 6];
    // SAFETY: version 3 takes two sets of three words, which `none` is.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// Gives every signal its default action and unblocks it. Ignored and blocked signals stay so
/// after exec, and Rust's runtime ignores SIGPIPE.
pub fn reset_signals() {
    // As the kernel has it: handler, flags, restorer, mask.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no code; signals that cannot be changed say
        // so with an error that does not matter. Not by way of libc, which will
        // not touch the two signals it keeps for itself.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            );
        }
    }
    unblock_signals();
}

pub fn unblock_signals() {
    // SAFETY: `set` is initialised by sigemptyset before it is read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// Makes `fd` be descriptor `number`, which survives exec.
pub fn place_descriptor(fd: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: the standard descriptors are nobody's `OwnedFd`.
    check(libc::c_long::from(unsafe { libc::dup2(fd, number) })).map(drop)
}

/// Ends the process at once, without running exit handlers.
pub fn exit(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

/// execve(2) with lists of C strings; returns only the error.
pub fn exec(
    program: &std::ffi::CStr,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> io::Error {
    debug_assert!(arguments.last().is_some_and(|last| last.is_null()));
    debug_assert!(environment.last().is_some_and(|last| last.is_null()));
    // SAFETY: both lists end in a null pointer and point to C strings that live
    // as long as the request they come from.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Brings the interface `lo` of the current network namespace up.
pub fn bring_loopback_up() -> io::Result<()> {
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: plain old data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    check(libc::c_long::from(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    }))
    .map(drop)
}

/// Unmaps the pages of the program's code and its libraries, of which little is needed from
/// now on. Pages that are needed are mapped again from the page cache. An error is ignored,
/// as it only costs memory.
pub fn forget_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (range, permissions) = (words.next(), words.next());
        // Code that is never written to. Relocated pages are in other mappings.
        if permissions != Some("r-xp") || !line.contains('/') {
            continue;
        }
        let bounds = range.and_then(|range| range.split_once('-'));
        let bounds = bounds.map(|(start, end)| {
            (
                usize::from_str_radix(start, 16),
                usize::from_str_radix(end, 16),
            )
        });
        if let Some((Ok(start), Ok(end))) = bounds {
            // SAFETY: the pages are of a file and unchanged: the same come back.
            unsafe {
                libc::madvise(
                    std::ptr::without_provenance_mut(start),
                    end - start,
                    libc::MADV_DONTNEED,
                );
            }
        }
    }
}

/// Ends this process by a signal with its default action, without a core dump. Returns if the
/// default action does not end processes.
pub fn die_of(signal: i32) {
    let limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is valid for the call; SIG_DFL installs no code.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        libc::signal(signal, libc::SIG_DFL);
    }
    unblock_signals();
    // SAFETY: no pointers.
    unsafe { libc::raise(signal) };
}
