//! The view of the machine: the files of this machine that a job sees below those of its layers.
//!
//! A launcher with a view has a copy of the machine's mounts at `/machine` and a copy of each
//! owned directory at `/owned/N`, all of them read-only and without devices. Ordinary launchers
//! have neither. [`super::split`] lays the root of each job over them.
//!
//! If the client is the real root, `/machine` does not map the owners of files: the files of root
//! belong to nobody there, and their modes decide what a job may read. Only the owned directories
//! map them.

use super::prepare::{self, open_tree};
use super::protocol::HostBind;
use super::step::{Step, StepContext, StepError};
use super::sys;
use nix::libc;
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, accessat, openat2, readlink};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The place of the machine's mounts in the launcher's root.
pub const MACHINE: &str = "/machine";

/// The directory of the owned directories in the launcher's root.
pub const OWNED: &str = "/owned";

/// The attributes of all mounts of the machine.
const ATTRIBUTES: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Directories that are the container's own.
const OF_THE_CONTAINER: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];

/// File systems of the kernel. A job that saw the machine's processes could reach files by way of
/// them. Automatic mounts are not triggered.
const OF_THE_KERNEL: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tracefs",
];

/// The parts of the machine that jobs see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MachineView {
    /// Directories of the machine that are not shown. Files can be excluded too, such as
    /// credentials in an owned directory.
    #[serde(with = "paths_bytes")]
    pub excluded: Vec<PathBuf>,
    /// Directories that are shown although they may be below an excluded directory, or below one
    /// that jobs cannot read. One that does not exist is left out.
    #[serde(with = "paths_bytes")]
    pub owned: Vec<PathBuf>,
}

/// The owned directories of a view as detached mounts, and its paths without symbolic links.
pub struct ViewTrees {
    excluded: Vec<PathBuf>,
    owned: Vec<OwnedTree>,
}

struct OwnedTree {
    /// The paths of the directory on the machine.
    places: Vec<PathBuf>,
    tree: OwnedFd,
}

impl ViewTrees {
    /// `store` is not shown: overlayfs refuses a directory that contains another one of the same
    /// overlay. With `user_ns`, the owners of files are mapped as that namespace maps ids.
    pub fn open(
        view: &MachineView,
        store: &Path,
        user_ns: Option<BorrowedFd<'_>>,
    ) -> Result<Self, StepError> {
        let excluded = view.excluded.iter().map(PathBuf::as_path).chain([store]);
        let mut owned = Vec::new();
        for path in &view.owned {
            if !path.is_dir() {
                continue;
            }
            let bind = HostBind {
                path: path.clone(),
                read_only: true,
            };
            let tree = prepare::clone_tree(&bind, user_ns)?;
            sys::mount_setattr(tree.as_fd(), true, ATTRIBUTES, None).step_with(|| {
                Step::OpenHostPath {
                    path: path.display().to_string(),
                }
            })?;
            owned.push(OwnedTree {
                places: places(path),
                tree,
            });
        }
        Ok(Self {
            excluded: excluded.flat_map(places).collect(),
            owned,
        })
    }
}

/// The path of a file without symbolic links on the way, and the path without any. Only the path
/// itself if the file does not exist.
fn places(path: &Path) -> Vec<PathBuf> {
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    let own = match (parent, path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    };
    let mut places = vec![own];
    if let Ok(target) = path.canonicalize()
        && target != places[0]
    {
        places.push(target);
    }
    places
}

/// A detached copy of all mounts of the machine.
pub fn clone_machine() -> Result<OwnedFd, StepError> {
    let tree = open_tree(Path::new("/"), true).step(Step::OpenMachine)?;
    sys::mount_setattr(tree.as_fd(), true, ATTRIBUTES, None).step(Step::OpenMachine)?;
    Ok(tree)
}

/// Attaches the machine's mounts in the launcher's root, which is the working directory.
pub fn attach(machine: &OwnedFd, trees: &ViewTrees) -> Result<(), StepError> {
    let attach = |tree: &OwnedFd, mount_point: &Path| {
        fs::create_dir(mount_point)?;
        prepare::attach(tree.as_fd(), mount_point).map_err(io::Error::from)
    };
    // The mount points relative to the root that is made.
    attach(machine, Path::new(&MACHINE[1..])).step(Step::AttachMachine)?;
    let owned = Path::new(&OWNED[1..]);
    fs::create_dir(owned).step(Step::AttachMachine)?;
    for (index, directory) in trees.owned.iter().enumerate() {
        attach(&directory.tree, &owned.join(index.to_string())).step(Step::AttachMachine)?;
    }
    Ok(())
}

