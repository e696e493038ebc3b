//! Control groups (cgroup v2): the limits of the memory and the processes of a job as a whole.
//!
//! ```text
//! base/                      the client's own group, or the one above it
//!   maelstrom-ID/            the run; the client holds a lock on it
//!     client/                the processes of the base, if it had any
//!     1/, 2/, ...            a job with limits
//! ```
//!
//! A group can limit the groups below it only if it has no processes itself, so the client moves
//! itself, and the other processes of the base, to the group `client`. [`place`] says which group can
//! be the base. The group of a job is made by the client, which also opens its file `cgroup.procs`. The
//! process of the program writes itself to this file before it executes the program. When the
//! job has ended, the client reads what happened at the limits, and removes the group.
//!
//! The groups of a client that was killed are left. The next client with the same base removes
//! them: nobody holds the lock on such a run, and the kernel only removes groups without processes.

mod place;

pub use place::NoControlGroups;

use super::protocol::JobLimits;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use place::{Place, processes};
use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How the name of the group of a run starts.
const PREFIX: &str = "maelstrom-";

/// The group of the processes of the base, below that of the run.
const CLIENT: &str = "client";

/// The controllers that limit jobs.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// How often a client tries to make the group of its run before another client removes it.
const MOST_ATTEMPTS: u32 = 10;

/// How often the processes of the base are moved. Those that are started meanwhile are moved the
/// next time, and are fewer each time.
const MOST_MOVES: u32 = 100;

/// How long removing a group waits for the ends of its processes, which were killed.
const LONGEST_END: Duration = Duration::from_secs(5);

/// The largest number of processes that the kernel takes as a limit.
const MOST_PROCESSES: u32 = 4 << 20;

/// The control groups of a run. Dropping them moves the processes back, and removes the groups.
#[derive(Debug)]
pub struct ControlGroups {
    base: PathBuf,
    run: PathBuf,
    /// The controllers that the base did not pass on before.
    enabled: Vec<&'static str>,
    /// The processes of the base are in the group [`CLIENT`].
    has_moved: bool,
    jobs: Cell<u64>,
    _lock: Flock<File>,
}

impl ControlGroups {
    /// Makes the group of a run, below a group that is delegated to this process.
    pub fn set_up() -> Result<Self, NoControlGroups> {
        Self::at(Place::find(Path::new("/"))?)
    }

    fn at(place: Place) -> Result<Self, NoControlGroups> {
        let Place { base, to_move } = place;
        let failed = |source| NoControlGroups::SetUp {
            group: base.clone(),
            source,
        };
        remove_left(&base);
        let (run, lock) = make_locked(&base).map_err(failed)?;
        let mut groups = Self {
            base: base.clone(),
            run,
            enabled: Vec::new(),
            has_moved: false,
            jobs: Cell::new(0),
            _lock: lock,
        };
        if to_move {
            groups.move_processes().map_err(failed)?;
        }
        groups.enable().map_err(failed)?;
        Ok(groups)
    }

    /// The group below which the groups of jobs are made.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Makes the group of a job with these limits.
    pub fn create(&self, limits: &JobLimits) -> io::Result<JobControlGroup> {
        self.jobs.set(self.jobs.get() + 1);
        let directory = self.run.join(self.jobs.get().to_string());
        fs::create_dir(&directory)?;
        let group = JobControlGroup { directory };
        if let Some(bytes) = limits.memory {
            group.write("memory.max", &bytes.to_string())?;
            // One process over the limit ends all of them.
            group.write("memory.oom.group", "1")?;
            // A kernel that does not account for swap space lacks this file.
            match group.write("memory.swap.max", "0") {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        if let Some(count) = limits.processes.filter(|count| *count < MOST_PROCESSES) {
            group.write("pids.max", &count.to_string())?;
        }
        Ok(group)
    }

    fn move_processes(&mut self) -> io::Result<()> {
        let client = self.run.join(CLIENT);
        fs::create_dir(&client)?;
        self.has_moved = true;
        move_all(&self.base, &client)
    }

    /// Passes the controllers on to the groups of jobs.
    fn enable(&mut self) -> io::Result<()> {
        let passed_on = place::words(&self.base.join("cgroup.subtree_control"))?;
        for controller in CONTROLLERS {
            if !passed_on.iter().any(|word| word == controller) {
                pass_on(&self.base, &format!("+{controller}"))?;
                self.enabled.push(controller);
            }
            pass_on(&self.run, &format!("+{controller}"))?;
        }
        Ok(())
    }
}

impl Drop for ControlGroups {
    /// Errors are ignored: what is left then has processes of other programs, or is removed by the
    /// next client.
    fn drop(&mut self) {
        // Another client may use controllers of the run: its groups are below that of this client.
        let is_shared = groups(&self.run).any(|group| is_of_run(&group));
        if is_shared {
            return;
        }
        for controller in &self.enabled {
            let _ = pass_on(&self.run, &format!("-{controller}"));
            let _ = pass_on(&self.base, &format!("-{controller}"));
        }
        if self.has_moved {
            let client = self.run.join(CLIENT);
            let _ = move_all(&client, &self.base);
            let _ = fs::remove_dir(client);
        }
        let _ = fs::remove_dir(&self.run);
    }
}

/// The control group of a job. Dropping it kills the processes in it, if there are any.
#[derive(Debug)]
pub struct JobControlGroup {
    directory: PathBuf,
}

/// What happened at the limits of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitEvents {
    /// The kernel killed processes, as they used more memory than the limit.
    pub out_of_memory: bool,
    /// The kernel refused to make a process.
    pub process_refused: bool,
}

impl JobControlGroup {
    /// The file to which the process of the program writes itself.
    pub fn processes(&self) -> io::Result<OwnedFd> {
        let file = self.directory.join("cgroup.procs");
        File::options().write(true).open(file).map(OwnedFd::from)
    }

