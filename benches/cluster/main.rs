//! What a cluster costs: BuildGrid on PostgreSQL with 1 to 4 workers of one slot each, all
//! on this machine, and tests that sleep, so that few processors are no hindrance.
//!
//! - `constants`: what an action costs and where its time goes, what a test in a batch
//!   costs, what a byte costs; on `buildbox-casd` alone, too.
//! - `makespan`: how long 100 tests take that sleep for 10 ms to 3 s, against what the
//!   best order would make possible if nothing else cost anything.
//! - `short`: 2,000 tests of a millisecond, in batches and one to an action.
//! - `scale`: up to 1,000 workers and 100,000 tests, by computation from what was measured
//!   before. Needs no engine.
//!
//! `cargo bench --bench cluster [-- [PART…] [ROUNDS]]`

#[path = "../../tests/cluster/runs/casd.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod casd;
#[path = "../../tests/fixture/engine.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod engine;
#[path = "../../tests/fixture/mod.rs"]
mod fixture;
mod model;
mod suite;
mod workers;

use casd::Casd;
use engine::Engine;
use maelstrom::engine::{self as client, EngineSettings, UploadBlob};
use model::{Costs, Machines, Recording};
use std::error::Error;
use std::time::{Duration, Instant};
use suite::{Action, Ran, Suite};
use workers::Worker;

/// What clients do unless they are told otherwise.
const TARGET: Duration = Duration::from_secs(1);
const IN_FLIGHT: usize = 64;

/// Of a run that is to be within this much of the best possible.
const GOAL: f64 = 1.15;

const MILLISECOND: Duration = Duration::from_millis(1);

/// What `constants` measured of BuildGrid on a machine of two processors, for those who have
/// no engine.
const BUILDGRID: Costs = Costs {
    run: 0.033,
    action: 0.092,
    engine: 0.069,
    test: 0.0031,
    byte: 1.0 / 452e6,
};

fn main() -> Result<(), Box<dyn Error>> {
    maelstrom::run_if_launcher();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = arguments.iter().find_map(|word| word.parse().ok());
    let rounds = rounds.unwrap_or(3);
    let parts: Vec<&str> = ["constants", "makespan", "short", "scale"]
        .into_iter()
        .filter(|part| arguments.iter().any(|word| word == part))
        .collect();
    let is_wanted = |part| parts.is_empty() || parts.contains(&part);
    if parts == ["scale"] {
        scale(&BUILDGRID);
        return Ok(());
    }
    if !engine::is_there() {
        return Ok(());
    }
    let cluster = Cluster {
        engine: Engine::own(),
    };
    let costs = constants(&cluster, rounds, is_wanted("constants"))?;
    if is_wanted("makespan") {
        makespans(&cluster, rounds, &costs)?;
    }
    if is_wanted("short") {
        short_tests(&cluster, rounds)?;
    }
    if is_wanted("scale") {
        scale(&costs);
    }
    Ok(())
}

/// BuildGrid, which has no workers yet.
struct Cluster {
    engine: Engine,
}

impl Cluster {
    fn options(&self) -> Vec<String> {
        vec![format!("--remote={}", self.engine.endpoint())]
    }

    /// Those of its server.
    fn processes(&self) -> Vec<u32> {
        let configuration = self.engine.file("engine.yml");
        let configuration = configuration.to_string_lossy().into_owned();
        let mut processes = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            let number: Option<u32> = entry.file_name().to_str().and_then(|n| n.parse().ok());
            if words.contains(&configuration) {
                processes.extend(number);
            }
        }
        processes
    }

    fn workers(&self, count: usize) -> Result<Vec<Worker>, Box<dyn Error>> {
        let workers = (0..count).map(|_| Worker::start(&self.engine.endpoint()));
        workers.collect()
    }
}

/// What things cost on one worker of BuildGrid. If it is to be told, on `buildbox-casd`, too.
fn constants(cluster: &Cluster, rounds: usize, tell: bool) -> Result<Costs, Box<dyn Error>> {
    let _worker = cluster.workers(1)?;
    let server = cluster.processes();
    let mut costs = of_engine("BuildGrid", &cluster.options(), &server, rounds, tell);
    let settings = cluster.engine.settings();
    costs.byte = 1e-6 / bytes("BuildGrid", &settings, rounds, tell)?;
    if tell && let Some(casd) = Casd::start() {
        // It has room for two.
        let options = [casd.options(), vec!["--slots=1".to_owned()]].concat();
        of_engine("buildbox-casd", &options, &[], rounds, true);
        let url = casd.options()[0].replace("--remote=", "");
        bytes(
            "buildbox-casd",
            &EngineSettings::new(url.parse()?),
            rounds,
            true,
        )?;
    }
    Ok(costs)
}

