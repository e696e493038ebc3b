//! The client's side: starting launchers and sending them jobs.

use super::channel;
use super::outputs::WrittenFiles;
use super::protocol::{
    EndedProgram, JobRequest, LAUNCHER_NAME, LauncherConfig, Observed, ProgramStart, Reply,
    SentDescriptors, decode, encode,
};
use super::step::StepError;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::ffi::OsString;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A launcher, as the client sees it. Dropping it kills the launcher and its job.
#[derive(Debug)]
pub struct Launcher {
    /// Registered for reading only. Writing is waited for on a registration of its own.
    socket: AsyncFd<UnixStream>,
    /// Bytes that were read and not decoded yet.
    received: Vec<u8>,
    /// The descriptor that came with the bytes.
    descriptor: Option<OwnedFd>,
    /// The files that the present job wrote.
    written: Option<WrittenFiles>,
    starter: Child,
    outer_proc: bool,
    network_reuse: bool,
    /// The number of jobs so far, which is the number of the present job.
    jobs: u32,
    /// The launcher announced its end with the last reply.
    is_spent: bool,
}

/// How to start a program that calls [`run_if_launcher`](super::run_if_launcher) first thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LauncherProgram {
    /// The program, or a loader that is told which program to load.
    pub executable: PathBuf,
    /// Arguments for the loader. The last one is the path of the program, whose file name is
    /// [`LAUNCHER_NAME`].
    pub arguments: Vec<OsString>,
}

impl From<&Path> for LauncherProgram {
    fn from(executable: &Path) -> Self {
        Self {
            executable: executable.to_owned(),
            arguments: Vec::new(),
        }
    }
}

/// The descriptors of a job.
#[derive(Debug)]
pub struct JobDescriptors {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// `None`: stdin is `/dev/null`, or the terminal of the job.
    pub stdin: Option<OwnedFd>,
    /// The file `cgroup.procs` of the control group that has the limits of the job's memory and
    /// processes. `None`: they are resource limits of its processes.
    pub control_group: Option<OwnedFd>,
    /// The observer of the job, if it has one.
    pub observer: Option<JobObserver>,
}

/// The observer of a job.
#[derive(Debug)]
pub struct JobObserver {
    /// When the program of the job is started, an [`ObservedJob`](super::ObservedJob) can be
    /// received from the other end of this socket.
    pub socket: UnixStream,
    /// The observer has a mount of the job's layers already.
    pub has_layers: bool,
}

impl JobDescriptors {
    /// The descriptors of a job without a control group, which is not observed.
    pub fn of_output(stdout: OwnedFd, stderr: OwnedFd) -> Self {
        Self {
            stdout,
            stderr,
            stdin: None,
            control_group: None,
            observer: None,
        }
    }
}

