//! The launcher's end of the socket to its client, whose methods block; and receiving descriptors
//! from any socket.

use super::protocol::{LauncherConfig, ProgramStart, Reply, decode, encode};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

#[derive(Debug)]
pub struct Channel {
    socket: File,
}

/// A job's message and its descriptors.
pub struct ReceivedJob {
    pub bytes: Vec<u8>,
    pub descriptors: ReceivedDescriptors,
}

/// The descriptors that come with a job.
pub struct ReceivedDescriptors {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// Its stdin, the file `cgroup.procs` of its control group, and the socket to its observer, each if
    /// it has one.
    pub others: std::vec::IntoIter<OwnedFd>,
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
            descriptors: ReceivedDescriptors {
                stdout,
                stderr,
                others: descriptors,
            },
        }))
    }

    /// Waits for the slot on which the job's program may start. `None` if the client is gone.
    pub fn receive_start(&mut self) -> io::Result<Option<ProgramStart>> {
        let mut start = [0; ProgramStart::SIZE];
        match self.socket.read_exact(&mut start) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            other => other.map(|()| Some(ProgramStart::decode(start))),
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
            let (length, received) = receive(&self.socket, &mut header[read..])?;
            if length == 0 {
                return Ok(None);
            }
            descriptors.extend(received);
            read += length;
        }
        Ok(Some(descriptors))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Receives bytes and the descriptors that came with them, with room for [`MOST_DESCRIPTORS`]. No
/// bytes: the other end is closed.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let mut slices = [IoSliceMut::new(bytes)];
        match recvmsg(&socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            descriptors.extend(received);
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other(
            "received fewer file descriptors than were sent, as this process has too many files \
             open; raise the limit on open files (`ulimit -n`)",
        ));
    }
    Ok((message.bytes, descriptors))
}

/// The most descriptors that come with one message.
const MOST_DESCRIPTORS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn send(socket: &UnixStream, count: usize) {
        let descriptors = vec![socket.as_raw_fd(); count];
        sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(b"x")],
            &[ControlMessage::ScmRights(&descriptors)],
            MsgFlags::empty(),
            None,
        )
        .unwrap();
    }

    #[test]
    fn lost_descriptors_are_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for count in [1, MOST_DESCRIPTORS] {
            send(&theirs, count);
            let (length, descriptors) = receive(&ours, &mut [0; 8]).unwrap();
            assert_eq!((length, descriptors.len()), (1, count));
        }
        // The kernel loses those without room in the same way as those beyond the limit on open
        // files.
        send(&theirs, 10 * MOST_DESCRIPTORS);
        let lost = receive(&ours, &mut [0; 8]).unwrap_err().to_string();
        assert!(lost.contains("raise the limit on open files"), "{lost}");
        drop(theirs);
        let (length, descriptors) = receive(&ours, &mut [0; 8]).unwrap();
        assert_eq!((length, descriptors.len()), (0, 0));
    }
}