/// What things cost on an engine of one slot. Its server is these processes, if that is of
/// interest.
fn of_engine(name: &str, engine: &[String], server: &[u32], rounds: usize, tell: bool) -> Costs {
    let suite = Suite::new(vec![MILLISECOND; 1000]);
    let alone = &["--batch-target=0"][..];
    // Some of them are chosen by how their numbers begin. What runs first fills caches and
    // teaches durations.
    suite.run(engine, "t", &[]);
    suite.run(engine, "t", &[]);
    suite.run(engine, "t000", alone);
    let mut walls: [Vec<f64>; 4] = Default::default();
    let (mut actions, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        walls[0].push(suite.run(engine, "t0000", alone).wall);
        walls[1].push(suite.run(engine, "t000", alone).wall);
        let before = processor_time(server);
        let hundred = suite.run(engine, "t00", alone);
        busy.push((processor_time(server) - before) / hundred.actions.len() as f64);
        walls[2].push(hundred.wall);
        actions.extend(hundred.actions);
        let all = suite.run(engine, "t", &["--batch-target=1000"]);
        assert_eq!(all.actions.len(), 1, "the tests are one batch");
        walls[3].push(all.wall);
    }
    let [one, ten, hundred, all] = walls.map(median);
    let sleep = MILLISECOND.as_secs_f64();
    let test = (all - one) / 999.0 - sleep;
    let action = (hundred - ten) / 90.0 - sleep - test;
    let costs = Costs {
        run: one - action - test - sleep,
        action,
        engine: median(busy),
        test,
        byte: 0.0,
    };
    if tell {
        let part = |part: fn(&Action) -> f64| median(actions.iter().map(part).collect());
        println!("{name}, one slot, median of {rounds} rounds:");
        println!(
            "  a run      {:6.1} ms, besides its actions",
            costs.run * 1e3
        );
        println!(
            "  an action  {:6.1} ms, besides its tests; of that {:.1} ms its worker stages, \
             {:.1} ms it runs, {:.1} ms it uploads",
            action * 1e3,
            part(|action| action.staged),
            part(|action| action.ran),
            part(|action| action.uploaded),
        );
        if !server.is_empty() {
            println!(
                "             {:6.1} ms of processor time of the server",
                costs.engine * 1e3
            );
        }
        println!("  a test     {:6.2} ms, besides what it does", test * 1e3);
    }
    costs
}

/// What processes have used of processors, in seconds.
fn processor_time(processes: &[u32]) -> f64 {
    const TICKS: f64 = 100.0;
    let of = |process: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let after_name = text.rsplit(')').next().unwrap_or_default();
        let numbers = after_name.split_whitespace().skip(11).take(2);
        numbers
            .filter_map(|word| word.parse::<f64>().ok())
            .sum::<f64>()
    };
    processes.iter().map(of).sum::<f64>() / TICKS
}

/// Sends bytes to an engine and gets them back; gives how fast they come back, in MB/s.
fn bytes(
    name: &str,
    settings: &EngineSettings,
    rounds: usize,
    tell: bool,
) -> Result<f64, Box<dyn Error>> {
    const SIZE: usize = 64 << 20;
    let runtime = tokio::runtime::Runtime::new()?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let engine = runtime.block_on(client::Engine::connect(settings))?;
    for _ in 0..rounds {
        // What cannot be compressed, and is another blob every time.
        let mut state = u64::from(std::process::id()) << 32 | (up.len() as u64 + 1);
        let noise = (0..SIZE / 8).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let blob = UploadBlob::of(noise.collect::<Vec<u8>>());
        let digest = blob.digest;
        let started = Instant::now();
        runtime.block_on(engine.upload_all(vec![blob], &std::sync::Arc::default()))?;
        up.push(SIZE as f64 / started.elapsed().as_secs_f64() / 1e6);
        let started = Instant::now();
        let read = runtime.block_on(engine.read(digest))?;
        assert_eq!(read.len(), SIZE);
        down.push(SIZE as f64 / started.elapsed().as_secs_f64() / 1e6);
    }
    let (up, down) = (median(up), median(down));
    if tell {
        println!("  {name} takes {up:.0} MB/s and gives {down:.0} MB/s, 64 MiB at a time");
    }
    Ok(down)
}

