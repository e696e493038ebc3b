//! The loop of the observer: each call is read, continues, and is recorded.

use super::ObservedContainer;
use super::address::{self, Address, AddressUse, SocketCall};
use super::process::{Read, Refused, RootId, StoppedThread};
use super::records::{Incomplete, Records, Uses};
use crate::container::{CallKind, Follow, Listener, Notification, PathArgument, PathUse};
use nix::libc;
use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The number of messages of a `sendmmsg` whose addresses are read.
const MOST_MESSAGES: u64 = 16;

/// The size of `struct sock_fprog`, in bytes.
const FILTER_PROGRAM: usize = size_of::<libc::sock_fprog>();

/// Records the calls of a job until no process is left, or until `stop` is closed.
pub fn watch(
    mut listener: Listener,
    root: &OwnedFd,
    stop: BorrowedFd<'_>,
    container: &ObservedContainer,
) -> io::Result<Records> {
    let mut watcher = Watcher {
        root: RootId::of(root)?,
        at_root: HashSet::new(),
        roots_change: false,
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
    /// The threads that were seen to have this root. A thread that is new to the observer may have
    /// another one, if it was made with a mount namespace of its own.
    at_root: HashSet<u32>,
    /// A thread has made a call that may have changed roots, so every call may have another one.
    roots_change: bool,
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
        if self.examine(notification, seen).is_err() {
            seen.push(Seen::Incomplete(Incomplete::Unexamined));
        }
    }

    fn examine(
        &mut self,
        notification: &Notification,
        seen: &mut Vec<Seen>,
    ) -> Result<(), Refused> {
        let started = self.start.next(notification);
        let Some(call) = notification.call else {
            seen.push(Seen::Incomplete(Incomplete::ForeignCalls));
            return Ok(());
        };
        if notification.thread == 0 {
            seen.push(Seen::Incomplete(Incomplete::Invisible));
            return Ok(());
        }
        let thread = StoppedThread(notification.thread);
        let arguments = notification.arguments;
        match call.kind {
            CallKind::Paths(paths) => {
                for path in paths {
                    self.path(thread, *path, arguments, started.as_deref(), seen)?;
                }
            }
            CallKind::Connect => {
                let address = address(thread, arguments[1], arguments[2])?;
                self.address(thread, address, SocketCall::Connect, seen)?;
            }
            CallKind::Bind => {
                let address = address(thread, arguments[1], arguments[2])?;
                self.address(thread, address, SocketCall::Bind, seen)?;
            }
            CallKind::Send => {
                let address = address(thread, arguments[4], arguments[5])?;
                self.address(thread, address, SocketCall::Send, seen)?;
            }
            CallKind::SendMany => self.messages(thread, arguments, seen)?,
            CallKind::NewListener => {
                // Libraries ask for a listener without a filter to learn whether the kernel knows
                // the flag. That call fails in the same way whether it is observed or not.
                if thread.bytes::<FILTER_PROGRAM>(arguments[2])?.is_some() {
                    seen.push(Seen::RefusedListener);
                }
            }
            CallKind::ChangesRoot => self.roots_change = true,
            CallKind::IoUring => seen.push(Seen::Incomplete(Incomplete::IoUring)),
        }
        Ok(())
    }

    fn path(
        &mut self,
        thread: StoppedThread,
        argument: PathArgument,
        arguments: [u64; 6],
        started: Option<&Path>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), Refused> {
        let text = thread.text(arguments[argument.path]);
        if let Some(program) = started {
            let read = text.ok().flatten();
            let path = read.as_ref().map(|text| Path::new(OsStr::from_bytes(text)));
            let path = self.working_directory.join(path.unwrap_or(program));
            seen.push(Seen::File(path, Uses::EXECUTED));
            return Ok(());
        }
        let Some(text) = text? else {
            return Ok(());
        };
        let path = Path::new(OsStr::from_bytes(&text));
        // An empty path names the descriptor itself, or nothing.
        if path.as_os_str().is_empty() || !self.has_job_root(thread, seen)? {
            return Ok(());
        }
        let uses = uses(argument, arguments, |address| {
            Ok(thread.bytes(address)?.map(u64::from_ne_bytes))
        })?;
        let descriptor = argument.directory.map(|index| arguments[index] as i32);
        let descriptor = descriptor.filter(|number| *number != libc::AT_FDCWD);
        if let Some(path) = absolute(path, || thread.directory(descriptor))? {
            seen.push(Seen::File(path, uses));
        }
        Ok(())
    }

    /// Whether paths of a thread are those of the job.
    fn has_job_root(
        &mut self,
        thread: StoppedThread,
        seen: &mut Vec<Seen>,
    ) -> Result<bool, Refused> {
        if !self.roots_change && self.at_root.contains(&thread.0) {
            return Ok(true);
        }
        let root = thread.root()?;
        if root == Some(self.root) {
            self.at_root.insert(thread.0);
        }
        if root.is_some_and(|root| root != self.root) {
            seen.push(Seen::Incomplete(Incomplete::OtherRoots));
        }
        Ok(root == Some(self.root))
    }

    fn address(
        &mut self,
        thread: StoppedThread,
        address: Option<Address>,
        call: SocketCall,
        seen: &mut Vec<Seen>,
    ) -> Result<(), Refused> {
        let path = match address {
            None => return Ok(()),
            Some(Address::Beyond(address)) => {
                seen.push(Seen::Address(AddressUse { call, address }));
                return Ok(());
            }
            Some(Address::File(path)) => path,
        };
        if !self.has_job_root(thread, seen)? {
            return Ok(());
        }
        let is_bound = call == SocketCall::Bind;
        let uses = Uses {
            opened: !is_bound,
            written: is_bound,
            followed: true,
            ..Uses::default()
        };
        if let Some(path) = absolute(&path, || thread.directory(None))? {
            seen.push(Seen::File(path, uses));
        }
        Ok(())
    }

    /// The addresses of a `sendmmsg`.
    fn messages(
        &mut self,
        thread: StoppedThread,
        arguments: [u64; 6],
        seen: &mut Vec<Seen>,
    ) -> Result<(), Refused> {
        let count = arguments[2].min(MOST_MESSAGES);
        if count < arguments[2] {
            seen.push(Seen::Incomplete(Incomplete::TooMany));
        }
        for index in 0..count {
            let offset = index * size_of::<libc::mmsghdr>() as u64;
            // `msg_name` and `msg_namelen` are the first fields of a message.
            let Some(header) = arguments[1].checked_add(offset) else {
                return Ok(());
            };
            let Some(header) = thread.bytes::<16>(header)? else {
                return Ok(());
            };
            let (name, rest) = header.split_at(8);
            let name = u64::from_ne_bytes(name.try_into().unwrap_or_default());
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap_or_default());
            let address = address(thread, name, length.into())?;
            self.address(thread, address, SocketCall::Send, seen)?;
        }
        Ok(())
    }
}

