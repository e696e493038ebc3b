//! Results that the engine has cached.

use super::casd::Casd;
use super::cluster::Cluster;
use super::uploads::sent;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::needs_cluster;
use std::collections::BTreeSet;
use std::fs;

const AUTO: &str = "--cache-results=auto";

fn on_casd(project: &Project, engine: &Casd, arguments: &[&str]) -> Run {
    let options = engine.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    project.events(&[&options[..], &["--log-level=info"], arguments].concat())
}

#[test]
fn forest_only_the_changed_crate_and_its_dependents_are_tested_again_on_a_cluster() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 2);
    let project = Project::own("forest");
    let auto = || cluster.run(&project, &[AUTO, "--log-level=info"]).exits(0);
    let first = auto();
    assert_eq!(first.ran().len(), 13, "{first}");
    let again = auto();
    assert_eq!(again.ran(), BTreeSet::new(), "{again}");
    assert_eq!(again.statuses(), first.statuses());
    assert_eq!(again.summary()["cached"], 13);
    // No byte was sent to the engine for cached results.
    assert_eq!(sent(&again), 0, "{again}");
    project.change("twig/src/lib.rs", "leaf::age() + 1", "leaf::age() + 2");
    let touched = auto();
    let expected = [
        "twig_is_old",
        "branch_is_old",
        "branch_is_older_than_its_twigs",
        "tree_is_old",
        "tree_has_twigs",
    ];
    assert_eq!(
        touched.ran(),
        expected.map(str::to_owned).into(),
        "{touched}"
    );
    assert_eq!(touched.statuses(), first.statuses());
}

#[test]
fn known_durations_do_not_change_the_batches_of_cached_results() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 2);
    let project = Project::own("plain");
    // More tests than fit into one batch without known durations.
    let many: Vec<_> = (0..50)
        .map(|number| format!("#[test] fn t{number}() {{}}"))
        .collect();
    project.write("src/lib.rs", &many.join("\n"));
    let auto = || cluster.run(&project, &[AUTO]).exits(0).ran().len();
    assert_eq!((auto(), auto(), auto()), (50, 0, 0));
}

#[test]
fn results_are_cached_by_an_engine_only_if_they_are_to_be_kept() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("forest");
    let with = |mode: &str| {
        let option = format!("--cache-results={mode}");
        let done = on_casd(&project, &engine, &["-p=sun", "-p=rain", &option]);
        done.exits(0).ran().len()
    };
    for (mode, ran) in [
        ("off", 3),
        ("read", 3),
        ("read", 3),
        ("auto", 3),
        ("auto", 0),
        ("read", 0),
        ("off", 3),
    ] {
        assert_eq!(with(mode), ran, "{mode}: {}", engine.log());
    }
}

#[test]
fn a_batch_with_a_failure_is_run_again() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("forest");
    project.write("weather.txt", "snow\n");
    let arguments = [AUTO, "-p=rain", "-p=sun"];
    let first = cluster.run(&project, &arguments).exits(100);
    assert_eq!(first.ran().len(), 3, "{first}");
    let again = cluster.run(&project, &arguments).exits(100);
    assert_eq!(again.statuses(), first.statuses());
    let expected = ["rain_is_in_the_weather", "rain_is_old"];
    assert_eq!(again.ran(), expected.map(str::to_owned).into(), "{again}");
}

#[test]
fn a_job_with_a_cached_result_prints_its_earlier_output() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("plain");
    let job = r#"{ "layers": [{ "programs": ["sh", "cat"] }, { "stubs": ["/proc/"] }],
        "mounts": [{ "type": "proc", "mount_point": "/proc" }], "program": "sh",
        "arguments": ["-c", "cat /proc/sys/kernel/random/uuid; echo err >&2"] }"#;
    project.write("job.json", job);
    let [remote, pool] = cluster.options();
    let start = |more: &[&str]| {
        let arguments = [&["--file=job.json", &remote, &pool], more].concat();
        let run = Run::of(&mut project.jobs(&arguments), &project).exits(0);
        assert_eq!(run.stderr, "err\n");
        run.stdout
    };
    let first = start(&[AUTO]);
    assert_eq!(start(&[AUTO]), first);
    assert_eq!(start(&[AUTO, "--one"]), first);
    assert_ne!(start(&[]), first);
}

#[test]
fn a_cached_result_whose_content_the_engine_lost_is_not_used() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("forest");
    let auto = || on_casd(&project, &engine, &[AUTO, "-p=sun"]).exits(0);
    assert_eq!(auto().ran().len(), 1);
    // The cached result does not need the blobs of the input.
    let source = fs::read(project.root.join("sun/src/lib.rs")).unwrap();
    fs::remove_file(engine.blob(&source).unwrap()).unwrap();
    let known = auto();
    assert_eq!((known.ran().len(), sent(&known)), (0, 0), "{known}");
    let lost = engine
        .blob_with(b"sun is 1 years old")
        .expect("what the runner wrote");
    fs::remove_file(lost).unwrap();
    assert_eq!(auto().ran().len(), 1);
    assert_eq!(auto().ran().len(), 0);
}
