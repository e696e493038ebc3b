//! The messages between a client and its launcher, in `MessagePack`.

use super::outputs::WrittenDirectory;
use super::step::StepError;
use super::view::MachineView;
use crate::spec::Device;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::ffi::CStr;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

/// The file name in argv\[0\] that makes this executable a launcher.
pub const LAUNCHER_NAME: &str = "maelstrom-launcher";

/// The properties of a launcher that are the same for all its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LauncherConfig {
    /// The directory that holds the lower directories, by name.
    #[serde(with = "path_bytes")]
    pub trees: PathBuf,
    pub network: NetworkKind,
    /// Host paths that jobs bind, or that hold their upper directories.
    pub binds: Vec<HostBind>,
    /// The view of the machine over which the roots of the jobs are laid. `None`: the jobs see
    /// their layers alone.
    pub machine: Option<MachineView>,
}

/// The network namespace of a launcher's jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NetworkKind {
    /// A namespace of its own, with no interface up.
    Disabled,
    /// A namespace of its own, with `lo` up.
    Loopback,
    /// The client's namespace.
    Local,
}

/// A host path that the launcher mounts, so that jobs inherit a locked mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostBind {
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    pub read_only: bool,
}

/// A job as it is sent to a launcher, which reads it as a [`ReceivedRequest`]. The number of the job
/// is sent before it, and which descriptors are sent with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: AsRef<[u8]>"))]
pub struct JobRequest<S> {
    /// The names of the lower directories in `trees`, bottom first.
    #[serde(serialize_with = "terminated_list")]
    pub lowers: Vec<S>,
    pub root: Root<S>,
    pub mounts: Vec<JobMount<S>>,
    pub user: u32,
    pub group: u32,
    pub init: bool,
    /// Whether stdout is a terminal, which becomes stdin and the terminal of the job's session.
    pub terminal: bool,
    #[serde(serialize_with = "terminated")]
    pub hostname: S,
    #[serde(serialize_with = "terminated")]
    pub working_directory: S,
    #[serde(serialize_with = "terminated")]
    pub program: S,
    /// The arguments after the program's name.
    #[serde(serialize_with = "terminated_list")]
    pub arguments: Vec<S>,
    /// `NAME=VALUE`.
    #[serde(serialize_with = "terminated_list")]
    pub environment: Vec<S>,
    /// The names of variables that have the number of the slot.
    #[serde(serialize_with = "terminated_list")]
    pub slot_variables: Vec<S>,
    /// Zero for no time limit.
    pub timeout: Duration,
    pub limits: JobLimits,
    /// The soft limit on open files; the hard limit is inherited.
    pub open_files: u64,
    /// Size of the job's scratch space (upper and tmpfs mounts), in bytes.
    pub scratch_size: u64,
    /// Directories below which the files that a failed job wrote are reported. This needs an
    /// init, and a root with its changes in the scratch space.
    #[serde(serialize_with = "terminated_list")]
    pub watched: Vec<S>,
    /// Directories below which the client wants to read what the job wrote to the scratch space.
    /// This needs an init.
    #[serde(serialize_with = "terminated_list")]
    pub outputs: Vec<S>,
}

/// The descriptors that are sent with a job, besides those of its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentDescriptors {
    pub stdin: bool,
    /// The file `cgroup.procs` of the control group that has the limits of its memory and processes.
    pub control_group: bool,
}

/// A job is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The observer needs a mount of the job's layers.
    pub needs_layers: bool,
}

/// The times after which the processes of a job are ended, besides its `timeout`, and the limits of
/// its memory and processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobLimits {
    /// The program is asked to end by SIGTERM after this time. This needs an init.
    pub terminate_after: Option<Duration>,
    /// The time from SIGTERM until all processes of the job are killed.
    pub grace: Duration,
    /// How long other processes of the job may live after the program has ended. Those that live
    /// longer are reported and killed. `None`, or without an init: they are killed when the program
    /// ends, and not reported.
    pub leak: Option<Duration>,
    /// The memory that the job may use, in bytes.
    pub memory: Option<u64>,
    /// The number of processes and threads that the job may have at once.
    pub processes: Option<u32>,
    /// The time that the other processes of the job have left after a SIGTERM, when they have lived
    /// as long as they may. This needs an init. Zero: they get no SIGTERM.
    pub farewell: Duration,
}

