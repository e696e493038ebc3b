//! Groups of tests, of which only some run at once on all workers together.

use super::cluster::Cluster;
use super::gate::Gate;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::needs_cluster;
use std::collections::{BTreeMap, BTreeSet};

const PRINT: &str = "println!(\"SLOT {}\", std::env::var(\"NEXTEST_TEST_GROUP_SLOT\").unwrap());";

/// Tests of a group with this number of slots, each in a binary of its own and so in an action of its
/// own, and a test in no group. All print their numbers in the group.
fn project(max_slots: u32) -> Project {
    let project = Project::own("plain");
    project.directives(&format!(
        "[groups.database]\nmax-slots = {max_slots}\n\
         [[directives]]\nfilter = 'test'\ngroup = 'database'\n"
    ));
    for number in 0..3 {
        let test = format!("#[test] fn member_{number}() {{ {PRINT} }}\n");
        project.write(&format!("tests/member_{number}.rs"), &test);
    }
    let alone = format!("#[test] fn alone() {{ {PRINT} }}\n");
    project.write("src/lib.rs", &alone);
    project
}

/// The most tests of the group that ran at once, as the engine told the run.
fn most_at_once(run: &Run) -> usize {
    let (mut running, mut most) = (0_usize, 0);
    for event in run.all_events() {
        let of_group = event["type"] == "test" && event["target"]["kind"] == "test";
        match event["event"].as_str() {
            Some("started") if of_group => running += 1,
            Some("finished") if of_group => running -= 1,
            _ => {}
        }
        most = most.max(running);
    }
    most
}

/// The number that each test printed.
fn slots(run: &Run) -> BTreeMap<String, String> {
    let finished = run.of_tests("finished").into_iter();
    let printed = finished.map(|event| {
        let stdout = event["stdout"].as_str().unwrap_or_default().to_owned();
        let slot = stdout.lines().find_map(|line| line.strip_prefix("SLOT "));
        let name = event["name"].as_str().unwrap().to_owned();
        (name, slot.unwrap_or_else(|| panic!("{run}")).to_owned())
    });
    printed.collect()
}

#[test]
fn no_more_tests_of_a_group_run_at_once_on_all_workers_together_than_it_has_slots() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 2);
    let project = project(2);
    let gates = [Gate::new(), Gate::new()];
    for (number, gate) in gates.iter().enumerate() {
        let test = gate.test().replacen("{\n", &format!("{{\n{PRINT}\n"), 1);
        project.write(&format!("tests/gate_{number}.rs"), &test);
    }
    let running = cluster.begin(&project, &["--show-output"]);
    // Both tests run at once.
    gates.iter().for_each(Gate::wait);
    let opened = gates.each_ref().map(Gate::open);
    let run = running.end().exits(0);
    drop(opened);
    assert_eq!(run.summary()["passed"], 6, "{run}");
    assert_eq!(most_at_once(&run), 2, "{run}");
    let slots = slots(&run);
    assert_eq!(slots["alone"], "none");
    let of_gates: BTreeSet<_> = gates
        .iter()
        .map(|gate| slots[&gate.name()].as_str())
        .collect();
    assert_eq!(of_gates, ["0", "1"].into(), "{run}");
}

#[test]
fn results_of_tests_in_groups_are_reused_whatever_slots_the_tests_get() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 2);
    for (max_slots, of_members) in [(1, "0"), (2, "none")] {
        let project = project(max_slots);
        for known in [0, 4] {
            let options = ["--cache-results=auto", "--show-output"];
            let run = cluster.run(&project, &options).exits(0);
            assert_eq!(run.summary()["cached"], known, "{run}");
            let slots = slots(&run);
            assert_eq!(slots["alone"], "none");
            for number in 0..3 {
                assert_eq!(slots[&format!("member_{number}")], of_members, "{run}");
            }
        }
    }
}
