//! Finding a group in which this process may make control groups with limits.
//!
//! The base is the group of this process if it has no processes but this one and those that it
//! started, or if it is delegated: then its processes may be moved. A group is delegated if systemd
//! marked it as such, or if it is the topmost group that a container sees. Otherwise the base is
//! the group above, if that is delegated and has no processes.
//!
//! Other groups are not used even if this user may write to them, since a service manager, such as the
//! systemd of a user, moves processes in them as well.

use super::{CONTROLLERS, is_of_run};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A group below which groups of jobs can be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub base: PathBuf,
    /// The base has processes, which keep it from limiting the groups below it.
    pub to_move: bool,
}

/// Why there are no control groups for jobs.
#[derive(Debug, thiserror::Error)]
pub enum NoControlGroups {
    #[error("cgroup v2 is not mounted")]
    NotMounted,
    #[error("the control group of this process is not visible here")]
    NotVisible,
    #[error("the control group `{group}` has no controllers `memory` and `pids`")]
    NoControllers { group: PathBuf },
    #[error("the control group `{group}` is not delegated to this user")]
    NotWritable { group: PathBuf },
    #[error("the control group `{group}` has processes of other programs")]
    HasOthers { group: PathBuf },
    #[error("the control group `{group}` cannot be used: {source}")]
    SetUp { group: PathBuf, source: io::Error },
}

impl NoControlGroups {
    /// How to have control groups.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotMounted | Self::NoControllers { .. } => {
                "mount cgroup v2 with the controllers `memory` and `pids` (systemd: boot with \
                 systemd.unified_cgroup_hierarchy=1; Docker: give the container a writable \
                 /sys/fs/cgroup)"
            }
            Self::NotVisible
            | Self::NotWritable { .. }
            | Self::HasOthers { .. }
            | Self::SetUp { .. } => {
                "run it in a control group of its own: `systemd-run --user --scope -p Delegate=yes \
                 cargo maelstrom` (a service: `Delegate=yes`; Docker: a writable /sys/fs/cgroup)"
            }
        }
    }
}

impl Place {
    /// Finds a place in the file system with this root directory.
    pub fn find(root: &Path) -> Result<Self, NoControlGroups> {
        let own = OwnGroup::find(root)?;
        let refused = match own.as_base() {
            Ok(place) => return Ok(place),
            Err(refused) => refused,
        };
        own.parent_as_base().ok_or(refused)
    }
}

/// The control group of this process.
struct OwnGroup {
    directory: PathBuf,
    /// The topmost group that is visible here.
    top: PathBuf,
    /// The directory of the processes: `/proc`.
    proc: PathBuf,
}

impl OwnGroup {
    fn find(root: &Path) -> Result<Self, NoControlGroups> {
        let proc = root.join("proc");
        let read = |name: &str| {
            fs::read_to_string(proc.join("self").join(name))
                .map_err(|_| NoControlGroups::NotMounted)
        };
        let mounts = read("mountinfo")?;
        let (mounted, top) = mount(&mounts).ok_or(NoControlGroups::NotMounted)?;
        let groups = read("cgroup")?;
        let mut groups = groups.lines();
        let own = groups.find_map(|line| line.strip_prefix("0::"));
        let own = own.ok_or(NoControlGroups::NotVisible)?;
        // A group outside of the cgroup namespace has a path with `..`.
        let below = Path::new(own).strip_prefix(mounted);
        let below = below.map_err(|_| NoControlGroups::NotVisible)?;
        let top = root.join(top.trim_start_matches('/'));
        // Joining an empty path would add a slash.
        let directory: PathBuf = top.components().chain(below.components()).collect();
        if own.contains("/..") || !directory.is_dir() {
            return Err(NoControlGroups::NotVisible);
        }
        Ok(Self {
            directory,
            top,
            proc,
        })
    }

