//! Needs in later runs, and what a test with needs leaves.

use super::{BINARY, Looked, names, needs};
use crate::fixture::Run;
use crate::need::needs_containers;
use crate::observing::SUPERVISE;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Tests that use files of the workspace that git ignores.
const IGNORED: &str = r#"
#[test]
fn reads_a_generated_file() {
    run("reads_a_generated_file");
    assert!(fs::read_to_string("generated/data.txt").unwrap().starts_with("data"));
}

#[test]
fn finds_a_generated_file() {
    run("finds_a_generated_file");
    let names: Vec<_> = fs::read_dir("half").unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 2);
    names.iter().for_each(|name| assert!(fs::read(name).is_ok()));
}

#[test]
fn starts_a_generated_program() {
    run("starts_a_generated_program");
    assert_eq!(output("generated-program", &[]), "hello\n");
}
"#;

/// Makes the workspace a repository of git that ignores the directory `generated`.
fn generate(looked: &Looked) {
    let root = &looked.project.root;
    let mut git = Command::new("git");
    let made = git.args(["init", "--quiet"]).current_dir(root).status();
    assert!(made.unwrap().success());
    let ignored = "/generated\n/half/ignored.txt\n";
    looked.project.write(".gitignore", ignored);
    looked.project.write("half/data.txt", "data\n");
    looked.project.write("half/ignored.txt", "data\n");
    looked.project.write("generated/data.txt", "data\n");
    let program = "#!/bin/sh\necho hello\n";
    looked.project.write("generated/generated-program", program);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(root.join("generated/generated-program"), executable).unwrap();
}

/// A run with the generated programs in the search path.
fn run(looked: &Looked, options: &[&str]) -> Run {
    let generated = looked.project.root.join("generated");
    let path = format!("{}:{}", std::env::var("PATH").unwrap(), generated.display());
    looked.run_with(options, &[("PATH", &path)])
}

/// Tests that use files with unusual names and of unusual kinds.
const UNUSUAL: &str = r#"
#[test]
fn reads_a_strange_name() {
    run("reads_a_strange_name");
    fs::read("generated/a [b] {c,d} <e> $env{F} *.txt").unwrap();
}

#[test]
fn lists_a_strange_name() {
    run("lists_a_strange_name");
    assert_eq!(fs::read_dir("generated/[x] {y,z} <home-dir>").unwrap().count(), 2);
}

#[test]
fn starts_a_strange_name() {
    run("starts_a_strange_name");
    let program = env::current_dir().unwrap().join("generated/[p] {q,r} <home-dir>.sh");
    assert_eq!(output(program.to_str().unwrap(), &[]), "hello\n");
}

#[test]
fn reads_through_a_link() {
    run("reads_through_a_link");
    assert_eq!(fs::read_to_string("generated/link.txt").unwrap(), "data\n");
}

#[test]
fn reads_below_a_linked_directory() {
    run("reads_below_a_linked_directory");
    assert_eq!(fs::read_to_string("generated/linked/one").unwrap(), "1");
}

#[test]
fn lists_a_linked_directory() {
    run("lists_a_linked_directory");
    assert_eq!(fs::read_dir("generated/linked").unwrap().count(), 2);
}

#[test]
fn lists_an_empty_directory() {
    run("lists_an_empty_directory");
    assert_eq!(fs::read_dir("generated/empty").unwrap().count(), 0);
}

#[test]
fn looks_at_an_empty_directory() {
    run("looks_at_an_empty_directory");
    assert!(Path::new("generated/empty").is_dir());
}

#[test]
fn looks_at_a_full_directory() {
    run("looks_at_a_full_directory");
    assert!(Path::new("generated/full").is_dir());
}
"#;

