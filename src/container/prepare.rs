//! The launcher's root: the mounts that its jobs share, made once.
//!
//! ```text
//! /trees      the lower directories of the store, read-only
//! /dev/*      the devices that jobs may have
//! /proc       the outer proc: the kernel lets a namespace mount a new one only
//!             while an uncovered one is visible to it
//! /sys        sysfs of the launcher's network namespace, read-only
//! /binds/N    host paths with their flags
//! /empty      a lower directory for roots of a single layer
//! /root       the mount point of a job's root
//! /scratch    the mount point of a job's scratch space
//! /machine    the machine's mounts, read-only, if its jobs see them: see `view`
//! /owned/N    directories of the machine with their owners mapped, read-only
//! ```
//!
//! Jobs get a copy of these mounts in a user namespace of their own, which locks them: a
//! job cannot make a read-only mount writable. See `mount_namespaces(7)`.

use super::protocol::{HostBind, LauncherConfig, NetworkKind};
use super::step::{Step, StepContext, StepError};
use super::sys;
use super::view::{self, Machine, ViewTrees};
use crate::spec::Device;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{CWD, FileType};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use strum::VariantArray;

/// Host directories and files as detached mounts.
pub struct HostTrees {
    pub store: OwnedFd,
    pub binds: Vec<OwnedFd>,
    /// The owned directories of the view of the machine, if the launcher has one.
    pub view: Option<ViewTrees>,
}

/// The launcher's root.
pub struct LauncherRoot {
    /// Whether `/sys` belongs to the launcher's own network namespace.
    pub own_sys: bool,
    /// The view of the machine, if the launcher has one.
    pub machine: Option<Machine>,
}

/// Makes the launcher's root and enters it.
pub fn enter_root(
    config: &LauncherConfig,
    trees: Option<HostTrees>,
) -> Result<LauncherRoot, StepError> {
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .step(Step::MakeMountsPrivate)?;
    let trees = match trees {
        Some(trees) => trees,
        None => HostTrees::open(config, None)?,
    };
    let machine = match trees.view {
        Some(view) => Some((view::clone_machine()?, view)),
        None => None,
    };
    let proc = open_tree(Path::new("/proc"), true).step(Step::OpenProc)?;
    let devices: Vec<_> = Device::VARIANTS
        .iter()
        .filter(|device| **device != Device::Shm)
        .filter_map(|device| {
            let path = Path::new("/dev").join(device.into_str());
            open_tree(&path, false).ok().map(|tree| (device, tree))
        })
        .collect();
    let own_sys = match config.network {
        NetworkKind::Local => None,
        // The kernel allows this only while the outer sysfs is uncovered.
        _ => new_sysfs().ok(),
    };
    let outer_sys = open_tree(Path::new("/sys"), true).ok();

    let root = new_tmpfs().step(Step::CreateLauncherTmpfs)?;
    // Every machine has the directory /proc. Its mounts were opened above.
    attach(root.as_fd(), Path::new("/proc")).step(Step::AttachLauncherRoot)?;
    nix::unistd::fchdir(&root).step(Step::EnterLauncherRoot)?;
    for directory in [
        "trees", "proc", "sys", "dev", "binds", "empty", "root", "scratch",
    ] {
        fs::create_dir(directory).step(Step::CreateLauncherDirectories)?;
    }
    attach(trees.store.as_fd(), Path::new("trees")).step(Step::AttachStore)?;
    attach(proc.as_fd(), Path::new("proc")).step(Step::AttachProc)?;
    for (device, tree) in devices {
        let path = Path::new("dev").join(device.into_str());
        fs::write(&path, "").step(Step::CreateDeviceMountPoint)?;
        attach(tree.as_fd(), &path).step_with(|| Step::AttachDevice {
            device: device.into_str().to_owned(),
        })?;
    }
    for (index, (tree, bind)) in trees.binds.iter().zip(&config.binds).enumerate() {
        attach_bind(index, tree.as_fd()).step_with(|| Step::AttachHostPath {
            path: bind.path.display().to_string(),
        })?;
    }
    if let Some((machine, view)) = &machine {
        view::attach(machine, view)?;
    }
    nix::unistd::pivot_root(".", ".").step(Step::EnterLauncherRoot)?;
    umount2(".", MntFlags::MNT_DETACH).step(Step::DetachHostRoot)?;
    nix::unistd::chdir("/").step(Step::EnterLauncherRoot)?;
    Ok(LauncherRoot {
        own_sys: attach_sys(config.network, own_sys, outer_sys)?,
        machine: match machine {
            Some((_, view)) => Some(Machine::examine(view)?),
            None => None,
        },
    })
}

