//! The loop of the observer: each call is read, continues, and is recorded.

use super::ObservedContainer;
use super::address::{self, Address, AddressUse, SocketCall};
use super::process::{RootId, StoppedThread};
use super::records::{Incomplete, Records, Uses};
use crate::container::{CallKind, Follow, Listener, Notification, PathArgument, PathUse};
use nix::libc;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The number of messages of a `sendmmsg` whose addresses are read.
const MOST_MESSAGES: u64 = 16;

/// Records the calls of a job until no process is left, or until `stop` is closed.
pub fn watch(
    mut listener: Listener,
    root: &OwnedFd,
    stop: BorrowedFd<'_>,
    container: &ObservedContainer,
) -> io::Result<Records> {
    let mut watcher = Watcher {
        root: RootId::of(root)?,
        start: Start {
            thread: None,
            candidates: container.program.iter().cloned().collect(),
        },
        working_directory: container.working_directory.clone(),
    };
    let mut records = Records::default();
    let mut seen = Vec::new();
    while let Some(notification) = listener.next(stop)? {
        seen.clear();
        watcher.read(&notification, &mut seen);
        // What was read belongs to the process that made the call only if the call still waited.
        if listener.let_continue(notification.id)? {
            for one in seen.drain(..) {
                one.record(&mut records);
            }
        }
    }
    Ok(records)
}

/// Something that was read from a call.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    File(PathBuf, Uses),
    Address(AddressUse),
    Incomplete(Incomplete),
    RefusedListener,
}

impl Seen {
    fn record(self, records: &mut Records) {
        match self {
            Self::File(path, uses) => records.add_file(path, uses),
            Self::Address(address) => records.add_address(address),
            Self::Incomplete(reason) => {
                records.incomplete.insert(reason);
            }
            Self::RefusedListener => records.refused_listener = true,
        }
    }
}

struct Watcher {
    /// The root of the job.
    root: RootId,
    start: Start,
    working_directory: PathBuf,
}

/// The execution of the job's program, which comes first. The memory of the process is that of
/// the launcher then, and cannot be read by every user; but the paths are known.
struct Start {
    thread: Option<u32>,
    candidates: VecDeque<PathBuf>,
}

impl Start {
    /// The path of an execution of the job's program, if this notification may be one. The
    /// program may be tried at several paths.
    fn next(&mut self, notification: &Notification) -> Option<PathBuf> {
        let is_first = *self.thread.get_or_insert(notification.thread) == notification.thread;
        let is_execution = is_first
            && notification
                .call
                .is_some_and(|call| call.number == libc::SYS_execve);
        if !is_execution {
            self.candidates.clear();
        }
        self.candidates.pop_front()
    }
}

impl Watcher {
    fn read(&mut self, notification: &Notification, seen: &mut Vec<Seen>) {
        let started = self.start.next(notification);
        let Some(call) = notification.call else {
            return seen.push(Seen::Incomplete(Incomplete::ForeignCalls));
        };
        if notification.thread == 0 {
            return seen.push(Seen::Incomplete(Incomplete::Invisible));
        }
        let thread = StoppedThread(notification.thread);
        let arguments = notification.arguments;
        match call.kind {
            CallKind::Paths(paths) => {
                for path in paths {
                    self.path(thread, *path, arguments, started.as_deref(), seen);
                }
            }
            CallKind::Connect => {
                let address = address(thread, arguments[1], arguments[2]);
                self.address(thread, address, SocketCall::Connect, seen);
            }
            CallKind::Bind => {
                let address = address(thread, arguments[1], arguments[2]);
                self.address(thread, address, SocketCall::Bind, seen);
            }
            CallKind::Send => {
                let address = address(thread, arguments[4], arguments[5]);
                self.address(thread, address, SocketCall::Send, seen);
            }
            CallKind::SendMany => self.messages(thread, arguments, seen),
            CallKind::NewListener => seen.push(Seen::RefusedListener),
            CallKind::IoUring => seen.push(Seen::Incomplete(Incomplete::IoUring)),
        }
    }

