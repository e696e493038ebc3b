//! Files: a job sees the layers of its container, and no files of the host.

use crate::fixture::{Refused, Slot, alone, bind, in_containers_as_any_user, inside, skip};
use maelstrom::container::Root;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

#[test]
fn the_root_has_only_the_files_of_its_layers() {
    in_containers_as_any_user(|| {
        let mut names: Vec<_> = fs::read_dir("/")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            // Libraries are at the same paths as on the host.
            .filter(|name| !name.starts_with("lib") && name != "usr")
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["dev", "etc", "proc", "sys", "test", "tmp", "work"]);
    });
}

#[test]
fn every_mount_is_one_that_was_asked_for() {
    in_containers_as_any_user(|| {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut points: Vec<_> = table
            .lines()
            .map(|l| l.split(' ').nth(4).unwrap())
            .collect();
        // If these tests run in a container, its /sys may contain mounts.
        points.retain(|point| !point.starts_with("/sys/"));
        points.sort_unstable();
        assert_eq!(
            points,
            [
                "/",
                "/dev/full",
                "/dev/mqueue",
                "/dev/null",
                "/dev/pts",
                "/dev/random",
                "/dev/shm",
                "/dev/tty",
                "/dev/urandom",
                "/dev/zero",
                "/proc",
                "/sys",
                "/tmp",
            ]
        );
    });
}

#[test]
fn no_path_leads_out_of_the_root() {
    in_containers_as_any_user(|| {
        let root = fs::metadata("/").unwrap();
        let up = fs::metadata("/../../../..").unwrap();
        assert_eq!((root.dev(), root.ino()), (up.dev(), up.ino()));
        // The usual way out of a chroot: a working directory outside of a new chroot.
        // A process without the right to use chroot gets the right in a new user namespace.
        alone(|| {
            if !nix::unistd::geteuid().is_root() {
                unshare(CloneFlags::CLONE_NEWUSER).unwrap();
            }
            nix::unistd::chdir("/").unwrap();
            nix::unistd::chroot("/work").unwrap();
            for _ in 0..20 {
                nix::unistd::chdir("..").unwrap();
            }
            nix::unistd::chroot(".").unwrap();
            assert!(fs::exists("/test/isolation").unwrap() && !fs::exists("/home").unwrap());
        });
    });
}

#[test]
fn the_root_of_the_launcher_cannot_be_uncovered() {
    inside("job", || {
        umount2("/", MntFlags::MNT_DETACH).expect_err("a job can lift its root");
        alone(|| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
            umount2("/", MntFlags::MNT_DETACH).expect_err("a job can lift its root");
            mount(
                Some("/tmp"),
                "/work",
                None::<&str>,
                MsFlags::MS_MOVE,
                None::<&str>,
            )
            .expect_err("a job can move its mounts");
        });
        // A job may replace its root by another one, which is then mounted over the launcher's root.
        alone(|| {
            let user = nix::unistd::geteuid();
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
            fs::write("/proc/self/uid_map", format!("0 {user} 1")).unwrap();
            fs::write("/proc/self/setgroups", "deny").unwrap();
            fs::write("/proc/self/gid_map", format!("0 {user} 1")).unwrap();
            let none = None::<&str>;
            mount(none, "/work", Some("tmpfs"), MsFlags::empty(), none).unwrap();
            fs::create_dir("/work/old").unwrap();
            nix::unistd::pivot_root("/work", "/work/old").unwrap();
            nix::unistd::chdir("/").unwrap();
            umount2("/old", MntFlags::MNT_DETACH).unwrap();
            umount2("/", MntFlags::MNT_DETACH).expect_err("a job can lift its root");
            nix::unistd::chroot("/old").unwrap();
            for _ in 0..20 {
                nix::unistd::chdir("..").unwrap();
            }
            assert!(fs::exists("old").unwrap() && !fs::exists("trees").unwrap());
        });
    });
    let mut slot = Slot::start();
    for user in [1000, 0] {
        slot.job("job").user(user).run().succeeds();
    }
}

#[test]
fn a_read_only_root_cannot_be_written_but_mounts_can() {
    inside("job", || {
        fs::write("/new", "").must_be_refused("create a file");
        fs::create_dir("/work/new").must_be_refused("create a directory");
        fs::write("/etc/hosts", "").must_be_refused("write a file");
        fs::remove_file("/etc/hosts").must_be_refused("remove a file");
        fs::set_permissions("/etc/hosts", fs::Permissions::from_mode(0o600))
            .must_be_refused("change a file's mode");
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        let _ = mount(None::<&str>, "/", None::<&str>, flags, None::<&str>);
        fs::write("/new", "").must_be_refused("create a file after a remount");
        fs::write("/tmp/new", "").unwrap();
        fs::write("/dev/shm/new", "").unwrap();
        fs::write("/dev/null", "x").unwrap();
    });
    let mut slot = Slot::start();
    for user in [1000, 0] {
        slot.job("job")
            .user(user)
            .root(Root::ReadOnly)
            .run()
            .succeeds();
    }
}