/// Attaches a sysfs at `/sys`, if jobs may have one. Returns whether it is the launcher's own.
fn attach_sys(
    network: NetworkKind,
    own_sys: Option<OwnedFd>,
    outer_sys: Option<OwnedFd>,
) -> Result<bool, StepError> {
    match (own_sys, outer_sys) {
        (Some(own), _) => {
            attach(own.as_fd(), Path::new("/sys")).step(Step::AttachSys)?;
            Ok(true)
        }
        // An outer container hides parts of /sys, so the kernel refuses a new one. The
        // outer one is used, read-only.
        (None, Some(outer)) if network != NetworkKind::Local => {
            sys::mount_setattr(outer.as_fd(), true, libc::MOUNT_ATTR_RDONLY, None)
                .step(Step::MakeSysReadOnly)?;
            attach(outer.as_fd(), Path::new("/sys")).step(Step::AttachSys)?;
            Ok(false)
        }
        _ => Ok(false),
    }
}

impl HostTrees {
    /// With `user_ns`, the owners of files are mapped as that namespace maps ids.
    pub fn open(
        config: &LauncherConfig,
        user_ns: Option<BorrowedFd<'_>>,
    ) -> Result<Self, StepError> {
        let store = HostBind {
            path: config.trees.clone(),
            read_only: true,
        };
        Ok(Self {
            store: clone_tree(&store, user_ns)?,
            binds: (config.binds.iter())
                .map(|bind| clone_tree(bind, user_ns))
                .collect::<Result<_, _>>()?,
            view: match &config.machine {
                Some(machine) => Some(ViewTrees::open(machine, &config.trees, user_ns)?),
                None => None,
            },
        })
    }
}

/// A detached copy of the mounts at a host path, with its flags. With `user_ns`, the owners
/// of files are mapped as that namespace maps ids.
pub fn clone_tree(bind: &HostBind, user_ns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, StepError> {
    let path = || bind.path.display().to_string();
    let open = || Step::OpenHostPath { path: path() };
    let tree = open_tree(&bind.path, true).step_with(open)?;
    let mut set = libc::MOUNT_ATTR_NOSUID;
    if bind.read_only {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    sys::mount_setattr(tree.as_fd(), true, set, None).step_with(open)?;
    if let Some(user_ns) = user_ns {
        // Some file systems cannot map owners. Their files then belong to the host's root.
        match sys::mount_setattr(tree.as_fd(), false, 0, Some(user_ns)) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            other => other.step_with(|| Step::MapOwners { path: path() })?,
        }
    }
    Ok(tree)
}

/// Mounts a sysfs of the current network namespace at `/sys`, in the place of the one that
/// was made in an earlier namespace.
pub fn renew_sys() -> Result<(), StepError> {
    let fresh = new_sysfs().step(Step::CreateSysfs)?;
    umount2("/sys", MntFlags::MNT_DETACH).step(Step::UnmountSys)?;
    attach(fresh.as_fd(), Path::new("/sys")).step(Step::AttachSys)
}

fn attach_bind(index: usize, tree: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mount_point = format!("binds/{index}");
    let mode = rustix::fs::fstat(tree)?.st_mode;
    if FileType::from_raw_mode(mode) == FileType::Directory {
        rustix::fs::mkdir(&mount_point, 0o755.into())?;
    } else {
        rustix::fs::open(
            &mount_point,
            rustix::fs::OFlags::CREATE | rustix::fs::OFlags::CLOEXEC,
            0o644.into(),
        )?;
    }
    attach(tree, Path::new(&mount_point))
}

pub fn open_tree(path: &Path, recursive: bool) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(CWD, path, flags)
}

pub fn attach(tree: BorrowedFd<'_>, mount_point: &Path) -> rustix::io::Result<()> {
    rustix::mount::move_mount(
        tree,
        "",
        CWD,
        mount_point,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
}

fn new_tmpfs() -> rustix::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), "mode", "755")?;
    new_mount(
        context.as_fd(),
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )
}

fn new_sysfs() -> rustix::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    new_mount(context.as_fd(), SYSTEM | MountAttrFlags::MOUNT_ATTR_RDONLY)
}

/// Whether the kernel lets this namespace mount a new proc.
pub fn proc_can_be_mounted() -> bool {
    let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC);
    context.is_ok_and(|context| new_mount(context.as_fd(), SYSTEM).is_ok())
}

/// The mount attributes of proc and sysfs.
const SYSTEM: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

fn new_mount(context: BorrowedFd<'_>, attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    rustix::mount::fsconfig_create(context)?;
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