/// The machine's files as the launcher has them.
pub struct Machine {
    /// The mount points below [`MACHINE`] and [`OWNED`], as paths of the launcher.
    mounts: Vec<PathBuf>,
    /// The paths on the machine of what jobs do not see.
    hidden: Vec<PathBuf>,
    owned: Vec<OwnedDirectory>,
}

struct OwnedDirectory {
    /// Its path on the machine.
    place: PathBuf,
    /// Its path in the launcher's root.
    tree: PathBuf,
}

/// A directory of the machine in the root of a job.
#[derive(Clone)]
pub struct MachineDirectory {
    /// Its path on the machine.
    pub path: PathBuf,
    /// Its path in the launcher's root. `None`: only owned directories below it are shown.
    pub tree: Option<PathBuf>,
}

/// An entry of a directory of the machine.
pub enum OnMachine {
    /// A directory that is shown, or below which something is.
    Directory(MachineDirectory),
    /// A directory that cannot be read, and what is shown below it.
    Unreadable(Option<MachineDirectory>),
    Symlink(PathBuf),
    File(PathBuf),
    /// A socket, FIFO or device.
    Special,
    Nothing,
}

impl Machine {
    /// Reads the mounts of the launcher, when they are attached.
    pub fn examine(trees: ViewTrees) -> Result<Self, StepError> {
        let mut owned = Vec::new();
        for (index, directory) in trees.owned.into_iter().enumerate() {
            let tree = Path::new(OWNED).join(index.to_string());
            owned.extend(directory.places.into_iter().map(|place| OwnedDirectory {
                place,
                tree: tree.clone(),
            }));
        }
        let table = fs::read("/proc/self/mountinfo").step(Step::ReadMounts)?;
        let mut machine = Self {
            mounts: Vec::new(),
            hidden: OF_THE_CONTAINER.map(PathBuf::from).into(),
            owned,
        };
        machine.hidden.extend(trees.excluded);
        for mount in topmost_mounts(&table) {
            if OF_THE_KERNEL
                .iter()
                .any(|kind| kind.as_bytes() == mount.kind)
            {
                machine.hide(&mount.mount_point);
            }
            if mount.mount_point.starts_with(MACHINE) || mount.mount_point.starts_with(OWNED) {
                machine.mounts.push(mount.mount_point);
            }
        }
        Ok(machine)
    }

    /// Hides a file by its path in the launcher's root.
    fn hide(&mut self, path: &Path) {
        let of_machine = path.strip_prefix(MACHINE).ok();
        let of_machine = of_machine.map(|below| Path::new("/").join(below));
        let of_owned = (self.owned.iter())
            .filter_map(|owned| Some(owned.place.join(path.strip_prefix(&owned.tree).ok()?)));
        let paths: Vec<_> = of_machine.into_iter().chain(of_owned).collect();
        self.hidden.extend(paths);
    }

    /// The path in the launcher's root of a file of the machine. `None` if jobs do not see it.
    pub fn locate(&self, path: &Path) -> Option<PathBuf> {
        let length = |path: &Path| path.components().count();
        let hidden = self.hidden.iter().filter(|hidden| path.starts_with(hidden));
        let hidden = hidden.map(|hidden| length(hidden)).max();
        let owned = self.owned.iter().filter_map(|owned| {
            let below = path.strip_prefix(&owned.place).ok()?;
            Some((length(&owned.place), &owned.tree, below))
        });
        match (owned.max_by_key(|(length, ..)| *length), hidden) {
            (Some((length, tree, below)), hidden)
                if hidden.is_none_or(|hidden| hidden < length) =>
            {
                Some(joined(tree, below))
            }
            (_, Some(_)) => None,
            (_, None) => Some(joined(Path::new(MACHINE), path.strip_prefix("/").ok()?)),
        }
    }

