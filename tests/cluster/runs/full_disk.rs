//! Workers with a full disk.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::needs_cluster;
use crate::worker::{Worker, on_small_disk};
use std::path::Path;

const FULL: &str = "No space left on device";

/// Starts a worker whose cache is on a disk of this number of KiB. Its cache is the last one of
/// the cluster.
fn worker_with(cluster: &mut Cluster, kib: u64) -> Worker {
    let worker = cluster.worker(1);
    let cache = cluster.caches.last().unwrap();
    Worker::begin(&mut on_small_disk(&worker, cache, kib))
}

fn all_pass(run: Run) {
    let run = run.exits(0);
    assert_eq!(run.statuses().len(), 3, "{run}");
}

#[test]
fn tests_that_a_worker_has_no_room_for_are_run_by_another() {
    needs_cluster!();
    let mut cluster = Cluster::of(&Engine::shared().endpoint());
    let project = Project::own("plain");
    let mut small = worker_with(&mut cluster, 1024);
    let running = cluster.begin(&project, &[]);
    small.wait_for(FULL);
    small.wait_for("no further leases");
    let worker = cluster.worker(1);
    cluster.add(worker);
    all_pass(running.end());
}

#[test]
fn tests_that_no_worker_has_room_for_are_errors_that_say_why() {
    needs_cluster!();
    let engine = Engine::shared();
    let mut cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("plain");
    // A worker that failed waits longer before each retry; five workers together are fast.
    let _small = [(); 5].map(|()| worker_with(&mut cluster, 1024));
    let run = cluster.run(&project, &[]).exits(100);
    assert_eq!(run.statuses().len(), 3, "{run}");
    for name in run.statuses().keys() {
        let event = run.finished(name);
        assert_eq!(event["status"], "error", "{run}");
        let message = event["message"].as_str().unwrap();
        assert!(message.contains(FULL), "{message}");
        assert!(message.contains(engine.endpoint().as_str()), "{message}");
    }
}

#[test]
fn a_disk_that_is_full_before_tests_start_does_not_count_as_their_result() {
    needs_cluster!();
    let mut cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("plain");
    // Many small files are packed into one blob, and are unpacked where tests run.
    for number in 0..1000 {
        let text = format!("{} {number}\n", cluster.pool).repeat(300);
        project.write(&format!("data/{number}.txt"), &text);
    }
    all_pass(cluster.run(&project, &[]));
    drop(cluster.workers.pop());
    let room = size(cluster.caches[0].path()) / 1024 + 2048;
    let mut small = worker_with(&mut cluster, room);
    let running = cluster.begin(&project, &[]);
    small.wait_for(FULL);
    small.wait_for("no further leases");
    let worker = cluster.worker(1);
    cluster.add(worker);
    all_pass(running.end());
}

/// The disk space of the blobs in a worker's cache, in bytes.
fn size(cache: &Path) -> u64 {
    let output = std::process::Command::new("du")
        .args(["--summarize", "--block-size=1"])
        .arg(cache)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}
