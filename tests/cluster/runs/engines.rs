//! Engines that are restarted, and engines that lose blobs.

use super::cluster::Cluster;
use super::gate::Gate;
use crate::bot;
use crate::engine::{Engine, find, is_named};
use crate::fixture::{Project, Run};
use crate::needs_cluster;
use maelstrom::engine::reapi;
use maelstrom::store::Digest;
use std::fs;
use std::thread::yield_now;

/// Each test of the run ended once, and passed.
fn all_pass(run: Run, tests: usize) {
    let run = run.exits(0);
    assert_eq!(run.statuses().len(), tests, "{run}");
}

#[test]
fn a_run_continues_after_its_engine_was_restarted() {
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
    // One action runs, the other waits for a worker.
    while !gates.iter().any(Gate::is_waited_at) {
        yield_now();
    }
    engine.stop();
    cluster.workers[0].wait_for("the update of the session");
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
    // If there are few small files, each is a blob of its own.
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
    // The second batch is prepared when the first has ended.
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

/// The result of a worker that has lost the file that its runner wrote.
fn result_without_outcomes() -> reapi::ActionResult {
    reapi::ActionResult::default()
}

/// The result of a worker whose uploaded output the engine has lost.
fn result_with_lost_outcomes() -> reapi::ActionResult {
    let digest = Digest::of(b"never sent");
    reapi::ActionResult {
        output_files: vec![reapi::OutputFile {
            path: "outcomes".to_owned(),
            digest: Some(digest.into()),
            ..reapi::OutputFile::default()
        }],
        ..reapi::ActionResult::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_are_run_again_if_the_outputs_of_their_result_are_missing() {
    needs_cluster!();
    let engine = Engine::shared();
    let mut cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("plain");
    let running = cluster.begin(&project, &[]);
    for result in [result_without_outcomes(), result_with_lost_outcomes()] {
        bot::answer_one(engine, &cluster.pool, result).await;
    }
    let worker = cluster.worker(2);
    cluster.add(worker);
    all_pass(running.end(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_whose_outputs_are_always_missing_are_errors_of_each_test() {
    needs_cluster!();
    let engine = Engine::shared();
    let cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("plain");
    for (result, said) in [
        (result_without_outcomes(), "its result lacks `outcomes`"),
        (
            result_with_lost_outcomes(),
            "the engine has lost `outcomes`",
        ),
    ] {
        let running = cluster.begin(&project, &[]);
        for _ in 0..3 {
            bot::answer_one(engine, &cluster.pool, result.clone()).await;
        }
        let run = running.end().exits(100);
        assert_eq!(run.statuses().len(), 3, "{run}");
        for name in run.statuses().keys() {
            let event = run.finished(name);
            assert_eq!(event["status"], "error", "{run}");
            let message = event["message"].as_str().unwrap();
            assert!(message.contains(said), "{message}");
            assert!(message.contains(engine.endpoint().as_str()), "{message}");
        }
    }
}
