use super::casd::Casd;
use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::needs_cluster;

/// The numbers of bytes and of blobs that a run sent to the engine, from its log.
fn sent_bytes_and_blobs(run: &Run) -> (u64, u64) {
    let line = run.stderr.lines().find(|line| line.contains("were sent"));
    let words = line.unwrap_or_else(|| panic!("{run}")).split_whitespace();
    let mut numbers = words
        .skip_while(|word| *word != "INFO")
        .filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The number of bytes that a run sent to the engine.
pub fn sent(run: &Run) -> u64 {
    sent_bytes_and_blobs(run).0
}

fn run(project: &Project, options: &[String]) -> Run {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    project.events(&[&options[..], &["--log-level=info"]].concat())
}

/// Runs the tests of a project three times on the engine of these options.
fn nothing_is_sent_again(options: &[String]) {
    let project = Project::own("plain");
    let first = run(&project, options);
    let (bytes, blobs) = sent_bytes_and_blobs(&first);
    assert!(bytes > 1 << 20, "{first}");
    // The base alone has more than a thousand files.
    assert!(blobs < 400, "{first}");
    // The durations of the first run may have changed the batches of the second.
    let second = run(&project, options);
    assert!(sent(&second) < 16 << 10, "{second}");
    let third = run(&project, options).exits(0);
    assert_eq!(sent(&third), 0, "{third}");
    assert_eq!(first.statuses(), third.statuses());
}

#[test]
fn blobs_that_the_engine_has_are_not_sent_again() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    nothing_is_sent_again(&engine.options());
}

#[test]
fn blobs_that_a_cluster_has_are_not_sent_again() {
    needs_cluster!();
    // No other client has sent blobs to this engine.
    let engine = Engine::own();
    let cluster = Cluster::start(&engine, 2);
    nothing_is_sent_again(&cluster.options());
}

#[test]
fn a_blob_that_the_engine_lost_is_sent_again() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("plain");
    let before = run(&project, &engine.options()).exits(0);
    let source = std::fs::read(project.root.join("src/lib.rs")).unwrap();
    // If there are few small files, each is a blob of its own.
    std::fs::remove_file(engine.blob(&source).unwrap()).unwrap();
    let after = run(&project, &engine.options());
    assert_eq!(before.statuses(), after.statuses(), "{}", engine.log());
}