impl JobLimits {
    /// The limits without the times.
    #[must_use]
    pub fn without_times(&self) -> Self {
        Self {
            memory: self.memory,
            processes: self.processes,
            ..Self::default()
        }
    }
}

/// The overlay of a job's root on its lower directories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: AsRef<[u8]>"))]
pub enum Root<S> {
    ReadOnly,
    /// Writable; changes go to the scratch space.
    Scratch,
    /// Writable; changes go to `upper`. Both paths are relative to a host bind.
    Local {
        bind: u32,
        #[serde(serialize_with = "terminated")]
        upper: S,
        #[serde(serialize_with = "terminated")]
        work: S,
    },
}

/// A mount of a job. Its root must have the mount point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: AsRef<[u8]>"))]
pub struct JobMount<S> {
    pub kind: MountKind,
    #[serde(serialize_with = "terminated")]
    pub mount_point: S,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// Index into the launcher's binds.
    Bind(u32),
    /// The same, for a directory. The job's changes to it are in the scratch space.
    DiscardingBind(u32),
    Device(Device),
    Devpts,
    Mqueue,
    Proc,
    Sys,
    Tmp,
}

/// A request at the launcher's end.
pub type ReceivedRequest<'a> = JobRequest<ReceivedString<'a>>;

/// A string in a message that was received. It is passed to the kernel without copying it, since
/// a copy that is made before the program is executed is lost to the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedString<'a>(&'a CStr);

impl Deref for ReceivedString<'_> {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ReceivedString<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        let text = CStr::from_bytes_with_nul(bytes).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

thread_local! {
    /// Each string is written here with its NUL byte. The memory is used again, since a job has
    /// many strings.
    static TERMINATED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes a string with a NUL byte after it. Fails for a string that has one, which no system call
/// accepts.
fn terminated<S: AsRef<[u8]>, W: Serializer>(text: &S, serializer: W) -> Result<W::Ok, W::Error> {
    let text = text.as_ref();
    if text.contains(&0) {
        let text = String::from_utf8_lossy(text);
        return Err(W::Error::custom(format_args!("{text:?} has a NUL byte")));
    }
    TERMINATED.with_borrow_mut(|buffer| {
        buffer.clear();
        buffer.extend_from_slice(text);
        buffer.push(0);
        serializer.serialize_bytes(buffer)
    })
}

fn terminated_list<S: AsRef<[u8]>, W: Serializer>(
    list: &[S],
    serializer: W,
) -> Result<W::Ok, W::Error> {
    struct Terminated<'a, S>(&'a S);

    impl<S: AsRef<[u8]>> Serialize for Terminated<'_, S> {
        fn serialize<W: Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
            terminated(self.0, serializer)
        }
    }

    serializer.collect_seq(list.iter().map(Terminated))
}

/// The message that starts a job's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramStart {
    pub slot: u32,
    /// The time that is left for the program, besides its own limits. `None`: any.
    pub time_left: Option<Duration>,
}

impl ProgramStart {
    pub const SIZE: usize = 12;

    pub fn encode(self) -> [u8; Self::SIZE] {
        let nanos = self.time_left.map_or(u64::MAX, |time| {
            u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
        });
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.slot.to_ne_bytes());
        bytes[4..].copy_from_slice(&nanos.to_ne_bytes());
        bytes
    }

    pub fn decode(bytes: [u8; Self::SIZE]) -> Self {
        let [slot @ .., _, _, _, _, _, _, _, _] = bytes;
        let [_, _, _, _, nanos @ ..] = bytes;
        let nanos = u64::from_ne_bytes(nanos);
        Self {
            slot: u32::from_ne_bytes(slot),
            time_left: (nanos != u64::MAX).then(|| Duration::from_nanos(nanos)),
        }
    }
}

