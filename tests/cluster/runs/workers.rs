//! Runs on BuildGrid with workers.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::{needs_cluster, needs_engine};
use nix::sys::signal::Signal;

#[test]
fn a_run_that_no_worker_takes_says_so_and_can_be_interrupted() {
    needs_engine!();
    let cluster = Cluster::of(&Engine::shared().endpoint());
    let project = Project::own("plain");
    let mut run = cluster.begin(&project, &[]);
    run.wait_for("no worker accepted a job");
    run.signal(Signal::SIGINT);
    let run = run.end().exits(130);
    assert!(run.of_tests("finished").is_empty(), "{run}");
}

#[test]
fn the_same_tests_pass_and_fail_on_a_cluster_as_here() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 2);
    for name in ["outcomes", "shop"] {
        let project = Project::shared(name);
        let arguments = ["--no-fail-fast", "--timeout=3"];
        let here = project.events(&arguments);
        let there = cluster.run(&project, &arguments);
        assert_eq!(here.code, there.code, "{there}");
        assert_eq!(
            here.of_tests("finished").len(),
            there.of_tests("finished").len()
        );
        let of = |run: &Run| {
            let mut results: Vec<_> = run
                .of_tests("finished")
                .iter()
                .map(|event| {
                    let text = |key: &str| event[key].to_string();
                    [
                        text("package"),
                        text("target"),
                        text("name"),
                        text("status"),
                    ]
                })
                .collect();
            results.sort();
            results
        };
        assert_eq!(of(&here), of(&there), "{there}");
    }
}

#[test]
fn a_worker_that_is_killed_in_a_batch_loses_no_test() {
    needs_cluster!();
    let mut cluster = Cluster::start(Engine::shared(), 2);
    let project = Project::own("plain");
    let many: Vec<_> = (0..40)
        .map(|number| {
            format!(
                "#[test] fn t{number}() {{ \
                 std::thread::sleep(std::time::Duration::from_millis(100)); }}"
            )
        })
        .collect();
    project.write("src/lib.rs", &many.join("\n"));
    let running = cluster.begin(&project, &[]);
    // As soon as the worker has an action.
    cluster.workers[0].wait_for("action");
    cluster.workers[0].signal(Signal::SIGKILL);
    let run = running.end().exits(0);
    assert_eq!(run.statuses().len(), 40, "{run}");
    assert!(
        run.statuses().values().all(|status| status == "passed"),
        "{run}"
    );
}
