//! Jobs that do nothing, and their times.

use maelstrom::{Client, ContainerSpec, JobSpec, LayerSpec, Status};
use std::error::Error;
use std::time::Instant;

/// The argument of this program when it is the job.
const NOTHING: &str = "--do-nothing";

/// The numbers of the command line, or else these. Does not return if this process is a job or a
/// launcher.
pub fn numbers<const COUNT: usize>(defaults: [usize; COUNT]) -> [usize; COUNT] {
    maelstrom::run_if_launcher();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == NOTHING) {
        std::process::exit(0);
    }
    let mut given = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok());
    defaults.map(|default| given.next().unwrap_or(default))
}

/// A job that does nothing, in a container with this program.
pub fn empty_job(mut container: ContainerSpec) -> Result<JobSpec, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or("the path is not UTF-8")?;
    container.layers.push(LayerSpec::Programs {
        programs: vec![program.into()],
    });
    Ok(JobSpec {
        arguments: vec![NOTHING.into()],
        ..JobSpec::new(program, container)
    })
}

/// In milliseconds a job.
pub async fn run_jobs(client: &Client, job: &JobSpec, count: usize) -> Result<f64, Box<dyn Error>> {
    const AT_ONCE: usize = 4;
    let each = count.div_ceil(AT_ONCE);
    let started = Instant::now();
    let worker = async || {
        for _ in 0..each {
            let outcome = client.run(job, 1024).await?;
            assert_eq!(outcome.status, Status::Exited(0));
        }
        Ok::<_, Box<dyn Error>>(())
    };
    futures_util::future::try_join_all((0..AT_ONCE).map(|_| worker())).await?;
    Ok(started.elapsed().as_secs_f64() * 1000.0 / (each * AT_ONCE) as f64)
}

pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