fn address(thread: StoppedThread, at: u64, length: u64) -> Read<Address> {
    let mut bytes = [0; address::LARGEST];
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Some(bytes) = bytes.get_mut(..length) else {
        return Ok(None);
    };
    let is_read = thread.fill(at, bytes)?;
    Ok(is_read.then(|| address::decode(bytes)).flatten())
}

/// The path with its directory before it, and without `.` and repeated slashes. `..` is kept: it
/// depends on symbolic links.
fn absolute(path: &Path, directory: impl FnOnce() -> Read<PathBuf>) -> Read<PathBuf> {
    // Components leave out `.` and slashes.
    let clean = |path: &Path| path.components().collect::<PathBuf>();
    if path.is_absolute() {
        return Ok(Some(clean(path)));
    }
    let directory = directory()?;
    Ok(directory.map(|directory| clean(&directory.join(path))))
}

/// What a call does with the file of a path. `how` reads the flags of an `openat2` at an address.
fn uses(
    argument: PathArgument,
    arguments: [u64; 6],
    how: impl FnOnce(u64) -> Read<u64>,
) -> Result<Uses, Refused> {
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
        PathUse::OpenHow(index) => {
            let flags = how(arguments[index])?;
            add_flags(&mut uses, flags.unwrap_or_default() as i32);
        }
    }
    Ok(uses)
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
    use crate::observe::process::tests::with_a_hidden_process;

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
            names(uses(argument, arguments, |_| Ok(None)).unwrap())
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
            let arguments = [0, 0, 0, flags as u64, 0, 0];
            names(uses(argument, arguments, |_| Ok(None)).unwrap())
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
        let path = |path: &str| {
            let base = || Ok(Some("/base".into()));
            absolute(Path::new(path), base).unwrap().unwrap()
        };
        assert_eq!(path("a//b/./c"), Path::new("/base/a/b/c"));
        assert_eq!(path("../a"), Path::new("/base/../a"));
        assert_eq!(path("/a/.//b/"), Path::new("/a/b"));
        assert_eq!(absolute(Path::new("a"), || Ok(None)), Ok(None));
        assert_eq!(absolute(Path::new("a"), || Err(Refused)), Err(Refused));
        let is_needed = || unreachable!("an absolute path has no other directory");
        let absolute = absolute(Path::new("/a"), is_needed);
        assert_eq!(absolute, Ok(Some("/a".into())));
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

    #[test]
    fn calls_of_a_process_that_may_not_be_examined_are_noted() {
        let root = std::fs::File::open("/").unwrap();
        let mut watcher = Watcher {
            root: RootId::of(&root.into()).unwrap(),
            at_root: HashSet::new(),
            roots_change: false,
            start: Start {
                thread: None,
                candidates: ["program".into()].into(),
            },
            working_directory: "/work".into(),
        };
        let path = PathArgument {
            directory: None,
            path: 0,
            usage: PathUse::Execute,
            follow: Follow::Always,
        };
        let paths: &'static [_] = Box::leak(Box::new([path]));
        with_a_hidden_process(|hidden| {
            let mut read = |number, kind| {
                let call = crate::container::ObservedCall { number, kind };
                let mut seen = Vec::new();
                let notification = Notification {
                    id: 0,
                    thread: hidden.0,
                    call: Some(Box::leak(Box::new(call))),
                    arguments: [8; 6],
                };
                watcher.read(&notification, &mut seen);
                seen
            };
            // The path of the job's own program is known.
            let program = Seen::File("/work/program".into(), Uses::EXECUTED);
            let paths = CallKind::Paths(paths);
            assert_eq!(read(libc::SYS_execve, paths), [program]);
            for (number, kind) in [
                (libc::SYS_execve, paths),
                (libc::SYS_connect, CallKind::Connect),
                (libc::SYS_bind, CallKind::Bind),
                (libc::SYS_sendto, CallKind::Send),
                (libc::SYS_sendmmsg, CallKind::SendMany),
                (libc::SYS_seccomp, CallKind::NewListener),
            ] {
                let noted = Seen::Incomplete(Incomplete::Unexamined);
                assert_eq!(read(number, kind), [noted], "{kind:?}");
            }
        });
    }
}
