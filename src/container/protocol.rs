//! The messages between a client and its launcher.

use super::outputs::WrittenDirectory;
use super::step::StepError;
use super::wire::{Reader, Writer};
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// The file name in argv\[0\] that makes this executable a launcher.
pub const LAUNCHER_NAME: &str = "maelstrom-launcher";

/// The properties of a launcher that are the same for all its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LauncherConfig {
    /// The directory that holds the lower directories, by name.
    pub trees: PathBuf,
    pub network: NetworkKind,
    /// Host paths that jobs bind, or that hold their upper directories.
    pub binds: Vec<HostBind>,
}

/// The network namespace of a launcher's jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkKind {
    /// A namespace of its own, with no interface up.
    Disabled,
    /// A namespace of its own, with `lo` up.
    Loopback,
    /// The client's namespace.
    Local,
}

/// A host path that the launcher mounts, so that jobs inherit a locked mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostBind {
    pub path: PathBuf,
    pub read_only: bool,
}

impl LauncherConfig {
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let mut w = Writer::default();
        w.string(self.trees.as_os_str().as_bytes())?;
        w.u32(self.network as u32);
        w.list(self.binds.iter(), |w, bind| {
            w.u32(u32::from(bind.read_only));
            w.string(bind.path.as_os_str().as_bytes())
        })?;
        Ok(w.framed())
    }

    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut r = Reader::new(bytes);
        Ok(Self {
            trees: path(r.string()?),
            network: match r.u32()? {
                0 => NetworkKind::Disabled,
                1 => NetworkKind::Loopback,
                _ => NetworkKind::Local,
            },
            binds: r.list(|r| {
                Ok(HostBind {
                    read_only: r.u32()? != 0,
                    path: path(r.string()?),
                })
            })?,
        })
    }
}

/// A job as it is sent to a launcher. `S` is `&CStr` at the launcher's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest<S> {
    /// The names of the lower directories in `trees`, bottom first.
    pub lowers: Vec<S>,
    pub root: Root<S>,
    pub mounts: Vec<JobMount<S>>,
    pub user: u32,
    pub group: u32,
    pub init: bool,
    /// Whether stdout is a terminal, which becomes stdin and the terminal of the job's session.
    pub terminal: bool,
    pub hostname: S,
    pub working_directory: S,
    pub program: S,
    /// The arguments after the program's name.
    pub arguments: Vec<S>,
    /// `NAME=VALUE`.
    pub environment: Vec<S>,
    /// The names of variables that have the number of the slot.
    pub slot_variables: Vec<S>,
    /// Zero for no time limit.
    pub timeout: Duration,
    /// The soft limit on open files; the hard limit is inherited.
    pub open_files: u64,
    /// Size of the job's scratch space (upper and tmpfs mounts), in bytes.
    pub scratch_size: u64,
    /// Directories below which the files that a failed job wrote are reported. This needs an
    /// init, and a root with its changes in the scratch space.
    pub watched: Vec<S>,
    /// Directories below which the client wants to read what the job wrote to the scratch space.
    /// This needs an init.
    pub outputs: Vec<S>,
}

/// The overlay of a job's root on its lower directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root<S> {
    ReadOnly,
    /// Writable; changes go to the scratch space.
    Scratch,
    /// Writable; changes go to `upper`. Both paths are relative to a host bind.
    Local {
        bind: u32,
        upper: S,
        work: S,
    },
}

/// A mount of a job. Its root must have the mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobMount<S> {
    pub kind: MountKind,
    pub mount_point: S,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// Index into the launcher's binds.
    Bind(u32),
    /// The same, for a directory. The job's changes to it are in the scratch space.
    DiscardingBind(u32),
    /// Index into `spec::Device::ALL`.
    Device(u32),
    Devpts,
    Mqueue,
    Proc,
    Sys,
    Tmp,
}

