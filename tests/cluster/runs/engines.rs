//! Engines that end, and that lose what they had.

use super::cluster::Cluster;
use super::gate::Gate;
use crate::engine::{Engine, find, is_named};
use crate::fixture::{Project, Run};
use crate::needs_cluster;
use maelstrom::store::Digest;
use std::fs;
use std::thread::yield_now;

/// Each test of the run ended once, and passed.
fn all_pass(run: Run, tests: usize) {
    let run = run.exits(0);
    assert_eq!(run.statuses().len(), tests, "{run}");
}

#[test]
fn a_run_goes_on_when_its_engine_was_started_again() {
    needs_cluster!();
    let mut engine = Engine::own();
    let mut cluster = Cluster::of(&engine.endpoint());
    let worker = cluster.worker(1);
    cluster.add(worker);
    let (project, gates) = (Project::own("plain"), [Gate::new(), Gate::new()]);
    project
        .write("src/lib.rs", &gates[0].test())
        .write("tests/more.rs", &gates[1].test());
    let running = cluster.begin(&project, &[]);
    // One runs, one waits for a worker.
    while !gates.iter().any(Gate::is_waited_at) {
        yield_now();
    }
    engine.stop();
    cluster.workers[0].wait_for("does not answer");
    engine.start();
    let _opened = gates.each_ref().map(Gate::open);
    all_pass(running.end(), 2);
}

#[test]
fn a_blob_that_is_lost_before_a_worker_fetches_it_is_sent_again() {
    needs_cluster!();
    let engine = Engine::shared();
    let mut cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("plain");
    let source = format!("#[test] fn a() {{}} // {}", cluster.pool);
    project.write("src/lib.rs", &source);
    let running = cluster.begin(&project, &[]);
    // Small files travel alone where there are few of them.
    let digest = Digest::of(source.as_bytes());
    while engine.blob(&digest.hex()).is_none() {
        yield_now();
    }
    engine.lose(&digest.hex());
    let worker = cluster.worker(2);
    cluster.add(worker);
    all_pass(running.end(), 1);
}

#[test]
fn a_blob_that_was_sent_with_an_earlier_batch_and_is_lost_is_sent_again() {
    needs_cluster!();
    let engine = Engine::shared();
    let cluster = Cluster::start(engine, 1);
    let (project, gates) = (Project::own("plain"), [Gate::new(), Gate::new()]);
    project
        .write("src/lib.rs", &gates[0].test())
        .write("tests/more.rs", &gates[1].test());
    // The second batch is made ready when the first has ended.
    let running = cluster.begin(&project, &["--slots=1"]);
    while !gates.iter().any(Gate::is_waited_at) {
        yield_now();
    }
    let digest = Digest::of(gates[0].test().as_bytes()).hex();
    engine.lose(&digest);
    let kept = find(cluster.caches[0].path(), &|path| {
        is_named(path, &digest) && path.to_string_lossy().contains("/blobs/")
    });
    fs::remove_file(kept.expect("the worker has it")).unwrap();
    let _opened = gates.each_ref().map(Gate::open);
    all_pass(running.end(), 2);
}
