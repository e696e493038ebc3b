//! Reading the state of a process that waits in a system call.
//!
//! The kernel may give the number of a thread that was killed meanwhile to another process. The
//! caller discards what was read if the call no longer waits afterwards.

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
    pub fn root(self) -> io::Result<RootId> {
        let path = format!("/proc/{}/root", self.0);
        RootId::new(statx(CWD, path, FLAGS, FIELDS)?)
    }

    /// The path of the working directory, or of the directory of a descriptor, in the mount
    /// namespace of the process. `None` for anything else, and for a directory that was removed.
    pub fn directory(self, descriptor: Option<i32>) -> Option<PathBuf> {
        let link = match descriptor {
            None => format!("/proc/{}/cwd", self.0),
            Some(number) => format!("/proc/{}/fd/{number}", self.0),
        };
        let path = readlinkat(CWD, link, Vec::new()).ok()?.into_bytes();
        let is_path = path.starts_with(b"/") && !path.ends_with(b" (deleted)");
        is_path.then(|| OsString::from_vec(path).into())
    }

    /// The text at an address, without its NUL. `None` if there is none, or one that is too long
    /// for a path.
    pub fn text(self, address: u64) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut address = usize::try_from(address).ok()?;
        let mut chunk = [0; CHUNK];
        while text.len() < PATH_MAX {
            // The next page may not be there.
            let length = (PAGE - address % PAGE)
                .min(CHUNK)
                .min(PATH_MAX - text.len());
            let read = self.read_at(address, &mut chunk[..length])?;
            if let Some(end) = read.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&read[..end]);
                return Some(text);
            }
            text.extend_from_slice(read);
            address = address.checked_add(read.len())?;
        }
        None
    }

    /// `N` bytes at an address, which may lie in two pages.
    pub fn bytes<const N: usize>(self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(address, &mut bytes).then_some(bytes)
    }

    /// Reads as many bytes as the buffer has. Returns whether all could be read.
    pub fn fill(self, address: u64, buffer: &mut [u8]) -> bool {
        let mut done = 0;
        while done < buffer.len() {
            let position = usize::try_from(address)
                .ok()
                .and_then(|a| a.checked_add(done));
            let Some(position) = position else {
                return false;
            };
            let length = (PAGE - position % PAGE).min(buffer.len() - done);
            match self.read_at(position, &mut buffer[done..done + length]) {
                Some(read) => done += read.len(),
                None => return false,
            }
        }
        true
    }

    /// Reads within one page. `None` if nothing can be read.
    fn read_at(self, address: usize, buffer: &mut [u8]) -> Option<&[u8]> {
        let remote = RemoteIoVec {
            base: address,
            len: buffer.len(),
        };
        let thread = Pid::from_raw(self.0.try_into().ok()?);
        let read = process_vm_readv(thread, &mut [IoSliceMut::new(buffer)], &[remote]);
        let read = read.ok().filter(|read| *read > 0)?;
        Some(&buffer[..read])
    }
}

#[cfg(test)]
mod tests {
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
            let text = this().text(address(&memory[at..])).unwrap();
            assert_eq!(text, vec![b'x'; before + 5]);
            let bytes = this().bytes::<8>(address(&memory[at..])).unwrap();
            assert_eq!(bytes, memory[at..at + 8]);
        }
    }

    #[test]
    fn texts_without_an_end_and_addresses_without_memory_are_nothing() {
        let memory = vec![b'x'; 3 * PAGE];
        assert_eq!(this().text(address(&memory)), None);
        for nowhere in [0, 1, u64::MAX, u64::MAX - 5] {
            assert_eq!(this().text(nowhere), None);
            assert_eq!(this().bytes::<16>(nowhere), None);
        }
    }

    #[test]
    fn directories_have_paths_and_other_descriptors_have_none() {
        use std::os::fd::AsRawFd;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let open = File::open(&path).unwrap();
        assert_eq!(this().directory(Some(open.as_raw_fd())), Some(path));
        assert_eq!(this().directory(None), std::env::current_dir().ok());
        let (pipe, _other) = std::io::pipe().unwrap();
        assert_eq!(this().directory(Some(pipe.as_raw_fd())), None);
        assert_eq!(this().directory(Some(-1)), None);
        directory.close().unwrap();
        assert_eq!(this().directory(Some(open.as_raw_fd())), None);
    }

    #[test]
    fn a_root_is_told_from_other_directories() {
        let root = OwnedFd::from(File::open("/").unwrap());
        let proc = OwnedFd::from(File::open("/proc").unwrap());
        assert_eq!(this().root().unwrap(), RootId::of(&root).unwrap());
        assert_ne!(this().root().unwrap(), RootId::of(&proc).unwrap());
    }
}
