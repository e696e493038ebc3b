//! `cargo maelstrom --print-spec`: a test as a job that `maelstrom-run` runs without Cargo.

use crate::fixture::Project;
use crate::need::needs_containers;
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};

/// The specifications of the tests that match.
fn print_spec(project: &Project, pattern: &str, options: &[&str]) -> String {
    let mut command = project.command(&["--print-spec", pattern]);
    let output = command.args(options).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What becomes of specifications.
fn run(project: &Project, specs: &str, arguments: &[&str]) -> Output {
    project.write("spec.json", specs);
    let mut command = project.jobs(&["--file", "spec.json"]);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn outcomes_a_test_ends_as_a_job_as_it_ends_as_a_test() {
    needs_containers!();
    let project = Project::own("outcomes");
    for (name, code, signal) in [
        ("passes", Some(0), None),
        ("is_ignored", Some(0), None),
        ("panics", Some(101), None),
        ("exits_with_7", Some(7), None),
        ("aborts", None, Some(6)),
    ] {
        let pattern = format!("test.equals(end) && name.equals({name})");
        let output = run(&project, &print_spec(&project, &pattern, &[]), &["--one"]);
        let ended = (output.status.code(), output.status.signal());
        assert_eq!(ended, (code, signal), "{name}: {output:?}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.contains("\nrunning 1 test\n"), "{name}: {output:?}");
    }
}

#[test]
fn scattered_and_shop_every_test_that_passes_passes_as_a_job() {
    needs_containers!();
    let scattered = Project::own_below("scattered", "workspace");
    let shop = Project::own("shop");
    for (project, options) in [(scattered, &[][..]), (shop, &["--workspace"])] {
        let run_as_tests = project.events(options);
        let passing: Vec<_> = run_as_tests
            .of_tests("finished")
            .into_iter()
            .filter(|event| event["status"] == "passed")
            .collect();
        assert!(passing.len() > 1, "{run_as_tests:#?}");
        for event in passing {
            let pattern = format!(
                "package.equals({}) && name.equals({})",
                event["package"].as_str().unwrap(),
                event["name"].as_str().unwrap(),
            );
            let specs = print_spec(&project, &pattern, options);
            let output = run(&project, &specs, &[]);
            assert!(output.status.success(), "{event}: {specs}\n{output:?}");
        }
    }
}

#[test]
fn outcomes_a_spec_is_that_of_the_directives_and_options() {
    needs_containers!();
    let project = Project::own("outcomes");
    project.directives(
        "[[directives]]\ntimeout = 3\nslots = 2\nnetwork = 'disabled'\n\
         added_environment = { PLAIN = '$$env{X} $', FROM = '$env{HOME}' }",
    );
    let specs = print_spec(&project, "name.equals(passes)", &["--", "--nocapture"]);
    let spec: serde_json::Value = serde_json::from_str(&specs).unwrap();
    assert_eq!(spec["timeout"], 3);
    assert_eq!(spec["slots"], 2);
    assert_eq!(spec.get("network"), None);
    assert_eq!(spec["environment"]["PLAIN"], "$$env{X} $");
    assert_eq!(
        spec["environment"]["FROM"],
        std::env::var("HOME").unwrap_or_default()
    );
    let arguments: Vec<_> = spec["arguments"].as_array().unwrap().iter().collect();
    assert_eq!(arguments, ["passes", "--exact", "--nocapture"]);
}

#[test]
fn outcomes_a_test_with_a_command_layer_of_its_own_has_a_spec() {
    needs_containers!();
    let project = Project::own("outcomes");
    project.directives(
        "[[directives]]\nfilter = 'name.equals(passes)'\n\
         added_layers = [{ programs = ['sh'] }, { command = 'echo made >/made' }]",
    );
    let specs = print_spec(&project, "name.equals(passes)", &[]);
    let output = run(
        &project,
        &specs,
        &["--one", "/bin/sh", "-c", "read x </made; echo $x"],
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "made\n",
        "{output:?}"
    );
    // One that cannot be had is told, and the others are printed.
    project.directives(
        "[[directives]]\nfilter = 'name.equals(passes)'\n\
         added_layers = [{ programs = ['sh'] }, { command = 'exit 3' }]",
    );
    let printed = project.maelstrom(&["--test", "end", "--print-spec", "name.matches/^pa/"]);
    let printed = printed.exits(100);
    assert_eq!(
        printed.stdout.matches("\"program\"").count(),
        3,
        "{}",
        printed.stdout
    );
    let error = "error: outcomes test/end passes: cannot build the `command` layer `exit 3`";
    assert!(printed.stderr.contains(error), "{}", printed.stderr);
}

#[test]
fn outcomes_a_pattern_that_no_test_matches_is_an_error() {
    let project = Project::shared("outcomes");
    let run = project.maelstrom(&["--print-spec", "name.equals(nothing)"]);
    let run = run.exits(4);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr
            .contains("error: no test matches the pattern of `--print-spec`"),
        "{}",
        run.stderr
    );
    let run = project.maelstrom(&["--print-spec", "nam(x)"]).exits(96);
    assert!(
        run.stderr.contains("error: bad pattern for --print-spec:"),
        "{}",
        run.stderr
    );
}