#[test]
fn changes_to_a_writable_root_are_thrown_away() {
    inside("change", || {
        fs::write("/new", "new").unwrap();
        fs::write("/layer/file", "changed").unwrap();
        fs::remove_dir_all("/layer/directory").unwrap();
        fs::create_dir("/layer/directory").unwrap();
        assert_eq!(fs::read_dir("/layer/directory").unwrap().count(), 0);
        fs::rename("/layer/file", "/layer/renamed").unwrap();
    });
    inside("look", || {
        assert!(!fs::exists("/new").unwrap() && !fs::exists("/layer/renamed").unwrap());
        assert_eq!(fs::read_to_string("/layer/file").unwrap(), "as it was");
        assert_eq!(
            fs::read_to_string("/layer/directory/file").unwrap(),
            "as it was"
        );
    });
    let mut slot = Slot::start();
    let layer = slot.add_layer("layer").join("layer");
    fs::create_dir_all(layer.join("directory")).unwrap();
    for file in ["file", "directory/file"] {
        fs::write(layer.join(file), "as it was").unwrap();
    }
    for user in [1000, 0] {
        slot.job("change")
            .layer("layer")
            .user(user)
            .run()
            .succeeds();
        slot.job("look").layer("layer").user(user).run().succeeds();
    }
    assert_eq!(fs::read_to_string(layer.join("file")).unwrap(), "as it was");
}

#[test]
fn the_last_of_many_layers_wins() {
    inside("job", || {
        let layers: usize = std::env::var("LAYERS").unwrap().parse().unwrap();
        for layer in 0..layers {
            assert!(fs::exists(format!("/only/{layer}")).unwrap(), "{layer}");
        }
        assert_eq!(
            fs::read_to_string("/all").unwrap(),
            (layers - 1).to_string()
        );
    });
    let mut slot = Slot::start();
    // Names as long as digests, so that the longer list exceeds the limit of mount(2).
    let name = |layer: usize| format!("{layer:064x}");
    for layer in 0..200 {
        let directory = slot.add_layer(&name(layer));
        fs::create_dir(directory.join("only")).unwrap();
        fs::write(directory.join("only").join(layer.to_string()), "").unwrap();
        fs::write(directory.join("all"), layer.to_string()).unwrap();
    }
    for layers in [1, 20, 61, 62, 63, 64, 200] {
        for root in [Root::ReadOnly, Root::Scratch] {
            let job = slot.job("job").tell("LAYERS", layers).root(root);
            (0..layers)
                .fold(job, |job, layer| job.layer(&name(layer)))
                .run()
                .succeeds();
        }
    }
}

#[test]
fn changes_to_a_local_overlay_are_kept_in_its_upper_directory() {
    inside("change", || {
        assert!(!fs::exists("/kept").unwrap());
        fs::write("/kept", "kept").unwrap();
        fs::write("/etc/hosts", "changed").unwrap();
        fs::remove_dir("/work").unwrap();
    });
    inside("look", || {
        assert_eq!(fs::read_to_string("/kept").unwrap(), "kept");
        assert_eq!(fs::read_to_string("/etc/hosts").unwrap(), "changed");
        assert!(!fs::exists("/work").unwrap());
    });
    if statfs(&std::env::temp_dir()).unwrap().filesystem_type() == OVERLAYFS_SUPER_MAGIC {
        return skip("needs a directory for temporary files that is not in an overlay");
    }
    // The second name has characters with a meaning in the options of overlayfs.
    for name in ["plain", "a,b:c\\d e"] {
        let host = tempfile::tempdir().unwrap();
        let (upper, work) = (format!("{name}/upper"), format!("{name}/work"));
        fs::create_dir_all(host.path().join(&upper)).unwrap();
        fs::create_dir_all(host.path().join(&work)).unwrap();
        let mut slot = Slot::with_binds(&[bind(host.path(), false)]);
        let root = || Root::Local {
            bind: 0,
            upper: upper.clone(),
            work: work.clone(),
        };
        slot.job("change")
            .working_directory("/")
            .root(root())
            .run()
            .succeeds();
        slot.job("look")
            .working_directory("/")
            .root(root())
            .run()
            .succeeds();
        let kept = host.path().join(&upper).join("kept");
        assert_eq!(fs::read_to_string(&kept).unwrap(), "kept");
        let owner = fs::metadata(&kept).unwrap().uid();
        assert_eq!(owner, nix::unistd::geteuid().as_raw(), "the client's own");
    }
}

