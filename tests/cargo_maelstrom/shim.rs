//! `cargo maelstrom shim`: programs that call cargo-nextest run tests with us.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// `cargo maelstrom shim -- cargo …`, with an empty directory for temporary files.
fn shim(project: &Project, arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = project.command(&[&["shim", "--", &cargo], arguments].concat());
    let temporary = project.temporary().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    command.env("TMPDIR", temporary);
    command
}

fn run(project: &Project, arguments: &[&str]) -> Run {
    let run = Run::of(&mut shim(project, arguments), project);
    let left = fs::read_dir(project.temporary().join("tmp")).unwrap();
    assert_eq!(left.count(), 0, "{run}");
    run
}

#[test]
fn the_exit_codes_are_those_of_nextest() {
    needs_containers!();
    let plain = Project::own("plain");
    let run_all = ["nextest", "run", "--workspace", "--verbose"];
    run(&plain, &run_all).exits(0).says("3 passed");
    run(
        &plain,
        &["nextest", "run", "--no-run", "--cargo-profile=test"],
    )
    .exits(0);
    run(&plain, &["nextest", "run", "no_such_test"]).exits(4);
    plain.change("src/lib.rs", "fn second", "fn second( {");
    run(&plain, &run_all).exits(101);
}

#[test]
fn a_run_stops_after_the_first_failure_unless_told_otherwise() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "#[test] fn a() { panic!() }\n#[test] fn b() { panic!() }\n#[test] fn c() { panic!() }\n",
    );
    let one_by_one = ["nextest", "run", "-j", "1"];
    run(&project, &one_by_one).exits(100).says("1 failed");
    let all = [&one_by_one[..], &["--no-fail-fast"]].concat();
    run(&project, &all).exits(100).says("3 failed");
}

#[test]
fn lists_and_the_version_are_those_of_nextest() {
    let plain = Project::shared("plain");
    let list = run(&plain, &["nextest", "list"]).exits(0);
    let mut lines = list.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["plain first", "plain second", "plain third"]);
    let version = run(&plain, &["nextest", "--version"]).exits(0);
    assert!(
        version.stdout.starts_with("cargo-nextest 0.9."),
        "{version}"
    );
}

#[test]
fn documentation_tests_are_left_to_the_program() {
    needs_containers!();
    let plain = Project::own("plain");
    plain.write(
        "src/lib.rs",
        "//! ```\n//! panic!();\n//! ```\n#[test]\nfn one() {}\n",
    );
    let list = run(&plain, &["nextest", "list"]).exits(0);
    assert_eq!(list.lines(), ["plain one"]);
    run(&plain, &["nextest", "run"]).exits(0).says("1 passed");
}

#[test]
fn an_installed_nextest_is_not_called() {
    let plain = Project::shared("plain");
    let home = plain.temporary().join("cargo-home");
    let installed = home.join("bin/cargo-nextest");
    fs::create_dir_all(installed.parent().unwrap()).unwrap();
    fs::write(&installed, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&installed, Permissions::from_mode(0o755)).unwrap();
    let list = ["nextest", "list"];
    let mut without_us = plain.cargo(&list);
    Run::of(without_us.env("CARGO_HOME", &home), &plain).exits(7);
    let mut with_us = shim(&plain, &list);
    Run::of(with_us.env("CARGO_HOME", &home), &plain).exits(0);
}

#[test]
fn a_test_gets_only_its_container() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "#[test] fn needs_git() { std::process::Command::new(\"git\").status().unwrap(); }\n",
    );
    run(&project, &["nextest", "run"]).exits(100);
    let mut with_needs = shim(&project, &["nextest", "run"]);
    Run::of(
        with_needs.env("CARGO_MAELSTROM_HERMETIC", "false"),
        &project,
    )
    .exits(0)
    .says("git");
}

#[test]
fn the_program_ends_the_shim_as_it_ends() {
    let plain = Project::shared("plain");
    let shell = |script| {
        let command = ["shim", "--", "sh", "-c", script];
        plain.maelstrom(&command).code
    };
    assert_eq!(shell("exit 42"), Some(42));
    assert_eq!(shell("kill -TERM $$"), Some(128 + 15));
    plain
        .maelstrom(&["shim", "--", "/no/such/program"])
        .exits(96)
        .says("error: failed to start `/no/such/program`: No such file or directory");
}
