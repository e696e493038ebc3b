//! The settings of jobs on this machine.

use crate::container::{LauncherProgram, MachineView};
use std::io;
use std::path::{Path, PathBuf};

/// The least scratch space of a job, in bytes, unless half the memory is less.
const MIN_SCRATCH_SIZE: u64 = 1 << 30;

/// The directory of the directories of `cache` mounts, beside that of the store's trees.
const CACHE_MOUNTS: &str = "cache-mounts";

/// The settings for all jobs of an executor.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// How to start launchers: usually this program itself.
    pub launcher: LauncherProgram,
    /// The directory of the store's trees.
    pub trees: PathBuf,
    /// The directory of the directories of `cache` mounts.
    pub cache_mounts: PathBuf,
    /// The size of the scratch space of a job, in bytes.
    pub scratch_size: u64,
    /// The soft limit on open files for jobs.
    pub open_files: u64,
    /// A UUID, for variables of jobs.
    pub run_id: String,
    /// The parts of the machine that jobs of [`LocalExecutor::look`](super::LocalExecutor::look) see.
    pub machine: MachineView,
}

impl LocalSettings {
    /// This program as the launcher, and limits of this process: a job may open as many files as
    /// this process, and the slots share half the memory for their scratch spaces. If tmpfs
    /// mounts used more than the memory, the machine would fail, as killing processes does not
    /// free a tmpfs.
    pub fn of_process(trees: PathBuf, slots: usize) -> io::Result<Self> {
        use nix::sys::resource::{Resource, getrlimit};
        Ok(Self {
            launcher: Path::new("/proc/self/exe").into(),
            cache_mounts: trees.with_file_name(CACHE_MOUNTS),
            trees,
            scratch_size: scratch_size(nix::sys::sysinfo::sysinfo()?.ram_total(), slots),
            open_files: getrlimit(Resource::RLIMIT_NOFILE)?.0,
            run_id: uuid::Uuid::new_v4().to_string(),
            machine: MachineView {
                excluded: homes(std::env::home_dir()),
                owned: Vec::new(),
            },
        })
    }
}

/// The home directories of which jobs see nothing. A user without a home has `/`, which is no home.
fn homes(home: Option<PathBuf>) -> Vec<PathBuf> {
    let is_home = |home: &PathBuf| home.is_absolute() && home.parent().is_some();
    home.into_iter().filter(is_home).collect()
}

fn scratch_size(memory: u64, slots: usize) -> u64 {
    let half = memory / 2;
    (half / slots.max(1) as u64).max(MIN_SCRATCH_SIZE).min(half)
}

#[cfg(test)]
mod tests {
    use super::{homes, scratch_size};
    use std::path::PathBuf;

    #[test]
    fn the_root_directory_is_no_home() {
        let home = || Some(PathBuf::from("/home/me"));
        assert_eq!(homes(home()), [home().unwrap()]);
        for none in [None, Some("/".into()), Some("".into()), Some("me".into())] {
            assert_eq!(homes(none), Vec::<PathBuf>::new());
        }
    }

    #[test]
    fn slots_share_half_the_memory_but_each_has_a_gibibyte() {
        const GIB: u64 = 1 << 30;
        assert_eq!(scratch_size(64 * GIB, 1), 32 * GIB);
        assert_eq!(scratch_size(64 * GIB, 4), 8 * GIB);
        assert_eq!(scratch_size(64 * GIB, 64), GIB);
        assert_eq!(scratch_size(GIB, 64), GIB / 2);
    }
}
