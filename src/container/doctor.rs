//! What containers need of a limits, checked one by one.
//!
//! Each check tries the thing itself where that is possible, and looks at the
//! usual suspects only to say why it failed.

use super::protocol::{LauncherConfig, NetworkKind};
use super::{JobEnd, JobMount, JobRequest, Launcher, LauncherError, Root, Step, starter};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub what: &'static str,
    pub finding: Finding,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Good(String),
    /// It works, but not as well as it could.
    Limited {
        found: String,
        remedy: String,
    },
    Bad {
        found: String,
        remedy: String,
    },
}

/// The oldest kernel that has all that is used: mounting with mapped owners came
/// with 5.12, overlayfs in user namespaces with 5.11.
const OLDEST: (u32, u32) = (5, 12);

/// The first kernel whose tmpfs keeps `user.*` attributes, which overlayfs needs
/// to remove directories of lower layers.
const TMPFS_ATTRIBUTES: (u32, u32) = (6, 6);

/// Looks at the limits. `trees` is an empty directory to try containers with;
/// `launcher` a program as for [`Launcher::start`].
pub async fn examine(launcher: &Path, trees: &Path) -> Vec<Check> {
    let mut checks = vec![kernel(), user_namespaces()];
    checks.extend(app_armor());
    checks.push(proc());
    checks.extend(try_container(launcher, trees).await);
    checks
}

