//! The container of an action.
//!
//! An action sees its input root at `/action`, the machine's programs and libraries read-only,
//! a small `/etc`, empty writable `/tmp` and `/dev/shm`, and nothing else: not the worker's
//! cache, configuration or processes, and not other actions. It may make containers of its own.
//! Its network is a loopback interface.

use super::error::WorkError;
use crate::container::{
    EndedProgram, HostBind, JobEnd, JobMount, JobRequest, Launcher, LauncherConfig, LauncherError,
    MountKind, NetworkKind, Root, Step, StepError,
};
use crate::spec::Device;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where an action finds its input root.
pub const ACTION: &str = "/action";

/// What a machine's programs need.
const SYSTEM: [&str; 9] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/nix/store",
];

const ETC: [(&str, &str); 4] = [
    (
        "passwd",
        "root:x:0:0:root:/:/bin/sh\nworker:x:1000:1000:worker:/tmp:/bin/sh\n\
         nobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("group", "root:x:0:\nworker:x:1000:\nnogroup:x:65534:\n"),
    (
        "hosts",
        "127.0.0.1 localhost maelstrom\n::1 localhost maelstrom\n",
    ),
    (
        "nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\n",
    ),
];

/// The user that an action is.
const USER: u32 = 1000;

/// What all actions have in common.
pub struct Sandbox {
    /// Holds `root`, the lower directory of all.
    trees: PathBuf,
    /// Read-only.
    system: Vec<PathBuf>,
    scratch_size: u64,
    open_files: u64,
}

/// What is to be run.
pub struct ActionProgram<'a> {
    /// Below the input root.
    pub working_directory: &'a str,
    /// With the program's name.
    pub arguments: &'a [String],
    /// `NAME=VALUE`.
    pub environment: &'a [String],
    /// Zero: none.
    pub timeout: Duration,
    pub stdout: File,
    pub stderr: File,
}

/// How it ended.
pub enum ProgramOutcome {
    Ended(EndedProgram),
    /// The program could not be started; that is the action's fault.
    NotStarted(StepError),
}

impl Sandbox {
    /// Makes what actions share, anew, in `trees`.
    pub fn new(trees: &Path, slots: usize) -> Result<Self, WorkError> {
        let settings = crate::executor::LocalSettings::of_process(trees.to_owned(), slots)
            .map_err(|error| WorkError::local("read the limits for", trees, error))?;
        let root = trees.join("root");
        let made = crate::store::remove_tree(&root).and_then(|()| make_root(&root));
        Ok(Self {
            system: made.map_err(|error| WorkError::local("make", &root, error))?,
            trees: trees.to_owned(),
            scratch_size: settings.scratch_size,
            open_files: settings.open_files,
        })
    }

    /// Fails where no containers can be made.
    pub async fn check(&self) -> Result<(), WorkError> {
        let config = LauncherConfig {
            trees: self.trees.clone(),
            network: NetworkKind::Loopback,
            binds: Vec::new(),
        };
        Launcher::start(&Path::new("/proc/self/exe").into(), &config).await?;
        Ok(())
    }

    /// Starts what makes the container of the action with this input root, which may be filled
    /// while it does.
    pub async fn launcher(&self, root: &Path) -> Result<Launcher, WorkError> {
        let mut binds: Vec<_> = self
            .system
            .iter()
            .map(|path| HostBind {
                path: path.clone(),
                read_only: true,
            })
            .collect();
        binds.push(HostBind {
            path: root.to_owned(),
            read_only: false,
        });
        let config = LauncherConfig {
            trees: self.trees.clone(),
            network: NetworkKind::Loopback,
            binds,
        };
        Ok(Launcher::start(&Path::new("/proc/self/exe").into(), &config).await?)
    }