#[test]
fn mounts_made_by_uid_0_are_gone_in_the_next_job() {
    inside("mount", || {
        mount(
            Some("x"),
            "/work",
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
        fs::write("/work/left", "").unwrap();
    });
    inside("look", || assert!(!fs::exists("/work/left").unwrap()));
    let mut slot = Slot::start();
    slot.job("mount").user(0).run().succeeds();
    slot.job("look").user(0).run().succeeds();
}

#[test]
fn relative_paths_start_at_the_root_of_the_job() {
    inside("job", || {
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/work"));
        assert!(fs::exists("../test/isolation").unwrap());
    });
    let mut slot = Slot::start();
    slot.job("job").working_directory("work").run().succeeds();
    slot.job("job")
        .working_directory("../proc/../work")
        .run()
        .succeeds();
}

#[test]
fn devices_work_and_no_others_can_be_made() {
    in_containers_as_any_user(|| {
        fs::write("/dev/null", "x").unwrap();
        let mut bytes = [1; 8];
        std::io::Read::read_exact(&mut File::open("/dev/zero").unwrap(), &mut bytes).unwrap();
        assert_eq!(bytes, [0; 8]);
        for random in ["/dev/random", "/dev/urandom"] {
            std::io::Read::read_exact(&mut File::open(random).unwrap(), &mut bytes).unwrap();
        }
        let full = fs::write("/dev/full", "x").unwrap_err();
        assert_eq!(full.raw_os_error(), Some(nix::libc::ENOSPC));
        File::options()
            .read(true)
            .write(true)
            .open("/dev/ptmx")
            .unwrap();
    });
}

#[test]
fn the_files_that_a_failed_job_wrote_are_reported() {
    inside("write", || {
        fs::write("/work/one", "").unwrap();
        fs::create_dir("/work/directory").unwrap();
        fs::write("/work/directory/two", "").unwrap();
        fs::write("/elsewhere", "").unwrap();
        std::process::exit(1);
    });
    let ran = Slot::start().job("write").watch("/work").run();
    assert_eq!(
        ran.ended().changed_files,
        ["/work/directory/two", "/work/one"]
    );
}

#[test]
fn files_that_a_failed_job_wrote_below_a_name_that_is_not_utf_8_are_reported() {
    use std::os::unix::ffi::OsStrExt;
    inside("write", || {
        let name = std::ffi::OsStr::from_bytes(b"/work/\xff");
        fs::create_dir(name).unwrap();
        fs::write(std::path::Path::new(name).join("file"), "").unwrap();
        std::process::exit(1);
    });
    let ran = Slot::start().job("write").watch("/work").run();
    assert_eq!(ran.ended().changed_files, ["/work/\u{fffd}/file"]);
}

#[test]
fn symlinks_on_the_way_to_the_files_that_a_failed_job_wrote_are_not_followed() {
    // The path from the job's directory in the scratch space to the root.
    const OUT: &str = "../../..";
    inside("link", || {
        std::os::unix::fs::symlink(OUT, "/work/out").unwrap();
        fs::create_dir("/work/in").unwrap();
        std::os::unix::fs::symlink(OUT, "/work/in/out").unwrap();
        std::process::exit(1);
    });
    let mut slot = Slot::start();
    let job = slot.job("link").watch("/work/out").watch("/work/out/test");
    assert_eq!(job.run().ended().changed_files, [""; 0]);
    let ran = slot.job("link").watch("/work/in").run();
    assert_eq!(ran.ended().changed_files, ["/work/in/out"]);
    let ran = slot.job("link").watch("/work/in/../../../..").run();
    assert_eq!(ran.ended().changed_files, [""; 0]);
}

#[test]
fn examining_a_directory_of_very_many_files_takes_little_memory() {
    inside("write", || {
        fs::create_dir("/work/many").unwrap();
        fs::write("/work/many/file", "").unwrap();
        for number in 0..200_000 {
            fs::hard_link("/work/many/file", format!("/work/many/{number}")).unwrap();
        }
        std::process::exit(1);
    });
    let mut slot = Slot::start();
    let launcher = slot.processes().ids().nth(1).expect("it is there");
    // The peak memory in KiB.
    let peak = || {
        let status = fs::read_to_string(format!("/proc/{launcher}/status")).unwrap();
        let mut words = status.split_whitespace();
        words.find(|word| *word == "VmHWM:");
        words.next().unwrap().parse::<u64>().unwrap()
    };
    let before = peak();
    let ran = slot.job("write").watch("/work").run();
    assert_eq!(ran.ended().changed_files.len(), 20);
    let more = peak() - before;
    assert!(more < 8 << 10, "{more} KiB");
}

#[test]
fn a_job_that_wrote_very_deep_directories_is_reported_with_its_own_exit_code() {
    inside("dig", || {
        let mut depth = 0;
        while depth < 9000 && fs::create_dir("d").is_ok() {
            nix::unistd::chdir("d").unwrap();
            depth += 1;
        }
        std::process::exit(7);
    });
    let ran = Slot::start()
        .job("dig")
        .watch("/work")
        .open_files(1_000_000)
        .run();
    assert_eq!(
        nix::libc::WEXITSTATUS(ran.ended().wait_status),
        7,
        "{ran:?}"
    );
}
