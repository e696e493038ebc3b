//! `--failed`: the tests that failed in their last run, and those that were to run since and did not.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A project with these tests in its library. Those whose names start with `fails` fail.
fn project(tests: &[&str]) -> Project {
    let project = Project::own("plain");
    write(&project, tests);
    project
}

fn write(project: &Project, tests: &[&str]) {
    let tests = tests.iter().map(|name| {
        let body = if name.starts_with("fails") {
            "panic!()"
        } else {
            ""
        };
        format!("#[test] fn {name}() {{ {body} }}\n")
    });
    project.write("src/lib.rs", &tests.collect::<String>());
}

/// The names of the tests that would run with `--failed`.
fn failed(project: &Project, arguments: &[&str]) -> Vec<String> {
    let list = ["--failed", "--list", "--message-format=json"];
    let listed = project.maelstrom(&[&list, arguments].concat()).exits(0);
    let mut names = listed.names("listed");
    names.sort();
    names
}

#[test]
fn tests_that_failed_run_again_until_they_pass() {
    needs_containers!();
    let project = project(&["passes", "fails_a", "fails_b"]);
    project.maelstrom(&[]).exits(100);
    let both = project.events(&["-R"]).exits(100);
    assert_eq!(both.ran(), ["fails_a", "fails_b"].map(String::from).into());
    // A test of which the file does not know anything did not fail.
    write(&project, &["passes", "fails_a", "passes_too"]);
    let one = project.maelstrom(&["--failed"]).exits(100);
    one.says("Ran 1 test in")
        .says("note: 2 tests did not fail in the last run, and were left out (`--failed`)");
    write(&project, &["passes"]);
    let gone = project.maelstrom(&["--failed"]).exits(0);
    gone.says("note: no test failed in the last run\n");
    write(&project, &["passes", "fails_a"]);
    project.maelstrom(&["--failed", "--list"]).exits(0);
    project.change("src/lib.rs", "panic!()", "");
    let passed = project.events(&["--failed"]).exits(0);
    assert_eq!(passed.ran(), ["fails_a"].map(String::from).into());
    assert_eq!(failed(&project, &[]), [""; 0]);
}

