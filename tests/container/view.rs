//! Jobs whose root is laid over the view of the machine: they see the machine's files below those of
//! their layers, and neither change nor reach anything of the machine.

use crate::fixture::pool::{Pool, block_on, succeeded};
use crate::fixture::{Client, Refused, Slot, has_real_root, inside};
use maelstrom::container::{MachineView, MountKind, Root, Step};
use maelstrom::executor::{Job, Outcome, Output, OutputPlaces, Status};
use maelstrom::observe::{Facts, Found, Incomplete};
use maelstrom::spec::RootOverlay;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// The environment variable with the path of the machine's directory that a test makes.
const PLACE: &str = "VIEW_PLACE";

/// A directory of the machine that the view shows.
fn place() -> TempDir {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    place
}

/// A path in the directory of the machine, in a job or client.
fn at(path: &str) -> PathBuf {
    Path::new(&std::env::var(PLACE).unwrap()).join(path)
}

fn write(directory: &Path, path: &str, text: &str) {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[track_caller]
fn reads(path: &str, text: &str) {
    let read = fs::read_to_string(at(path));
    assert_eq!(read.as_deref().ok(), Some(text), "{path}: {read:?}");
}

#[track_caller]
fn is_absent(path: &str) {
    let found = fs::symlink_metadata(at(path));
    let error = found.err().unwrap_or_else(|| panic!("{path} is there"));
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}");
}

