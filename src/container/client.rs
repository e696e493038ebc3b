//! The client's end: starting launchers and handing them jobs.

use super::protocol::{EndedProgram, JobRequest, LAUNCHER_NAME, LauncherConfig, Reply};
use super::step::StepError;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::ffi::OsString;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A launcher, from the client's side. Dropping it ends the launcher and
/// whatever it runs.
#[derive(Debug)]
pub struct Launcher {
    /// Watched for what there is to read only: that the launcher has read something
    /// is no news.
    socket: AsyncFd<UnixStream>,
    /// Read, but not looked at yet.
    received: Vec<u8>,
    starter: Child,
    outer_proc: bool,
    network_reuse: bool,
    /// How many jobs it has been given.
    jobs: u32,
    /// It said that the last job was its last.
    is_spent: bool,
}

/// How to start a program that calls [`run_if_launcher`](super::run_if_launcher) first thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LauncherProgram {
    /// The program, or a loader that is told which program to load.
    pub executable: PathBuf,
    /// For a loader; the last one is the program, called [`LAUNCHER_NAME`].
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

/// Why a launcher could not be started or be heard from.
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
    /// What to do about it, where that can be told.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Start(_) | Self::SetUp(_) | Self::Describe(_) => None,
            Self::LostBeforeStart(_) | Self::Lost(_) => Some(
                "perhaps the kernel killed it because memory was short, which `dmesg` tells; run \
                 it again",
            ),
        }
    }
}

/// How one job went.
#[derive(Debug)]
pub enum JobEnd {
    Ended(EndedProgram),
    /// Its container could not be made or its program not be executed.
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
            Reply::Ended { .. } => Err(LauncherError::Start(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Whether jobs get the outer `/proc` instead of one of their own, which a
    /// container around this client forbids.
    pub fn outer_proc(&self) -> bool {
        self.outer_proc
    }

    /// Whether the network namespace serves one job after another.
    pub fn network_reuse(&self) -> bool {
        self.network_reuse
    }

    /// Runs one job to the end of its program, or of all its processes where others
    /// are left by then. Its container goes away after that, and before that of the
    /// next job is made. Dropping the future leaves the launcher in the middle of the
    /// job: drop the launcher too.
    pub async fn run<S: AsRef<[u8]>>(
        &mut self,
        request: &JobRequest<S>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<JobEnd, LauncherError> {
        self.prepare(request, stdout, stderr).await?;
        self.start_program(0).await?;
        self.end().await
    }

    /// Has a job's container made. Its program waits for [`Self::start_program`],
    /// which must follow whatever becomes of the container.
    pub async fn prepare<S: AsRef<[u8]>>(
        &mut self,
        request: &JobRequest<S>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<(), LauncherError> {
        self.jobs += 1;
        let message = request.encode(self.jobs).map_err(LauncherError::Describe)?;
        self.send_with_descriptors(&message, &stdout, &stderr)
            .await
            .map_err(LauncherError::LostBeforeStart)
    }

    /// Lets the job's program start on this slot.
    pub async fn start_program(&mut self, slot: u32) -> Result<(), LauncherError> {
        self.write_all(&slot.to_ne_bytes())
            .await
            .map_err(LauncherError::LostBeforeStart)
    }

    /// Waits for the end of the job.
    pub async fn end(&mut self) -> Result<JobEnd, LauncherError> {
        let mut why = None;
        let reply = loop {
            match self.receive().await {
                Ok((job, reply)) if job == self.jobs => break reply,
                // The launcher ends, and this is why.
                Ok((0, Reply::Failed(error))) => why = Some(io::Error::other(error)),
                // One that was killed as its end was told may have been told of twice.
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
            Reply::Ready { .. } => Err(LauncherError::Lost(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Whether it can be given another job, now that it has none: it is there, and has not
    /// said that it ends. It may still end at any time.
    pub fn is_usable(&self) -> bool {
        // Without a job there is nothing to be told, except why the launcher ends.
        let mut socket = self.socket.get_ref();
        let is_silent = self.received.is_empty()
            && socket
                .read(&mut [0])
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        is_silent && !self.is_spent
    }

    fn spawn(program: &LauncherProgram, config: &LauncherConfig) -> io::Result<(Self, Vec<u8>)> {
        let message = config.encode()?;
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
        stdout: &OwnedFd,
        stderr: &OwnedFd,
    ) -> io::Result<()> {
        let descriptors = [stdout.as_raw_fd(), stderr.as_raw_fd()];
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

    /// Writes, waiting for room only where there is none.
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
                    let reply = Reply::decode(message);
                    self.received.drain(..size_of::<u32>() + length);
                    return reply;
                }
            }
            let mut ready = self.socket.readable().await?;
            let mut chunk = [0; CHUNK];
            match ready.try_io(|socket| socket.get_ref().read(&mut chunk)) {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok(length)) => self.received.extend(&chunk[..length]),
                Ok(Err(error)) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }
}

/// The launcher's end of the socket is closed. `why`: what the launcher said about that.
///
/// Linux tells an end that was closed with something in it that nobody had read by
/// `ECONNRESET`, and any other by the end of the file. The start of the program is what the
/// launcher is sent last: if it has not read all, it has not read that.
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

/// Size of one read, in bytes: more than most messages have.
const CHUNK: usize = 4096;

impl Drop for Launcher {
    fn drop(&mut self) {
        // The starter's death is the launcher's, and so its jobs'.
        let _ = self.starter.kill();
        let _ = self.starter.wait();
    }
}
