//! The file system of a job: its root, an overlay of the lower directories, and the mounts
//! on it.

use super::overlay::Overlay;
use super::protocol::{MountKind, Observed, ReceivedRequest, Root};
use super::split::{self, LaidRoot};
use super::step::{Step, StepContext, StepError};
use super::sys;
use super::view::Machine;
use crate::spec::Device;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Files of the launcher that stay open after its root was covered.
pub struct RetainedDescriptors {
    /// The job's scratch space, if it has one.
    pub scratch: Option<OwnedFd>,
    /// The launcher's `/proc`.
    pub proc: OwnedFd,
    /// The descriptors for the observer, if the job is observed.
    pub observed: Option<ObservedRoot>,
    /// The parts of the root, if it is laid over the view of the machine.
    pub root: LaidRoot,
}

/// The file system of an observed job, for its observer.
pub struct ObservedRoot {
    /// A detached read-only mount of the layers alone, if the observer needs it.
    pub layers: Option<OwnedFd>,
    /// The job's root, which tells the observer whether a process has another one.
    pub root: OwnedFd,
}

/// Makes the job's file system and enters it. With `outer_proc`, `/proc` is the outer one.
pub fn enter(
    request: &ReceivedRequest<'_>,
    outer_proc: bool,
    machine: Option<&Machine>,
    observed: Option<Observed>,
) -> Result<RetainedDescriptors, StepError> {
    let scratch = make_scratch(request, machine.is_some())?;
    let needs_layers = observed.is_some_and(|observed| observed.needs_layers);
    let layers = if needs_layers || machine.is_some() {
        Some(make_layers(request)?)
    } else {
        None
    };
    let root = if let (Some(machine), Some(layers)) = (machine, &layers) {
        split::lay(request, machine, layers.as_fd())?
    } else {
        make_root(request)?;
        LaidRoot::default()
    };
    let proc = open_path("/proc").step(Step::OpenLauncherProc)?;
    // From here on, relative paths are of the launcher's root and absolute ones of the job's.
    nix::unistd::chdir("/").step(Step::EnterLauncherRoot)?;
    nix::unistd::chroot("root").step(Step::ResolveFromRoot)?;
    for (index, step) in request.mounts.iter().enumerate() {
        make_mount(index, step.kind, &step.mount_point, outer_proc).step_with(|| Step::Mount {
            kind: step.kind.name().to_owned(),
            mount_point: step.mount_point.to_string_lossy().into_owned(),
        })?;
    }
    nix::unistd::chroot(".").step(Step::ResolveFromLauncherRoot)?;
    nix::unistd::chdir("root").step(Step::EnterRoot)?;
    cover_launcher_root().step(Step::CoverLauncherRoot)?;
    if request.user == 0 {
        lock_mounts(request, &proc)?;
    }
    let observed = match observed {
        Some(Observed { needs_layers }) => Some(ObservedRoot {
            layers: layers.filter(|_| needs_layers),
            root: open_path("/").step(Step::OpenRoot)?,
        }),
        None => None,
    };
    Ok(RetainedDescriptors {
        scratch,
        proc,
        observed,
        root,
    })
}

/// Mounts one tmpfs for everything that a job writes and that is not kept. One tmpfs is
/// faster than several, and has one limit.
fn make_scratch(
    request: &ReceivedRequest<'_>,
    over_machine: bool,
) -> Result<Option<OwnedFd>, StepError> {
    let wanted = over_machine
        || matches!(request.root, Root::Scratch)
        || request.mounts.iter().any(|step| step.kind.is_scratch());
    if !wanted {
        return Ok(None);
    }
    let options = format!("mode=755,size={}", request.scratch_size);
    mount(
        Some("scratch"),
        "/scratch",
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options.as_str()),
    )
    .step(Step::MountScratch)?;
    if matches!(request.root, Root::Scratch) {
        for directory in ["/scratch/upper", "/scratch/work"] {
            nix::unistd::mkdir(directory, Mode::from_bits_truncate(0o755))
                .step(Step::CreateOverlayDirectories)?;
        }
    }
    open_path("/scratch").step(Step::OpenScratch).map(Some)
}

/// Makes a detached read-only mount of the overlay of the lower directories alone. It stays when
/// the job has ended, as long as there is a descriptor of it.
fn make_layers(request: &ReceivedRequest<'_>) -> Result<OwnedFd, StepError> {
    mount_overlay(request, None)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let layers = open_tree(rustix::fs::CWD, "/root", flags).step(Step::DetachLayers)?;
    sys::mount_setattr(layers.as_fd(), false, libc::MOUNT_ATTR_RDONLY, None)
        .step(Step::DetachLayers)?;
    umount2("/root", MntFlags::MNT_DETACH).step(Step::DetachLayers)?;
    Ok(layers)
}

/// Mounts the job's root at `/root`.
fn make_root(request: &ReceivedRequest<'_>) -> Result<(), StepError> {
    match &request.root {
        Root::ReadOnly => mount_overlay(request, None),
        Root::Scratch => {
            let (upper, work) = (Path::new("/scratch/upper"), Path::new("/scratch/work"));
            mount_overlay(request, Some((upper, work)))
        }
        Root::Local { bind, upper, work } => {
            let [upper, work] = [upper, work]
                .map(|path| Path::new(OsStr::from_bytes(path.to_bytes())))
                .map(|path| PathBuf::from(format!("/binds/{bind}")).join(path));
            mount_overlay(request, Some((&upper, &work)))
        }
    }
}