impl<S: AsRef<[u8]>> JobRequest<S> {
    /// The message. Replies to it have the number `job`.
    pub fn encode(&self, job: u32) -> io::Result<Vec<u8>> {
        let mut w = Writer::default();
        w.u32(job);
        let string = |w: &mut Writer, s: &S| w.string(s.as_ref());
        w.list(self.lowers.iter(), string)?;
        match &self.root {
            Root::ReadOnly => w.u32(0),
            Root::Scratch => w.u32(1),
            Root::Local { bind, upper, work } => {
                w.u32(2);
                w.u32(*bind);
                w.string(upper.as_ref())?;
                w.string(work.as_ref())?;
            }
        }
        w.list(self.mounts.iter(), |w, step| {
            let (kind, index) = match step.kind {
                MountKind::Bind(index) => (0, index),
                MountKind::Device(index) => (1, index),
                MountKind::Devpts => (2, 0),
                MountKind::Mqueue => (3, 0),
                MountKind::Proc => (4, 0),
                MountKind::Sys => (5, 0),
                MountKind::Tmp => (6, 0),
                MountKind::DiscardingBind(index) => (7, index),
            };
            w.u32(kind);
            w.u32(index);
            w.string(step.mount_point.as_ref())
        })?;
        w.u32(self.user);
        w.u32(self.group);
        w.u32(u32::from(self.init));
        w.u32(u32::from(self.terminal));
        w.string(self.hostname.as_ref())?;
        w.string(self.working_directory.as_ref())?;
        w.string(self.program.as_ref())?;
        w.list(self.arguments.iter(), string)?;
        w.list(self.environment.iter(), string)?;
        w.list(self.slot_variables.iter(), string)?;
        w.u64(self.timeout.as_nanos() as u64);
        w.u64(self.open_files);
        w.u64(self.scratch_size);
        w.list(self.watched.iter(), string)?;
        w.list(self.outputs.iter(), string)?;
        Ok(w.framed())
    }
}

impl<'a> JobRequest<&'a CStr> {
    /// The number for replies, and the job.
    pub fn decode(bytes: &'a [u8]) -> io::Result<(u32, Self)> {
        let mut r = Reader::new(bytes);
        let job = r.u32()?;
        let request = Self {
            lowers: r.list(Reader::string)?,
            root: match r.u32()? {
                0 => Root::ReadOnly,
                1 => Root::Scratch,
                _ => Root::Local {
                    bind: r.u32()?,
                    upper: r.string()?,
                    work: r.string()?,
                },
            },
            mounts: r.list(|r| {
                let (kind, index) = (r.u32()?, r.u32()?);
                Ok(JobMount {
                    kind: match kind {
                        0 => MountKind::Bind(index),
                        1 => MountKind::Device(index),
                        2 => MountKind::Devpts,
                        3 => MountKind::Mqueue,
                        4 => MountKind::Proc,
                        5 => MountKind::Sys,
                        7 => MountKind::DiscardingBind(index),
                        _ => MountKind::Tmp,
                    },
                    mount_point: r.string()?,
                })
            })?,
            user: r.u32()?,
            group: r.u32()?,
            init: r.u32()? != 0,
            terminal: r.u32()? != 0,
            hostname: r.string()?,
            working_directory: r.string()?,
            program: r.string()?,
            arguments: r.list(Reader::string)?,
            environment: r.list(Reader::string)?,
            slot_variables: r.list(Reader::string)?,
            timeout: Duration::from_nanos(r.u64()?),
            open_files: r.u64()?,
            scratch_size: r.u64()?,
            watched: r.list(Reader::string)?,
            outputs: r.list(Reader::string)?,
        };
        Ok((job, request))
    }
}

