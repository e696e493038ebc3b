//! Workers and clients on separate hosts of a network.

use super::cluster::{Cluster, Running};
use super::gate::Gate;
use crate::engine::{Engine, Setup};
use crate::fixture::Project;
use crate::hosts::Hosts;
use crate::{need, needs_cluster};

/// Returns from the test unless hosts can be created here.
macro_rules! needs_hosts {
    () => {
        needs_cluster!();
        if !need::has_real_root() {
            return;
        }
    };
}

/// An engine that the hosts can reach.
fn engine_for(hosts: &Hosts) -> Engine {
    Engine::with(&Setup {
        address: hosts.machine(),
        ..Setup::default()
    })
}

#[test]
fn actions_of_a_disconnected_worker_are_run_by_another_and_the_worker_reconnects() {
    needs_hosts!();
    let hosts = Hosts::new(3);
    let engine = engine_for(&hosts);
    let mut cluster = Cluster::of(&engine.endpoint());
    let worker = cluster.worker(1);
    cluster.add(hosts.run_on(0, &worker));
    let (project, gate) = (Project::own("plain"), Gate::new());
    project
        .write("src/lib.rs", &(gate.test() + "#[test] fn other() {}"))
        .write("tests/a.rs", "#[test] fn a() {} #[test] fn b() {}")
        .write("tests/c.rs", "#[test] fn c() {} #[test] fn d() {}");
    let running = cluster.begin(&project, &[]);
    gate.wait();
    for host in [1, 2] {
        let worker = cluster.worker(1);
        cluster.add(hosts.run_on(host, &worker));
    }
    hosts.unplug(0);
    // Another worker has got the action, while the first one still runs it.
    gate.wait_for(2);
    hosts.plug_in(0);
    cluster.workers[0].wait_for("no longer knows session");
    cluster.workers[0].wait_for("begins");
    gate.wait_for(1);
    let _opened = gate.open();
    let run = running.end().exits(0);
    assert_eq!(run.statuses().len(), 6, "{run}");
}

#[test]
fn a_client_that_is_disconnected_for_a_while_gets_its_results() {
    needs_hosts!();
    let hosts = Hosts::new(2);
    let engine = engine_for(&hosts);
    let mut cluster = Cluster::of(&engine.endpoint());
    let worker = cluster.worker(1);
    cluster.add(hosts.run_on(0, &worker));
    let (project, gate) = (Project::own("plain"), Gate::new());
    project.write("src/lib.rs", &(gate.test() + "#[test] fn other() {}"));
    let [remote, pool] = cluster.options();
    let options = ["--message-format=json", "--ui=quiet", &remote, &pool];
    let command = project.command(&options);
    let running = Running::start(&mut hosts.run_on(1, &command), &project);
    gate.wait();
    hosts.unplug(1);
    let opened = gate.open();
    cluster.workers[0].wait_for("ended");
    drop(opened);
    hosts.plug_in(1);
    let run = running.end().exits(0);
    assert_eq!(run.statuses().len(), 2, "{run}");
}
