//! Settings of the kernel: `/proc/sys`, `/sys` and other special files.

use crate::fixture::{
    Processes, Refused, Slot, alone, has_real_root, in_a_container, in_containers_as_any_user,
    inside, ready, skip, until_killed,
};
use maelstrom::container::{MachineView, Root};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Settings of the job's own namespaces, which end with the job: its IPC namespace,
/// `user/` of its user namespace, and since Linux 6.14 the number of its pids.
fn is_own_setting(path: &Path) -> bool {
    let own = [
        "/proc/sys/user/",
        "/proc/sys/fs/mqueue/",
        "/proc/sys/kernel/auto_msgmni",
        "/proc/sys/kernel/msg",
        "/proc/sys/kernel/pid_max",
        "/proc/sys/kernel/sem",
        "/proc/sys/kernel/shm",
    ];
    own.iter()
        .any(|prefix| path.to_string_lossy().starts_with(prefix))
}

fn open_to_write(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

/// Writes the current value: the kernel checks the writer of some settings only when they are
/// written, not when they are opened.
fn write_back(path: &Path) -> io::Result<()> {
    let mut file = open_to_write(path)?;
    file.write_all(&fs::read(path)?)
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

#[test]
fn no_setting_of_the_kernel_can_be_written() {
    in_a_container(|| {
        let settings = files_below(Path::new("/proc/sys"));
        assert!(settings.len() > 300, "only {} settings", settings.len());
        for setting in settings {
            write_back(&setting).must_be_refused(&format!("write {}", setting.display()));
        }
    });
}

#[test]
fn uid_0_can_write_only_settings_of_its_own_namespaces() {
    inside("job", || {
        for setting in files_below(Path::new("/proc/sys")) {
            if !is_own_setting(&setting) {
                write_back(&setting).must_be_refused(&format!("write {}", setting.display()));
            }
        }
    });
    Slot::start().job("job").user(0).run().succeeds();
}

#[test]
fn settings_of_the_namespaces_of_a_job_do_not_affect_the_next_job() {
    const SETTINGS: [(&str, &str); 3] = [
        ("/proc/sys/kernel/shmmni", "7"),
        ("/proc/sys/user/max_ipc_namespaces", "7"),
        ("/proc/sys/kernel/pid_max", "1000"),
    ];
    inside("change", || {
        for (setting, value) in SETTINGS {
            let _ = fs::write(setting, value);
        }
        assert_eq!(
            fs::read_to_string(SETTINGS[0].0).unwrap().trim(),
            SETTINGS[0].1
        );
    });
    inside("look", || {
        for (setting, value) in SETTINGS {
            assert_ne!(
                fs::read_to_string(setting).unwrap().trim(),
                value,
                "{setting}"
            );
        }
    });
    let mut slot = Slot::start();
    slot.job("change").user(0).run().succeeds();
    slot.job("look").user(0).run().succeeds();
    for (setting, value) in SETTINGS {
        assert_ne!(
            fs::read_to_string(setting).unwrap().trim(),
            value,
            "{setting}"
        );
    }
}

#[test]
fn the_program_for_core_dumps_cannot_be_set() {
    in_containers_as_any_user(|| {
        let before = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        fs::write("/proc/sys/kernel/core_pattern", &before).must_be_refused("set core_pattern");
    });
}

#[test]
fn settings_of_the_network_cannot_be_set() {
    in_containers_as_any_user(|| {
        for setting in [
            "core/somaxconn",
            "ipv4/ip_forward",
            "ipv4/tcp_max_tw_buckets",
        ] {
            let path = Path::new("/proc/sys/net").join(setting);
            let Ok(before) = fs::read_to_string(&path) else {
                continue;
            };
            fs::write(&path, before).must_be_refused(&format!("set {setting}"));
        }
    });
}

#[test]
fn the_kernels_own_files_in_proc_cannot_be_written() {
    in_containers_as_any_user(|| {
        for name in ["sysrq-trigger", "kcore", "mtrr", "irq/default_smp_affinity"] {
            let path = Path::new("/proc").join(name);
            if path.exists() {
                open_to_write(&path).must_be_refused(&format!("write {name}"));
            }
        }
    });
}

#[test]
fn nothing_in_sys_can_be_written() {
    in_containers_as_any_user(|| {
        for path in [
            "/sys/kernel/uevent_seqnum",
            "/sys/kernel/mm/transparent_hugepage/enabled",
        ] {
            if Path::new(path).exists() {
                open_to_write(Path::new(path)).must_be_refused(&format!("write {path}"));
            }
        }
        fs::create_dir("/sys/fs/cgroup/ours").expect_err("a job can create a control group");
        let sys = nix::sys::statvfs::statvfs("/sys").unwrap();
        assert!(sys.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY));
    });
}

#[test]
fn sys_shows_only_the_interfaces_of_the_network_of_the_job() {
    inside("job", || {
        let interfaces = fs::read_dir("/sys/class/net").unwrap();
        let names: Vec<_> = interfaces.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.contains(&"lo".into()), "{names:?}");
        assert!(!names.contains(&"eth0".into()), "{names:?}");
    });
    if !Path::new("/sys/class/net/eth0").exists() {
        return skip("needs a network interface eth0");
    }
    Slot::start().job("job").run().succeeds();
}

