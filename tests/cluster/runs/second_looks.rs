//! The second look at a test that failed on an engine.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::needs_cluster;

/// Tests that print the identifier of their run. On an engine, each action has its own.
const TESTS: &str = r#"
fn print_run() {
    println!("run={}", std::env::var("NEXTEST_RUN_ID").unwrap());
}

#[test]
fn runs_here() {
    print_run();
}

#[test]
fn needs_nothing() {
    print_run();
}

#[test]
fn needs_git() {
    print_run();
    let output = std::process::Command::new("git").arg("--version").output().unwrap();
    assert!(output.stdout.starts_with(b"git version "));
}

#[test]
fn needs_a_file() {
    print_run();
    std::fs::read("/etc/login.defs").unwrap();
}

#[test]
fn fails() {
    print_run();
    panic!();
}
"#;

/// Whether a test ran on this machine.
#[track_caller]
fn ran_here(run: &Run, test: &str) -> bool {
    let id = |test: &str| {
        let event = run.finished(test);
        let stdout = event["stdout"].as_str().unwrap_or_default().to_owned();
        let line = stdout.lines().find(|line| line.starts_with("run="));
        line.unwrap_or_else(|| panic!("{run}")).to_owned()
    };
    id(test) == id("runs_here")
}

#[test]
fn a_test_that_fails_on_the_engine_is_looked_at_here_and_its_needs_go_to_the_engine() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("outcomes");
    project.write("tests/looked.rs", TESTS).directives(
        "[[directives]]\nfilter = 'name.equals(runs_here)'\n\
         added_layers = [{ stubs = ['/here/'] }]\n\
         added_mounts = [{ type = 'bind', mount_point = '/here', local_path = '.' }]\n",
    );
    let options = ["--test=looked", "--no-fail-fast", "--show-output"];
    let needy = ["needs_git", "needs_a_file"];
    let first = cluster.run(&project, &options).exits(100);
    let second = cluster.run(&project, &options).exits(100);
    for run in [&first, &second] {
        assert_eq!(run.summary()["passed"], 4, "{run}");
        assert_eq!(run.finished("needs_git")["needs"][0], "git", "{run}");
        assert_eq!(
            run.finished("needs_a_file")["needs"][0],
            "/etc/login.defs",
            "{run}"
        );
        assert_eq!(run.finished("fails")["status"], "failed", "{run}");
        assert!(!ran_here(run, "needs_nothing"), "{run}");
        // A failure is that of the first run.
        assert!(!ran_here(run, "fails"), "{run}");
    }
    for test in needy {
        assert!(ran_here(&first, test), "{test}: {first}");
        assert!(!ran_here(&second, test), "{test}: {second}");
    }
    let hermetic = cluster.run(&project, &[&options[..], &["--hermetic"]].concat());
    assert_eq!(hermetic.summary()["failed"], 3, "{hermetic}");
    for test in needy {
        assert!(!ran_here(&hermetic, test), "{test}: {hermetic}");
    }
}