/// A reply of a launcher: one when it is ready, then one for each job, which the job's init
/// or the launcher sends. A job that is killed while its init sends the reply may have two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedProgram {
    /// The status of wait(2).
    pub wait_status: i32,
    pub timed_out: bool,
    /// After the end of the program, other processes of the job lived longer than
    /// [`JobLimits::leak`].
    pub leaked: bool,
    /// The scratch space was full when the program ended.
    pub scratch_full: bool,
    /// The files below the watched directories that a failed job wrote, or some of them.
    pub changed_files: Vec<String>,
    /// From the program's start to its end.
    pub duration: Duration,
    pub usage: ResourceUsage,
}

/// The resource usage of a job, with its descendants that were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUsage {
    pub user: Duration,
    pub system: Duration,
    /// The largest resident set of any one process, in bytes.
    pub max_resident: u64,
}

/// A message with its length before it, as it is sent.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size_of::<u32>()];
    rmp_serde::encode::write(&mut bytes, message)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let length = (bytes.len() - size_of::<u32>()) as u32;
    bytes[..size_of::<u32>()].copy_from_slice(&length.to_ne_bytes());
    Ok(bytes)
}

/// Reads a message without its length.
pub fn decode<'a, M: Deserialize<'a>>(message: &'a [u8]) -> io::Result<M> {
    rmp_serde::from_slice(message).map_err(|error| {
        let message = format!("malformed launcher message: {error}");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// A path as bytes, since it may not be UTF-8.
pub mod path_bytes {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer};
    use std::ffi::OsString;
    use std::path::Path;

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        OsString::deserialize(deserializer).map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(arguments: &[&'a str]) -> JobRequest<&'a str> {
        JobRequest {
            lowers: vec!["layer"],
            root: Root::Local {
                bind: 1,
                upper: "upper",
                work: "work",
            },
            mounts: vec![JobMount {
                kind: MountKind::Device(Device::Null),
                mount_point: "/dev/null",
            }],
            user: u32::MAX - 1,
            group: 0,
            init: true,
            terminal: false,
            hostname: "host",
            working_directory: "/",
            program: "",
            arguments: arguments.to_vec(),
            environment: vec!["A=\u{e9}"],
            slot_variables: vec!["SLOT"],
            timeout: Duration::from_nanos(1),
            limits: JobLimits::default(),
            open_files: u64::MAX,
            scratch_size: 0,
            watched: Vec::new(),
            outputs: Vec::new(),
        }
    }

    #[test]
    fn a_request_is_received_as_it_was_sent() {
        let sent = encode(&(7, request(&["a", ""]))).unwrap();
        let (job, received): (u32, ReceivedRequest<'_>) = decode(&sent[4..]).unwrap();
        let text = ReceivedString;
        let expected = ReceivedRequest {
            lowers: vec![text(c"layer")],
            root: Root::Local {
                bind: 1,
                upper: text(c"upper"),
                work: text(c"work"),
            },
            mounts: vec![JobMount {
                kind: MountKind::Device(Device::Null),
                mount_point: text(c"/dev/null"),
            }],
            user: u32::MAX - 1,
            group: 0,
            init: true,
            terminal: false,
            hostname: text(c"host"),
            working_directory: text(c"/"),
            program: text(c""),
            arguments: vec![text(c"a"), text(c"")],
            environment: vec![text(c"A=\u{e9}")],
            slot_variables: vec![text(c"SLOT")],
            timeout: Duration::from_nanos(1),
            limits: JobLimits::default(),
            open_files: u64::MAX,
            scratch_size: 0,
            watched: Vec::new(),
            outputs: Vec::new(),
        };
        assert_eq!((job, received), (7, expected));
    }

    #[test]
    fn a_string_holding_a_nul_is_refused() {
        let error = encode(&request(&["a\0b"])).unwrap_err();
        assert_eq!(error.to_string(), r#""a\0b" has a NUL byte"#);
    }

    #[test]
    fn a_cut_message_is_an_error() {
        let sent = encode(&request(&[])).unwrap();
        let error = decode::<ReceivedRequest<'_>>(&sent[4..sent.len() - 1]).unwrap_err();
        let text = error.to_string();
        let reason = text.strip_prefix("malformed launcher message: ").unwrap();
        assert!(!reason.is_empty());
    }
}