#[test]
fn outcomes_files_of_any_name_and_kind_are_needs() {
    needs_containers!();
    let looked = Looked::new(UNUSUAL);
    generate(&looked);
    let strange = "generated/[x] {y,z} <home-dir>";
    let full = "generated/full";
    for directory in [strange, full] {
        for name in ["one", "two/three"] {
            looked.project.write(&format!("{directory}/{name}"), "1");
        }
    }
    let root = &looked.project.root;
    looked
        .project
        .write("generated/a [b] {c,d} <e> $env{F} *.txt", "");
    fs::copy(
        root.join("generated/generated-program"),
        root.join("generated/[p] {q,r} <home-dir>.sh"),
    )
    .unwrap();
    fs::create_dir(root.join("generated/empty")).unwrap();
    std::os::unix::fs::symlink("data.txt", root.join("generated/link.txt")).unwrap();
    std::os::unix::fs::symlink("full", root.join("generated/linked")).unwrap();
    let first = looked.run(&["--no-fail-fast"]).exits(0);
    let runs = |run: &Run| {
        run.names("finished")
            .iter()
            .map(|test| looked.runs(test))
            .sum::<u64>()
    };
    let before = runs(&first);
    let second = looked.run(&[]).exits(0);
    assert_eq!(runs(&second) - before, 9);
}

#[test]
fn outcomes_new_needs_are_added_to_those_that_are_known() {
    needs_containers!();
    let test = "#[test] fn grows() { run(\"grows\"); output(\"git\", &[\"--version\"]); }\n";
    let looked = Looked::new(test);
    let run = looked.run(&[]).exits(0);
    assert_eq!(needs(&run, "grows"), only("git".to_owned()));
    let more = "fs::read(\"/etc/login.defs\").unwrap(); }";
    looked.tests(&test.replace('}', more));
    for _ in 0..2 {
        let run = looked.run(&[]).exits(0);
        let all = ["/etc/login.defs", "git"].map(str::to_owned);
        assert_eq!(needs(&run, "grows"), BTreeSet::from(all), "{run}");
    }
}

fn only(need: String) -> BTreeSet<String> {
    BTreeSet::from([need])
}

#[test]
fn outcomes_ignored_files_of_the_workspace_are_needs_until_they_are_removed() {
    needs_containers!();
    let looked = Looked::new(IGNORED);
    generate(&looked);
    let tests = ["reads_a_generated_file", "starts_a_generated_program"];
    let first = run(&looked, &[]).exits(0);
    // Its own container only shows a part of the directory.
    let half = only("half/ignored.txt".to_owned());
    assert_eq!(needs(&first, "finds_a_generated_file"), half, "{first}");
    let data = only("generated/data.txt".to_owned());
    let program = only("generated/generated-program".to_owned());
    assert_eq!(needs(&first, tests[0]), data, "{first}");
    assert_eq!(needs(&first, tests[1]), program, "{first}");
    let before = tests.map(|test| looked.runs(test));
    let second = run(&looked, &[]).exits(0);
    assert_eq!(
        tests.map(|test| looked.runs(test)),
        before.map(|runs| runs + 1)
    );
    assert_eq!(needs(&second, tests[0]), data, "{second}");

    let generated = looked.project.root.join("generated");
    let moved = looked.project.temporary().join("moved");
    fs::rename(&generated, &moved).unwrap();
    let third = run(&looked, &["--no-fail-fast"]).exits(100);
    for test in tests {
        assert_eq!(third.finished(test)["status"], "failed", "{third}");
        assert!(needs(&third, test).is_empty(), "{third}");
        let hints = names(&third.finished(test), "hints");
        let hint = hints
            .iter()
            .find(|hint| hint.starts_with("the test looked for "));
        assert!(hint.is_some(), "{third}");
    }
    // One run, and one that is observed.
    assert_eq!(
        tests.map(|test| looked.runs(test)),
        before.map(|runs| runs + 3)
    );
    assert_eq!(third.of_tests("started").len(), 3, "{third}");

    fs::rename(&moved, &generated).unwrap();
    looked.tests(&IGNORED.replace("starts_with(\"data\")", "contains(\"data\")"));
    let fourth = run(&looked, &["reads_a_generated_file"]).exits(0);
    assert_eq!(needs(&fourth, tests[0]), data, "{fourth}");
}

#[test]
fn outcomes_results_of_tests_with_needs_are_reused_until_a_need_changes() {
    needs_containers!();
    let looked = Looked::without_directives(IGNORED);
    generate(&looked);
    let test = "reads_a_generated_file";
    let auto = || run(&looked, &["--cache-results=auto", test]).exits(0);
    let first = auto();
    assert_eq!(first.finished(test)["cached"], Value::Null, "{first}");
    let data = only("generated/data.txt".to_owned());
    assert_eq!(needs(&first, test), data);
    auto();
    let third = auto();
    assert_eq!(third.finished(test)["cached"], true, "{third}");
    assert_eq!(needs(&third, test), data, "{third}");
    looked
        .project
        .write("generated/data.txt", "data, but other\n");
    let changed = auto();
    assert_eq!(changed.finished(test)["cached"], Value::Null, "{changed}");
    assert_eq!(needs(&changed, test), data, "{changed}");
}

