//! The file system of a job: its root, an overlay of the lower directories, and the mounts
//! on it.

use super::protocol::{MountKind, ReceivedRequest, Root};
use super::step::{Step, StepContext, StepError};
use super::sys;
use crate::spec::Device;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The longest options of mount(2), in bytes: a page less the final NUL.
const MOUNT_OPTIONS: usize = 4095;

/// Files of the launcher that stay open after its root was covered.
pub struct RetainedDescriptors {
    /// The job's scratch space, if it has one.
    pub scratch: Option<OwnedFd>,
    /// The launcher's `/proc`.
    pub proc: OwnedFd,
    /// The descriptors for the observer, if the job is observed.
    pub observed: Option<ObservedRoot>,
}

/// The file system of an observed job, for its observer.
pub struct ObservedRoot {
    /// A detached read-only mount of the layers alone.
    pub layers: OwnedFd,
    /// The job's root, which tells the observer whether a process has another one.
    pub root: OwnedFd,
}

/// Makes the job's file system and enters it. With `outer_proc`, `/proc` is the outer one.
pub fn enter(
    request: &ReceivedRequest<'_>,
    outer_proc: bool,
    is_observed: bool,
) -> Result<RetainedDescriptors, StepError> {
    let scratch = make_scratch(request)?;
    let layers = if is_observed {
        Some(make_layers(request)?)
    } else {
        None
    };
    make_root(request)?;
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
    let observed = match layers {
        Some(layers) => Some(ObservedRoot {
            layers,
            root: open_path("/").step(Step::OpenRoot)?,
        }),
        None => None,
    };
    Ok(RetainedDescriptors {
        scratch,
        proc,
        observed,
    })
}

/// Mounts one tmpfs for everything that a job writes and that is not kept. One tmpfs is
/// faster than several, and has one limit.
fn make_scratch(request: &ReceivedRequest<'_>) -> Result<Option<OwnedFd>, StepError> {
    let wanted = matches!(request.root, Root::Scratch)
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
    let upper = match &request.root {
        Root::ReadOnly => None,
        Root::Scratch => Some(("/scratch/upper".to_owned(), "/scratch/work".to_owned())),
        Root::Local { bind, upper, work } => Some((
            format!("/binds/{bind}/{}", upper.to_string_lossy()),
            format!("/binds/{bind}/{}", work.to_string_lossy()),
        )),
    };
    mount_overlay(request, upper.as_ref())
}

/// Mounts the overlay of the lower directories at `/root`, with these directories for changes.
fn mount_overlay(
    request: &ReceivedRequest<'_>,
    upper: Option<&(String, String)>,
) -> Result<(), StepError> {
    nix::unistd::chdir("/trees").step(Step::EnterTrees)?;
    // overlayfs lists the top directory first. It needs two directories if it has no upper.
    let lowers: Vec<&str> = request
        .lowers
        .iter()
        .rev()
        .map(|name| name.to_str().unwrap_or_default())
        .chain((request.lowers.len() < 2).then_some("../empty"))
        .collect();
    // With `xino=on` or `xino=auto`, which may be the kernel's default, each mount adds a line to
    // the kernel's log. Without it the device numbers of files differ from those of directories if
    // the upper directory is on another file system than the layers.
    let mut options = format!("lowerdir={},userxattr,xino=off", lowers.join(":"));
    if let Some((upper, work)) = upper {
        options.push_str(",upperdir=");
        options.push_str(&escape(upper));
        options.push_str(",workdir=");
        options.push_str(&escape(work));
    }
    if options.len() <= MOUNT_OPTIONS {
        return mount(
            Some("root"),
            "/root",
            Some("overlay"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some(options.as_str()),
        )
        .step(Step::MountRoot);
    }
    mount_many_layers(&lowers, upper).step_with(|| Step::MountRootOfLayers {
        layers: request.lowers.len().to_string(),
    })
}

/// Mounts more layers than fit the options of mount(2), which needs Linux 6.5.
fn mount_many_layers(lowers: &[&str], upper: Option<&(String, String)>) -> rustix::io::Result<()> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
        fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
    };
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    for lower in lowers {
        fsconfig_set_string(context, "lowerdir+", *lower)?;
    }
    fsconfig_set_flag(context, "userxattr")?;
    fsconfig_set_string(context, "xino", "off")?;
    if let Some((upper, work)) = upper {
        fsconfig_set_string(context, "upperdir", upper.as_str())?;
        fsconfig_set_string(context, "workdir", work.as_str())?;
    }
    fsconfig_create(context)?;
    let root = fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )?;
    move_mount(
        root.as_fd(),
        "",
        rustix::fs::CWD,
        "/root",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
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

/// Escapes the characters that have a meaning in the options of overlayfs.
fn escape(path: &str) -> String {
    path.replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace(':', "\\:")
}