fn names(directory: &Path) -> BTreeSet<String> {
    let listed = fs::read_dir(directory).unwrap();
    let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Adds a layer with files below a directory of the machine, and returns that directory in it.
fn layer_at(slot: &Slot, name: &str, place: &Path) -> PathBuf {
    let below = place.strip_prefix("/").unwrap();
    let directory = slot.add_layer(name).join(below);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The view of a directory as one overlay, and its view as a directory that is split, as something
/// in it is not shown.
fn whole_and_split(place: &Path) -> [MachineView; 2] {
    let split = MachineView {
        excluded: vec![place.join("excluded")],
        owned: Vec::new(),
    };
    [MachineView::default(), split]
}

/// Runs the role `client` on the machine, with mounts of its own.
fn run_client_with_own_mounts(place: &Path) {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let is_root = has_real_root();
    let own_mounts = move || {
        if is_root {
            unshare(CloneFlags::CLONE_NEWNS)?;
        } else {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
        }
        let (none, flags) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        Ok(mount(none, "/", none, flags, none)?)
    };
    Client::start("client", |command| {
        command.env(PLACE, place);
        // SAFETY: between fork and exec, calls that take no lock another thread
        // could have held.
        unsafe { command.pre_exec(own_mounts) };
    })
    .succeeds();
}

fn bind_here(file: &Path, mount_point: &Path) {
    let (none, flags) = (None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC);
    mount(Some(file), mount_point, none, flags, none).unwrap();
}

#[test]
fn programs_of_the_machine_run() {
    inside("job", || {
        let git = Command::new("/usr/bin/git").arg("--version").output();
        let git = git.unwrap();
        assert!(git.status.success(), "{git:?}");
        let script = Command::new(at("script")).output().unwrap();
        assert_eq!(script.stdout, b"of the machine\n", "{script:?}");
    });
    let place = place();
    write(place.path(), "script", "#!/bin/sh\necho of the machine\n");
    let script = place.path().join("script");
    fs::set_permissions(script, Permissions::from_mode(0o755)).unwrap();
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        for (user, init) in [(1000, true), (1000, false), (0, true), (0, false)] {
            for root in [Root::Scratch, Root::ReadOnly] {
                let job = slot.job("job").tell(PLACE, place.path().display());
                job.user(user).init(init).root(root).run().succeeds();
            }
        }
    }
}

#[test]
fn a_job_without_the_view_sees_nothing_of_the_machine() {
    inside("job", || {
        assert!(!Path::new("/usr/bin/git").exists());
    });
    let mut slot = Slot::start();
    slot.job("job").run().succeeds();
    assert!(!has_machine(&slot));
    assert!(has_machine(&Slot::with_machine(MachineView::default())));
}

/// Whether the launcher of a slot holds the files of the machine.
fn has_machine(slot: &Slot) -> bool {
    // The starter, and the launcher.
    let launcher = slot.processes().ids().nth(1).unwrap();
    let table = fs::read_to_string(format!("/proc/{launcher}/mountinfo")).unwrap();
    table.contains(" /machine ")
}

#[test]
fn layers_decide_about_what_they_have() {
    inside("job", || {
        reads("of-machine", "machine");
        reads("of-both", "layer");
        reads("of-layer", "layer");
        is_absent("removed");
        reads("directory/of-machine", "machine");
        reads("directory/of-layer", "layer");
        is_absent("directory/removed");
        is_absent("opaque/of-machine");
        reads("opaque/of-layer", "layer");
        is_absent("opaque/of-lower-layer");
        reads("file-over-directory", "layer");
        reads("directory-over-file/of-layer", "layer");
        reads("link", "layer");
        let expected = [
            "directory",
            "directory-over-file",
            "file-over-directory",
            "link",
            "of-both",
            "of-layer",
            "of-machine",
            "opaque",
        ];
        assert_eq!(names(&at("")), expected.map(str::to_owned).into());
    });
    let place = place();
    for path in [
        "of-machine",
        "of-both",
        "removed",
        "directory/of-machine",
        "directory/removed",
        "opaque/of-machine",
        "file-over-directory/of-machine",
        "directory-over-file",
        "link",
    ] {
        write(place.path(), path, "machine");
    }
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        let lower = layer_at(&slot, "lower", place.path());
        write(&lower, "opaque/of-lower-layer", "layer");
        write(&lower, "of-both", "lower layer");
        let upper = layer_at(&slot, "upper", place.path());
        for path in [
            "of-both",
            "of-layer",
            "directory/of-layer",
            "opaque/of-layer",
            "file-over-directory",
            "directory-over-file/of-layer",
        ] {
            write(&upper, path, "layer");
        }
        symlink("of-layer", upper.join("link")).unwrap();
        for path in ["removed", "directory/removed"] {
            mknod(&upper.join(path), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
        }
        let (opaque, flags) = (upper.join("opaque"), rustix::fs::XattrFlags::empty());
        rustix::fs::setxattr(&opaque, "user.overlay.opaque", b"y", flags).unwrap();
        for root in [Root::Scratch, Root::ReadOnly] {
            let job = slot.job("job").layer("lower").layer("upper");
            let job = job.tell(PLACE, place.path().display());
            job.root(root).run().succeeds();
        }
    }
}

#[test]
fn links_and_directories_of_the_two_sides_are_both_followed() {
    inside("job", || {
        // The machine has a link, a layer has a directory.
        reads("link-of-machine/of-layer", "layer");
        reads("link-of-machine/of-machine", "machine");
        reads("target-of-machine/of-machine", "machine");
        // The reverse.
        reads("link-of-layer/of-machine", "machine");
        reads("target-of-layer/of-machine", "machine");
        reads("target-of-layer/of-layer", "layer");
        // Links of the machine alone.
        reads("link/of-machine", "machine");
        assert_eq!(
            fs::read_link(at("link")).unwrap(),
            Path::new("target-of-machine")
        );
    });
    let place = place();
    write(place.path(), "target-of-machine/of-machine", "machine");
    symlink("target-of-machine", place.path().join("link-of-machine")).unwrap();
    symlink("target-of-machine", place.path().join("link")).unwrap();
    write(place.path(), "link-of-layer/of-machine", "machine");
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        let layer = layer_at(&slot, "layer", place.path());
        write(&layer, "link-of-machine/of-layer", "layer");
        write(&layer, "target-of-layer/of-layer", "layer");
        symlink("target-of-layer", layer.join("link-of-layer")).unwrap();
        let job = slot.job("job").layer("layer");
        job.tell(PLACE, place.path().display()).run().succeeds();
    }
}

