//! Tests that fail on an engine are run again there.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::Project;
use crate::needs_cluster;

#[test]
fn flaky_tests_that_fail_on_the_engine_are_run_again_there_and_their_results_are_not_reused() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("flaky");
    let options = ["--retries=2", "--cache-results=auto", "-x", "n.c(never)"];
    for _ in 0..2 {
        let run = cluster.run(&project, &options).exits(0);
        let mut attempts: Vec<_> = (run.of_tests("started").iter())
            .filter(|event| event["name"] == "tests::passes_at_the_third_attempt")
            .map(|event| event["attempt"].as_u64())
            .collect();
        attempts.sort_unstable();
        assert_eq!(attempts, [1, 2, 3].map(Some), "{run}");
        assert_eq!(run.summary()["flaky"], 3, "{run}");
        let finished = run.finished("tests::passes_at_the_third_attempt");
        assert_eq!(finished["cached"], serde_json::Value::Null, "{run}");
        assert_eq!(finished["attempt"], 3, "{run}");
    }
}

#[test]
fn tests_that_failed_on_a_worker_run_there_again() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "#[test] fn passes() {}\n#[test] fn fails() { panic!() }\n",
    );
    cluster.run(&project, &[]).exits(100);
    let run = cluster.run(&project, &["--failed"]).exits(100);
    assert_eq!(run.ran(), ["fails".to_owned()].into());
    project.change("src/lib.rs", "panic!()", "");
    let run = cluster.run(&project, &["--failed"]).exits(0);
    assert_eq!(run.ran(), ["fails".to_owned()].into());
    cluster
        .run(&project, &["--failed"])
        .exits(0)
        .says("note: no test failed in the last run");
}