#[test]
fn a_run_without_failed_tests_is_a_success_unless_no_tests_is_set() {
    needs_containers!();
    let project = project(&["passes", "fails"]);
    let first = project.maelstrom(&["--failed"]).exits(0);
    first.says(
        "note: no earlier run is known, so no test failed in one; leave out `--failed` to run the tests\n",
    );
    project.maelstrom(&["passes"]).exits(0);
    let none = project.maelstrom(&["--failed"]).exits(0);
    insta::assert_snapshot!(none.stable.split_once("0.00s\n").unwrap().1, @r"
    No tests to run
    note: no test failed in the last run
    ");
    let set = ["--failed", "--no-tests", "fail"];
    let set = project.maelstrom(&set).exits(4);
    set.says("note: no test failed in the last run\nerror: no tests were run;");
    let warned = project.maelstrom(&["-R", "--no-tests", "warn"]).exits(0);
    warned.says("warning: no tests were run");
    let filtered = project.maelstrom(&["-R", "passes"]).exits(0);
    filtered.says("note: the selected test did not fail in its last run\n");
    // A filter that selects no test is a mistake, as without the option.
    let mistake = project.maelstrom(&["-R", "absent"]).exits(4);
    mistake.says("note: no test has `absent` in its name");
    let listed = project.maelstrom(&["-R", "--list"]).exits(0);
    assert_eq!(listed.stdout, "");
    listed.says("note: no test failed in the last run\n");
}

#[test]
fn filters_select_among_the_tests_that_failed() {
    needs_containers!();
    let project = project(&["passes_a", "fails_a", "fails_b"]);
    project.maelstrom(&[]).exits(100);
    assert_eq!(failed(&project, &["_a"]), ["fails_a"]);
    assert_eq!(failed(&project, &["-x", "n.eq(fails_a)"]), ["fails_b"]);
    let parts = [1, 2].map(|part| failed(&project, &["--partition", &format!("slice:{part}/2")]));
    assert_eq!(parts, [["fails_a"], ["fails_b"]]);
    // The result of a test that did not run stays.
    project.maelstrom(&["passes"]).exits(0);
    assert_eq!(failed(&project, &[]), ["fails_a", "fails_b"]);
}

#[test]
fn outcomes_tests_that_a_cancelled_run_left_out_run_too() {
    needs_containers!();
    let project = Project::own("outcomes");
    let tests = [
        "--test",
        "end",
        "-x",
        "n.eq(hangs) || n.eq(is_ignored)",
        "-j1",
    ];
    let stopped = project.events(&[&tests[..], &["--fail-fast"]].concat());
    let statuses = stopped.statuses();
    let mut expected: Vec<_> = list(&project, &tests).into_iter().collect();
    expected.retain(|name| statuses.get(name).is_none_or(|status| status != "passed"));
    assert!(
        stopped.summary()["not_run"].as_u64().unwrap() > 3,
        "{stopped}"
    );
    assert_eq!(failed(&project, &tests), expected);
    // Those that pass now are done; the others failed.
    project
        .maelstrom(&[&tests[..], &["--failed"]].concat())
        .exits(100);
    let all = project.events(&tests);
    let failures = all.statuses().into_iter();
    let failures: Vec<_> = failures.filter(|(_, status)| status == "failed").collect();
    assert_eq!(failed(&project, &[]).len(), failures.len(), "{all}");
}

/// The names of the tests that these arguments select.
fn list(project: &Project, arguments: &[&str]) -> BTreeSet<String> {
    let list = ["--list", "--message-format=json"];
    let listed = project.maelstrom(&[&list, arguments].concat()).exits(0);
    listed.names("listed").into_iter().collect()
}

#[test]
fn tests_that_an_interrupted_run_left_out_run_too() {
    needs_containers!();
    let project = project(&["passes", "z_waits"]);
    project.change(
        "src/lib.rs",
        "z_waits() {",
        "z_waits() { loop { std::thread::park(); }",
    );
    let mut child = project
        .command(&["-j1", "--message-format=json", "--ui=quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let is_start = |line: &String| line.contains("\"started\"") && line.contains("z_waits");
    lines.find(is_start).expect("the test starts");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(failed(&project, &[]), ["z_waits"]);
}

#[test]
fn tests_that_could_not_be_started_run_again() {
    needs_containers!();
    let project = project(&["passes", "lacks_its_layer"]);
    project.directives(
        "[[directives]]\nfilter = 'n.eq(lacks_its_layer)'\nadded_layers = [{ tar = 'no.tar' }]",
    );
    let run = project.events(&[]).exits(100);
    assert_eq!(run.statuses()["lacks_its_layer"], "error");
    assert_eq!(failed(&project, &[]), ["lacks_its_layer"]);
    project.directives("");
    let again = project.events(&["--failed"]).exits(0);
    assert_eq!(again.ran(), ["lacks_its_layer".to_owned()].into());
}

#[test]
fn documentation_tests_that_do_not_compile_have_failed() {
    needs_containers!();
    let project = project(&["passes"]);
    let source = "/// ```\n/// let wrong: u32 = \"\";\n/// ```\n///\n/// ```no_run\n/// let right = 1;\n/// ```\npub fn f() {}\n";
    project.write("src/lib.rs", source);
    project.maelstrom(&[]).exits(100);
    assert_eq!(failed(&project, &[]), ["src/lib.rs - f (line 1)"]);
    project.change("src/lib.rs", "\"\"", "1");
    let fixed = project.events(&["--failed"]).exits(0);
    assert_eq!(fixed.statuses().len(), 1, "{fixed}");
    assert_eq!(failed(&project, &[]), [""; 0]);
}

#[test]
fn tests_with_results_of_earlier_runs_have_passed() {
    needs_containers!();
    let project = project(&["changes"]);
    let cached = ["--cache-results=auto"];
    project.maelstrom(&cached).exits(0);
    project.change("src/lib.rs", "{  }", "{ panic!() }");
    project.maelstrom(&cached).exits(100);
    assert_eq!(failed(&project, &[]), ["changes"]);
    project.change("src/lib.rs", "{ panic!() }", "{  }");
    let known = project.events(&["-R", "--cache-results=auto"]).exits(0);
    assert_eq!(known.summary()["cached"], 1, "{known}");
    assert_eq!(failed(&project, &[]), [""; 0]);
}

#[test]
fn flaky_tests_that_passed_in_the_end_or_in_a_second_look_have_passed() {
    needs_containers!();
    let project = Project::own("flaky");
    let tests = ["--retries=1", "passes_at", "needs_a_program"];
    project.maelstrom(&tests).exits(100);
    assert_eq!(
        failed(&project, &[]),
        ["tests::passes_at_the_third_attempt"]
    );
}

#[test]
fn tests_of_an_archive_that_failed_run_again() {
    needs_containers!();
    let project = project(&["passes", "fails"]);
    let archive = project.temporary().join("tests.tar.zst");
    let archive = archive.to_str().unwrap();
    project.maelstrom(&["archive", "-o", archive]).exits(0);
    let run = |arguments: &[&str]| {
        let mut command = project.command(&[&["--archive", archive], arguments].concat());
        command.env("XDG_CACHE_HOME", project.temporary().join("user-cache"));
        Run::of(&mut command, &project)
    };
    run(&[]).exits(100);
    run(&["--failed"]).exits(100).says("Ran 1 test in");
    // The archive has the results of the runs before it.
    project.maelstrom(&["-q"]).exits(100);
    project
        .maelstrom(&["archive", "-o", archive, "-R"])
        .exits(0);
    fs::remove_dir_all(project.temporary().join("user-cache")).unwrap();
    run(&[]).exits(100).says("Ran 1 test in");
}

#[test]
fn other_machines_say_which_tests_failed_there() {
    needs_containers!();
    let project = project(&["passes", "fails"]);
    project.maelstrom(&[]).exits(100);
    let written = project.target.join("maelstrom/history");
    let elsewhere = project.temporary().join("history");
    fs::rename(&written, &elsewhere).unwrap();
    assert_eq!(failed(&project, &[]), [""; 0]);
    let history = ["--history", elsewhere.to_str().unwrap()];
    assert_eq!(failed(&project, &history), ["fails"]);
}

#[test]
fn actions_without_tests_refuse_the_option() {
    let project = Project::shared("plain");
    for action in ["--list-binaries", "--list-packages", "--no-run", "--init"] {
        let refused = project.maelstrom(&["--failed", action]).exits(96);
        refused.says("error: the argument '--failed' cannot be used with");
    }
}