/// A reply of a launcher: one when it is ready, then one for each job, which the job's init
/// or the launcher sends. A job that is killed while its init sends the reply may have two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Ready {
        /// Whether jobs see the outer `/proc`, as the kernel refuses a new one.
        outer_proc: bool,
        /// Whether the network namespace can serve one job after another.
        network_reuse: bool,
    },
    /// A step of the launcher, or of the job before its program, failed.
    Failed(StepError),
    /// A job wrote below directories that the client wants to read. The descriptor of the scratch
    /// space comes with the message. The job's end is told in a further message.
    Written(Vec<WrittenDirectory>),
    Ended {
        ended: EndedProgram,
        /// The launcher ends too.
        is_last: bool,
    },
}

/// The end of a job's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedProgram {
    /// The status of wait(2).
    pub wait_status: i32,
    pub timed_out: bool,
    /// The scratch space was full when the program ended.
    pub scratch_full: bool,
    /// The files below the watched directories that a failed job wrote, or some of them.
    pub changed_files: Vec<String>,
    /// From the program's start to its end.
    pub duration: Duration,
    pub usage: ResourceUsage,
}

/// The resource usage of a job, with its descendants that were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceUsage {
    pub user: Duration,
    pub system: Duration,
    /// The largest resident set of any one process, in bytes.
    pub max_resident: u64,
}

impl Reply {
    /// The message about a job, or about the launcher as job 0.
    pub fn encode(&self, job: u32) -> io::Result<Vec<u8>> {
        let mut w = Writer::default();
        w.u32(job);
        match self {
            Self::Ready {
                outer_proc,
                network_reuse,
            } => {
                w.u32(0);
                w.u32(u32::from(*outer_proc));
                w.u32(u32::from(*network_reuse));
            }
            Self::Failed(error) => {
                w.u32(1);
                w.string(&serde_json::to_vec(error)?)?;
            }
            Self::Written(directories) => {
                w.u32(3);
                w.list(directories.iter(), |w, directory| {
                    w.string(directory.path.as_os_str().as_bytes())?;
                    w.string(directory.scratch.as_os_str().as_bytes())
                })?;
            }
            Self::Ended { ended, is_last } => {
                w.u32(2);
                w.u32(u32::from(*is_last));
                w.u32(ended.wait_status as u32);
                w.u32(u32::from(ended.timed_out));
                w.u32(u32::from(ended.scratch_full));
                w.list(ended.changed_files.iter(), |w, path| {
                    w.string(path.as_bytes())
                })?;
                w.u64(ended.duration.as_nanos() as u64);
                w.u64(ended.usage.user.as_nanos() as u64);
                w.u64(ended.usage.system.as_nanos() as u64);
                w.u64(ended.usage.max_resident);
            }
        }
        Ok(w.framed())
    }

    pub fn decode(bytes: &[u8]) -> io::Result<(u32, Self)> {
        let mut r = Reader::new(bytes);
        let job = r.u32()?;
        let reply = match r.u32()? {
            0 => Self::Ready {
                outer_proc: r.u32()? != 0,
                network_reuse: r.u32()? != 0,
            },
            3 => Self::Written(r.list(|r| {
                Ok(WrittenDirectory {
                    path: path(r.string()?),
                    scratch: path(r.string()?),
                })
            })?),
            1 => Self::Failed(serde_json::from_slice(r.string()?.to_bytes())?),
            _ => Self::Ended {
                is_last: r.u32()? != 0,
                ended: EndedProgram {
                    wait_status: r.u32()? as i32,
                    timed_out: r.u32()? != 0,
                    scratch_full: r.u32()? != 0,
                    changed_files: r.list(|r| Ok(r.string()?.to_string_lossy().into_owned()))?,
                    duration: Duration::from_nanos(r.u64()?),
                    usage: ResourceUsage {
                        user: Duration::from_nanos(r.u64()?),
                        system: Duration::from_nanos(r.u64()?),
                        max_resident: r.u64()?,
                    },
                },
            },
        };
        Ok((job, reply))
    }
}

fn path(text: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(text.to_bytes()))
}