#[test]
fn a_user_namespace_of_the_jobs_own_gives_no_way_to_control_groups() {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    in_containers_as_any_user(|| {
        // A process with a control group namespace of its own may mount the file
        // system that names every process of the client's group.
        alone(|| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
            let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
            mount(
                Some("x"),
                "/tmp",
                Some("cgroup2"),
                MsFlags::empty(),
                None::<&str>,
            )
            .must_be_refused("mount control groups");
        });
    });
}

#[test]
fn a_job_is_never_the_hosts_root() {
    inside("job", || {
        ready();
        until_killed();
    });
    for user in [0, 1000] {
        Slot::start()
            .job("job")
            .user(user)
            .abandon_after(no_process_is_roots);
    }
}

fn no_process_is_roots(processes: &Processes) {
    if !has_real_root() && nix::unistd::geteuid().is_root() {
        return; // As the ids are seen from here, which is not the host.
    }
    assert!(processes.count() >= 3, "{processes:?}");
    for pid in processes.ids() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for ids in status
            .lines()
            .filter(|l| l.starts_with("Uid:") || l.starts_with("Gid:"))
        {
            assert!(!ids.split_whitespace().any(|id| id == "0"), "{pid}: {ids}");
        }
    }
}

/// What the kernel logs from now on.
struct Log(File);

impl Log {
    /// `None`: this user may not read it.
    fn open() -> Option<Self> {
        let mut log = File::options()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .ok()?;
        log.seek(SeekFrom::End(0)).ok()?;
        Some(Self(log))
    }

    /// The lines since it was opened or last read.
    fn new_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        // The buffer is longer than any line; each read returns one line.
        let mut line = [0; 8192];
        loop {
            match self.0.read(&mut line) {
                Ok(length) => lines.push(String::from_utf8_lossy(&line[..length]).into_owned()),
                // Lines were lost before they were read.
                Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return lines,
                Err(error) => panic!("read the kernel's log: {error}"),
            }
        }
    }
}

#[test]
fn a_job_adds_nothing_to_the_log_of_the_kernel() {
    const JOBS: usize = 10;
    const ROUNDS: usize = 20;
    inside("job", || {});
    let Some(mut log) = Log::open() else {
        return skip("needs real root");
    };
    let over_machine = || Slot::with_machine(MachineView::default());
    for (mut slot, root) in [
        (Slot::start(), Root::Scratch),
        (Slot::start(), Root::ReadOnly),
        (over_machine(), Root::Scratch),
        (over_machine(), Root::ReadOnly),
    ] {
        slot.add_layer("layer");
        // Other programs also cause lines, but rarely as many as there are jobs.
        let mut lines = Vec::new();
        let is_quiet = (0..ROUNDS).any(|_| {
            log.new_lines();
            for _ in 0..JOBS {
                slot.job("job")
                    .layer("layer")
                    .root(root.clone())
                    .run()
                    .succeeds();
            }
            lines = log.new_lines();
            lines.len() < JOBS
        });
        assert!(is_quiet, "a job with {root:?} has logged: {lines:#?}");
    }
}