fn makespans(cluster: &Cluster, rounds: usize, costs: &Costs) -> Result<(), Box<dyn Error>> {
    let suite = Suite::mixed(100);
    let recording = vec![suite.seconds()];
    let total: f64 = recording.iter().flatten().sum();
    println!(
        "100 tests that sleep for {total:.1} s in all, workers of one slot, median of {rounds} \
         rounds, s:"
    );
    println!(
        "  workers  actions   best   wall  wall/best  limit  wall/limit  simulated  wall/simulated"
    );
    let mut workers = Vec::new();
    for count in 1..=4 {
        workers.extend(cluster.workers(1)?);
        if count == 1 {
            // So that durations are known, and the batches those of all runs to come.
            suite.run(&cluster.options(), "t", &[]);
        }
        suite.run(&cluster.options(), "t", &[]);
        let runs = (0..rounds).map(|_| suite.run(&cluster.options(), "t", &[]));
        let runs: Vec<Ran> = runs.collect();
        assert!(runs.iter().all(|run| run.sent == 0), "everything is there");
        let actions = runs[0].actions.len();
        let wall = median(runs.iter().map(|run| run.wall).collect());
        let best = model::best(&recording, count);
        let limit = GOAL * best + costs.action;
        let machines = Machines {
            slots: count,
            in_flight: IN_FLIGHT,
            bytes: 0.0,
        };
        let simulated = model::simulate(&recording, TARGET, costs, &machines).wall;
        println!(
            "  {count:7}  {actions:7}  {best:5.2}  {wall:5.2}  {:9.3}  {limit:5.2}  {:10.3}  \
             {simulated:9.2}  {:14.3}",
            wall / best,
            wall / limit,
            wall / simulated
        );
    }
    Ok(())
}

fn short_tests(cluster: &Cluster, rounds: usize) -> Result<(), Box<dyn Error>> {
    let suite = Suite::new(vec![MILLISECOND; 2000]);
    let _worker = cluster.workers(1)?;
    suite.run(&cluster.options(), "t", &[]);
    suite.run(&cluster.options(), "t", &[]);
    let mut batched: Vec<Ran> = Vec::new();
    let mut alone: Vec<Ran> = Vec::new();
    for _ in 0..rounds {
        batched.push(suite.run(&cluster.options(), "t", &[]));
        alone.push(suite.run(&cluster.options(), "t", &["--batch-target=0"]));
    }
    let wall = |runs: &[Ran]| median(runs.iter().map(|run| run.wall).collect());
    println!("2,000 tests of a millisecond, one worker of one slot, median of {rounds} rounds:");
    println!(
        "  batches      {:7.2} s in {} actions",
        wall(&batched),
        batched[0].actions.len()
    );
    println!(
        "  each alone   {:7.2} s in {} actions",
        wall(&alone),
        alone[0].actions.len()
    );
    println!("  a share of {:.3}", wall(&batched) / wall(&alone));
    Ok(())
}

/// What runs of a recorded suite would take, over and over until it is large.
fn scale(costs: &Costs) {
    let recording = model::recorded(include_str!("recorded.txt"));
    for tests in [1_000, 10_000, 100_000] {
        scale_to(&model::scaled(&recording, tests), costs);
    }
}

fn scale_to(recording: &Recording, costs: &Costs) {
    const SLOTS: [usize; 6] = [1, 10, 30, 100, 300, 1000];
    const TARGETS: [f64; 5] = [0.0, 1.0, 3.0, 10.0, 30.0];
    let tests = recording.iter().map(Vec::len).sum::<usize>();
    let total: f64 = recording.iter().flatten().sum();
    println!("{tests} tests of {total:.0} s in all; wall (actions), s, by batch-target:");
    print!("  slots    best");
    for target in TARGETS {
        print!("  {:>16}", format!("{target} s"));
    }
    println!();
    for slots in SLOTS {
        print!("  {slots:5} {:7.1}", model::best(recording, slots));
        for target in TARGETS {
            let machines = Machines {
                slots,
                in_flight: slots * 2,
                bytes: 0.0,
            };
            let target = Duration::from_secs_f64(target);
            let simulated = model::simulate(recording, target, costs, &machines);
            let text = format!("{:.1} ({})", simulated.wall, simulated.actions);
            print!("  {text:>16}");
        }
        println!();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