#[test]
fn changes_are_the_jobs_own_and_gone_with_it() {
    inside("job", || {
        reads("file", "machine");
        // The permissions of the machine apply, so some of these may fail.
        let _ = fs::write(at("file"), "changed");
        let _ = fs::write(at("new"), "new");
        let _ = fs::set_permissions(at("file"), Permissions::from_mode(0o600));
        let _ = fs::rename(at("directory"), at("renamed"));
        let _ = fs::remove_file(at("other"));
        let _ = fs::create_dir(at("new-directory"));
        is_absent("of-an-earlier-job");
        // A directory of the container is writable, with the machine's files in it.
        reads("writable/of-machine", "machine");
        fs::write(at("writable/new"), "new").unwrap();
        reads("writable/new", "new");
        assert!(!at("writable/earlier").exists());
        fs::write(at("writable/earlier"), "").unwrap();
        fs::write("/at-the-root", "").unwrap();
    });
    inside("reader", || {
        let read_only = |error: io::Error| {
            let denied = [libc::EROFS, libc::EACCES, libc::EPERM];
            let number = error.raw_os_error().unwrap();
            assert!(denied.contains(&number), "{error}");
        };
        reads("file", "machine");
        read_only(fs::write(at("file"), "changed").unwrap_err());
        read_only(fs::write(at("new"), "new").unwrap_err());
        read_only(fs::set_permissions(at("file"), Permissions::from_mode(0o600)).unwrap_err());
        read_only(fs::rename(at("directory"), at("renamed")).unwrap_err());
        read_only(fs::remove_file(at("other")).unwrap_err());
        let refused = fs::write(at("writable/new"), "new").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
        let refused = fs::write("/at-the-root", "").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    });
    let place = place();
    for path in ["file", "other", "directory/file", "writable/of-machine"] {
        write(place.path(), path, "machine");
    }
    // Whoever the job is.
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(place.path().join("file"), Permissions::from_mode(0o666)).unwrap();
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        let layer = layer_at(&slot, "layer", place.path());
        fs::create_dir(layer.join("writable")).unwrap();
        for user in [1000, 0] {
            for (role, root) in [
                ("job", Root::Scratch),
                ("job", Root::Scratch),
                ("reader", Root::ReadOnly),
            ] {
                let job = slot.job(role).layer("layer").user(user).root(root);
                job.tell(PLACE, place.path().display()).run().succeeds();
            }
        }
        let expected = ["directory", "file", "other", "writable"].map(str::to_owned);
        assert_eq!(names(place.path()), expected.into());
        assert_eq!(names(&place.path().join("writable")).len(), 1);
        let file = place.path().join("file");
        assert_eq!(fs::read_to_string(&file).unwrap(), "machine");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
    }
}

#[test]
fn a_job_replaces_files_of_an_owned_directory_that_is_split() {
    inside("job", || {
        let file = fs::metadata(at("file")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o754);
        assert_eq!(file.modified().unwrap(), std::time::UNIX_EPOCH);
        reads("file", "machine");
        fs::write(at("file"), "changed").unwrap();
        reads("file", "changed");
        fs::write(at("new"), "new").unwrap();
        fs::rename(at("new"), at("replaced")).unwrap();
        reads("replaced", "new");
        fs::remove_file(at("removed")).unwrap();
        is_absent("removed");
    });
    inside("reader", || {
        reads("file", "machine");
        let refused = fs::write(at("file"), "changed").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    });
    let place = place();
    for path in ["file", "replaced", "removed", "excluded/file"] {
        write(place.path(), path, "machine");
    }
    let file = File::open(place.path().join("file")).unwrap();
    file.set_permissions(Permissions::from_mode(0o754)).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let mut slot = Slot::with_machine(MachineView {
        excluded: vec![place.path().join("excluded")],
        owned: vec![place.path().to_owned()],
    });
    for user in [1000, 0] {
        for (role, root) in [("job", Root::Scratch), ("reader", Root::ReadOnly)] {
            let job = slot.job(role).user(user).root(root);
            job.tell(PLACE, place.path().display()).run().succeeds();
        }
    }
    for path in ["file", "replaced", "removed"] {
        let text = fs::read_to_string(place.path().join(path)).unwrap();
        assert_eq!(text, "machine", "{path}");
    }
}

#[test]
fn a_job_cannot_make_the_machine_writable() {
    inside("job", || {
        let none = None::<&str>;
        let writable = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        for path in ["", "file", "/", "/usr"] {
            let path = at(path);
            mount(none, &path, none, writable, none).must_be_refused("remount the machine");
            mount(none, &path, none, MsFlags::MS_REMOUNT, none)
                .must_be_refused("remount the machine");
            let refused = umount2(&path, MntFlags::MNT_DETACH).unwrap_err();
            // Without the capability, and with it for a locked mount.
            let expected = [nix::Error::EPERM, nix::Error::EINVAL];
            assert!(expected.contains(&refused), "{path:?}: {refused}");
        }
        // In a user namespace of its own, a job has capabilities.
        crate::fixture::alone(|| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
            mount(none, &at("file"), none, writable, none).must_be_refused("remount the machine");
            for path in [at("file"), at(""), "/usr".into(), "/etc".into()] {
                let refused = umount2(&path, MntFlags::MNT_DETACH).unwrap_err();
                assert_eq!(refused, nix::Error::EINVAL, "{path:?}");
            }
        });
    });
    let place = place();
    write(place.path(), "file", "machine");
    fs::set_permissions(place.path().join("file"), Permissions::from_mode(0o666)).unwrap();
    let [_, split] = whole_and_split(place.path());
    let mut slot = Slot::with_machine(split);
    for user in [1000, 0] {
        let job = slot.job("job").user(user);
        job.tell(PLACE, place.path().display()).run().succeeds();
    }
}