    /// What has happened until now.
    pub fn events(&self) -> LimitEvents {
        let count = |file: &str, name: &str| {
            let text = fs::read_to_string(self.directory.join(file)).unwrap_or_default();
            event_count(&text, name)
        };
        LimitEvents {
            out_of_memory: count("memory.events", "oom_kill") > 0,
            process_refused: count("pids.events", "max") > 0,
        }
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        write_to(&self.directory.join(file), value)
    }
}

impl Drop for JobControlGroup {
    fn drop(&mut self) {
        if fs::remove_dir(&self.directory).is_ok() {
            return;
        }
        // The job was abandoned: its launcher, and so all of its processes, is being killed.
        let _ = self.write("cgroup.kill", "1");
        let _ = wait_until_empty(&self.directory);
        let _ = fs::remove_dir(&self.directory);
    }
}

/// The value of a line `NAME VALUE`.
fn event_count(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(key, _)| *key == name);
    found.and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
}

/// Waits until a group has no processes. The kernel reports a change of `cgroup.events` as an
/// exceptional condition of the file.
fn wait_until_empty(group: &Path) -> io::Result<()> {
    let deadline = Instant::now() + LONGEST_END;
    let path = group.join("cgroup.events");
    let file = File::open(&path)?;
    while event_count(&fs::read_to_string(&path)?, "populated") > 0 && Instant::now() < deadline {
        let mut polled = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
        nix::poll::poll(&mut polled, PollTimeout::from(100_u8))?;
    }
    Ok(())
}

/// Makes the group of a run, and locks it before another client removes it.
fn make_locked(base: &Path) -> io::Result<(PathBuf, Flock<File>)> {
    for _ in 0..MOST_ATTEMPTS {
        let run = base.join(format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&run)?;
        let lock = lock(&run);
        // The other client removes it while it holds the lock.
        if let (Some(lock), true) = (lock, run.exists()) {
            return Ok((run, lock));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// `None` if a client has the lock.
fn lock(run: &Path) -> Option<Flock<File>> {
    let directory = File::open(run).ok()?;
    Flock::lock(directory, FlockArg::LockExclusiveNonblock).ok()
}

/// Removes the groups without processes of clients that were killed.
fn remove_left(base: &Path) {
    for run in groups(base).filter(|group| is_of_run(group)) {
        // Groups of other clients may be below the client's.
        remove_left(&run);
        if let Some(_lock) = lock(&run) {
            let _ = fs::remove_dir(run);
        }
    }
    // The base itself may be the group of a run: that of a client that moved this one.
    if is_of_run(base)
        && let Some(_lock) = lock(base)
    {
        for group in groups(base).filter(|group| !is_of_run(group)) {
            let _ = fs::remove_dir(group);
        }
    }
}

/// The groups directly below a group.
fn groups(group: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let directories =
        entries.filter(|entry| entry.file_type().is_ok_and(|file_type| file_type.is_dir()));
    directories.map(|entry| entry.path())
}

/// Whether this is the group of a run, by its name.
fn is_of_run(group: &Path) -> bool {
    let name = group.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PREFIX))
}

/// Moves all processes of a group to another one. Processes that are started meanwhile are moved, too.
fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    let to = to.join("cgroup.procs");
    for _ in 0..MOST_MOVES {
        let found = processes(from)?;
        if found.is_empty() {
            return Ok(());
        }
        for process in found {
            match write_to(&to, &process.to_string()) {
                // It has ended.
                Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
                other => other?,
            }
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn pass_on(group: &Path, change: &str) -> io::Result<()> {
    write_to(&group.join("cgroup.subtree_control"), change)
}

/// Writes a value in one system call to a file that exists, as control files require.
fn write_to(file: &Path, value: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = File::options().write(true).open(file)?;
    file.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests;
