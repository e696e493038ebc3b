//! Connections to the engine that are closed during a run.

use super::cluster::{Cluster, Running};
use super::gate::Gate;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::needs_cluster;
use crate::proxy::Proxy;

/// Starts a run that connects to the engine through the proxy.
fn begin<'a>(project: &'a Project, cluster: &Cluster, proxy: &Proxy) -> Running<'a> {
    let [_, pool] = cluster.options();
    let remote = format!("--remote={}", proxy.endpoint());
    let options = ["--message-format=json", "--ui=quiet", &remote, &pool];
    Running::start(&mut project.command(&options), project)
}

#[test]
fn an_upload_that_is_interrupted_half_way_is_finished() {
    needs_cluster!();
    let engine = Engine::own();
    let cluster = Cluster::start(&engine, 1);
    let proxy = Proxy::to(engine.port);
    let project = Project::own("plain");
    // The runner alone is larger than this.
    proxy.cut_after(1 << 20);
    let run = begin(&project, &cluster, &proxy).end().exits(0);
    assert!(proxy.has_cut());
    assert_eq!(run.statuses().len(), 3, "{run}");
}

#[test]
fn an_execution_continues_after_its_connection_was_interrupted() {
    needs_cluster!();
    let engine = Engine::shared();
    let mut cluster = Cluster::start(engine, 1);
    let proxy = Proxy::to(engine.port);
    let (project, gate) = (Project::own("plain"), Gate::new());
    project.write("src/lib.rs", &gate.test());
    let running = begin(&project, &cluster, &proxy);
    gate.wait();
    proxy.cut();
    let _opened = gate.open();
    let run = running.end().exits(0);
    assert_eq!(run.statuses().len(), 1, "{run}");
    cluster.workers[0].wait_for("ended");
    assert_eq!(cluster.workers[0].log.matches("starts").count(), 1);
}

#[test]
fn a_job_is_run_although_its_upload_is_interrupted_half_way() {
    needs_cluster!();
    let engine = Engine::own();
    let cluster = Cluster::start(&engine, 1);
    let proxy = Proxy::to(engine.port);
    proxy.cut_after(1 << 20);
    let project = Project::own("plain");
    let job = r#"{ "layers": [{ "programs": ["sh"] }], "program": "sh",
                   "arguments": ["-c", "echo through"] }"#;
    project.write("job.json", job);
    let [_, pool] = cluster.options();
    let remote = format!("--remote={}", proxy.endpoint());
    let mut command = project.jobs(&[&remote, &pool, "--one", "--file", "job.json"]);
    let run = Run::of(&mut command, &project).exits(0);
    assert!(proxy.has_cut());
    assert_eq!(run.stdout, "through\n");
}