#[test]
fn sockets_fifos_and_devices_of_the_machine_are_out_of_reach() {
    inside("job", || {
        let is_split = at("excluded").symlink_metadata().is_err();
        let refused = UnixStream::connect(at("socket")).unwrap_err();
        let open = |path: &str| {
            let mut options = File::options();
            options.write(true).custom_flags(libc::O_NONBLOCK);
            options.open(at(path))
        };
        // It has a reader on the machine, and none here.
        let fifo = open("fifo").unwrap_err();
        if is_split {
            assert_eq!(refused.kind(), io::ErrorKind::NotFound);
            assert_eq!(fifo.kind(), io::ErrorKind::NotFound);
            is_absent("device");
        } else {
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(fifo.raw_os_error(), Some(libc::ENXIO));
            if at("device").exists() {
                let device = open("device").unwrap_err();
                assert_eq!(device.kind(), io::ErrorKind::PermissionDenied);
            }
        }
    });
    let place = place();
    let path = |name: &str| place.path().join(name);
    let all = Permissions::from_mode(0o777);
    fs::create_dir(path("excluded")).unwrap();
    let listener = UnixListener::bind(path("socket")).unwrap();
    listener.set_nonblocking(true).unwrap();
    nix::unistd::mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
    if has_real_root() {
        mknod(
            &path("device"),
            SFlag::S_IFCHR,
            Mode::empty(),
            libc::makedev(1, 3),
        )
        .unwrap();
        fs::set_permissions(path("device"), all.clone()).unwrap();
    }
    for name in ["socket", "fifo"] {
        fs::set_permissions(path(name), all.clone()).unwrap();
    }
    let mut reader = File::options();
    let reader = reader.read(true).custom_flags(libc::O_NONBLOCK);
    let _reader = reader.open(path("fifo")).unwrap();
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        for root in [Root::Scratch, Root::ReadOnly] {
            let job = slot.job("job").root(root);
            job.tell(PLACE, place.path().display()).run().succeeds();
        }
    }
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn mounts_of_the_machine_are_shown_where_they_are() {
    inside("job", || {
        reads("hosts", "as Docker mounts it");
        reads("passwd", "machine");
        reads("sub directory/file", "on a file system of its own");
        reads("sub directory/inner/file", "on a further one");
        reads("beside/file", "machine");
        // The machine's processes are not shown.
        is_absent("proc");
        is_absent("device");
    });
    inside("client", || {
        let tmpfs = |path: &str| {
            let none = None::<&str>;
            mount(none, &at(path), Some("tmpfs"), MsFlags::empty(), none).unwrap();
        };
        bind_here(&at("other"), &at("hosts"));
        tmpfs("sub directory");
        write(&at("sub directory"), "file", "on a file system of its own");
        fs::create_dir(at("sub directory/inner")).unwrap();
        tmpfs("sub directory/inner");
        write(&at("sub directory/inner"), "file", "on a further one");
        bind_here(Path::new("/proc"), &at("proc"));
        bind_here(Path::new("/dev/null"), &at("device"));
        let owned = MachineView {
            excluded: Vec::new(),
            owned: vec![at("")],
        };
        for machine in [MachineView::default(), owned] {
            let mut slot = Slot::with_machine(machine);
            for root in [Root::Scratch, Root::ReadOnly] {
                let job = slot.job("job").root(root);
                job.tell(PLACE, at("").display()).run().succeeds();
            }
        }
    });
    let place = place();
    write(place.path(), "hosts", "machine");
    write(place.path(), "passwd", "machine");
    write(place.path(), "other", "as Docker mounts it");
    write(place.path(), "beside/file", "machine");
    write(place.path(), "device", "");
    for directory in ["sub directory", "proc"] {
        fs::create_dir(place.path().join(directory)).unwrap();
    }
    run_client_with_own_mounts(place.path());
}