/// An error of starting a launcher or of the connection to it.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    #[error("failed to start a launcher")]
    Start(#[source] io::Error),
    #[error("failed to set up containers")]
    SetUp(#[from] StepError),
    #[error("failed to describe the job to its launcher")]
    Describe(#[source] io::Error),
    /// The launcher ended, or was killed, and is known not to have started the program.
    #[error("lost the launcher of a job before its program was started")]
    LostBeforeStart(#[source] io::Error),
    #[error("lost the launcher of a job while its program ran")]
    Lost(#[source] io::Error),
}

impl LauncherError {
    /// The remedy, if one is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Start(_) | Self::SetUp(_) | Self::Describe(_) => None,
            Self::LostBeforeStart(_) | Self::Lost(_) => Some(
                "the kernel may have killed it for lack of memory: look for that in the output of \
                 `dmesg`, and run it again",
            ),
        }
    }
}

/// The end of a job.
#[derive(Debug)]
pub enum JobEnd {
    Ended(EndedProgram),
    /// The container could not be made, or the program not be executed.
    NotStarted(StepError),
}

impl Launcher {
    /// Starts a launcher and waits until it is ready for jobs.
    pub async fn start(
        program: &LauncherProgram,
        config: &LauncherConfig,
    ) -> Result<Self, LauncherError> {
        let (mut launcher, message) = Self::spawn(program, config).map_err(LauncherError::Start)?;
        launcher
            .write_all(&message)
            .await
            .map_err(LauncherError::Start)?;
        let (_, reply) = launcher.receive().await.map_err(LauncherError::Start)?;
        match reply {
            Reply::Ready {
                outer_proc,
                network_reuse,
            } => {
                launcher.outer_proc = outer_proc;
                launcher.network_reuse = network_reuse;
                Ok(launcher)
            }
            Reply::Failed(error) => Err(LauncherError::SetUp(error)),
            Reply::Ended { .. } | Reply::Written(_) => {
                Err(LauncherError::Start(io::ErrorKind::InvalidData.into()))
            }
        }
    }

    /// Whether jobs get the outer `/proc`, because an outer container forbids a new one.
    pub fn outer_proc(&self) -> bool {
        self.outer_proc
    }

    /// Whether the network namespace serves one job after another.
    pub fn network_reuse(&self) -> bool {
        self.network_reuse
    }

    /// Runs one job until its program, and every other process of it, has ended. Its
    /// container is removed after that, before the container of the next job is made. If
    /// the future is dropped, the launcher must be dropped too: the job still runs.
    pub async fn run<S: AsRef<[u8]>>(
        &mut self,
        request: &JobRequest<S>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<JobEnd, LauncherError> {
        self.prepare(request, JobDescriptors::of_output(stdout, stderr))
            .await?;
        self.start_program(0, None).await?;
        self.end().await
    }

    /// Makes the container of a job. The program waits for [`Self::start_program`], which
    /// must be called also if the container cannot be made.
    pub async fn prepare<S: AsRef<[u8]>>(
        &mut self,
        request: &JobRequest<S>,
        descriptors: JobDescriptors,
    ) -> Result<(), LauncherError> {
        let JobDescriptors {
            stdout,
            stderr,
            stdin,
            control_group,
            observer,
        } = descriptors;
        self.jobs += 1;
        self.written = None;
        let observed = observer.as_ref().map(|observer| Observed {
            needs_layers: !observer.has_layers,
        });
        let sent = SentDescriptors {
            stdin: stdin.is_some(),
            control_group: control_group.is_some(),
        };
        let message =
            encode(&(self.jobs, sent, observed, request)).map_err(LauncherError::Describe)?;
        let mut descriptors = vec![stdout, stderr];
        descriptors.extend(stdin);
        descriptors.extend(control_group);
        descriptors.extend(observer.map(|observer| OwnedFd::from(observer.socket)));
        self.send_with_descriptors(&message, &descriptors)
            .await
            .map_err(LauncherError::LostBeforeStart)
    }

    /// Starts the job's program on this slot. If `time_left` is less than the limits of the job, it
    /// counts instead.
    pub async fn start_program(
        &mut self,
        slot: u32,
        time_left: Option<Duration>,
    ) -> Result<(), LauncherError> {
        self.write_all(&ProgramStart { slot, time_left }.encode())
            .await
            .map_err(LauncherError::LostBeforeStart)
    }

    /// Waits for the end of the job.
    pub async fn end(&mut self) -> Result<JobEnd, LauncherError> {
        let mut why = None;
        let reply = loop {
            match self.receive().await {
                Ok((job, Reply::Written(directories))) if job == self.jobs => {
                    let scratch = self.descriptor.take();
                    self.written = scratch.map(|scratch| WrittenFiles::new(scratch, directories));
                }
                Ok((job, reply)) if job == self.jobs => break reply,
                // The launcher is about to end for this reason.
                Ok((0, Reply::Failed(error))) => why = Some(io::Error::other(error)),
                // A job that was killed while its init sent the reply may have two replies.
                Ok(_) => {}
                Err(error) => return Err(lost(error, why)),
            }
        };
        match reply {
            Reply::Ended { ended, is_last } => {
                self.is_spent = is_last;
                Ok(JobEnd::Ended(ended))
            }
            Reply::Failed(error) => Ok(JobEnd::NotStarted(error)),
            Reply::Ready { .. } | Reply::Written(_) => {
                Err(LauncherError::Lost(io::ErrorKind::InvalidData.into()))
            }
        }
    }

    /// The files below the directories `outputs` that the job wrote, when it has ended.
    pub fn take_written(&mut self) -> Option<WrittenFiles> {
        self.written.take()
    }

    /// Whether the launcher, which has no job now, can run another one: it exists and did not
    /// announce its end. It may still end at any time.
    pub fn is_usable(&self) -> bool {
        // Without a job, the only message is the reason why the launcher ends.
        let mut socket = self.socket.get_ref();
        let is_silent = self.received.is_empty()
            && socket
                .read(&mut [0])
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        is_silent && !self.is_spent
    }

    fn spawn(program: &LauncherProgram, config: &LauncherConfig) -> io::Result<(Self, Vec<u8>)> {
        let message = encode(config)?;
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let socket = watch(ours, Interest::READABLE)?;
        let starter = Command::new(&program.executable)
            .arg0(LAUNCHER_NAME)
            .args(&program.arguments)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let launcher = Self {
            socket,
            received: Vec::new(),
            descriptor: None,
            written: None,
            starter,
            outer_proc: false,
            network_reuse: false,
            jobs: 0,
            is_spent: false,
        };
        Ok((launcher, message))
    }

    async fn send_with_descriptors(
        &self,
        message: &[u8],
        descriptors: &[OwnedFd],
    ) -> io::Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let sent = self
            .write(|socket| {
                // The descriptors travel with the first byte.
                sendmsg::<()>(
                    socket.as_raw_fd(),
                    &[IoSlice::new(message)],
                    &[ControlMessage::ScmRights(&descriptors)],
                    MsgFlags::MSG_NOSIGNAL,
                    None,
                )
                .map_err(io::Error::from)
            })
            .await?;
        self.write_all(&message[sent..]).await
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(|mut socket| socket.write(bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Writes, and waits only if the socket's buffer is full.
    async fn write(
        &self,
        mut write: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match write(self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let socket = self.socket.get_ref().try_clone()?;
                    let socket = watch(socket, Interest::WRITABLE)?;
                    drop(socket.writable().await?);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// The next message, and the job it is about.
    async fn receive(&mut self) -> io::Result<(u32, Reply)> {
        loop {
            if let Some((length, rest)) = self.received.split_first_chunk() {
                let length = u32::from_ne_bytes(*length) as usize;
                if let Some(message) = rest.get(..length) {
                    let reply = decode(message);
                    self.received.drain(..size_of::<u32>() + length);
                    return reply;
                }
            }
            let mut ready = self.socket.readable().await?;
            let mut chunk = [0; CHUNK];
            match ready.try_io(|socket| read(socket.get_ref(), &mut chunk)) {
                Ok(Ok((0, _))) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok((length, descriptor))) => {
                    self.received.extend(&chunk[..length]);
                    self.descriptor = descriptor.or(self.descriptor.take());
                }
                Ok(Err(error)) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }
}

/// Reads bytes, and the descriptor that came with them.
fn read(socket: &UnixStream, chunk: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let (length, mut descriptors) = channel::receive(socket, chunk)?;
    Ok((length, descriptors.pop()))
}

/// The error for a launcher that closed its end of the socket, with the reason `why` if it
/// sent one.
///
/// Linux reports `ECONNRESET` if the other end was closed with unread data, and the end of the
/// file otherwise. The message that starts the program is sent last: if data was unread, the
/// program was not started.
fn lost(error: io::Error, why: Option<io::Error>) -> LauncherError {
    match error.kind() {
        io::ErrorKind::ConnectionReset => LauncherError::LostBeforeStart(why.unwrap_or(error)),
        _ => LauncherError::Lost(why.unwrap_or(error)),
    }
}

fn watch(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: a socket owns its descriptor and keeps it for life.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

/// The size of one read, in bytes. Most messages are smaller.
const CHUNK: usize = 4096;

impl Drop for Launcher {
    fn drop(&mut self) {
        // The launcher and its job end with the starter.
        let _ = self.starter.kill();
        let _ = self.starter.wait();
    }
}
