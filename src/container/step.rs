//! The steps of making a launcher, a container and the process of its program.
//!
//! A step that fails ends the container: there is no partly isolated job. Its name goes to the
//! client with the error, as JSON, and from a runner on to the client of the engine.

use nix::libc;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident),+ })? => $text:literal,)+) => {
        /// Something that can fail before a program runs. Its text is a verb and an object.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Step {
            $($(#[$doc])* $name $({ $($field: String),+ })?,)+
        }

        impl fmt::Display for Step {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name $({ $($field),+ })? => write!(f, $text),)+
                }
            }
        }
    };
}

steps! {
    // Steps that depend on what the job asks for.
    /// Making one of the mounts of the job.
    Mount { kind, mount_point } => "mount {kind} at {mount_point}",
    EnterWorkingDirectory { directory } => "enter the working directory {directory}",
    /// Executing the program, by the name that the job gives it.
    Execute { program } => "execute {program}",
    AttachDevice { device } => "attach /dev/{device}",
    AttachHostPath { path } => "attach {path}",
    /// Mounting a directory of a root that is laid over the view of the machine.
    MountDirectory { directory } => "mount the directory {directory} of the view of the machine",
    MapOwners { path } => "map the owners of {path}",
    OpenHostPath { path } => "open {path}",
    /// Mounting a root of more layers than fit the options of mount(2).
    MountRootOfLayers { layers } => "mount a root of {layers} layers",
    // Steps that are the same for every job or launcher.
    AllocateStack => "allocate a stack",
    AttachLauncherRoot => "attach the launcher's root",
    AttachMachine => "attach the file systems of the machine",
    AttachProc => "attach /proc",
    AttachStderr => "attach stderr",
    AttachStdin => "attach stdin",
    AttachStdout => "attach stdout",
    AttachStore => "attach the store",
    AttachSys => "attach /sys",
    BlockSigchld => "block SIGCHLD",
    BringLoopbackUp => "bring the loopback interface up",
    ClearDumpable => "forbid tracing of the init",
    CoverLauncherRoot => "cover the launcher's root",
    CreateDeviceMountPoint => "create a device's mount point",
    CreateJobNamespaces => "create the job's namespaces",
    CreateLauncherDirectories => "create the launcher's directories",
    CreateLauncherNamespaces => "create namespaces for a launcher",
    CreateLauncherTmpfs => "create a tmpfs for a launcher",
    CreateNetworkNamespace => "create a network namespace",
    CreateOverlayDirectories => "create the overlay's directories",
    CreateProcessGroup => "create a process group",
    CreateProgramProcess => "create the program's process",
    CreateSession => "create a session",
    CreateSignalDescriptor => "create a signal descriptor",
    CreateSysfs => "create a sysfs",
    CreateUserNamespace => "create a user namespace",
    DenySetgroups => "deny setgroups",
    DetachHostRoot => "unmount the host's root",
    DetachLayers => "make a mount of the layers for the observer",
    DropCapabilities => "drop capabilities",
    DropSupplementaryGroups => "drop supplementary groups",
    EnterControlGroup => "enter the control group of the job",
    EnterLauncherRoot => "enter the launcher's root",
    EnterRoot => "enter the root",
    EnterTrees => "enter the directory of the layers",
    EnterUserNamespace => "enter the user namespace",
    InstallFilter => "install the filter that observes system calls",
    /// Only the scratch space can have the changes to such a root.
    LayLocalRoot => "lay a root that keeps its changes in a directory over the view of the machine",
    LeaveSessionKeyring => "leave the session keyring",
    LeaveTerminal => "replace the standard streams of the client",
    LockMounts => "lock the mounts of a job that runs as user 0",
    MakeMountsPrivate => "make mounts private",
    MakeStubs => "make mount points for the files of the machine",
    MakeSysReadOnly => "make /sys read-only",
    MapUnprivilegedUser => "write the maps of the user namespace",
    MountRoot => "mount the root",
    MountScratch => "mount the scratch space",
    OpenDevNull => "open /dev/null",
    OpenMachine => "open the file systems of the machine",
    OpenLauncherProc => "open the launcher's /proc",
    OpenProc => "open /proc",
    OpenRoot => "open the root for the observer",
    OpenScratch => "open the scratch space",
    OpenSockstat => "open /proc/net/sockstat",
    PollClient => "reach the client",
    RaiseOomScore => "raise oom_score_adj",
    ReadFileLimit => "read the file limit",
    ReadJob => "read a job",
    ReadMounts => "read /proc/self/mountinfo",
    ReadResourceUsage => "read the resource usage of the program",
    ReadSockstat => "read /proc/net/sockstat",
    ReceiveJob => "receive a job",
    ReceiveSlot => "receive the slot of a job",
    ResolveFromLauncherRoot => "change the root back to the launcher's",
    ResolveFromRoot => "change the root to the job's",
    SendLeftOut => "send the directories that are not shown to the client",
    SendListener => "send the observed system calls to the client",
    SendReply => "send a reply to the client",
    SetCoreLimit => "set the core limit",
    SetDumpable => "make the process dumpable",
    SetFileLimit => "set the file limit",
    SetGroup => "become an unprivileged group",
    SetHostname => "set the hostname",
    SetNoNewPrivs => "set no_new_privs",
    SetParentDeathSignal => "set the parent-death signal",
    SetMemoryLimit => "set the memory limit",
    SetProcessLimit => "set the process limit",
    SetProcessName => "set the name of the init",
    SetUser => "become an unprivileged user",
    TakeTerminal => "make the terminal the session's",
    UnmountSys => "unmount /sys",
    WaitForJob => "wait for a job",
    WaitForProgram => "wait for the program",
    WriteGidMap => "write the gid map",
    WriteJobGidMap => "write the job's gid map",
    WriteJobUidMap => "write the job's uid map",
    WriteUidMap => "write the uid map",
}