/// What to do where no launcher can be started: what most likely keeps it from
/// its namespaces, and what would let it have them.
pub fn remedy() -> String {
    let bad = |check: Check| match check.finding {
        Finding::Bad { found, remedy } => Some(format!("{found}; {remedy}")),
        _ => None,
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

/// What user 0 needs to have itself mapped into a user namespace: see `user_namespaces(7)`.
const CAP_SETFCAP: u32 = 31;

/// Whether this is user 0, and known to lack a capability (numbers as in
/// `linux/capability.h`).
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
    let release = release.trim().to_owned();
    let version = parse_version(&release);
    let finding = match version {
        Some(version) if version < OLDEST => Finding::Bad {
            found: format!("Linux {release}"),
            remedy: format!("use Linux {}.{} or newer", OLDEST.0, OLDEST.1),
        },
        Some(version) if version < TMPFS_ATTRIBUTES => Finding::Limited {
            found: format!("Linux {release}: tests cannot remove directories of the source tree"),
            remedy: "use Linux 6.6 or newer".to_owned(),
        },
        _ => Finding::Good(format!("Linux {release}")),
    };
    Check {
        what: "kernel",
        finding,
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
    let finding = if number("/proc/sys/user/max_user_namespaces") == Some(0) {
        Finding::Bad {
            found: "user namespaces are off: user.max_user_namespaces is 0".to_owned(),
            remedy: "as root: sysctl -w user.max_user_namespaces=15000".to_owned(),
        }
    } else if number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0)
        && !nix::unistd::geteuid().is_root()
    {
        Finding::Bad {
            found: "user namespaces are for root only: kernel.unprivileged_userns_clone is 0"
                .to_owned(),
            remedy: "as root: sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
        }
    } else {
        Finding::Good("not switched off".to_owned())
    };
    Check {
        what: "user namespaces",
        finding,
    }
}

/// Ubuntu's restriction: making the namespace succeeds, using it does not.
fn app_armor() -> Option<Check> {
    let path = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    let restricted = fs::read_to_string(path).ok()?.trim() == "1";
    let confined = fs::read_to_string("/proc/self/attr/apparmor/current")
        .or_else(|_| fs::read_to_string("/proc/self/attr/current"))
        .is_ok_and(|profile| !profile.starts_with("unconfined"));
    let finding = if restricted && !confined && !nix::unistd::geteuid().is_root() {
        Finding::Bad {
            found: "AppArmor restricts user namespaces of programs without a profile".to_owned(),
            remedy:
                "install the profile from the chapter on troubleshooting, or as root: sysctl -w \
                     kernel.apparmor_restrict_unprivileged_userns=0"
                    .to_owned(),
        }
    } else {
        Finding::Good("allows user namespaces".to_owned())
    };
    Some(Check {
        what: "AppArmor",
        finding,
    })
}

fn proc() -> Check {
    let finding = if Path::new("/proc/self/uid_map").exists() {
        Finding::Good("mounted".to_owned())
    } else {
        Finding::Bad {
            found: "/proc is not there".to_owned(),
            remedy: "mount proc at /proc".to_owned(),
        }
    };
    Check {
        what: "/proc",
        finding,
    }
}

/// Makes a container as a test's is made, up to the point of running a program
/// that is not there.
async fn try_container(launcher: &Path, trees: &Path) -> Vec<Check> {
    let config = LauncherConfig {
        trees: trees.to_owned(),
        network: NetworkKind::Loopback,
        binds: Vec::new(),
    };
    let mut launcher = match Launcher::start(&launcher.into(), &config).await {
        Ok(launcher) => launcher,
        Err(error) => return vec![no_container(&error)],
    };
    let mut checks = vec![Check {
        what: "namespaces",
        finding: Finding::Good("user, mount, pid, network, ipc and UTS namespaces".to_owned()),
    }];
    checks.push(Check {
        what: "/proc of tests",
        finding: if launcher.outer_proc() {
            Finding::Limited {
                found: "tests see the outer /proc: a container around this one hides parts of it"
                    .to_owned(),
                remedy: "give the outer container an unmasked /proc (Docker: --security-opt \
                         systempaths=unconfined)"
                    .to_owned(),
            }
        } else {
            Finding::Good("each test has its own".to_owned())
        },
    });
    checks.push(Check {
        what: "network",
        finding: if launcher.network_reuse() {
            Finding::Good("loopback, reused between tests".to_owned())
        } else {
            Finding::Limited {
                found: "each test gets a new network namespace: TIME_WAIT cannot be switched off"
                    .to_owned(),
                remedy: "make /proc/sys/net writable to user namespaces for faster runs".to_owned(),
            }
        },
    });
    checks.push(root_file_system(&mut launcher).await);
    checks
}

fn no_container(error: &LauncherError) -> Check {
    let cause = match error {
        LauncherError::SetUp(step) => step.to_string(),
        LauncherError::Start(cause)
        | LauncherError::Describe(cause)
        | LauncherError::LostBeforeStart(cause)
        | LauncherError::Lost(cause) => format!("{error}: {cause}"),
    };
    Check {
        what: "namespaces",
        finding: Finding::Bad {
            found: cause,
            remedy: remedy(),
        },
    }
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
        slot_variable: false,
        timeout: Duration::from_secs(10),
        open_files: 1024,
        scratch_size: 1 << 20,
        watched: Vec::new(),
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
    let finding = match end {
        Ok(JobEnd::NotStarted(error)) if matches!(error.step, Step::Execute { .. }) => {
            Finding::Good("overlayfs over tmpfs".to_owned())
        }
        Ok(JobEnd::NotStarted(error)) => Finding::Bad {
            found: error.to_string(),
            remedy:
                "overlayfs in user namespaces is needed: load the module `overlay`, and keep the \
                     target directory on a file system that overlayfs takes as a lower layer \
                     (not NFS, FUSE or another overlay)"
                    .to_owned(),
        },
        Ok(JobEnd::Ended(_)) => Finding::Good("overlayfs".to_owned()),
        Err(error) => Finding::Bad {
            found: error.to_string(),
            remedy: "please report this".to_owned(),
        },
    };
    Check {
        what: "root file system",
        finding,
    }
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_found_in_kernel_releases() {
        assert_eq!(parse_version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(parse_version("5.4"), Some((5, 4)));
        assert_eq!(parse_version("odd"), None);
    }
}
