//! Bind mounts: files of the host that a job may read or write.

use crate::fixture::{Refused, Slot, alone, bind, has_real_root, inside, skip};
use maelstrom::container::MountKind;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use tempfile::TempDir;

/// A host directory with a file in it.
fn host_directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "as it was").unwrap();
    (directory, file)
}

#[test]
fn a_bound_directory_is_that_of_the_host() {
    inside("job", || {
        assert_eq!(fs::read_to_string("/work/file").unwrap(), "as it was");
        fs::write("/work/file", "changed").unwrap();
        fs::write("/work/new", "new").unwrap();
        assert_eq!(
            fs::metadata("/work/new").unwrap().uid(),
            nix::unistd::getuid().as_raw()
        );
    });
    for user in [1000, 0] {
        let (directory, file) = host_directory();
        let mut slot = Slot::with_binds(&[bind(directory.path(), false)]);
        slot.job("job")
            .user(user)
            .mount(MountKind::Bind(0), "/work")
            .run()
            .succeeds();
        assert_eq!(fs::read_to_string(file).unwrap(), "changed");
        let owner = fs::metadata(directory.path().join("new")).unwrap().uid();
        assert_eq!(owner, nix::unistd::geteuid().as_raw(), "the client's own");
    }
}

#[test]
fn a_bound_file_is_that_of_the_host() {
    inside("job", || {
        assert_eq!(fs::read_to_string("/etc/hosts").unwrap(), "as it was");
        fs::write("/etc/hosts", "changed").unwrap();
    });
    let (_directory, file) = host_directory();
    let mut slot = Slot::with_binds(&[bind(&file, false)]);
    slot.job("job")
        .mount(MountKind::Bind(0), "/etc/hosts")
        .run()
        .succeeds();
    assert_eq!(fs::read_to_string(file).unwrap(), "changed");
}

/// Tries to write through a read-only bind mount at `/work` in every way.
fn write_through() {
    let attempt = |how: &str| {
        fs::write("/work/file", "changed").must_be_refused(&format!("write {how}"));
        fs::write("/work/new", "").must_be_refused(&format!("create a file {how}"));
    };
    attempt("at once");
    for path in ["/proc/self/root/work/file", "/proc/1/root/work/file"] {
        fs::write(path, "changed").must_be_refused(&format!("write {path}"));
    }
    let file = File::open("/work/file").unwrap();
    let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    fs::write(again, "changed").must_be_refused("write through a descriptor");
    remount_and_attempt(attempt);
    alone(|| {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
        remount_and_attempt(attempt);
    });
}

fn remount_and_attempt(attempt: impl Fn(&str)) {
    let remount = |path: &str| {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
    };
    remount("/work").must_be_refused("remount");
    attempt("after a remount");
    umount2("/work", MntFlags::MNT_DETACH).expect_err("a job can lift a mount");
    attempt("after an unmount");
    let bind_again = mount(
        Some("/work"),
        "/tmp",
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        None::<&str>,
    );
    if bind_again.is_ok() {
        remount("/tmp").must_be_refused("remount a second bind");
        fs::write("/tmp/file", "changed").must_be_refused("write through a second bind");
    }
}

#[test]
fn nothing_can_be_written_through_a_read_only_bind() {
    inside("job", || write_through());
    let (directory, file) = host_directory();
    let mut slot = Slot::with_binds(&[bind(directory.path(), true)]);
    for (user, init) in [(1000, true), (1000, false), (0, true), (0, false)] {
        let job = slot.job("job").user(user).init(init);
        job.mount(MountKind::Bind(0), "/work").run().succeeds();
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "as it was");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn the_mounts_of_a_container_are_locked_for_uid_0() {
    inside("job", || {
        for point in [
            "/proc",
            "/sys",
            "/tmp",
            "/dev/null",
            "/dev/shm",
            "/dev/pts",
            "/work",
        ] {
            umount2(point, MntFlags::MNT_DETACH).expect_err(&format!("a job can lift {point}"));
        }
        for point in ["/sys", "/work"] {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
            mount(None::<&str>, point, None::<&str>, flags, None::<&str>)
                .must_be_refused(&format!("remount {point}"));
        }
    });
    let (directory, _) = host_directory();
    let mut slot = Slot::with_binds(&[bind(directory.path(), true)]);
    for init in [true, false] {
        let job = slot.job("job").user(0).init(init);
        job.mount(MountKind::Bind(0), "/work").run().succeeds();
    }
}

#[test]
fn a_symlink_of_a_layer_at_a_mount_point_is_resolved_in_the_root_of_the_job() {
    inside("job", || {
        fs::write("/away/file", "").unwrap();
        assert!(fs::exists("/work/file").unwrap());
    });
    let (directory, _) = host_directory();
    let mut slot = Slot::with_binds(&[bind(directory.path(), true)]);
    let layer = slot.add_layer("symlink");
    std::os::unix::fs::symlink("/../../work", layer.join("away")).unwrap();
    fs::create_dir(layer.join("work")).unwrap();
    slot.job("job")
        .layer("symlink")
        .mount(MountKind::Tmp, "/away")
        .run()
        .succeeds();
}

#[test]
fn bound_files_of_root_belong_to_the_job_if_the_client_is_root_and_others_do_not() {
    inside("job", || {
        let own = fs::metadata("/work/roots").unwrap();
        assert_eq!(own.uid(), nix::unistd::getuid().as_raw());
        assert_eq!(fs::read_to_string("/work/roots").unwrap(), "secret");
        let error = fs::read_to_string("/work/anothers").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
    if !has_real_root() {
        return skip("needs real root");
    }
    let (directory, _) = host_directory();
    for (name, owner) in [("roots", 0), ("anothers", 12345)] {
        let file = directory.path().join(name);
        fs::write(&file, "secret").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&file, Some(owner), Some(owner)).unwrap();
    }
    let mut slot = Slot::with_binds(&[bind(directory.path(), false)]);
    for user in [1000, 0] {
        slot.job("job")
            .user(user)
            .mount(MountKind::Bind(0), "/work")
            .run()
            .succeeds();
    }
}