#[test]
fn excluded_directories_are_hidden_except_for_owned_ones() {
    inside("job", || {
        assert_eq!(
            names(&at("home")),
            ["layer", "work"].map(str::to_owned).into()
        );
        reads("home/layer", "layer");
        reads("home/work/file", "machine");
        reads("home/work/of-both", "layer");
        is_absent("home/work/credentials");
        is_absent("home/work/hidden");
        reads("home/work/target/store/beside", "machine");
        reads("home/work/target/of-layer", "layer");
        reads("beside", "machine");
        is_absent("link/secret");
        reads("elsewhere/file", "machine");
    });
    let place = place();
    let path = |name: &str| place.path().join(name);
    for file in [
        "home/secret",
        "home/work/file",
        "home/work/of-both",
        "home/work/credentials",
        "home/work/hidden/file",
        "home/work/target/store/beside",
        "elsewhere/file",
        "beside",
    ] {
        write(place.path(), file, "machine");
    }
    // Only its owner can read these.
    for (name, mode) in [("home", 0o700), ("home/work/file", 0o600)] {
        fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
    }
    symlink("home", path("link")).unwrap();
    symlink("../elsewhere", path("home/linked")).unwrap();
    let machine = MachineView {
        excluded: ["link", "home/work/credentials", "home/work/hidden"]
            .map(path)
            .into(),
        // One by way of a link, and one that does not exist.
        owned: ["link/work", "home/missing"].map(path).into(),
    };
    // The layers are in a directory that is shown, as they are for cargo-maelstrom.
    let trees = tempfile::tempdir_in(path("home/work/target/store")).unwrap();
    let mut slot = Slot::with_machine_and_store(machine, trees);
    let layer = layer_at(&slot, "layer", place.path());
    write(&layer, "home/layer", "layer");
    write(&layer, "home/work/of-both", "layer");
    // overlayfs refuses an overlay of this directory, which is in the machine's `target`, and of
    // the machine's.
    write(&layer, "home/work/target/of-layer", "layer");
    for root in [Root::Scratch, Root::ReadOnly] {
        let job = slot.job("job").layer("layer").root(root);
        job.tell(PLACE, place.path().display()).run().succeeds();
    }
}

#[test]
fn the_modes_of_files_decide_what_a_job_can_read() {
    inside("job", || {
        reads("file", "machine");
        File::open(at("secret")).must_be_refused("read a file of another user");
        assert!(File::open("/etc/shadow").is_err());
    });
    let place = place();
    write(place.path(), "file", "machine");
    write(place.path(), "secret", "machine");
    // Jobs of root run as another user of the machine. Those of an ordinary user run as this user,
    // who could override the mode as uid 0 of the job.
    let (mode, users) = if has_real_root() {
        (0o600, [1000, 0].as_slice())
    } else {
        (0o000, [1000].as_slice())
    };
    let secret = place.path().join("secret");
    fs::set_permissions(secret, Permissions::from_mode(mode)).unwrap();
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        for user in users {
            let job = slot.job("job").user(*user);
            job.tell(PLACE, place.path().display()).run().succeeds();
        }
    }
}

