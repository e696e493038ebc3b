//! The cost of the `base` layer: making it, a run of one job that finds it made, and each job.
//!
//! Jobs with and without it take turns, since machines are noisy: only the ratios and differences
//! of one run mean something.
//!
//! `cargo bench --bench base [-- ROUNDS [JOBS]]`

mod measure;

use maelstrom::spec::BasePart;
use maelstrom::{Client, ClientSettings, ContainerSpec, JobSpec, LayerSpec, Status};
use measure::{median, run_jobs};
use std::error::Error;
use std::path::Path;
use std::time::Instant;
use strum::VariantArray;

/// The number of runs of one job for each round of many jobs.
const RUNS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let [rounds, jobs] = measure::numbers([5, 1000]);
    let base = ContainerSpec {
        layers: vec![LayerSpec::Base {
            base: BasePart::VARIANTS.to_vec(),
        }],
        ..ContainerSpec::default()
    };
    let with = measure::empty_job(base)?;
    let without = measure::empty_job(ContainerSpec::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let first = first_runs(rounds, [&without, &with]).await?;
        println!("median of {rounds} rounds");
        print("a first run of one job", first, |[without, with]| {
            format!("{:.0} ms more", with - without)
        });
        let directory = tempfile::tempdir()?;
        let mut runs: [Vec<f64>; 2] = Default::default();
        for _ in 0..rounds * RUNS {
            for (times, job) in runs.iter_mut().zip([&without, &with]) {
                times.push(run(directory.path(), job).await?);
            }
        }
        print(
            "a later run of one job",
            runs.map(median),
            |[without, with]| format!("{:.1} ms more", with - without),
        );
        let client = client(directory.path()).await?;
        let mut times: [Vec<f64>; 2] = Default::default();
        for _ in 0..rounds {
            for (times, job) in times.iter_mut().zip([&without, &with]) {
                times.push(run_jobs(&client, job, jobs).await?);
            }
        }
        let title = format!("one of {jobs} jobs");
        print(&title, times.map(median), |[without, with]| {
            format!("{:.3} x", with / without)
        });
        Ok(())
    })
}

/// Each with a store of its own.
async fn first_runs(rounds: usize, jobs: [&JobSpec; 2]) -> Result<[f64; 2], Box<dyn Error>> {
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        for (times, job) in times.iter_mut().zip(jobs) {
            let directory = tempfile::tempdir()?;
            rustix::fs::sync();
            times.push(run(directory.path(), job).await?);
        }
    }
    Ok(times.map(median))
}

/// From the start of a client to the end of one job, in milliseconds.
async fn run(directory: &Path, job: &JobSpec) -> Result<f64, Box<dyn Error>> {
    let started = Instant::now();
    let client = client(directory).await?;
    let outcome = client.run(job, 1024).await?;
    assert_eq!(outcome.status, Status::Exited(0));
    Ok(started.elapsed().as_secs_f64() * 1000.0)
}

async fn client(directory: &Path) -> Result<Client, Box<dyn Error>> {
    let settings = ClientSettings::new(directory.join("cache"))?;
    Ok(Client::start(&settings).await?)
}

fn print(title: &str, times: [f64; 2], difference: impl Fn([f64; 2]) -> String) {
    let [without, with] = times;
    println!(
        "  {title:<24} {without:8.2} ms without the base, {with:8.2} ms with it: {}",
        difference(times)
    );
}
