//! Reading the state of a process that waits in a system call.
//!
//! The kernel may give the number of a thread that was killed meanwhile to another process. The
//! caller discards what was read if the call no longer waits afterwards.

use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use rustix::fs::{AtFlags, CWD, StatxFlags, readlinkat, statx};
use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The longest path of a system call, in bytes, with its NUL.
const PATH_MAX: usize = 4096;

/// The unit of memory that can be read or not. Larger pages are multiples of it.
const PAGE: usize = 4096;

/// The size of one read of a path, in bytes. Most paths are shorter.
const CHUNK: usize = 256;

/// A thread that waits in a system call.
#[derive(Clone, Copy)]
pub struct StoppedThread(pub u32);

/// This process may not examine the other one, or the kernel has another reason not to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// `None`: there is nothing at this place, or the process has ended.
pub type Read<T> = Result<Option<T>, Refused>;

fn found<T>(read: Result<T, impl Into<io::Error>>) -> Read<T> {
    match read.map_err(Into::into) {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.raw_os_error() {
            Some(libc::EFAULT | libc::ENOENT | libc::ESRCH) => Ok(None),
            _ => Err(Refused),
        },
    }
}

/// Identifies a root directory. Two mounts, also copies in other mount namespaces, have different
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootId {
    mount: u64,
    device: (u32, u32),
    inode: u64,
}

impl RootId {
    pub fn of(root: &OwnedFd) -> io::Result<Self> {
        Self::new(statx(root, "", AtFlags::EMPTY_PATH | FLAGS, FIELDS)?)
    }

    fn new(statx: rustix::fs::Statx) -> io::Result<Self> {
        if !StatxFlags::from_bits_retain(statx.stx_mask).contains(FIELDS) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self {
            mount: statx.stx_mnt_id,
            device: (statx.stx_dev_major, statx.stx_dev_minor),
            inode: statx.stx_ino,
        })
    }
}

const FIELDS: StatxFlags = StatxFlags::INO.union(StatxFlags::MNT_ID);

/// A file system that a job has mounted, such as FUSE, is not asked: it may never answer.
const FLAGS: AtFlags = AtFlags::STATX_DONT_SYNC;

impl StoppedThread {
    /// The root directory of the process.
    pub fn root(self) -> Read<RootId> {
        let path = format!("/proc/{}/root", self.0);
        match found(statx(CWD, path, FLAGS, FIELDS))? {
            None => Ok(None),
            Some(statx) => found(RootId::new(statx)),
        }
    }

    /// The path of the working directory, or of the directory of a descriptor, in the mount
    /// namespace of the process. `None` for anything else, and for a directory that was removed.
    pub fn directory(self, descriptor: Option<i32>) -> Read<PathBuf> {
        let link = match descriptor {
            None => format!("/proc/{}/cwd", self.0),
            Some(number) => format!("/proc/{}/fd/{number}", self.0),
        };
        let Some(path) = found(readlinkat(CWD, link, Vec::new()))? else {
            return Ok(None);
        };
        let path = path.into_bytes();
        let is_path = path.starts_with(b"/") && !path.ends_with(b" (deleted)");
        Ok(is_path.then(|| OsString::from_vec(path).into()))
    }