#[test]
fn directories_that_cannot_be_shown_are_the_containers_own() {
    inside("job", || {
        for directory in ["locked", "nested/locked"] {
            let directory = at(directory);
            assert_eq!(names(&directory), ["own".to_owned()].into());
            let absent = File::open(directory.join("file")).unwrap_err();
            assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        }
        reads("nested/file", "machine");
    });
    let place = place();
    for path in ["locked/file", "nested/locked/file", "nested/file"] {
        write(place.path(), path, "machine");
    }
    let locked = ["locked", "nested/locked"].map(|path| place.path().join(path));
    for directory in &locked {
        fs::set_permissions(directory, Permissions::from_mode(0o000)).unwrap();
    }
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        let layer = layer_at(&slot, "layer", place.path());
        write(&layer, "locked/own", "");
        write(&layer, "nested/locked/own", "");
        let job = slot.job("job").layer("layer");
        job.tell(PLACE, place.path().display()).run().succeeds();
    }
    for directory in &locked {
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn files_that_overlayfs_cannot_show_are_noted_in_the_facts() {
    inside("job", || {
        let path = fs::read_to_string("/work/path").unwrap();
        File::open(path).unwrap_err();
    });
    inside("client", || {
        let none = None::<&str>;
        mount(none, &at(""), Some("tmpfs"), MsFlags::empty(), none).unwrap();
        write(&at(""), "files/file", "machine");
        for directory in ["empty", "middle", "deep"] {
            fs::create_dir(at(directory)).unwrap();
        }
        // Two overlays on one another, on which no further one is possible.
        for (lower, mount_point) in [("files", "middle"), ("middle", "deep")] {
            let [lower, empty] = [lower, "empty"].map(|path| at(path).display().to_string());
            let options = format!("lowerdir={lower}:{empty},userxattr");
            let (kind, flags) = (Some("overlay"), MsFlags::empty());
            mount(kind, &at(mount_point), kind, flags, Some(options.as_str())).unwrap();
        }
        let pool = Pool::new(1);
        pool.share("path", at("deep/file").to_str().unwrap());
        let (outcome, facts) = block_on(look(&pool, &pool.job("job", "job")));
        succeeded(&outcome);
        assert_eq!(facts.incomplete, [Incomplete::LeftOut].into());
    });
    run_client_with_own_mounts(place().path());
}

#[test]
fn a_directory_that_needs_too_many_mounts_is_the_containers_own() {
    inside("job", || {
        assert_eq!(
            names(&at("large")),
            ["layer", "owned"].map(str::to_owned).into()
        );
        reads("large/owned/file", "machine");
        reads("small", "machine");
    });
    let place = place();
    for number in 0..400 {
        write(place.path(), &format!("large/{number}"), "machine");
    }
    write(place.path(), "large/owned/file", "machine");
    write(place.path(), "small", "machine");
    let machine = MachineView {
        excluded: Vec::new(),
        owned: vec![place.path().join("large/owned")],
    };
    let mut slot = Slot::with_machine(machine);
    write(&layer_at(&slot, "layer", place.path()), "large/layer", "");
    let job = slot.job("job").layer("layer");
    job.tell(PLACE, place.path().display()).run().succeeds();
}

#[test]
fn links_that_hide_files_of_a_large_directory_are_noted_in_the_facts() {
    inside("job", || {
        let path = PathBuf::from(fs::read_to_string("/work/path").unwrap());
        File::open(path.join("1")).unwrap();
        File::open(path.join("link/of-machine")).unwrap_err();
    });
    let place = place();
    for number in 0..400 {
        write(place.path(), &number.to_string(), "machine");
    }
    write(place.path(), "link/of-machine", "machine");
    let pool = Pool::with_machine(MachineView::default());
    pool.share("path", place.path().to_str().unwrap());
    let mut job = pool.job("job", "job");
    let layer = pool.add_layer(&mut job, "layer");
    let layer = layer.join(place.path().strip_prefix("/").unwrap());
    fs::create_dir_all(layer.join("target")).unwrap();
    symlink("target", layer.join("link")).unwrap();
    let (outcome, facts) = block_on(look(&pool, &job));
    succeeded(&outcome);
    assert_eq!(facts.incomplete, [Incomplete::LeftOut].into());
}

#[test]
fn a_root_that_is_an_overlay_is_shown() {
    inside("inner", || {
        reads("of-outer", "outer");
        reads("of-both", "inner");
    });
    inside("outer", || {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            table
                .lines()
                .any(|line| line.contains(" / / ") && line.contains(" - overlay "))
        );
        let mut slot = Slot::with_machine(MachineView::default());
        write(&layer_at(&slot, "layer", &at("")), "of-both", "inner");
        let job = slot.job("inner").layer("layer");
        job.tell(PLACE, at("").display()).run().succeeds();
    });
    let mut slot = Slot::start();
    let layer = layer_at(&slot, "layer", Path::new("/opt/place"));
    write(&layer, "of-outer", "outer");
    write(&layer, "of-both", "outer");
    let job = slot.job("outer").layer("layer");
    job.tell(PLACE, "/opt/place").run().succeeds();
}