/// The step that failed, and the error of its system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{step}: {}", io::Error::from_raw_os_error(*errno))]
pub struct StepError {
    pub step: Step,
    pub errno: i32,
}

impl StepError {
    pub fn new(step: Step, error: &io::Error) -> Self {
        Self {
            step,
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        }
    }

    /// The error with its remedy, where one is known.
    pub fn message(&self) -> String {
        match self.remedy() {
            Some(remedy) => format!("{self}; {remedy}"),
            None => self.to_string(),
        }
    }

    fn remedy(&self) -> Option<&'static str> {
        if self.step == Step::InstallFilter {
            return Some(match self.errno {
                libc::EBUSY => {
                    "this program is itself observed, or runs below another supervisor of system \
                     calls, and the kernel allows only one"
                }
                _ => {
                    "observing needs Linux 5.19 on x86-64 or AArch64, and an outer container that \
                     allows seccomp filters with user notification"
                }
            });
        }
        if self.step == Step::LayLocalRoot {
            return Some("run the job with `root_overlay = \"tmp\"`");
        }
        if ![libc::ENOENT, libc::ENOTDIR].contains(&self.errno) {
            return None;
        }
        match &self.step {
            Step::Mount { .. } => Some(
                "a `stubs` layer makes mount points: files, and directories where the path ends \
                 in `/`",
            ),
            Step::EnterWorkingDirectory { .. } => {
                Some("a layer has to bring it, a `stubs` layer for one")
            }
            Step::Execute { program } if !program.contains('/') => Some(
                "no directory of the job's `PATH` has it; a layer has to bring it, a `programs` \
                 layer for one",
            ),
            Step::Execute { .. } => Some(
                "a layer has to bring it, and the loader or interpreter that it names, as a \
                 `programs` layer does",
            ),
            _ => None,
        }
    }
}

/// Adds the step to the error of a system call.
pub trait StepContext<T> {
    fn step(self, step: Step) -> Result<T, StepError>;
    /// The same for a step whose arguments have to be allocated.
    fn step_with(self, step: impl FnOnce() -> Step) -> Result<T, StepError>;
}

impl<T, E: Into<io::Error>> StepContext<T> for Result<T, E> {
    fn step(self, step: Step) -> Result<T, StepError> {
        self.step_with(|| step)
    }

    fn step_with(self, step: impl FnOnce() -> Step) -> Result<T, StepError> {
        self.map_err(|error| StepError::new(step(), &error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(step: Step, errno: i32) -> StepError {
        StepError { step, errno }
    }

    #[test]
    fn messages_name_the_step_and_the_remedy_of_a_missing_file() {
        let (kind, mount_point) = ("tmp".to_owned(), "/tmp".to_owned());
        let directory = "/home".to_owned();
        let execute = |program: &str| Step::Execute {
            program: program.to_owned(),
        };
        let messages = [
            error(Step::Mount { kind, mount_point }, libc::ENOENT),
            error(Step::EnterWorkingDirectory { directory }, libc::ENOTDIR),
            error(execute("sh"), libc::ENOENT),
            error(execute("/bin/sh"), libc::ENOENT),
            error(execute("/bin/sh"), libc::EACCES),
            error(Step::MountRoot, libc::ENOENT),
        ]
        .map(|error| error.message());
        insta::assert_snapshot!(messages.join("\n"), @"
        mount tmp at /tmp: No such file or directory (os error 2); a `stubs` layer makes mount points: files, and directories where the path ends in `/`
        enter the working directory /home: Not a directory (os error 20); a layer has to bring it, a `stubs` layer for one
        execute sh: No such file or directory (os error 2); no directory of the job's `PATH` has it; a layer has to bring it, a `programs` layer for one
        execute /bin/sh: No such file or directory (os error 2); a layer has to bring it, and the loader or interpreter that it names, as a `programs` layer does
        execute /bin/sh: Permission denied (os error 13)
        mount the root: No such file or directory (os error 2)
        ");
    }

    #[test]
    fn a_step_is_sent_as_its_name_and_arguments() {
        let mount = Step::Mount {
            kind: "tmp".to_owned(),
            mount_point: "/a \"b\"".to_owned(),
        };
        let errors = [error(mount, libc::ENOENT), error(Step::MountRoot, 0)];
        let sent = errors.each_ref().map(|e| serde_json::to_string(e).unwrap());
        insta::assert_snapshot!(sent.join("\n"), @r#"
        {"step":{"mount":{"kind":"tmp","mount_point":"/a \"b\""}},"errno":2}
        {"step":"mount_root","errno":0}
        "#);
        let received = sent.map(|json| serde_json::from_str::<StepError>(&json).unwrap());
        assert_eq!(received, errors);
    }
}
