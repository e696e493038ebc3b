//! The system calls that are observed, and the meaning of their arguments.
//!
//! These are the calls that take the path of a file, those that take the address of a socket, and
//! those that change what paths mean. The calls that work on open descriptors are not among them: the path was given when
//! the descriptor was opened.

use nix::libc::{self, c_int, c_long};

/// A system call that is observed.
#[derive(Debug, PartialEq, Eq)]
pub struct ObservedCall {
    pub number: c_long,
    pub kind: CallKind,
}

/// The arguments of a call that matter. Arguments are named by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    Paths(&'static [PathArgument]),
    /// `connect`: the address is argument 1, its length argument 2.
    Connect,
    /// `bind`, with the arguments of `connect`.
    Bind,
    /// `sendto`: the address is argument 4, its length argument 5.
    Send,
    /// `sendmmsg`: argument 1 is the list of messages, argument 2 their number.
    SendMany,
    /// `seccomp` that installs a filter with a listener. The filter is argument 2. The kernel
    /// refuses it to an observed process.
    NewListener,
    /// A call that may give its thread, or those that share its root, another root.
    ChangesRoot,
    /// `io_uring_setup`. The operations of a ring are not observed.
    IoUring,
}

/// A path among the arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathArgument {
    /// The descriptor of the directory of relative paths. `None`: the working directory.
    pub directory: Option<usize>,
    pub path: usize,
    pub usage: PathUse,
    pub follow: Follow,
}

/// What a call does with the file of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathUse {
    Execute,
    /// The flags of open(2) are in this argument.
    Open(usize),
    /// The argument is a pointer to a structure that begins with the flags of open(2).
    OpenHow(usize),
    /// The file is not opened, and only its attributes are read.
    Look,
    /// The file or its directory entry is changed, or created.
    Write,
}

/// Whether a symbolic link at the end of the path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    Always,
    Never,
    /// Unless this flag is in this argument.
    Unless(usize, c_int),
    /// If this flag is in this argument.
    If(usize, c_int),
}

const fn path(path: usize, usage: PathUse, follow: Follow) -> PathArgument {
    PathArgument {
        directory: None,
        path,
        usage,
        follow,
    }
}

const fn at(directory: usize, usage: PathUse, follow: Follow) -> PathArgument {
    PathArgument {
        directory: Some(directory),
        path: directory + 1,
        usage,
        follow,
    }
}

/// `AT_SYMLINK_NOFOLLOW` in this argument.
const fn unless(argument: usize) -> Follow {
    Follow::Unless(argument, libc::AT_SYMLINK_NOFOLLOW)
}

const fn call(number: c_long, kind: CallKind) -> ObservedCall {
    ObservedCall { number, kind }
}

const fn paths(number: c_long, paths: &'static [PathArgument]) -> ObservedCall {
    call(number, CallKind::Paths(paths))
}

use Follow::{Always, If, Never, Unless};
use PathUse::{Execute, Look, Open, OpenHow, Write};

/// Numbers that all architectures share and that libc does not have for each of them.
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const GETXATTRAT: c_long = 464;
const LISTXATTRAT: c_long = 465;
const REMOVEXATTRAT: c_long = 466;