#[test]
fn system_directories_are_the_containers_own() {
    inside("job", || {
        // The init and this process.
        let is_process = |name: &String| name.parse::<u32>().is_ok();
        let processes = names(Path::new("/proc"));
        assert_eq!(processes.into_iter().filter(is_process).count(), 2);
        assert_eq!(names(Path::new("/tmp")), BTreeSet::new());
        assert!(!Path::new("/run").exists());
        assert!(!Path::new("/dev/kmsg").exists());
        let interfaces = names(Path::new("/sys/class/net"));
        assert_eq!(interfaces, ["lo".to_owned()].into());
        assert_eq!(nix::unistd::gethostname().unwrap(), "isolated");
        // Another path to the same place.
        assert!(!Path::new("/var/run/utmp").exists());
        fs::write("/tmp/file", "").unwrap();
        fs::write("/dev/null", "").unwrap();
    });
    let _file = tempfile::NamedTempFile::new_in("/tmp").unwrap();
    let mut slot = Slot::with_machine(MachineView::default());
    for _ in 0..2 {
        slot.job("job").run().succeeds();
    }
}

fn mounts(launcher: i32) -> usize {
    let table = fs::read_to_string(format!("/proc/{launcher}/mountinfo")).unwrap();
    table.lines().count()
}

/// The pages of the heap and of other private memory, in KiB.
fn memory(launcher: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{launcher}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse().unwrap()
}

#[test]
fn mounts_and_memory_of_a_launcher_do_not_grow() {
    inside("job", || {});
    let place = place();
    for number in 0..100 {
        write(place.path(), &format!("file {number}"), "machine");
        write(place.path(), &format!("directory {number}/file"), "machine");
    }
    let [_, split] = whole_and_split(place.path());
    let mut slot = Slot::with_machine(split);
    // The starter, and the launcher.
    let launcher = slot.processes().ids().nth(1).unwrap();
    for init in [true, false] {
        // The allocator needs some jobs to find out how much memory they need.
        for _ in 0..10 {
            slot.job("job").init(init).run().succeeds();
        }
        let before = (mounts(launcher), memory(launcher));
        for _ in 0..40 {
            slot.job("job").init(init).run().succeeds();
        }
        let after = (mounts(launcher), memory(launcher));
        assert_eq!(after.0, before.0);
        // The paths of the mounts of one job are more than 10 KiB.
        assert!(after.1 < before.1 + 200, "{before:?} {after:?}");
    }
}

#[test]
fn files_that_a_job_wrote_are_found_in_every_part_of_the_view() {
    inside("job", || {
        fs::write(at("shown/new"), "").unwrap();
        fs::write(at("new"), "").unwrap();
        std::process::exit(1);
    });
    let place = place();
    write(place.path(), "shown/of-machine", "machine");
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        let layer = layer_at(&slot, "layer", place.path());
        fs::create_dir(layer.join("shown")).unwrap();
        let job = slot.job("job").layer("layer");
        let job = job.watch(place.path().to_str().unwrap());
        let ran = job.tell(PLACE, place.path().display()).run();
        let expected = ["new", "shown/new"].map(|path| place.path().join(path));
        let changed: Vec<_> = ran
            .ended()
            .changed_files
            .iter()
            .map(PathBuf::from)
            .collect();
        assert_eq!(changed, expected);
    }
}

#[test]
fn jobs_have_their_mounts_on_the_view() {
    inside("job", || {
        assert_eq!(names(&at("directory")), BTreeSet::new());
        fs::write(at("directory/new"), "").unwrap();
        reads("beside", "machine");
    });
    let place = place();
    write(place.path(), "directory/file", "machine");
    write(place.path(), "beside", "machine");
    for machine in whole_and_split(place.path()) {
        let mut slot = Slot::with_machine(machine);
        let layer = layer_at(&slot, "layer", place.path());
        fs::create_dir(layer.join("directory")).unwrap();
        let mount_point = place.path().join("directory");
        let job = slot.job("job").layer("layer").root(Root::ReadOnly);
        let job = job.mount(MountKind::Tmp, mount_point.to_str().unwrap());
        job.tell(PLACE, place.path().display()).run().succeeds();
    }
}

#[test]
fn a_root_that_keeps_its_changes_is_refused() {
    inside("job", || {});
    let mut slot = Slot::with_machine(MachineView::default());
    let root = Root::Local {
        bind: 0,
        upper: "upper".to_owned(),
        work: "work".to_owned(),
    };
    let ran = slot.job("job").root(root).run();
    assert_eq!(ran.not_started().step, Step::LayLocalRoot);
    slot.job("job").run().succeeds();
}