    fn path(
        &self,
        thread: StoppedThread,
        argument: PathArgument,
        arguments: [u64; 6],
        started: Option<&Path>,
        seen: &mut Vec<Seen>,
    ) {
        let uses = uses(argument, arguments, || {
            thread
                .bytes(argument_of_how(argument, arguments))
                .map(u64::from_ne_bytes)
        });
        let Some(text) = thread.text(arguments[argument.path]) else {
            if let Some(path) = started {
                seen.push(Seen::File(self.working_directory.join(path), uses));
            }
            return;
        };
        let path = Path::new(OsStr::from_bytes(&text));
        // An empty path names the descriptor itself, or nothing.
        if path.as_os_str().is_empty() {
            return;
        }
        if started.is_some() {
            return seen.push(Seen::File(self.working_directory.join(path), uses));
        }
        if !thread.root().is_ok_and(|root| root == self.root) {
            return seen.push(Seen::Incomplete(Incomplete::OtherRoots));
        }
        let descriptor = argument.directory.map(|index| arguments[index] as i32);
        let descriptor = descriptor.filter(|number| *number != libc::AT_FDCWD);
        if let Some(path) = absolute(path, || thread.directory(descriptor)) {
            seen.push(Seen::File(path, uses));
        }
    }

    fn address(
        &self,
        thread: StoppedThread,
        address: Option<Address>,
        call: SocketCall,
        seen: &mut Vec<Seen>,
    ) {
        let path = match address {
            None => return,
            Some(Address::Beyond(address)) => {
                return seen.push(Seen::Address(AddressUse { call, address }));
            }
            Some(Address::File(path)) => path,
        };
        if !thread.root().is_ok_and(|root| root == self.root) {
            return seen.push(Seen::Incomplete(Incomplete::OtherRoots));
        }
        let is_bound = call == SocketCall::Bind;
        let uses = Uses {
            opened: !is_bound,
            written: is_bound,
            followed: true,
            ..Uses::default()
        };
        if let Some(path) = absolute(&path, || thread.directory(None)) {
            seen.push(Seen::File(path, uses));
        }
    }

    /// The addresses of a `sendmmsg`.
    fn messages(&self, thread: StoppedThread, arguments: [u64; 6], seen: &mut Vec<Seen>) {
        let count = arguments[2].min(MOST_MESSAGES);
        if count < arguments[2] {
            seen.push(Seen::Incomplete(Incomplete::TooMany));
        }
        for index in 0..count {
            let offset = index * size_of::<libc::mmsghdr>() as u64;
            // `msg_name` and `msg_namelen` are the first fields of a message.
            let header = arguments[1].checked_add(offset);
            let Some(header) = header.and_then(|at| thread.bytes::<16>(at)) else {
                return;
            };
            let (name, rest) = header.split_at(8);
            let name = u64::from_ne_bytes(name.try_into().unwrap_or_default());
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap_or_default());
            let address = address(thread, name, length.into());
            self.address(thread, address, SocketCall::Send, seen);
        }
    }
}

fn address(thread: StoppedThread, at: u64, length: u64) -> Option<Address> {
    let mut bytes = [0; address::LARGEST];
    let bytes = bytes.get_mut(..usize::try_from(length).ok()?)?;
    thread.fill(at, bytes).then(|| address::decode(bytes))?
}

/// The path with its directory before it, and without `.` and repeated slashes. `..` is kept: it
/// depends on symbolic links.
fn absolute(path: &Path, directory: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
    // Components leave out `.` and slashes.
    let clean = |path: &Path| path.components().collect::<PathBuf>();
    if path.is_absolute() {
        return Some(clean(path));
    }
    Some(clean(&directory()?.join(path)))
}

/// The address of the flags of an `openat2`.
fn argument_of_how(argument: PathArgument, arguments: [u64; 6]) -> u64 {
    match argument.usage {
        PathUse::OpenHow(index) => arguments[index],
        _ => 0,
    }
}

/// What a call does with the file of a path. `how` reads the flags of an `openat2`.
fn uses(argument: PathArgument, arguments: [u64; 6], how: impl FnOnce() -> Option<u64>) -> Uses {
    let has = |index: usize, flag: i32| arguments[index] as i32 & flag != 0;
    let mut uses = Uses {
        followed: match argument.follow {
            Follow::Always => true,
            Follow::Never => false,
            Follow::Unless(index, flag) => !has(index, flag),
            Follow::If(index, flag) => has(index, flag),
        },
        ..Uses::default()
    };
    match argument.usage {
        PathUse::Execute => uses.executed = true,
        PathUse::Look => uses.looked_at = true,
        PathUse::Write => uses.written = true,
        PathUse::Open(index) => add_flags(&mut uses, arguments[index] as i32),
        PathUse::OpenHow(_) => add_flags(&mut uses, how().unwrap_or_default() as i32),
    }
    uses
}