    /// The directory that a symbolic link of the machine leads to.
    pub fn resolve(&self, link: &Path) -> Option<MachineDirectory> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(MACHINE, flags, Mode::empty()).ok()?;
        let target = directory_in(root.as_fd(), link)?;
        let path = Path::new("/").join(target.strip_prefix(MACHINE).ok()?);
        let tree = self.locate(&path).filter(|tree| is_readable(tree));
        let found = MachineDirectory { path, tree };
        (found.tree.is_some() || self.must_be_split(&found)).then_some(found)
    }

    /// Whether there are paths below a directory that need mounts of their own.
    pub fn must_be_split(&self, directory: &MachineDirectory) -> bool {
        let is_shown = |tree: &PathBuf| {
            self.mounts
                .iter()
                .any(|mount| is_strictly_below(mount, tree))
                || (self.hidden.iter()).any(|path| is_strictly_below(path, &directory.path))
        };
        directory.tree.as_ref().is_some_and(is_shown)
            || self.owned_below(&directory.path).next().is_some()
    }

    pub fn is_owned(&self, path: &Path) -> bool {
        self.owned.iter().any(|owned| owned.place == path)
    }

    /// The paths on the machine of the owned directories below a directory.
    pub fn owned_below<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = &'a Path> {
        let places = self.owned.iter().map(|owned| owned.place.as_path());
        places.filter(move |place| is_strictly_below(place, directory))
    }

    /// The machine's file with this path, which is in the directory `above`.
    pub fn entry(&self, above: &MachineDirectory, path: &Path) -> OnMachine {
        let only_owned = || {
            let mut owned = self.owned_below(path);
            owned.next().is_some().then(|| MachineDirectory {
                path: path.to_owned(),
                tree: None,
            })
        };
        let is_shown = above.tree.is_some() || self.is_owned(path);
        let tree = is_shown.then(|| self.locate(path)).flatten();
        let found = tree.and_then(|tree| Some((fs::symlink_metadata(&tree).ok()?, tree)));
        let Some((found, tree)) = found else {
            return only_owned().map_or(OnMachine::Nothing, OnMachine::Directory);
        };
        let kind = found.file_type();
        if kind.is_dir() && !is_readable(&tree) {
            OnMachine::Unreadable(only_owned())
        } else if kind.is_dir() {
            OnMachine::Directory(MachineDirectory {
                path: path.to_owned(),
                tree: Some(tree),
            })
        } else if kind.is_symlink() {
            OnMachine::Symlink(tree)
        } else if kind.is_file() {
            OnMachine::File(tree)
        } else {
            OnMachine::Special
        }
    }
}

pub fn is_strictly_below(path: &Path, directory: &Path) -> bool {
    path != directory && path.starts_with(directory)
}

/// The path, from the root of a tree, of the directory that a path leads to in this tree.
pub fn directory_in(root: BorrowedFd<'_>, path: &Path) -> Option<PathBuf> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(root, path, flags, Mode::empty(), resolve).ok()?;
    let link = format!("/proc/self/fd/{}", found.as_raw_fd());
    let target = readlink(link, Vec::new()).ok()?.into_bytes();
    Some(OsString::from_vec(target).into())
}

/// Whether the job's user can list a directory and open its files. The capabilities that this
/// process has and the job has not do not count.
pub fn is_readable(directory: &Path) -> bool {
    let access = Access::READ_OK | Access::EXEC_OK;
    accessat(CWD, directory, access, AtFlags::empty()).is_ok()
}

/// Joins two paths. The result does not end in a slash.
fn joined(directory: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        return directory.to_owned();
    }
    directory.join(below)
}

/// A line of `/proc/self/mountinfo`, see proc(5).
struct MountLine<'a> {
    id: &'a [u8],
    parent: &'a [u8],
    mount_point: PathBuf,
    kind: &'a [u8],
}

/// The mounts in the order of the table. Of mounts on one another, only the topmost one.
fn topmost_mounts(table: &[u8]) -> Vec<MountLine<'_>> {
    let mut mounts: Vec<MountLine<'_>> = Vec::new();
    for line in table.split(|byte| *byte == b'\n').filter_map(mount_line) {
        let same = |other: &&mut MountLine<'_>| other.mount_point == line.mount_point;
        match mounts.iter_mut().find(same) {
            // The one that is known lies on this one.
            Some(known) if known.parent == line.id => {}
            Some(known) => *known = line,
            None => mounts.push(line),
        }
    }
    mounts
}

fn mount_line(line: &[u8]) -> Option<MountLine<'_>> {
    let mut words = line.split(|byte| *byte == b' ');
    let (id, parent) = (words.next()?, words.next()?);
    let mount_point = unescaped(words.nth(2)?);
    let mut words = words.skip_while(|word| *word != b"-");
    let kind = words.nth(1)?;
    Some(MountLine {
        id,
        parent,
        mount_point,
        kind,
    })
}

/// A path of the table of mounts, in which some characters are octal numbers after a backslash.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut path = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let number = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        };
        let escaped = (*first == b'\\').then(|| after.get(..3).and_then(number));
        if let Some(byte) = escaped.flatten() {
            path.push(byte);
            rest = &after[3..];
        } else {
            path.push(*first);
            rest = after;
        }
    }
    OsString::from_vec(path).into()
}

