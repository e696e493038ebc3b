//! The container of an action.
//!
//! An action sees its input root at `/action`, the machine's programs and libraries read-only,
//! a small `/etc`, empty writable `/tmp` and `/dev/shm`, and nothing else: not the worker's
//! cache, configuration or processes, and not other actions. It may make containers of its own.
//! Its network is a loopback interface.

use super::error::WorkError;
use crate::container::{
    EndedProgram, HostBind, JobEnd, JobLimits, JobMount, JobRequest, Launcher, LauncherConfig,
    LauncherError, MountKind, NetworkKind, Root, Step, StepError,
};
use crate::spec::Device;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strum::VariantArray;

/// The path of the input root in the container.
pub const ACTION: &str = "/action";

/// The directories of the machine that its programs and libraries are in.
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

/// The uid and gid of an action.
const USER: u32 = 1000;

/// The parts of a container that all actions share.
pub struct Sandbox {
    /// The directory with `root`, the lower directory of all actions.
    trees: PathBuf,
    /// The directories of the machine that are mounted read-only.
    system: Vec<PathBuf>,
    scratch_size: u64,
    open_files: u64,
}

/// The program of an action.
pub struct ActionProgram<'a> {
    /// Relative to the input root.
    pub working_directory: &'a str,
    /// The first is the name of the program.
    pub arguments: &'a [String],
    /// `NAME=VALUE`.
    pub environment: &'a [String],
    /// Zero for no time limit.
    pub timeout: Duration,
    pub stdout: File,
    pub stderr: File,
}

/// The end of an action's program.
pub enum ProgramOutcome {
    Ended(EndedProgram),
    /// The program could not be executed. The action is at fault.
    NotStarted(StepError),
}

impl Sandbox {
    /// Makes the lower directory of all actions in `trees`, in the place of an earlier one.
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

    /// Fails if this machine cannot make containers.
    pub async fn check(&self) -> Result<(), WorkError> {
        let config = LauncherConfig {
            trees: self.trees.clone(),
            network: NetworkKind::Loopback,
            binds: Vec::new(),
            machine: None,
        };
        Launcher::start(&Path::new("/proc/self/exe").into(), &config).await?;
        Ok(())
    }

    /// Starts the launcher for the action with this input root. The input root may be filled
    /// meanwhile.
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
            machine: None,
        };
        Ok(Launcher::start(&Path::new("/proc/self/exe").into(), &config).await?)
    }

    /// Runs a program until it and all its processes have ended. If the future or the launcher is
    /// dropped, they are killed.
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
            slot_variables: Vec::new(),
            timeout: program.timeout,
            limits: JobLimits::default(),
            open_files: self.open_files,
            scratch_size: self.scratch_size,
            watched: Vec::new(),
            outputs: Vec::new(),
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
        for &device in Device::VARIANTS {
            if device == Device::Shm || Path::new("/dev").join(device.into_str()).exists() {
                let path = format!("/dev/{}", device.into_str());
                mounts.push((MountKind::Device(device), path));
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

/// Makes the lower directory. Returns the directories of the machine to mount on it.
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
    for &device in Device::VARIANTS {
        let path = root.join("dev").join(device.into_str());
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
    // The cache of the machine's loader. Not every machine has one.
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