const SUPERVISING: &str = r#"
#[test]
fn supervises() {
    run("supervises");
    supervise();
    output("git", &["--version"]);
}
"#;

#[test]
fn outcomes_a_test_that_supervises_system_calls_stays_a_failure_with_a_note() {
    needs_containers!();
    let looked = Looked::new(&format!("{SUPERVISE}{SUPERVISING}"));
    for runs in [2, 3] {
        let run = looked.run(&[]).exits(100);
        let finished = run.finished("supervises");
        assert_eq!(finished["status"], "failed", "{run}");
        let stderr = finished["stderr"].as_str().unwrap();
        assert!(stderr.contains("git: No such file"), "{run}");
        let hints = names(&finished, "hints");
        let start = "it could not be found out whether the test needs something of this machine: \
                     the job supervises system calls of its own";
        assert!(hints.iter().any(|hint| hint.starts_with(start)), "{run}");
        assert_eq!(looked.runs("supervises"), runs);
    }
}

/// Tests that leave files with the number of their run.
const LEAVING: &str = r#"
#[test]
fn needs_git() {
    let run = run("needs_git").to_string();
    fs::write("needed.snap.new", &run).unwrap();
    fs::write(env::temp_dir().join("left.txt"), &run).unwrap();
    output("git", &["--version"]);
}

#[test]
fn fails() {
    let run = run("fails").to_string();
    fs::write("failed.snap.new", &run).unwrap();
    fs::write(env::temp_dir().join("left.txt"), &run).unwrap();
    panic!("in run {run}");
}
"#;

#[test]
fn outcomes_files_are_copied_once_from_the_run_that_counts() {
    needs_containers!();
    let looked = Looked::new(LEAVING);
    looked.directives("[[directives]]\nadded_outputs = ['/tmp/left.txt']\n");
    let run = looked.run(&["--no-fail-fast"]).exits(100);
    let root = &looked.project.root;
    let left = |test: &str| {
        let outputs = looked.project.target.join("maelstrom/outputs/outcomes");
        outputs.join("test-looked").join(test).join("tmp/left.txt")
    };
    let read =
        |path: &Path| fs::read_to_string(path).unwrap_or_else(|e| panic!("{path:?}: {e}, {run}"));
    // The fourth run is the first one with the needs.
    assert_eq!(read(&root.join("needed.snap.new")), "4");
    assert_eq!(read(&left("needs_git")), "4");
    assert_eq!(read(&root.join("failed.snap.new")), "1");
    assert_eq!(read(&left("fails")), "1");
    for (test, name) in [
        ("needs_git", "needed.snap.new"),
        ("fails", "failed.snap.new"),
    ] {
        let outputs = run.finished(test)["outputs"].clone();
        let all = outputs.as_array().unwrap_or_else(|| panic!("{run}"));
        let count = |end: &str| {
            all.iter()
                .filter(|path| path.as_str().unwrap().ends_with(end))
                .count()
        };
        assert_eq!(
            (all.len(), count(name), count("left.txt")),
            (2, 1, 1),
            "{run}"
        );
    }
    assert!(!run.stderr.contains("warning"), "{run}");
    assert!(
        run.stderr.contains("4 files that tests wrote were copied"),
        "{run}"
    );
}

#[test]
fn outcomes_a_damaged_file_of_needs_counts_as_empty() {
    needs_containers!();
    let looked = Looked::new(IGNORED);
    generate(&looked);
    let known = looked.project.target.join("maelstrom/needs.json");
    looked.project.maelstrom(&[BINARY, "--no-run"]).exits(0);
    fs::write(&known, "{").unwrap();
    run(&looked, &[]).exits(0);
    let before = looked.runs("reads_a_generated_file");
    run(&looked, &[]).exits(0);
    assert_eq!(looked.runs("reads_a_generated_file") - before, 1);
}