/// Paths as bytes, since they may not be UTF-8.
mod paths_bytes {
    use super::{Deserialize, Deserializer, OsStr, OsString, PathBuf, Serialize, Serializer};

    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        let paths: Vec<&OsStr> = paths.iter().map(|path| path.as_os_str()).collect();
        paths.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        let paths = Vec::<OsString>::deserialize(deserializer)?;
        Ok(paths.into_iter().map(PathBuf::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::protocol::{decode, encode};

    fn machine(hidden: &[&str], owned: &[(&str, &str)], mounts: &[&str]) -> Machine {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        let owned = owned.iter().map(|(place, tree)| OwnedDirectory {
            place: place.into(),
            tree: tree.into(),
        });
        Machine {
            mounts: paths(mounts),
            hidden: paths(hidden),
            owned: owned.collect(),
        }
    }

    #[test]
    fn the_innermost_of_excluded_and_owned_directories_decides() {
        let owned = [("/home/me/work", "/owned/0"), ("/home", "/owned/1")];
        let machine = machine(&["/home", "/home/me/work/secret"], &owned, &[]);
        for (path, located) in [
            ("/", Some("/machine")),
            ("/etc/hosts", Some("/machine/etc/hosts")),
            ("/homes", Some("/machine/homes")),
            // Excluded and owned.
            ("/home", None),
            ("/home/me", None),
            ("/home/me/work", Some("/owned/0")),
            ("/home/me/work/a", Some("/owned/0/a")),
            ("/home/me/work/secret", None),
            ("/home/me/work/secret/a", None),
        ] {
            assert_eq!(
                machine.locate(Path::new(path)),
                located.map(Into::into),
                "{path}"
            );
        }
    }

    #[test]
    fn directories_are_split_because_of_what_is_below_them() {
        let owned = [("/srv/me", "/owned/0")];
        let machine = machine(&["/home/me"], &owned, &["/machine", "/machine/var/lib/x"]);
        let is_split = |path: &str, tree: Option<&str>| {
            machine.must_be_split(&MachineDirectory {
                path: path.into(),
                tree: tree.map(Into::into),
            })
        };
        for path in ["/", "/var", "/var/lib", "/home", "/srv"] {
            let tree = machine.locate(Path::new(path));
            assert!(is_split(path, tree.unwrap().to_str()), "{path}");
        }
        for path in ["/usr", "/var/lib/x", "/home/me/x", "/srv/me", "/va"] {
            let tree = machine.locate(Path::new(path));
            assert!(
                !is_split(path, tree.as_ref().and_then(|t| t.to_str())),
                "{path}"
            );
        }
        // Only owned directories below it matter.
        assert!(!is_split("/home", None));
        assert!(is_split("/srv", None));
    }

    #[test]
    fn of_mounts_on_one_another_the_topmost_one_counts() {
        let table = b"\
            20 1 0:1 / / rw - ext4 /dev/a rw\n\
            23 22 0:4 / /a\\040b\\134 rw shared:1 master:2 - nfs - rw\n\
            22 20 0:3 / /a\\040b\\134 rw,relatime - autofs - rw\n\
            24 20 0:4 / /c rw - tmpfs - rw\n\
            25 24 0:4 / /c rw - proc proc rw\n\
            malformed\n";
        let mounts: Vec<_> = (topmost_mounts(table).iter())
            .map(|mount| (mount.mount_point.clone(), mount.kind.to_vec()))
            .collect();
        let expected = [("/", "ext4"), ("/a b\\", "nfs"), ("/c", "proc")]
            .map(|(path, kind)| (PathBuf::from(path), kind.as_bytes().to_vec()));
        assert_eq!(mounts, expected);
    }

    #[test]
    fn file_systems_of_the_kernel_are_hidden_where_they_are_mounted() {
        let mut machine = machine(&[], &[("/work", "/owned/0")], &[]);
        machine.hide(Path::new("/machine/srv/chroot/proc"));
        machine.hide(Path::new("/owned/0/proc"));
        let expected = ["/srv/chroot/proc", "/work/proc"].map(PathBuf::from);
        assert_eq!(machine.hidden, expected);
    }

    #[test]
    fn paths_that_are_not_utf_8_are_sent() {
        let path = PathBuf::from(OsString::from_vec(b"/a\xff".to_vec()));
        let view = MachineView {
            excluded: vec![path.clone()],
            owned: vec![path],
        };
        let sent = encode(&view).unwrap();
        assert_eq!(decode::<MachineView>(&sent[4..]).unwrap(), view);
    }
}