/// The calls of every architecture.
#[rustfmt::skip]
static CALLS: &[ObservedCall] = &[
    paths(libc::SYS_openat, &[at(0, Open(2), Always)]),
    paths(libc::SYS_openat2, &[at(0, OpenHow(2), Always)]),
    paths(libc::SYS_execve, &[path(0, Execute, Always)]),
    paths(libc::SYS_execveat, &[at(0, Execute, unless(4))]),
    paths(libc::SYS_newfstatat, &[at(0, Look, unless(3))]),
    paths(libc::SYS_statx, &[at(0, Look, unless(2))]),
    paths(libc::SYS_faccessat, &[at(0, Look, Always)]),
    paths(libc::SYS_faccessat2, &[at(0, Look, unless(3))]),
    paths(libc::SYS_readlinkat, &[at(0, Look, Never)]),
    paths(libc::SYS_chdir, &[path(0, Look, Always)]),
    paths(libc::SYS_statfs, &[path(0, Look, Always)]),
    paths(libc::SYS_getxattr, &[path(0, Look, Always)]),
    paths(libc::SYS_lgetxattr, &[path(0, Look, Never)]),
    paths(libc::SYS_listxattr, &[path(0, Look, Always)]),
    paths(libc::SYS_llistxattr, &[path(0, Look, Never)]),
    paths(GETXATTRAT, &[at(0, Look, unless(2))]),
    paths(LISTXATTRAT, &[at(0, Look, unless(2))]),
    paths(libc::SYS_inotify_add_watch, &[path(1, Look, Unless(2, libc::IN_DONT_FOLLOW as c_int))]),
    paths(libc::SYS_mkdirat, &[at(0, Write, Never)]),
    paths(libc::SYS_mknodat, &[at(0, Write, Never)]),
    paths(libc::SYS_unlinkat, &[at(0, Write, Never)]),
    paths(libc::SYS_renameat2, &[at(0, Write, Never), at(2, Write, Never)]),
    paths(libc::SYS_linkat, &[at(0, Look, If(4, libc::AT_SYMLINK_FOLLOW)), at(2, Write, Never)]),
    paths(libc::SYS_symlinkat, &[at(1, Write, Never)]),
    paths(libc::SYS_truncate, &[path(0, Write, Always)]),
    paths(libc::SYS_fchmodat, &[at(0, Write, Always)]),
    paths(FCHMODAT2, &[at(0, Write, unless(3))]),
    paths(libc::SYS_fchownat, &[at(0, Write, unless(4))]),
    paths(libc::SYS_utimensat, &[at(0, Write, unless(3))]),
    paths(libc::SYS_setxattr, &[path(0, Write, Always)]),
    paths(libc::SYS_lsetxattr, &[path(0, Write, Never)]),
    paths(libc::SYS_removexattr, &[path(0, Write, Always)]),
    paths(libc::SYS_lremovexattr, &[path(0, Write, Never)]),
    paths(SETXATTRAT, &[at(0, Write, unless(2))]),
    paths(REMOVEXATTRAT, &[at(0, Write, unless(2))]),
    call(libc::SYS_connect, CallKind::Connect),
    call(libc::SYS_bind, CallKind::Bind),
    call(libc::SYS_sendto, CallKind::Send),
    call(libc::SYS_sendmmsg, CallKind::SendMany),
    call(libc::SYS_seccomp, CallKind::NewListener),
    call(libc::SYS_io_uring_setup, CallKind::IoUring),
    call(libc::SYS_chroot, CallKind::ChangesRoot),
    call(libc::SYS_pivot_root, CallKind::ChangesRoot),
    call(libc::SYS_setns, CallKind::ChangesRoot),
    call(libc::SYS_unshare, CallKind::ChangesRoot),
];

/// The calls that only older architectures have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static OLDER_CALLS: &[ObservedCall] = &[
    paths(libc::SYS_open, &[path(0, Open(1), Always)]),
    paths(libc::SYS_creat, &[path(0, Write, Always)]),
    paths(libc::SYS_stat, &[path(0, Look, Always)]),
    paths(libc::SYS_lstat, &[path(0, Look, Never)]),
    paths(libc::SYS_access, &[path(0, Look, Always)]),
    paths(libc::SYS_readlink, &[path(0, Look, Never)]),
    paths(libc::SYS_mkdir, &[path(0, Write, Never)]),
    paths(libc::SYS_mknod, &[path(0, Write, Never)]),
    paths(libc::SYS_unlink, &[path(0, Write, Never)]),
    paths(libc::SYS_rmdir, &[path(0, Write, Never)]),
    paths(libc::SYS_rename, &[path(0, Write, Never), path(1, Write, Never)]),
    paths(libc::SYS_renameat, &[at(0, Write, Never), at(2, Write, Never)]),
    paths(libc::SYS_link, &[path(0, Look, Never), path(1, Write, Never)]),
    paths(libc::SYS_symlink, &[path(1, Write, Never)]),
    paths(libc::SYS_chmod, &[path(0, Write, Always)]),
    paths(libc::SYS_chown, &[path(0, Write, Always)]),
    paths(libc::SYS_lchown, &[path(0, Write, Never)]),
    paths(libc::SYS_utime, &[path(0, Write, Always)]),
    paths(libc::SYS_utimes, &[path(0, Write, Always)]),
    paths(libc::SYS_futimesat, &[at(0, Write, Always)]),
];

#[cfg(target_arch = "aarch64")]
#[rustfmt::skip]
static OLDER_CALLS: &[ObservedCall] = &[
    paths(libc::SYS_renameat, &[at(0, Write, Never), at(2, Write, Never)]),
];

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static OLDER_CALLS: &[ObservedCall] = &[];

/// All calls that are observed.
pub fn all() -> impl Iterator<Item = &'static ObservedCall> {
    CALLS.iter().chain(OLDER_CALLS)
}

/// The argument with the flags of a call that reads the attributes of a file, if the call may name
/// the file by a descriptor and an empty path.
///
/// The C library and Rust's standard library read the attributes of each file that they have opened
/// by such calls, with `AT_EMPTY_PATH`. They pass this flag only with an empty path. Programs that
/// pass it with other paths are hardly known; they read attributes that the facts then lack.
pub fn flags_with_descriptor(number: c_long) -> Option<u32> {
    match number {
        libc::SYS_newfstatat => Some(3),
        libc::SYS_statx => Some(2),
        _ => None,
    }
}

/// The call with this number.
pub fn with_number(number: c_long) -> Option<&'static ObservedCall> {
    all().find(|call| call.number == number)
}
