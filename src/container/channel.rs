//! The launcher's end of the socket to its client. All methods block.

use super::protocol::{LauncherConfig, Reply, decode, encode};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

#[derive(Debug)]
pub struct Channel {
    socket: File,
}

/// A job's message with its stdout and stderr, and the socket to its observer if it has one.
pub struct ReceivedJob {
    pub bytes: Vec<u8>,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    pub observer: Option<OwnedFd>,
}

impl Channel {
    /// Takes the socket that the client passed as stdin, and makes `/dev/null` stdin.
    pub fn from_stdin() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        super::sys::place_descriptor(null.as_raw_fd(), libc::STDIN_FILENO)?;
        Ok(Self {
            socket: File::from(socket),
        })
    }

    /// `None` if the client is gone.
    pub fn receive_config(&mut self) -> io::Result<Option<LauncherConfig>> {
        let mut length = [0; 4];
        match self.socket.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut bytes = vec![0; u32::from_ne_bytes(length) as usize];
        self.socket.read_exact(&mut bytes)?;
        decode(&bytes).map(Some)
    }

    /// Waits for a message or the end of the client.
    pub fn wait(&self) -> io::Result<()> {
        let mut polled = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        loop {
            match nix::poll::poll(&mut polled, PollTimeout::NONE) {
                Err(nix::Error::EINTR) => {}
                other => return Ok(other.map(drop)?),
            }
        }
    }

    /// The next job; `None` if the client is gone.
    pub fn receive_job(&mut self, buffer: Vec<u8>) -> io::Result<Option<ReceivedJob>> {
        let mut bytes = buffer;
        let mut length = [0; 4];
        let Some(descriptors) = self.receive_with_descriptors(&mut length)? else {
            return Ok(None);
        };
        bytes.resize(u32::from_ne_bytes(length) as usize, 0);
        self.socket.read_exact(&mut bytes)?;
        let mut descriptors = descriptors.into_iter();
        let (Some(stdout), Some(stderr)) = (descriptors.next(), descriptors.next()) else {
            let message = "a job without its descriptors";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        };
        Ok(Some(ReceivedJob {
            bytes,
            stdout,
            stderr,
            observer: descriptors.next(),
        }))
    }

    /// Waits for the slot on which the job's program may start. `None` if the client is gone.
    pub fn receive_start(&mut self) -> io::Result<Option<u32>> {
        let mut slot = [0; 4];
        match self.socket.read_exact(&mut slot) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            other => other.map(|()| Some(u32::from_ne_bytes(slot))),
        }
    }

    /// Sends a reply about a job, or about the launcher as job 0.
    pub fn send(&mut self, job: u32, reply: &Reply) -> io::Result<()> {
        self.socket.write_all(&encode(&(job, reply))?)
    }

    /// Sends a reply with a descriptor. It travels with the first byte.
    pub fn send_with_descriptor(
        &mut self,
        job: u32,
        reply: &Reply,
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let message = encode(&(job, reply))?;
        let descriptors = [descriptor.as_raw_fd()];
        let sent = loop {
            match sendmsg::<()>(
                self.socket.as_raw_fd(),
                &[IoSlice::new(&message)],
                &[ControlMessage::ScmRights(&descriptors)],
                MsgFlags::MSG_NOSIGNAL,
                None,
            ) {
                Err(nix::Error::EINTR) => {}
                other => break other?,
            }
        };
        self.socket.write_all(&message[sent..])
    }

    fn receive_with_descriptors(
        &mut self,
        header: &mut [u8; 4],
    ) -> io::Result<Option<Vec<OwnedFd>>> {
        let mut descriptors = Vec::new();
        let mut read = 0;
        while read < header.len() {
            let mut space = nix::cmsg_space!([libc::c_int; 3]);
            let mut slices = [IoSliceMut::new(&mut header[read..])];
            let message = match recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut slices,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Err(nix::Error::EINTR) => continue,
                other => other?,
            };
            if message.bytes == 0 {
                return Ok(None);
            }
            for control in message.cmsgs()? {
                if let ControlMessageOwned::ScmRights(numbers) = control {
                    // SAFETY: the kernel has just made these descriptors for this process.
                    descriptors.extend(
                        numbers
                            .into_iter()
                            .map(|number| unsafe { OwnedFd::from_raw_fd(number) }),
                    );
                }
            }
            read += message.bytes;
        }
        Ok(Some(descriptors))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
