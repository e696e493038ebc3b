//! What it costs to observe a job: one that opens 1,000 files, observed and not, in turns. It should
//! take at most 3 times as long when it is observed.
//!
//! `cargo bench --bench observe [-- ROUNDS]`

mod program_layer;

use maelstrom::executor::{Container, Job, LocalExecutor, LocalSettings, Outcome, Output, Status};
use maelstrom::spec::{Mount, Network, RootOverlay};
use maelstrom::store::Digest;
use std::error::Error;
use std::fs::{self, File};
use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The argument of this program when it is the job.
const OPEN: &str = "--open-files";

const FILES: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    maelstrom::run_if_launcher();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == OPEN) {
        for number in 0..FILES {
            File::open(format!("/files/{number}"))?;
        }
        return Ok(());
    }
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    let rounds = numbers.next().unwrap_or(50);
    let trees = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let layer = Digest::of(b"layer");
    make_layer(&trees.path().join(layer.to_string()), &program)?;
    let settings = LocalSettings::of_process(trees.path().to_owned(), 1)?;
    let executor = LocalExecutor::new(settings, 1);
    let job = job(&program, layer)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut times: [Vec<f64>; 2] = Default::default();
    runtime.block_on(async {
        // The first launcher is started.
        let output = || Output::Capture { limit: 1 << 20 };
        let turn = || ready(Some(0));
        assert_success(executor.run(&job, output(), turn()).await);
        for _ in 0..rounds {
            let started = Instant::now();
            assert_success(executor.run(&job, output(), turn()).await);
            times[0].push(milliseconds(started));
            let started = Instant::now();
            let observed = executor.observe(&job, output(), turn()).await;
            times[1].push(milliseconds(started));
            let (outcome, facts) = observed.expect("the job gets a slot");
            assert_success(Some(outcome));
            let facts = facts.expect("the job is started");
            let opened = facts.files.iter().filter(|file| file.uses.opened);
            assert!(opened.count() >= FILES);
        }
    });
    let [plain, observed] = times.map(median);
    println!("a job that opens {FILES} files, median of {rounds} rounds, ms:");
    println!("  not observed  {plain:.2}");
    println!("  observed      {observed:.2}   {:.2} x", observed / plain);
    Ok(())
}

fn assert_success(outcome: Option<Outcome>) {
    let outcome = outcome.expect("the job gets a slot");
    assert_eq!(outcome.status, Status::Exited(0), "{outcome:?}");
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}

/// The program, its libraries, and files to open.
fn make_layer(layer: &Path, program: &Path) -> Result<(), Box<dyn Error>> {
    program_layer::copy(program, layer)?;
    for directory in ["proc", "files"] {
        fs::create_dir_all(layer.join(directory))?;
    }
    for number in 0..FILES {
        File::create(layer.join(format!("files/{number}")))?;
    }
    Ok(())
}

fn job(program: &Path, layer: Digest) -> Result<Job, Box<dyn Error>> {
    let container = Container {
        layers: vec![layer],
        environment: [].into(),
        mounts: vec![Mount::Proc {
            mount_point: "/proc".into(),
        }],
        network: Network::Loopback,
        root_overlay: RootOverlay::Tmp,
        working_directory: "/".into(),
        user: 1000,
        group: 1000,
        init: true,
        hostname: "maelstrom".to_owned(),
        watched: Vec::new(),
        outputs: Vec::new(),
    };
    Ok(Job {
        container: Arc::new(container),
        program: program.to_str().ok_or("the path is not UTF-8")?.into(),
        arguments: vec![OPEN.to_owned()],
        variables: Vec::new(),
        timeout: None,
        limits: maelstrom::container::JobLimits::default(),
        should_panic: false,
        group_slot: None,
    })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
