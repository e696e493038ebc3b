//! Limits of memory and processes on an engine, where an action can make no control groups.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::Project;
use crate::needs_cluster;

#[test]
fn limits_of_tests_are_in_force_on_the_engine_and_part_of_the_identity_of_a_result() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("limits");
    let options = ["--cache-results=auto"];
    let limits = |memory: &str, processes: u32| {
        project.directives(&format!(
            "[[directives]]\nmemory_limit = '{memory}'\nprocess_limit = {processes}\n"
        ));
    };
    limits("1 GiB", 40);
    let run = cluster.run(&project, &options).exits(0);
    assert_eq!(run.summary()["cached"], 0, "{run}");
    limits("150 MiB", 20);
    let run = cluster.run(&project, &options).exits(100);
    assert_eq!(run.finished("tests::is_small")["status"], "passed", "{run}");
    for (name, limit) in [
        (
            "tests::uses_200_mebibytes",
            "150 MiB of address space (`memory_limit`)",
        ),
        (
            "tests::starts_30_processes",
            "20 processes and threads at once (`process_limit`)",
        ),
    ] {
        let finished = run.finished(name);
        assert_eq!(finished["status"], "failed", "{run}");
        let hint = finished["hints"][0].as_str().unwrap();
        assert!(hint.contains(limit), "{finished}");
    }
    assert_eq!(run.summary()["cached"], 0, "{run}");
}
