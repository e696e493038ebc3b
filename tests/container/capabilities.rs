//! Capabilities: a job has capabilities only over itself, and cannot gain others.

use crate::fixture::{
    Refused, Slot, alone, in_a_container, in_containers_as_any_user, inside, raw, skip,
};
use crate::start::at_birth;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, SFlag};
use std::fs;

const NONE: &str = "0000000000000000";

#[test]
fn a_job_that_is_not_uid_0_has_no_capability() {
    inside("job", || {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(at_birth(set), NONE, "{set}");
        }
    });
    let mut slot = Slot::start();
    slot.job("job").run().succeeds();
    slot.job("job").init(false).run().succeeds();
}

#[test]
fn no_program_gains_privileges() {
    in_containers_as_any_user(|| {
        assert_eq!(at_birth("NoNewPrivs"), "1");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for mount in mounts.lines() {
            let fields: Vec<_> = mount.split(' ').collect();
            let (point, options) = (fields[4], fields[5]);
            if !fs::metadata(point).unwrap().is_dir() {
                continue; // A device cannot be executed.
            }
            assert!(
                options.split(',').any(|option| option == "nosuid"),
                "{mount}"
            );
        }
    });
}

#[test]
fn a_program_with_the_setuid_bit_runs_as_the_job() {
    use std::os::unix::fs::{PermissionsExt, chown};
    inside("job", || {
        let output = std::process::Command::new("/setuid")
            .args(std::env::args_os().skip(1))
            .env("ISOLATION_ROLE", "setuid")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    });
    inside("setuid", || {
        assert_eq!(at_birth("Uid"), "1000\t1000\t1000\t1000");
        assert_eq!(at_birth("CapPrm"), NONE);
    });
    if !crate::fixture::has_real_root() {
        return skip("needs real root");
    }
    let mut slot = Slot::start();
    let program = slot.add_layer("setuid").join("setuid");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for owner in [0, 12345] {
        chown(&program, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).unwrap();
        slot.job("job").layer("setuid").run().succeeds();
    }
}

#[test]
fn uid_0_has_no_power_outside_of_its_namespaces() {
    inside("job", || {
        assert_ne!(at_birth("CapEff"), NONE, "uid 0 has power over its own");
        raw::set_clock().must_be_refused("set the clock");
        nix::unistd::sethostname("x").must_be_refused("set the hostname");
        nix::sys::stat::mknod("/tmp/disk", SFlag::S_IFBLK, Mode::empty(), 0x0800)
            .must_be_refused("make a device");
        nix::unistd::chown("/tmp", Some(1.into()), None).expect_err("a job has one uid");
        for kind in ["proc", "sysfs", "mqueue"] {
            mount(
                Some(kind),
                "/tmp",
                Some(kind),
                MsFlags::empty(),
                None::<&str>,
            )
            .must_be_refused(&format!("mount {kind}"));
        }
        mount(
            Some("/dev/vda"),
            "/tmp",
            Some("ext4"),
            MsFlags::empty(),
            None::<&str>,
        )
        .expect_err("a job can mount a disk");
    });
    let mut slot = Slot::start();
    slot.job("job").user(0).run().succeeds();
    slot.job("job").user(0).init(false).run().succeeds();
}

#[test]
fn a_user_namespace_of_the_jobs_own_gives_power_over_itself_alone() {
    in_a_container(|| {
        alone(|| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
            raw::set_clock().must_be_refused("set the clock");
            nix::unistd::sethostname("x").must_be_refused("set the hostname");
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").must_be_refused("set ip_forward");
            fs::write("/proc/sys/kernel/core_pattern", "x").must_be_refused("set core_pattern");
        });
    });
}

#[test]
fn the_namespaces_of_init_cannot_be_entered() {
    in_containers_as_any_user(|| {
        for name in ["mnt", "net", "pid", "user", "uts", "ipc"] {
            let path = format!("/proc/1/ns/{name}");
            if let Ok(namespace) = fs::File::open(&path) {
                // Without an init, process 1 is this program.
                assert_eq!(std::process::id(), 1, "a job can open {path}");
                setns(namespace, CloneFlags::empty()).expect_err("a job can enter what it left");
            }
        }
    });
}