    /// Runs a program until it and all its processes have ended. They end with the future, and
    /// with the launcher, too.
    pub async fn run(
        &self,
        launcher: &mut Launcher,
        program: ActionProgram<'_>,
    ) -> Result<ProgramOutcome, WorkError> {
        let mounts = self.mounts();
        let working_directory = match program.working_directory {
            "" => ACTION.to_owned(),
            below => format!("{ACTION}/{below}"),
        };
        let (name, arguments) = program
            .arguments
            .split_first()
            .ok_or_else(|| WorkError::BadAction("the command has no arguments".to_owned()))?;
        let request = JobRequest {
            lowers: vec!["root"],
            root: Root::ReadOnly,
            mounts: mounts
                .iter()
                .map(|(kind, mount_point)| JobMount {
                    kind: *kind,
                    mount_point: mount_point.as_str(),
                })
                .collect(),
            user: USER,
            group: USER,
            init: true,
            terminal: false,
            hostname: "maelstrom",
            working_directory: &working_directory,
            program: name,
            arguments: arguments.iter().map(String::as_str).collect(),
            environment: program.environment.iter().map(String::as_str).collect(),
            slot_variable: false,
            timeout: program.timeout,
            open_files: self.open_files,
            scratch_size: self.scratch_size,
            watched: Vec::new(),
        };
        let (stdout, stderr) = (OwnedFd::from(program.stdout), OwnedFd::from(program.stderr));
        for output in [&stdout, &stderr] {
            crate::container::give_to_jobs(std::os::fd::AsFd::as_fd(output))
                .map_err(LauncherError::Start)?;
        }
        match launcher.run(&request, stdout, stderr).await? {
            JobEnd::Ended(ended) => Ok(ProgramOutcome::Ended(ended)),
            JobEnd::NotStarted(error) => match error.step {
                Step::Execute { .. } => Ok(ProgramOutcome::NotStarted(error)),
                Step::EnterWorkingDirectory { .. } => Err(WorkError::BadAction(error.to_string())),
                _ => Err(LauncherError::SetUp(error).into()),
            },
        }
    }

    fn mounts(&self) -> Vec<(MountKind, String)> {
        let at = |kind, path: &str| (kind, path.to_owned());
        let mut mounts = vec![
            at(MountKind::Proc, "/proc"),
            at(MountKind::Sys, "/sys"),
            at(MountKind::Tmp, "/tmp"),
            at(MountKind::Devpts, "/dev/pts"),
            at(MountKind::Mqueue, "/dev/mqueue"),
        ];
        for (index, device) in Device::ALL.iter().enumerate() {
            if *device == Device::Shm || Path::new("/dev").join(device.as_str()).exists() {
                let path = format!("/dev/{}", device.as_str());
                mounts.push((MountKind::Device(index as u32), path));
            }
        }
        let all = self.system.iter().map(PathBuf::as_path);
        for (index, path) in all.chain([Path::new(ACTION)]).enumerate() {
            let path = path.to_string_lossy().into_owned();
            mounts.push((MountKind::Bind(index as u32), path));
        }
        mounts
    }
}

/// Makes the lower directory, and says which of the machine's directories go on it.
fn make_root(root: &Path) -> io::Result<Vec<PathBuf>> {
    for directory in [
        "action",
        "proc",
        "sys",
        "tmp",
        "etc",
        "dev/pts",
        "dev/mqueue",
    ] {
        fs::create_dir_all(root.join(directory))?;
    }
    for device in Device::ALL {
        let path = root.join("dev").join(device.as_str());
        if device == Device::Shm {
            fs::create_dir(path)?;
        } else {
            fs::write(path, "")?;
        }
    }
    for (link, target) in [
        ("dev/ptmx", "pts/ptmx"),
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, root.join(link))?;
    }
    for (name, content) in ETC {
        fs::write(root.join("etc").join(name), content)?;
    }
    // What the machine's loader goes by; no harm if there is none.
    let _ = fs::copy("/etc/ld.so.cache", root.join("etc/ld.so.cache"));
    let mut system = Vec::new();
    for path in SYSTEM.map(Path::new) {
        let Ok(metadata) = fs::symlink_metadata(path) else {
            continue;
        };
        let here = root.join(path.strip_prefix("/").unwrap_or(path));
        if metadata.is_symlink() {
            symlink(fs::read_link(path)?, here)?;
        } else {
            fs::create_dir_all(here)?;
            system.push(path.to_owned());
        }
    }
    Ok(system)
}
