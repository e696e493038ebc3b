//! Checks of what containers need from a machine.
//!
//! A check tries the operation itself if possible, and examines known causes only to explain
//! why it failed.

use super::launcher::counts_processes_of_jobs;
use super::protocol::{LauncherConfig, NetworkKind};
use super::{
    ControlGroups, JobEnd, JobLimits, JobMount, JobRequest, Launcher, LauncherError,
    NoControlGroups, Root, Step, starter,
};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The part of the machine.
    pub name: &'static str,
    pub grade: Grade,
    pub found: String,
    /// `None`: nothing needs to be done.
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Grade {
    Good,
    /// Containers work, with a restriction.
    Limited,
    Bad,
}

impl Check {
    pub fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            grade: Grade::Good,
            found: found.into(),
            remedy: None,
        }
    }

    fn limited(name: &'static str, found: impl Into<String>, remedy: &str) -> Self {
        Self {
            grade: Grade::Limited,
            ..Self::bad(name, found, remedy)
        }
    }

    pub fn bad(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name,
            grade: Grade::Bad,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// The oldest kernel that works. Mounts with mapped owners need 5.12, and overlayfs in user
/// namespaces needs 5.11.
const OLDEST: (u32, u32) = (5, 12);

/// The first kernel whose tmpfs supports `user.*` attributes. overlayfs needs them to remove
/// directories of lower layers.
const TMPFS_ATTRIBUTES: (u32, u32) = (6, 6);

/// Examines the machine. `trees` is an empty directory for a test container, and `launcher` a
/// program as for [`Launcher::start`].
pub async fn examine(launcher: &Path, trees: &Path) -> Vec<Check> {
    let mut checks = vec![kernel(), user_namespaces()];
    checks.extend(app_armor());
    checks.push(proc());
    checks.extend(try_container(launcher, trees).await);
    checks
}

/// The remedy if no launcher can be started: the most likely reason why it cannot make
/// namespaces, and how to change that.
pub fn remedy() -> String {
    let bad = |check: Check| {
        let remedy = check.remedy.filter(|_| check.grade == Grade::Bad)?;
        Some(format!("{}; {remedy}", check.found))
    };
    bad(user_namespaces())
        .or_else(|| app_armor().and_then(bad))
        .unwrap_or_else(|| {
            if starter::is_real_root() {
                "as root, CAP_SYS_ADMIN is needed (Docker: --privileged, or --cap-add SYS_ADMIN \
                 with --security-opt seccomp=unconfined --security-opt apparmor=unconfined)"
                    .to_owned()
            } else if is_root_without_capability(CAP_SETFCAP) {
                "user 0 makes containers only with CAP_SETFCAP: run it as another user (on an engine \
                 that uses buildbox: --remote-platform unixUID=1000 --remote-platform unixGID=1000)"
                    .to_owned()
            } else {
                "if this runs in a container, allow it user namespaces and mounts (Docker: \
                 --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                 --security-opt systempaths=unconfined)"
                    .to_owned()
            }
        })
}

/// The capability that user 0 needs to map itself into a user namespace: see
/// `user_namespaces(7)`.
const CAP_SETFCAP: u32 = 31;

/// Whether this is user 0 without a capability, by its number in `linux/capability.h`.
fn is_root_without_capability(capability: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    nix::unistd::geteuid().is_root()
        && effective.is_some_and(|effective| effective & (1 << capability) == 0)
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    of_release(release.trim())
}

fn of_release(release: &str) -> Check {
    let name = "kernel";
    match parse_version(release) {
        Some(version) if version < OLDEST => Check::bad(
            name,
            format!("Linux {release}"),
            format!("use Linux {}.{} or newer", OLDEST.0, OLDEST.1),
        ),
        Some(version) if version < TMPFS_ATTRIBUTES => Check::limited(
            name,
            format!("Linux {release}: tests cannot remove directories of the source tree"),
            "use Linux 6.6 or newer",
        ),
        _ => Check::good(name, format!("Linux {release}")),
    }
}

fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn user_namespaces() -> Check {
    let number = |path: &str| {
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let max = number("/proc/sys/user/max_user_namespaces");
    let unprivileged = number("/proc/sys/kernel/unprivileged_userns_clone");
    let is_root = nix::unistd::geteuid().is_root();
    of_limits(max != Some(0), unprivileged != Some(0) || is_root)
}

/// `is_enabled`: for any user; `is_allowed`: for this one.
fn of_limits(is_enabled: bool, is_allowed: bool) -> Check {
    let name = "user namespaces";
    if !is_enabled {
        Check::bad(
            name,
            "user namespaces are off: user.max_user_namespaces is 0",
            "as root: sysctl -w user.max_user_namespaces=15000",
        )
    } else if !is_allowed {
        Check::bad(
            name,
            "user namespaces are for root only: kernel.unprivileged_userns_clone is 0",
            "as root: sysctl -w kernel.unprivileged_userns_clone=1",
        )
    } else {
        Check::good(name, "not switched off")
    }
}

/// Ubuntu's restriction: a program can make a user namespace, but has no capabilities in it.
fn app_armor() -> Option<Check> {
    let path = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    let restricted = fs::read_to_string(path).ok()?.trim() == "1";
    let confined = fs::read_to_string("/proc/self/attr/apparmor/current")
        .or_else(|_| fs::read_to_string("/proc/self/attr/current"))
        .is_ok_and(|profile| !profile.starts_with("unconfined"));
    let is_root = nix::unistd::geteuid().is_root();
    Some(of_app_armor(restricted && !confined && !is_root))
}

fn of_app_armor(is_restricted: bool) -> Check {
    if is_restricted {
        Check::bad(
            "AppArmor",
            "AppArmor restricts user namespaces of programs without a profile",
            "install the profile from the chapter on troubleshooting, or as root: sysctl -w \
             kernel.apparmor_restrict_unprivileged_userns=0",
        )
    } else {
        Check::good("AppArmor", "allows user namespaces")
    }
}

fn proc() -> Check {
    of_proc(Path::new("/proc/self/uid_map").exists())
}

fn of_proc(is_mounted: bool) -> Check {
    if is_mounted {
        Check::good("/proc", "mounted")
    } else {
        Check::bad("/proc", "/proc is not mounted", "mount proc at /proc")
    }
}

/// Makes a container like that of a test, and tries to execute a program that does not exist.
async fn try_container(launcher: &Path, trees: &Path) -> Vec<Check> {
    let config = LauncherConfig {
        trees: trees.to_owned(),
        network: NetworkKind::Loopback,
        binds: Vec::new(),
        machine: None,
    };
    let mut launcher = match Launcher::start(&launcher.into(), &config).await {
        Ok(launcher) => launcher,
        Err(error) => return vec![no_container(&error)],
    };
    let mut checks = of_launcher(launcher.outer_proc(), launcher.network_reuse()).to_vec();
    checks.push(root_file_system(&mut launcher).await);
    // Moves this process to another group, if it is used, and back.
    let groups = ControlGroups::set_up();
    let base = groups.as_ref().map(ControlGroups::base);
    checks.push(of_limits_of_tests(base, counts_processes_of_jobs()));
    checks
}

fn of_launcher(outer_proc: bool, network_reuse: bool) -> [Check; 3] {
    let namespaces = "user, mount, pid, network, ipc and UTS namespaces";
    [
        Check::good("namespaces", namespaces),
        if outer_proc {
            Check::limited(
                "/proc of tests",
                "tests see the outer /proc: a container around this one hides parts of it",
                "give the outer container an unmasked /proc (Docker: --security-opt \
                 systempaths=unconfined)",
            )
        } else {
            Check::good("/proc of tests", "each test has its own")
        },
        if network_reuse {
            Check::good("network", "loopback, reused between tests")
        } else {
            Check::limited(
                "network",
                "each test gets a new network namespace: TIME_WAIT cannot be switched off",
                "make /proc/sys/net writable to user namespaces for faster runs",
            )
        },
    ]
}

/// `found`: the group below which those of tests are made. `counts_processes`: without groups,
/// `process_limit` has an effect.
fn of_limits_of_tests(found: Result<&Path, &NoControlGroups>, counts_processes: bool) -> Check {
    let name = "limits of tests";
    match found {
        Ok(base) => Check::good(name, format!("control groups in {}", base.display())),
        Err(reason) => Check::limited(
            name,
            format!(
                "`memory_limit` is the address space of each process, and `process_limit` {}: {reason}",
                if counts_processes {
                    "a resource limit"
                } else {
                    "has no effect"
                }
            ),
            reason.remedy(),
        ),
    }
}

fn no_container(error: &LauncherError) -> Check {
    let cause = match error {
        LauncherError::SetUp(step) => step.to_string(),
        LauncherError::Start(cause)
        | LauncherError::Describe(cause)
        | LauncherError::LostBeforeStart(cause)
        | LauncherError::Lost(cause) => format!("{error}: {cause}"),
    };
    Check::bad("namespaces", cause, remedy())
}

async fn root_file_system(launcher: &mut Launcher) -> Check {
    let request = JobRequest {
        lowers: Vec::new(),
        root: Root::Scratch,
        mounts: Vec::<JobMount<&str>>::new(),
        user: 1000,
        group: 1000,
        init: true,
        terminal: false,
        hostname: "doctor",
        working_directory: "/",
        program: "/nothing",
        arguments: Vec::new(),
        environment: Vec::new(),
        slot_variables: Vec::new(),
        timeout: Duration::from_secs(10),
        limits: JobLimits::default(),
        open_files: 1024,
        scratch_size: 1 << 20,
        watched: Vec::new(),
        outputs: Vec::new(),
    };
    let null = || {
        fs::File::options()
            .write(true)
            .open("/dev/null")
            .map(Into::into)
    };
    let end = match (null(), null()) {
        (Ok(stdout), Ok(stderr)) => launcher.run(&request, stdout, stderr).await,
        (Err(error), _) | (_, Err(error)) => Err(LauncherError::Start(error)),
    };
    of_root_file_system(end)
}

fn of_root_file_system(end: Result<JobEnd, LauncherError>) -> Check {
    let name = "root file system";
    match end {
        Ok(JobEnd::NotStarted(error)) if matches!(error.step, Step::Execute { .. }) => {
            Check::good(name, "overlayfs over tmpfs")
        }
        Ok(JobEnd::NotStarted(error)) => Check::bad(
            name,
            error.to_string(),
            "overlayfs in user namespaces is needed: load the module `overlay`, and keep the \
             target directory on a file system that overlayfs takes as a lower layer (not NFS, \
             FUSE or another overlay)",
        ),
        Ok(JobEnd::Ended(_)) => Check::good(name, "overlayfs"),
        Err(error) => Check::bad(name, error.to_string(), "please report this"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::StepError;
    use nix::libc;
    use std::fmt::Write as _;
    use std::io;
    use std::path::PathBuf;

    #[test]
    fn versions_are_found_in_kernel_releases() {
        assert_eq!(parse_version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(parse_version("5.4"), Some((5, 4)));
        assert_eq!(parse_version("odd"), None);
    }

    #[test]
    fn each_check_says_what_was_found_and_what_to_do() {
        let failed = |step, errno| StepError { step, errno };
        let program = "/nothing".to_owned();
        let executed = failed(Step::Execute { program }, libc::ENOENT);
        let not_mounted = failed(Step::MountRoot, libc::EINVAL);
        let lost = LauncherError::Lost(io::ErrorKind::UnexpectedEof.into());
        let mut checks = vec![
            of_release("6.18.44"),
            of_release("6.1.0-18-amd64"),
            of_release("5.4.0"),
            of_limits(true, true),
            of_limits(false, true),
            of_limits(true, false),
            of_app_armor(false),
            of_app_armor(true),
            of_proc(true),
            of_proc(false),
        ];
        checks.extend(of_launcher(false, true));
        checks.extend(of_launcher(true, false));
        checks.extend([
            of_root_file_system(Ok(JobEnd::NotStarted(executed))),
            of_root_file_system(Ok(JobEnd::NotStarted(not_mounted))),
            of_root_file_system(Err(lost)),
        ]);
        let group = || PathBuf::from("/sys/fs/cgroup/user.slice");
        let has_others = NoControlGroups::HasOthers { group: group() };
        checks.extend([
            of_limits_of_tests(Ok(&group()), true),
            of_limits_of_tests(Err(&NoControlGroups::NotMounted), false),
            of_limits_of_tests(Err(&has_others), true),
        ]);
        let mut text = String::new();
        for check in checks {
            let Check {
                name, found, grade, ..
            } = check;
            writeln!(text, "{name}: {}: {found}", grade.into_str()).unwrap();
            if let Some(remedy) = check.remedy {
                writeln!(text, "  -> {remedy}").unwrap();
            }
        }
        insta::assert_snapshot!(text, @"
        kernel: good: Linux 6.18.44
        kernel: limited: Linux 6.1.0-18-amd64: tests cannot remove directories of the source tree
          -> use Linux 6.6 or newer
        kernel: bad: Linux 5.4.0
          -> use Linux 5.12 or newer
        user namespaces: good: not switched off
        user namespaces: bad: user namespaces are off: user.max_user_namespaces is 0
          -> as root: sysctl -w user.max_user_namespaces=15000
        user namespaces: bad: user namespaces are for root only: kernel.unprivileged_userns_clone is 0
          -> as root: sysctl -w kernel.unprivileged_userns_clone=1
        AppArmor: good: allows user namespaces
        AppArmor: bad: AppArmor restricts user namespaces of programs without a profile
          -> install the profile from the chapter on troubleshooting, or as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
        /proc: good: mounted
        /proc: bad: /proc is not mounted
          -> mount proc at /proc
        namespaces: good: user, mount, pid, network, ipc and UTS namespaces
        /proc of tests: good: each test has its own
        network: good: loopback, reused between tests
        namespaces: good: user, mount, pid, network, ipc and UTS namespaces
        /proc of tests: limited: tests see the outer /proc: a container around this one hides parts of it
          -> give the outer container an unmasked /proc (Docker: --security-opt systempaths=unconfined)
        network: limited: each test gets a new network namespace: TIME_WAIT cannot be switched off
          -> make /proc/sys/net writable to user namespaces for faster runs
        root file system: good: overlayfs over tmpfs
        root file system: bad: mount the root: Invalid argument (os error 22)
          -> overlayfs in user namespaces is needed: load the module `overlay`, and keep the target directory on a file system that overlayfs takes as a lower layer (not NFS, FUSE or another overlay)
        root file system: bad: lost the launcher of a job while its program ran
          -> please report this
        limits of tests: good: control groups in /sys/fs/cgroup/user.slice
        limits of tests: limited: `memory_limit` is the address space of each process, and `process_limit` has no effect: cgroup v2 is not mounted
          -> mount cgroup v2 with the controllers `memory` and `pids` (systemd: boot with systemd.unified_cgroup_hierarchy=1; Docker: give the container a writable /sys/fs/cgroup)
        limits of tests: limited: `memory_limit` is the address space of each process, and `process_limit` a resource limit: the control group `/sys/fs/cgroup/user.slice` has processes of other programs
          -> run it in a control group of its own: `systemd-run --user --scope -p Delegate=yes cargo maelstrom` (a service: `Delegate=yes`; Docker: a writable /sys/fs/cgroup)
        ");
    }
}
