//! What a container costs: jobs that do nothing, one after the other on each of
//! two slots, in the container that tests get by default, against bare vfork and
//! exec of the same program. Run with 1 and with 200 distinct containers.
//!
//! And what `maelstrom-run` adds: the same jobs in the plainest container, once by a
//! launcher and once as so many lines of JSON.
//!
//! All take turns, since machines are noisy: only the ratios of one run mean something.
//!
//! `cargo bench --bench launcher [-- JOBS [ROUNDS]]`

mod program_layer;

use maelstrom::container::{
    JobEnd, JobMount, JobRequest, Launcher, LauncherConfig, MountKind, NetworkKind, Root,
    run_if_launcher,
};
use maelstrom::spec::Device;
use std::error::Error;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use strum::VariantArray;

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
    let default = |distinct| Containers::Default { distinct };
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        times[0].push(bare(jobs, &program));
        times[1].push(contained(
            &runtime,
            trees.path(),
            &program,
            jobs,
            default(1),
        )?);
        times[2].push(contained(
            &runtime,
            trees.path(),
            &program,
            jobs,
            default(MANY),
        )?);
        times[3].push(contained(
            &runtime,
            trees.path(),
            &program,
            jobs,
            Containers::Plain,
        )?);
        times[4].push(streamed(trees.path(), &program, jobs)?);
    }
    let [floor, one, many, plain, streamed] = times.map(median);
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
    println!(
        "  1 plain container          {plain:.3}   {:.2} x bare",
        plain / floor
    );
    println!(
        "  a line of maelstrom-run    {streamed:.3}   {:.2} x plain, {} MiB at most",
        streamed / plain,
        peak_of_children()? / 1024
    );
    Ok(())
}

/// What containers jobs run in.
#[derive(Clone, Copy)]
enum Containers {
    /// That of tests, so many of them.
    Default { distinct: usize },
    /// That of a job which has layers and nothing else.
    Plain,
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
    for &device in Device::VARIANTS {
        if device != Device::Shm {
            fs::write(base.join("dev").join(device.into_str()), "")?;
        }
    }
    program_layer::copy(program, &base)?;
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
    containers: Containers,
) -> Result<f64, Box<dyn Error>> {
    let config = LauncherConfig {
        trees: trees.to_owned(),
        network: match containers {
            Containers::Default { .. } => NetworkKind::Loopback,
            Containers::Plain => NetworkKind::Disabled,
        },
        binds: Vec::new(),
        machine: None,
    };
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(runtime, async {
        let mut launchers = Vec::new();
        for _ in 0..SLOTS {
            launchers.push(Launcher::start(&Path::new("/proc/self/exe").into(), &config).await?);
        }
        let started = Instant::now();
        let mut slots = tokio::task::JoinSet::new();
        for mut launcher in launchers {
            let program = program.to_string_lossy().into_owned();
            slots.spawn_local(async move {
                for number in 0..jobs / SLOTS {
                    let distinct = match containers {
                        Containers::Default { distinct } => (number % distinct).to_string(),
                        Containers::Plain => "0".to_owned(),
                    };
                    let mut request = request(&program, &distinct);
                    if let Containers::Plain = containers {
                        request.root = Root::ReadOnly;
                        request.mounts.clear();
                        request.init = false;
                        request.user = 0;
                        request.group = 0;
                    }
                    let end = launcher.run(&request, null(), null()).await;
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

/// Milliseconds per job of `maelstrom-run`, whose cache has the layers from the first
/// time on.
fn streamed(directory: &Path, program: &Path, jobs: usize) -> Result<f64, Box<dyn Error>> {
    let program = program.to_string_lossy();
    let job = serde_json::json!({
        "layers": [{ "paths": [program] }, { "shared_library_dependencies": [program] }],
        "program": program,
        "arguments": [NOTHING],
    });
    let run = |jobs: usize| -> Result<f64, Box<dyn Error>> {
        let input = directory.join("jobs.json");
        fs::write(&input, format!("{job}\n").repeat(jobs))?;
        let started = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"))
            .args(["--config-file=-", "--slots", &SLOTS.to_string(), "--file"])
            .arg(input)
            .arg("--cache-root")
            .arg(directory.join("cache"))
            .status()?;
        assert!(status.success(), "{status}");
        Ok(per_job(started, jobs))
    };
    run(1)?;
    run(jobs)
}

/// The largest resident set of any program that was run, in KiB.
fn peak_of_children() -> Result<i64, Box<dyn Error>> {
    use nix::sys::resource::{UsageWho, getrusage};
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss())
}

/// The default container of tests.
fn request<'a>(program: &'a str, distinct: &'a str) -> JobRequest<&'a str> {
    let mut mounts = Vec::new();
    for &device in Device::VARIANTS {
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
        mounts.push(JobMount {
            kind: MountKind::Device(device),
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
        mounts.push(JobMount { kind, mount_point });
    }
    JobRequest {
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
        slot_variables: vec!["MAELSTROM_SLOT"],
        timeout: Duration::ZERO,
        limits: maelstrom::container::JobLimits::default(),
        open_files: 1024,
        scratch_size: 1 << 30,
        watched: Vec::new(),
        outputs: Vec::new(),
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