    fn as_base(&self) -> Result<Place, NoControlGroups> {
        let group = &self.directory;
        check(group)?;
        // The topmost group of the machine may have processes.
        if !group.join("cgroup.type").exists() {
            return Ok(Place {
                base: group.clone(),
                to_move: false,
            });
        }
        let found = processes(group).unwrap_or_default();
        let mut others = found.iter().filter(|process| !self.is_own(**process));
        // Processes that are not visible here have the number 0, and cannot be moved.
        let can_move = if self.is_delegated(group) {
            !found.contains(&0)
        } else {
            others.next().is_none()
        };
        if !can_move {
            let group = group.clone();
            return Err(NoControlGroups::HasOthers { group });
        }
        Ok(Place {
            base: group.clone(),
            to_move: true,
        })
    }

    fn parent_as_base(&self) -> Option<Place> {
        let parent = self
            .directory
            .parent()
            .filter(|_| self.directory != self.top)?;
        let is_ours = is_of_run(parent);
        if !is_ours && !self.is_delegated(parent) {
            return None;
        }
        check(parent).ok()?;
        let is_empty = processes(parent).is_ok_and(|processes| processes.is_empty());
        is_empty.then(|| Place {
            base: parent.to_owned(),
            to_move: false,
        })
    }

    /// Whether systemd marked the group as delegated, or the group is the topmost one of a container.
    fn is_delegated(&self, group: &Path) -> bool {
        let mut value = [0; 8];
        let marked = ["user.delegate", "trusted.delegate"]
            .into_iter()
            .any(|name| {
                rustix::fs::getxattr(group, name, &mut value)
                    .is_ok_and(|length| &value[..length] == b"1")
            });
        marked || group == self.top
    }

    /// Whether this is this process, or was started by it.
    fn is_own(&self, process: u32) -> bool {
        let mut process = process;
        loop {
            if process == std::process::id() {
                return true;
            }
            if process <= 1 {
                return false;
            }
            let Some(parent) = self.parent_of(process) else {
                // It has ended.
                return true;
            };
            process = parent;
        }
    }

    fn parent_of(&self, process: u32) -> Option<u32> {
        let stat = fs::read_to_string(self.proc.join(process.to_string()).join("stat")).ok()?;
        // The name of the program is in parentheses, and may have others.
        let (_, fields) = stat.rsplit_once(") ")?;
        fields.split(' ').nth(1)?.parse().ok()
    }
}

/// Checks that a group has the controllers, and that this user may use them.
fn check(group: &Path) -> Result<(), NoControlGroups> {
    let controllers = words(&group.join("cgroup.controllers")).unwrap_or_default();
    let has = |controller: &&str| controllers.iter().any(|word| word == controller);
    if !CONTROLLERS.iter().all(has) {
        let group = group.to_owned();
        return Err(NoControlGroups::NoControllers { group });
    }
    let is_writable = ["", "cgroup.procs", "cgroup.subtree_control"]
        .iter()
        .all(|name| {
            let access = rustix::fs::Access::WRITE_OK;
            rustix::fs::access(group.join(name), access).is_ok()
        });
    if !is_writable {
        let group = group.to_owned();
        return Err(NoControlGroups::NotWritable { group });
    }
    Ok(())
}

/// The mount of cgroup v2, from the text of `/proc/self/mountinfo`: the group that is mounted, and
/// the mount point.
fn mount(mounts: &str) -> Option<(&str, &str)> {
    mounts.lines().find_map(|line| {
        let (mount, rest) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let found = (fields.next()?, fields.next()?);
        rest.starts_with("cgroup2 ").then_some(found)
    })
}

/// The numbers of the processes of a group.
pub fn processes(group: &Path) -> io::Result<Vec<u32>> {
    let numbers = words(&group.join("cgroup.procs"))?;
    Ok(numbers.iter().filter_map(|n| n.parse().ok()).collect())
}

/// The words of a file.
pub fn words(file: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}
