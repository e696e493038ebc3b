//! The client's side of observing a job: the listener of the job's filter.

use super::calls::{self, ObservedCall};
use super::channel;
use super::protocol::decode;
use super::seccomp;
use nix::libc::{self, c_long};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// A job that is observed.
#[derive(Debug)]
pub struct ObservedJob {
    pub listener: Listener,
    /// A detached mount of the job's layers alone, unless the observer has one.
    pub layers: Option<OwnedFd>,
    /// The job's root.
    pub root: OwnedFd,
    /// The directories of the machine that the job does not see, if it sees the machine's files.
    pub left_out: Vec<PathBuf>,
}

/// Receives the observed calls of a job's processes. When it is dropped, such calls fail with
/// `ENOSYS`.
#[derive(Debug)]
pub struct Listener {
    descriptor: OwnedFd,
    received: Box<Buffer>,
    answer: Box<Buffer>,
}

/// Has room for the kernel's structures, which may be larger than those of libc.
type Buffer = [u64; 64];

/// A flag of listeners since Linux 6.6: the two processes take turns on one processor, which is
/// faster.
const SYNC_WAKE_UP: u64 = 1;

/// A call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Notification {
    pub id: u64,
    /// The thread that made the call. Zero: this process cannot see it.
    pub thread: u32,
    /// `None`: a call of another ABI, such as that of 32-bit programs.
    pub call: Option<&'static ObservedCall>,
    pub arguments: [u64; 6],
}

impl ObservedJob {
    /// Waits for a job to begin. `None`: the job did not begin to run, or `stop` is readable or
    /// closed.
    pub fn receive(socket: &UnixStream, stop: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let Some(left_out) = receive_left_out(socket, stop)? else {
            return Ok(None);
        };
        if !wait(socket.as_fd(), stop)? {
            return Ok(None);
        }
        let (length, descriptors) = channel::receive(socket, &mut [0])?;
        if length == 0 {
            return Ok(None);
        }
        let mut descriptors = descriptors.into_iter();
        let (Some(listener), Some(root)) = (descriptors.next(), descriptors.next()) else {
            let message = "a job without the descriptors for its observer";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        };
        Ok(Some(Self {
            listener: Listener::new(listener)?,
            layers: descriptors.next(),
            root,
            left_out,
        }))
    }
}

/// Receives the message of [`seccomp::send_left_out`]. `None` as for [`ObservedJob::receive`].
fn receive_left_out(
    mut socket: &UnixStream,
    stop: BorrowedFd<'_>,
) -> io::Result<Option<Vec<PathBuf>>> {
    let mut length = [0; 4];
    if !wait(socket.as_fd(), stop)? {
        return Ok(None);
    }
    match socket.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut message = vec![0; u32::from_ne_bytes(length) as usize];
    socket.read_exact(&mut message)?;
    let directories: Vec<OsString> = decode(&message)?;
    Ok(Some(directories.into_iter().map(PathBuf::from).collect()))
}

impl Listener {
    fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let mut sizes = libc::seccomp_notif_sizes {
            seccomp_notif: 0,
            seccomp_notif_resp: 0,
            seccomp_data: 0,
        };
        // SAFETY: the structure lives through the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                c_long::from(libc::SECCOMP_GET_NOTIF_SIZES),
                0,
                &raw mut sizes,
            )
        };
        let largest = sizes.seccomp_notif.max(sizes.seccomp_notif_resp);
        if result < 0 || usize::from(largest) > size_of::<Buffer>() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // Older kernels refuse the flag.
        // SAFETY: the flags are the argument itself.
        unsafe {
            libc::ioctl(
                descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                SYNC_WAKE_UP,
            );
        }
        Ok(Self {
            descriptor,
            received: Box::new([0; 64]),
            answer: Box::new([0; 64]),
        })
    }

    /// Waits for the next call. `None`: no observed process is left, or `stop` is readable or
    /// closed.
    pub fn next(&mut self, stop: BorrowedFd<'_>) -> io::Result<Option<Notification>> {
        while wait(self.descriptor.as_fd(), stop)? {
            self.received.fill(0);
            let buffer = self.received.as_mut_ptr();
            // SAFETY: the buffer is at least as large as the kernel's structure.
            let result = unsafe {
                libc::ioctl(
                    self.descriptor.as_raw_fd(),
                    libc::SECCOMP_IOCTL_NOTIF_RECV,
                    buffer,
                )
            };
            if result < 0 {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    // The process was killed meanwhile.
                    Some(libc::ENOENT | libc::EINTR) => continue,
                    _ => return Err(error),
                }
            }
            // SAFETY: the buffer is large enough and aligned, and all its bytes have a value.
            let received = unsafe { &*buffer.cast::<libc::seccomp_notif>() };
            let data = &received.data;
            let is_foreign = seccomp::is_foreign(data.arch, data.nr);
            return Ok(Some(Notification {
                id: received.id,
                thread: received.pid,
                call: (!is_foreign)
                    .then(|| calls::with_number(data.nr.into()))
                    .flatten(),
                arguments: data.args,
            }));
        }
        Ok(None)
    }

    /// Lets a call continue, as if it were not observed. Returns whether the call was still
    /// waiting: if so, the thread of the notification was the one that made the call.
    pub fn let_continue(&mut self, id: u64) -> io::Result<bool> {
        self.answer.fill(0);
        let buffer = self.answer.as_mut_ptr();
        // SAFETY: the buffer is large enough and aligned, and all its bytes have a value.
        let answer = unsafe { &mut *buffer.cast::<libc::seccomp_notif_resp>() };
        answer.id = id;
        answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        loop {
            // SAFETY: the buffer is at least as large as the kernel's structure.
            let result = unsafe {
                libc::ioctl(
                    self.descriptor.as_raw_fd(),
                    libc::SECCOMP_IOCTL_NOTIF_SEND,
                    buffer,
                )
            };
            if result == 0 {
                return Ok(true);
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::ENOENT) => return Ok(false),
                _ => return Err(error),
            }
        }
    }
}

/// Waits until `awaited` is readable. False: it is closed and has nothing to read, or `stop` is
/// readable or closed.
fn wait(awaited: BorrowedFd<'_>, stop: BorrowedFd<'_>) -> io::Result<bool> {
    loop {
        let mut polled = [awaited, stop].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match nix::poll::poll(&mut polled, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => continue,
            other => other?,
        };
        let [awaited, stop] = polled.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        if awaited.contains(PollFlags::POLLIN) {
            return Ok(true);
        }
        if !awaited.is_empty() || !stop.is_empty() {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_job_without_its_descriptors_is_an_error_and_not_one_that_did_not_begin() {
        let (stop, _open) = io::pipe().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        seccomp::send_left_out(&theirs.try_clone().unwrap().into(), &[]).unwrap();
        theirs.write_all(&[0]).unwrap();
        let lost = ObservedJob::receive(&ours, stop.as_fd()).unwrap_err();
        assert!(
            lost.to_string().contains("without the descriptors"),
            "{lost}"
        );
        drop(theirs);
        assert!(ObservedJob::receive(&ours, stop.as_fd()).unwrap().is_none());
    }
}
