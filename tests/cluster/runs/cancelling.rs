//! Runs that are cancelled or killed, and their actions at the engine.

use super::cluster::{Cluster, Running};
use super::gate::Gate;
use crate::client::Client;
use crate::engine::Engine;
use crate::fixture::Project;
use crate::needs_cluster;
use nix::sys::signal::Signal;
use std::net::TcpListener;

/// A test that runs on this machine, and fails as soon as no process listens on this port.
fn fails_here(port: u16) -> String {
    format!(
        "#[test] fn fails_here() {{\n\
             let mut connection = std::net::TcpStream::connect((\"127.0.0.1\", {port})).unwrap();\n\
             std::io::Read::read(&mut connection, &mut [0]).unwrap();\n\
             panic!(\"as it should\");\n\
         }}\n"
    )
}

const HERE: &str = r#"
    [[directives]]
    filter = "name.equals(fails_here)"
    network = "local"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_waiting_batches_are_cancelled_and_running_ones_finish() {
    needs_cluster!();
    let engine = Engine::own();
    let client = Client::of(&engine).await;
    let mut cluster = Cluster::of(&engine.endpoint());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (project, gates) = (Project::own("plain"), [Gate::new(), Gate::new()]);
    project
        .directives(HERE)
        .write("src/lib.rs", &gates[0].test())
        .write("tests/more.rs", &gates[1].test())
        .write("tests/here.rs", &fails_here(port));
    let mut running = cluster.begin(&project, &["--stop-after=1"]);
    let (here, _) = listener.accept().unwrap();
    client.wait_for(2, 0).await;
    let worker = cluster.worker(1);
    cluster.add(worker);
    // The run was told that one test has started.
    running.wait_for(r#""name":"waits_"#);
    drop(here);
    client.wait_for(0, 1).await;
    let _opened = gates.each_ref().map(Gate::open);
    let run = running.end().exits(100);
    let statuses: Vec<_> = run.statuses().into_values().collect();
    assert_eq!(statuses, ["failed", "passed"], "{run}");
    assert_eq!(run.names("started").len(), 2, "{run}");
    let summary = run.summary();
    assert_eq!(summary["not_run"], 1, "{run}");
    assert_eq!(summary["cancelled"], "failures", "{run}");
    assert_eq!(client.stages().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_leaves_nothing_at_the_engine_and_its_workers() {
    needs_cluster!();
    let engine = Engine::own();
    let client = Client::of(&engine).await;
    let mut cluster = Cluster::of(&engine.endpoint());
    let worker = cluster.worker(1);
    cluster.add(worker);
    let (project, gates) = (Project::own("plain"), [Gate::new(), Gate::new()]);
    project
        .write("src/lib.rs", &gates[0].test())
        .write("tests/more.rs", &gates[1].test());
    let running = cluster.begin(&project, &[]);
    client.wait_for(1, 1).await;
    cluster.workers[0].wait_for("starts");
    running.signal(Signal::SIGINT);
    let run = running.end().exits(130);
    assert_eq!(run.statuses().len(), 0, "{run}");
    assert_eq!(run.summary()["not_run"], 2, "{run}");
    // The actions were cancelled before the run ended.
    assert_eq!(client.stages().await, []);
    cluster.workers[0].wait_for("was cancelled");
    for gate in &gates {
        gate.wait_for(0);
    }
    assert_eq!(cluster.workers[0].log.matches("starts").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_wait_at_the_engine_at_the_time_limit_of_their_run_are_cancelled_there() {
    needs_cluster!();
    let engine = Engine::own();
    let client = Client::of(&engine).await;
    let cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("plain");
    project
        .write("src/lib.rs", "#[test] fn one() {}\n")
        .write("tests/more.rs", "#[test] fn two() {}\n");
    // There is no worker.
    let run = cluster.run(&project, &["--global-timeout=2s"]).exits(100);
    assert_eq!(run.statuses().len(), 0, "{run}");
    assert_eq!(run.summary()["cancelled"], "timed-out", "{run}");
    assert_eq!(run.summary()["not_run"], 2, "{run}");
    assert_eq!(client.stages().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_interrupted_are_cancelled_at_the_engine() {
    needs_cluster!();
    let engine = Engine::own();
    let client = Client::of(&engine).await;
    let mut cluster = Cluster::start(&engine, 1);
    let project = Project::own("plain");
    let job = r#"{ "layers": [{ "programs": ["sh", "sleep"] }], "program": "sh",
                   "arguments": ["-c", "sleep 1000000"] }"#;
    project.write("jobs.json", &job.repeat(3));
    let [remote, pool] = cluster.options();
    let mut command = project.jobs(&[&remote, &pool, "--file", "jobs.json"]);
    let running = Running::start(&mut command, &project);
    client.wait_for(1, 2).await;
    // The engine counts an action as executing as soon as it has assigned it to a worker.
    for _ in 0..2 {
        cluster.workers[0].wait_for("starts");
    }
    running.signal(Signal::SIGINT);
    running.end().exits(130);
    assert_eq!(client.stages().await, []);
    cluster.workers[0].wait_for("was cancelled");
    cluster.workers[0].wait_for("was cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_a_killed_run_end_at_their_time_limit_and_the_next_run_works() {
    needs_cluster!();
    let engine = Engine::own();
    let client = Client::of(&engine).await;
    let mut cluster = Cluster::of(&engine.endpoint());
    let worker = cluster.worker(1);
    cluster.add(worker);
    let (project, gate) = (Project::own("plain"), Gate::new());
    project.write("src/lib.rs", &gate.test());
    let running = cluster.begin(&project, &["--timeout=5"]);
    gate.wait();
    running.signal(Signal::SIGKILL);
    running.end();
    // The worker does not know that the client was killed, but its runner has a time limit.
    cluster.workers[0].wait_for("ended");
    gate.wait_for(0);
    client.wait_for(0, 0).await;
    let _opened = gate.open();
    let run = cluster.run(&project, &[]).exits(0);
    assert_eq!(run.statuses().len(), 1, "{run}");
}
