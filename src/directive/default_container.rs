//! The built-in container that every test starts from.
//!
//! It has the files, mounts and variables that tests usually need, and no files of this machine
//! except the source tree. The test binary, its libraries and Cargo's variables are added for each
//! test, when the binary is known.

use crate::spec::{
    BasePart, ContainerSpec, Device, EnvironmentStep, LayerSpec, Mount, Network, RootOverlay,
    SymlinkSpec,
};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use strum::VariantArray;

/// The home directory. It is writable, and empty at the start of a test.
pub const HOME: &str = "/home/maelstrom";

const USER: &str = "maelstrom";
const HOSTNAME: &str = "maelstrom";
const ID: u32 = 1000;

/// The container called `default`.
pub fn default_container() -> ContainerSpec {
    ContainerSpec {
        image: None,
        environment: vec![EnvironmentStep {
            vars: environment(),
            extend: true,
        }],
        layers: vec![
            LayerSpec::Base {
                base: BasePart::VARIANTS.into(),
            },
            LayerSpec::Stubs { stubs: stubs() },
            LayerSpec::Files { files: files() },
            LayerSpec::Symlinks {
                symlinks: symlinks(),
            },
            LayerSpec::TestSource,
        ],
        mounts: mounts(),
        outputs: outputs(),
        network: Network::Loopback,
        root_overlay: RootOverlay::Tmp,
        working_directory: None,
        user: ID,
        group: ID,
        init: true,
        hostname: HOSTNAME.to_owned(),
    }
}

fn environment() -> BTreeMap<String, String> {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", HOME),
        ("TMPDIR", "/tmp"),
        ("USER", USER),
        ("LOGNAME", USER),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("MAELSTROM", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Mount points, and directories that programs expect to exist.
fn stubs() -> Vec<String> {
    let mut stubs = vec![
        "/{dev,etc,proc,run,sys,tmp,var/tmp}/".to_owned(),
        "/dev/{mqueue,pts,shm}/".to_owned(),
        format!("{HOME}/"),
    ];
    let files = devices().filter(|device| *device != Device::Shm);
    stubs.extend(files.map(|device| format!("/dev/{}", device.into_str())));
    stubs
}

fn files() -> BTreeMap<Utf8PathBuf, String> {
    let passwd = format!(
        "root:x:0:0:root:/root:/bin/sh\n\
         {USER}:x:{ID}:{ID}:{USER}:{HOME}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    );
    let group = format!(
        "root:x:0:\n\
         tty:x:5:\n\
         {USER}:x:{ID}:\n\
         nogroup:x:65534:\n"
    );
    let hosts = format!(
        "127.0.0.1 localhost\n\
         127.0.1.1 {HOSTNAME}\n\
         ::1 localhost ip6-localhost ip6-loopback\n"
    );
    let nsswitch = "passwd: files\n\
                    group: files\n\
                    shadow: files\n\
                    hosts: files dns\n\
                    networks: files\n\
                    protocols: files\n\
                    services: files\n";
    [
        ("/etc/passwd", passwd),
        ("/etc/group", group),
        ("/etc/hosts", hosts),
        ("/etc/nsswitch.conf", nsswitch.to_owned()),
        ("/etc/timezone", "Etc/UTC\n".to_owned()),
        ("/usr/share/zoneinfo/Etc/UTC", utc()),
        ("/usr/share/zoneinfo/UTC", utc()),
    ]
    .map(|(path, content)| (Utf8PathBuf::from(path), content))
    .into()
}

/// The time zone UTC in the binary format of RFC 9636, version 2: a header and one local time type
/// for readers of version 1, both again for readers of version 2, and a rule as the footer. All
/// bytes are ASCII.
fn utc() -> String {
    // The numbers of UT indicators, standard indicators, leap seconds, transitions, local time
    // types, and characters of abbreviations; each is a big-endian 32-bit number.
    const COUNTS: &str = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x04";
    // Offset 0 as a 32-bit number, no daylight saving time, the abbreviation at index 0.
    const LOCAL_TIME_TYPE: &str = "\0\0\0\0\0\0";
    let block = format!(
        "TZif2{reserved}{COUNTS}{LOCAL_TIME_TYPE}UTC\0",
        reserved = "\0".repeat(15)
    );
    format!("{block}{block}\nUTC0\n")
}

fn symlinks() -> Vec<SymlinkSpec> {
    [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/ptmx", "pts/ptmx"),
        ("/etc/mtab", "/proc/self/mounts"),
        // A symlink, because some programs read the zone's name from its target.
        ("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    ]
    .map(|(link, target)| SymlinkSpec {
        link: link.into(),
        target: target.into(),
    })
    .into()
}

fn mounts() -> Vec<Mount> {
    vec![
        Mount::Devices {
            devices: devices().collect(),
        },
        Mount::Devpts {
            mount_point: "/dev/pts".into(),
        },
        Mount::Mqueue {
            mount_point: "/dev/mqueue".into(),
        },
        Mount::Proc {
            mount_point: "/proc".into(),
        },
        Mount::Sys {
            mount_point: "/sys".into(),
        },
        Mount::Tmp {
            mount_point: "/tmp".into(),
        },
        Mount::Tmp {
            mount_point: HOME.into(),
        },
    ]
}

/// The files that test libraries write for people: snapshots that await a review, of insta, and
/// inputs that made a property test fail, of proptest. Not those of projects that tests make in the
/// target directory.
fn outputs() -> Vec<String> {
    [
        "<workspace-dir>/**/*.snap.new",
        // insta's binary snapshots end in the extension of their content.
        "<workspace-dir>/**/*.snap.new.*",
        "<workspace-dir>/**/.*.pending-snap",
        "<workspace-dir>/**/proptest-regressions/**",
        "<workspace-dir>/**/*.proptest-regressions",
        // trybuild's.
        "<workspace-dir>/**/wip/{*.stderr,.gitignore}",
        "!<target-dir>/**",
    ]
    .map(ToOwned::to_owned)
    .into()
}

/// All devices except `fuse`. With that device, programs would try to use FUSE, and fail.
fn devices() -> impl Iterator<Item = Device> {
    let all = Device::VARIANTS.iter().copied();
    all.filter(|device| *device != Device::Fuse)
}

#[cfg(test)]
mod tests;