fn add_flags(uses: &mut Uses, flags: i32) {
    let has = |flag| flags & flag != 0;
    let access = flags & libc::O_ACCMODE;
    uses.followed &= !has(libc::O_NOFOLLOW);
    if has(libc::O_PATH) {
        uses.looked_at = true;
        return;
    }
    uses.written = access != libc::O_RDONLY || has(libc::O_CREAT | libc::O_TRUNC);
    if access != libc::O_WRONLY {
        let is_directory = has(libc::O_DIRECTORY) && !uses.written;
        uses.listed = is_directory;
        uses.opened = !is_directory;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uses: Uses) -> String {
        let all = [
            ("executed", uses.executed),
            ("opened", uses.opened),
            ("listed", uses.listed),
            ("looked", uses.looked_at),
            ("written", uses.written),
            ("followed", uses.followed),
        ];
        let set = all.iter().filter(|(_, is_set)| *is_set);
        set.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_of_open_say_what_the_file_is_for() {
        let opened = |flags: i32| {
            let argument = PathArgument {
                directory: None,
                path: 0,
                usage: PathUse::Open(1),
                follow: Follow::Always,
            };
            let arguments = [0, flags as u64, 0, 0, 0, 0];
            names(uses(argument, arguments, || None))
        };
        assert_eq!(opened(libc::O_RDONLY), "opened followed");
        assert_eq!(opened(libc::O_RDONLY | libc::O_NOFOLLOW), "opened");
        assert_eq!(
            opened(libc::O_RDONLY | libc::O_DIRECTORY),
            "listed followed"
        );
        assert_eq!(opened(libc::O_PATH | libc::O_DIRECTORY), "looked followed");
        assert_eq!(opened(libc::O_WRONLY), "written followed");
        assert_eq!(opened(libc::O_RDWR), "opened written followed");
        let created = libc::O_RDONLY | libc::O_CREAT;
        assert_eq!(opened(created), "opened written followed");
        assert_eq!(opened(libc::O_TMPFILE | libc::O_WRONLY), "written followed");
    }

    #[test]
    fn flags_of_other_calls_say_whether_links_are_followed() {
        let follow = |follow, flags: i32| {
            let argument = PathArgument {
                directory: Some(0),
                path: 1,
                usage: PathUse::Look,
                follow,
            };
            names(uses(argument, [0, 0, 0, flags as u64, 0, 0], || None))
        };
        let unless = Follow::Unless(3, libc::AT_SYMLINK_NOFOLLOW);
        assert_eq!(follow(unless, 0), "looked followed");
        assert_eq!(follow(unless, libc::AT_SYMLINK_NOFOLLOW), "looked");
        let only_if = Follow::If(3, libc::AT_SYMLINK_FOLLOW);
        assert_eq!(follow(only_if, 0), "looked");
        assert_eq!(follow(only_if, libc::AT_SYMLINK_FOLLOW), "looked followed");
    }

    #[test]
    fn relative_paths_begin_with_their_directory() {
        let path = |path: &str| absolute(Path::new(path), || Some("/base".into()));
        assert_eq!(path("a//b/./c"), Some("/base/a/b/c".into()));
        assert_eq!(path("../a"), Some("/base/../a".into()));
        assert_eq!(path("/a/.//b/"), Some("/a/b".into()));
        assert_eq!(absolute(Path::new("a"), || None), None);
        let is_needed = || unreachable!("an absolute path has no other directory");
        assert_eq!(absolute(Path::new("/a"), is_needed), Some("/a".into()));
    }

    #[test]
    fn the_first_executions_of_the_first_thread_are_those_of_the_program() {
        let call = |number| crate::container::ObservedCall {
            number,
            kind: CallKind::IoUring,
        };
        let execve: &'static _ = Box::leak(Box::new(call(libc::SYS_execve)));
        let openat: &'static _ = Box::leak(Box::new(call(libc::SYS_openat)));
        let notification = |thread, call| Notification {
            id: 0,
            thread,
            call: Some(call),
            arguments: [0; 6],
        };
        let start = || Start {
            thread: None,
            candidates: ["/a".into(), "/b".into()].into(),
        };
        let mut tried_twice = start();
        for expected in [Some("/a".into()), Some("/b".into()), None] {
            assert_eq!(tried_twice.next(&notification(1, execve)), expected);
        }
        for other in [notification(1, openat), notification(2, execve)] {
            let mut started = start();
            started.next(&notification(1, execve));
            assert_eq!(started.next(&other), None);
            assert_eq!(started.next(&notification(1, execve)), None);
        }
    }
}