/// Mounts the overlay of the lower directories at `/root`, with these directories for changes.
fn mount_overlay(
    request: &ReceivedRequest<'_>,
    upper: Option<(&Path, &Path)>,
) -> Result<(), StepError> {
    nix::unistd::chdir("/trees").step(Step::EnterTrees)?;
    // overlayfs needs two directories if it has no upper.
    let lowers: Vec<&Path> = (request.lowers.iter().rev())
        .map(|name| Path::new(OsStr::from_bytes(name.to_bytes())))
        .chain((request.lowers.len() < 2).then_some(Path::new("../empty")))
        .collect();
    let overlay = Overlay::new(&lowers, upper);
    overlay.mount(Path::new("/root")).step_with(|| {
        if overlay.is_long() {
            Step::MountRootOfLayers {
                layers: request.lowers.len().to_string(),
            }
        } else {
            Step::MountRoot
        }
    })
}

/// Makes one mount; the working directory is the launcher's root.
fn make_mount(
    index: usize,
    kind: MountKind,
    mount_point: &CStr,
    outer_proc: bool,
) -> Result<(), nix::Error> {
    const NOTHING: MsFlags = MsFlags::MS_NOSUID
        .union(MsFlags::MS_NODEV)
        .union(MsFlags::MS_NOEXEC);
    let file_system = |name: &str, flags: MsFlags, options: Option<&str>| {
        mount(Some(name), mount_point, Some(name), flags, options)
    };
    let bind = |source: &str| {
        mount(
            Some(source),
            mount_point,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
    };
    match kind {
        MountKind::Bind(index) => bind(&format!("binds/{index}")),
        MountKind::DiscardingBind(bind) => {
            let [upper, work] = ["upper", "work"].map(|name| format!("scratch/{index}-{name}"));
            for directory in [&upper, &work] {
                nix::unistd::mkdir(directory.as_str(), Mode::from_bits_truncate(0o755))?;
            }
            let options =
                format!("lowerdir=binds/{bind},upperdir={upper},workdir={work},userxattr,xino=off");
            file_system(
                "overlay",
                MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
                Some(&options),
            )
        }
        MountKind::Device(Device::Shm) | MountKind::Tmp => {
            let directory = format!("scratch/{index}");
            nix::unistd::mkdir(directory.as_str(), Mode::from_bits_truncate(0o1777))?;
            bind(&directory)
        }
        MountKind::Device(device) => bind(&format!("dev/{}", device.into_str())),
        MountKind::Devpts => file_system(
            "devpts",
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            Some("newinstance,ptmxmode=0666"),
        ),
        MountKind::Mqueue => file_system("mqueue", NOTHING, None),
        MountKind::Proc if outer_proc => bind("proc"),
        MountKind::Proc => file_system("proc", NOTHING, None),
        MountKind::Sys => bind("sys"),
    }
}

impl MountKind {
    /// Whether the mount lies in the scratch space.
    fn is_scratch(self) -> bool {
        matches!(
            self,
            Self::Tmp | Self::DiscardingBind(_) | Self::Device(Device::Shm)
        )
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bind(_) | Self::DiscardingBind(_) => "a host path",
            Self::Device(device) => device.into_str(),
            Self::Devpts => "devpts",
            Self::Mqueue => "mqueue",
            Self::Proc => "proc",
            Self::Sys => "sys",
            Self::Tmp => "tmp",
        }
    }
}

/// Moves the root, which is the working directory, over the launcher's root, and enters it.
///
/// The job cannot reach the launcher's root: `..` of its root is its root, and the job
/// cannot unmount its root. It has no capability for that, and in a user namespace of its
/// own the mounts are locked, see `mount_namespaces(7)`. Unmounting the launcher's root
/// here, as after `pivot_root(2)`, would be slow: the kernel waits for all processors.
fn cover_launcher_root() -> nix::Result<()> {
    let (none, options) = (None::<&str>, None::<&str>);
    mount(Some("."), "/", none, MsFlags::MS_MOVE, options)?;
    nix::unistd::chroot(".")
}

/// Locks the mounts of a job with uid 0, which could unmount them otherwise: a further user
/// namespace gets a locked copy of them.
fn lock_mounts(request: &ReceivedRequest<'_>, proc: &OwnedFd) -> Result<(), StepError> {
    use nix::sched::{CloneFlags, unshare};
    let write = |path: &str, text: String| {
        let file = nix::fcntl::openat(
            proc,
            path,
            OFlag::O_WRONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        File::from(file).write_all(text.as_bytes())
    };
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).step(Step::LockMounts)?;
    let (user, group) = (request.user, request.group);
    write("self/uid_map", format!("{user} {user} 1")).step(Step::LockMounts)?;
    write("self/gid_map", format!("{group} {group} 1")).step(Step::LockMounts)
}

fn open_path(path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::openat(AT_FDCWD, Path::new(path), flags, Mode::empty())
}