    /// The text at an address, without its NUL. `None` if there is none, or one that is too long
    /// for a path.
    pub fn text(self, address: u64) -> Read<Vec<u8>> {
        let mut text = Vec::new();
        let mut next = usize::try_from(address).ok();
        let mut chunk = [0; CHUNK];
        while text.len() < PATH_MAX
            && let Some(address) = next
        {
            // The next page may not be there.
            let length = (PAGE - address % PAGE)
                .min(CHUNK)
                .min(PATH_MAX - text.len());
            let Some(read) = self.read_at(address, &mut chunk[..length])? else {
                return Ok(None);
            };
            if let Some(end) = read.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&read[..end]);
                return Ok(Some(text));
            }
            text.extend_from_slice(read);
            next = address.checked_add(read.len());
        }
        Ok(None)
    }

    /// `N` bytes at an address, which may lie in two pages.
    pub fn bytes<const N: usize>(self, address: u64) -> Read<[u8; N]> {
        let mut bytes = [0; N];
        Ok(self.fill(address, &mut bytes)?.then_some(bytes))
    }

    /// Reads as many bytes as the buffer has. Returns whether all could be read.
    pub fn fill(self, address: u64, buffer: &mut [u8]) -> Result<bool, Refused> {
        let mut done = 0;
        while done < buffer.len() {
            let position = usize::try_from(address)
                .ok()
                .and_then(|a| a.checked_add(done));
            let Some(position) = position else {
                return Ok(false);
            };
            let length = (PAGE - position % PAGE).min(buffer.len() - done);
            match self.read_at(position, &mut buffer[done..done + length])? {
                Some(read) => done += read.len(),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads within one page. `None` if nothing can be read.
    fn read_at(self, address: usize, buffer: &mut [u8]) -> Read<&[u8]> {
        let remote = RemoteIoVec {
            base: address,
            len: buffer.len(),
        };
        let thread = Pid::from_raw(self.0.cast_signed());
        let read = process_vm_readv(thread, &mut [IoSliceMut::new(buffer)], &[remote]);
        let read = found(read)?.filter(|read| *read > 0);
        Ok(read.map(|read| &buffer[..read]))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::fs::File;

    /// This thread, which does not wait in a call, but can read its own memory.
    fn this() -> StoppedThread {
        StoppedThread(nix::unistd::gettid().as_raw().cast_unsigned())
    }

    fn address(bytes: &[u8]) -> u64 {
        bytes.as_ptr().addr() as u64
    }

    #[test]
    fn texts_may_lie_in_several_pages() {
        let mut memory = vec![b'x'; 3 * PAGE];
        let start = memory.as_ptr().addr().next_multiple_of(PAGE) - memory.as_ptr().addr();
        memory[start + PAGE + 5] = 0;
        for before in [1, 7, PAGE - 8] {
            let at = start + PAGE - before;
            let text = this().text(address(&memory[at..]));
            assert_eq!(text, Ok(Some(vec![b'x'; before + 5])));
            let bytes = this().bytes::<8>(address(&memory[at..])).unwrap();
            assert_eq!(bytes.unwrap(), memory[at..at + 8]);
        }
    }

    #[test]
    fn texts_without_an_end_and_addresses_without_memory_are_nothing() {
        let memory = vec![b'x'; 3 * PAGE];
        assert_eq!(this().text(address(&memory)), Ok(None));
        for nowhere in [0, 1, u64::MAX, u64::MAX - 5] {
            assert_eq!(this().text(nowhere), Ok(None));
            assert_eq!(this().bytes::<16>(nowhere), Ok(None));
        }
    }

    #[test]
    fn directories_have_paths_and_other_descriptors_have_none() {
        use std::os::fd::AsRawFd;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let open = File::open(&path).unwrap();
        assert_eq!(this().directory(Some(open.as_raw_fd())), Ok(Some(path)));
        let current = std::env::current_dir().unwrap();
        assert_eq!(this().directory(None), Ok(Some(current)));
        let (pipe, _other) = std::io::pipe().unwrap();
        assert_eq!(this().directory(Some(pipe.as_raw_fd())), Ok(None));
        assert_eq!(this().directory(Some(-1)), Ok(None));
        directory.close().unwrap();
        assert_eq!(this().directory(Some(open.as_raw_fd())), Ok(None));
    }

    #[test]
    fn a_root_is_told_from_other_directories() {
        let root = OwnedFd::from(File::open("/").unwrap());
        let proc = OwnedFd::from(File::open("/proc").unwrap());
        let ours = this().root().unwrap().unwrap();
        assert_eq!(ours, RootId::of(&root).unwrap());
        assert_ne!(ours, RootId::of(&proc).unwrap());
    }

    /// Runs a test on a thread that may not examine the process it is given.
    pub fn with_a_hidden_process(test: impl FnOnce(StoppedThread) + Send) {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        use std::os::unix::fs::PermissionsExt;
        use std::process::{Command, Stdio};
        let directory = tempfile::tempdir().unwrap();
        // Nobody may read this program, so only the privileged may read its memory.
        let program = directory.path().join("hidden");
        std::fs::copy("/bin/cat", &program).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o111)).unwrap();
        let run = || {
            let none = CapabilitySet::empty();
            let sets = CapabilitySets {
                effective: none,
                permitted: none,
                inheritable: none,
            };
            // Those of this thread only. A program that root executes has all of them again.
            set_capabilities(None, sets).unwrap();
            let mut child = Command::new(&program)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            test(StoppedThread(child.id()));
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
        };
        std::thread::scope(|scope| scope.spawn(run).join().unwrap());
    }

    #[test]
    fn a_process_that_may_not_be_examined_is_told_from_one_that_has_ended() {
        with_a_hidden_process(|hidden| {
            assert_eq!(hidden.root(), Err(Refused));
            assert_eq!(hidden.directory(None), Err(Refused));
            assert_eq!(hidden.directory(Some(0)), Err(Refused));
            assert_eq!(hidden.text(8), Err(Refused));
            assert_eq!(hidden.bytes::<8>(8), Err(Refused));
        });
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = StoppedThread(child.id());
        child.wait().unwrap();
        assert_eq!(ended.root(), Ok(None));
        assert_eq!(ended.directory(None), Ok(None));
        assert_eq!(ended.text(8), Ok(None));
    }
}
