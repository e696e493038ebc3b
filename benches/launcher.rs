//! What a container costs: jobs that do nothing, one after the other on each of
//! two slots, in the container that tests get by default, against bare vfork and
//! exec of the same program. Run with 1 and with 200 distinct containers, taking
//! turns, since machines are noisy: only the ratios of one run mean something.
//!
//! `cargo bench --bench launcher [-- JOBS [ROUNDS]]`

use maelstrom::container::{
    JobEnd, Launcher, LauncherConfig, MountKind, MountStep, NetworkKind, Request, Root,
    run_if_launcher,
};
use maelstrom::layer::libraries::{self, Entry, SearchContext};
use maelstrom::spec::Device;
use std::error::Error;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SLOTS: usize = 2;
const MANY: usize = 200;
/// What the program is called with when it is the job.
const NOTHING: &str = "--do-nothing";

fn main() -> Result<(), Box<dyn Error>> {
    run_if_launcher();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == NOTHING) {
        return Ok(());
    }
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let jobs = numbers.next().unwrap_or(2000);
    let rounds = numbers.next().unwrap_or(5);

    let trees = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    make_trees(trees.path(), &program)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        times[0].push(bare(jobs, &program));
        times[1].push(contained(&runtime, trees.path(), &program, jobs, 1)?);
        times[2].push(contained(&runtime, trees.path(), &program, jobs, MANY)?);
    }
    let [floor, one, many] = times.map(median);
    println!("{jobs} jobs, {SLOTS} slots, median of {rounds} rounds, ms per job:");
    println!("  bare vfork and exec        {floor:.3}");
    println!(
        "  1 container                {one:.3}   {:.2} x bare",
        one / floor
    );
    println!(
        "  {MANY} distinct containers    {many:.3}   {:.2} x one",
        many / one
    );
    Ok(())
}

/// A lower directory with the program and its libraries, and many small ones
/// that make containers distinct.
fn make_trees(trees: &Path, program: &Path) -> Result<(), Box<dyn Error>> {
    let base = trees.join("base");
    for directory in [
        "tmp",
        "proc",
        "sys",
        "dev/shm",
        "dev/pts",
        "dev/mqueue",
        "home",
    ] {
        fs::create_dir_all(base.join(directory))?;
    }
    for device in Device::ALL {
        if device != Device::Shm {
            fs::write(base.join("dev").join(device.as_str()), "")?;
        }
    }
    let place = |path: &Path| -> Result<_, Box<dyn Error>> {
        let inside = base.join(path.strip_prefix("/")?);
        fs::create_dir_all(inside.parent().ok_or("no parent")?)?;
        Ok(inside)
    };
    let name = camino::Utf8PathBuf::try_from(program.to_owned())?;
    for (path, entry) in libraries::closure(&[name], &SearchContext::default())? {
        let inside = place(path.as_path())?;
        match entry {
            Entry::File(file) => drop(fs::copy(file, inside)?),
            Entry::Symlink { target, .. } => std::os::unix::fs::symlink(target, inside)?,
            Entry::Directory => fs::create_dir_all(inside)?,
        }
    }
    fs::copy(program, place(program)?)?;
    for number in 0..MANY {
        fs::create_dir_all(trees.join(format!("{number}/distinct")))?;
        fs::write(
            trees.join(format!("{number}/distinct/number")),
            number.to_string(),
        )?;
    }
    Ok(())
}

/// Milliseconds per job without any container.
fn bare(jobs: usize, program: &Path) -> f64 {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..SLOTS {
            scope.spawn(|| {
                for _ in 0..jobs / SLOTS {
                    let status = Command::new(program)
                        .arg(NOTHING)
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .status();
                    assert!(status.is_ok_and(|status| status.success()));
                }
            });
        }
    });
    per_job(started, jobs)
}

/// Milliseconds per job in so many distinct containers.
fn contained(
    runtime: &tokio::runtime::Runtime,
    trees: &Path,
    program: &Path,
    jobs: usize,
    distinct: usize,
) -> Result<f64, Box<dyn Error>> {
    let config = LauncherConfig {
        trees: trees.to_owned(),
        network: NetworkKind::Loopback,
        binds: Vec::new(),
    };
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(runtime, async {
        let mut launchers = Vec::new();
        for _ in 0..SLOTS {
            launchers.push(Launcher::start(Path::new("/proc/self/exe"), &config).await?);
        }
        let started = Instant::now();
        let mut slots = tokio::task::JoinSet::new();
        for mut launcher in launchers {
            let program = program.to_string_lossy().into_owned();
            slots.spawn_local(async move {
                for number in 0..jobs / SLOTS {
                    let distinct = (number % distinct).to_string();
                    let end = launcher
                        .run(&request(&program, &distinct), null(), null())
                        .await;
                    match end {
                        Ok(JobEnd::Ended(ended)) => assert_eq!(ended.wait_status, 0),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        while let Some(slot) = slots.join_next().await {
            slot?;
        }
        Ok(per_job(started, jobs))
    })
}

/// The default container of tests.
fn request<'a>(program: &'a str, distinct: &'a str) -> Request<&'a str> {
    let mut mounts = Vec::new();
    for (index, device) in Device::ALL.iter().enumerate() {
        let mount_point = match device {
            Device::Full => "/dev/full",
            Device::Fuse => continue,
            Device::Null => "/dev/null",
            Device::Random => "/dev/random",
            Device::Shm => "/dev/shm",
            Device::Tty => "/dev/tty",
            Device::Urandom => "/dev/urandom",
            Device::Zero => "/dev/zero",
        };
        mounts.push(MountStep {
            kind: MountKind::Device(index as u32),
            mount_point,
        });
    }
    for (kind, mount_point) in [
        (MountKind::Devpts, "/dev/pts"),
        (MountKind::Mqueue, "/dev/mqueue"),
        (MountKind::Proc, "/proc"),
        (MountKind::Sys, "/sys"),
        (MountKind::Tmp, "/tmp"),
        (MountKind::Tmp, "/home"),
    ] {
        mounts.push(MountStep { kind, mount_point });
    }
    Request {
        lowers: vec!["base", distinct],
        root: Root::Scratch,
        mounts,
        user: 1000,
        group: 1000,
        init: true,
        terminal: false,
        hostname: "maelstrom",
        working_directory: "/",
        program,
        arguments: vec![NOTHING],
        environment: vec!["PATH=/usr/bin"],
        slot_variable: true,
        timeout: Duration::ZERO,
        open_files: 1024,
        scratch_size: 1 << 30,
        watched: Vec::new(),
    }
}

fn null() -> OwnedFd {
    let null = fs::File::options().write(true).open("/dev/null");
    null.expect("/dev/null can be opened").into()
}

fn per_job(started: Instant, jobs: usize) -> f64 {
    started.elapsed().as_secs_f64() * 1e3 / jobs as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