#[test]
fn a_job_that_is_looked_at_sees_the_machine_and_others_do_not() {
    inside("looked at", || {
        let path = fs::read_to_string("/work/path").unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "machine");
        File::open("/test/isolation").unwrap();
        let hidden = fs::read_to_string("/work/hidden").unwrap();
        File::open(hidden).unwrap_err();
    });
    inside("job", || {
        let path = fs::read_to_string("/work/path").unwrap();
        File::open(path).unwrap_err();
    });
    let place = place();
    write(place.path(), "file", "machine");
    write(place.path(), "excluded/file", "machine");
    let [_, machine] = whole_and_split(place.path());
    let pool = Pool::with_machine(machine);
    let path = place.path().join("file");
    pool.share("path", path.to_str().unwrap());
    let hidden = place.path().join("excluded/file");
    pool.share("hidden", hidden.to_str().unwrap());
    block_on(async {
        for _ in 0..2 {
            let (outcome, facts) = look(&pool, &pool.job("looked at", "looked at")).await;
            succeeded(&outcome);
            assert_eq!(facts.void, None);
            assert_eq!(facts.incomplete, BTreeSet::new());
            let found = |path: &Path| {
                let mut files = facts.files.iter();
                let fact = files.find(|fact| fact.path == path);
                let fact = fact.unwrap_or_else(|| panic!("{path:?} is not in {facts:#?}"));
                fact.found
            };
            assert_eq!(found(&path), Found::Machine);
            assert_eq!(found(&hidden), Found::Machine);
            assert_eq!(found(Path::new("/test/isolation")), Found::Container);
            let turn = std::future::ready(Some(0));
            succeeded(&pool.run(&pool.job("job", "job"), turn).await);
        }
    });
}

async fn look(pool: &Pool, job: &Job) -> (Outcome, Facts) {
    let output = Output::Capture { limit: 1 << 20 };
    let looked = pool.executor.look(job, output, std::future::ready(Some(0)));
    let (outcome, facts) = looked.await.expect("it gets a slot");
    (outcome, facts.unwrap_or_default())
}

#[test]
fn outputs_of_a_job_that_is_looked_at_are_found_in_every_part_of_the_view() {
    inside("job", || {
        let path = PathBuf::from(fs::read_to_string("/work/path").unwrap());
        fs::write(path.join("new"), "of the job").unwrap();
        fs::write(path.join("inner/new"), "of the job").unwrap();
    });
    let place = place();
    write(place.path(), "file", "machine");
    write(place.path(), "inner/file", "machine");
    for machine in whole_and_split(place.path()) {
        let pool = Pool::with_machine(machine);
        pool.share("path", place.path().to_str().unwrap());
        let mut job = pool.job("job", "job");
        let layer = pool.add_layer(&mut job, "layer");
        let below = place.path().strip_prefix("/").unwrap();
        fs::create_dir_all(layer.join(below).join("inner")).unwrap();
        let globs = vec![format!("{}/**", place.path().display())];
        Arc::make_mut(&mut job.container).outputs = globs;
        let (outcome, _) = block_on(look(&pool, &job));
        succeeded(&outcome);
        let copies = tempfile::tempdir().unwrap();
        let places = OutputPlaces::new(None, Vec::new(), false, 1 << 20);
        let saved = places.save(&outcome.outputs.unwrap(), "job", copies.path());
        assert_eq!(saved.problems, Vec::<String>::new());
        let copy = copies.path().join(below);
        assert_eq!(names(&copy), ["inner", "new"].map(str::to_owned).into());
        assert_eq!(names(&copy.join("inner")), ["new".to_owned()].into());
    }
}

#[test]
fn a_job_whose_root_keeps_its_changes_is_not_looked_at() {
    inside("job", || {});
    let place = place();
    let pool = Pool::with_machine(MachineView::default());
    let mut job = pool.job("job", "job");
    let [upper, work] = ["upper", "work"].map(|name| {
        let path = place.path().join(name);
        fs::create_dir(&path).unwrap();
        path.try_into().unwrap()
    });
    Arc::make_mut(&mut job.container).root_overlay = RootOverlay::Local { upper, work };
    let (outcome, _) = block_on(look(&pool, &job));
    let Status::NotStarted(error) = outcome.status else {
        panic!("{outcome:?}");
    };
    insta::assert_snapshot!(
        error.message(),
        @r#"lay a root that keeps its changes in a directory over the view of the machine: Operation not supported (os error 95); run the job with `root_overlay = "tmp"`"#
    );
}
