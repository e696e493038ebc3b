//! What a test finds in the default container.

use crate::fixture::{Project, Run};
use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path, process::Command};

#[test]
fn shop_tests_find_the_same_environment_as_under_cargo_test() {
    let project = Project::shared("shop");
    let run = project
        .events(&["-p", "shop-core", "--test", "surroundings"])
        .exits(0);
    assert_eq!(run.summary()["passed"], 11);
}

/// A workspace below `/tmp` is not hidden by the container's own `/tmp`, and one that no version
/// control knows is there.
#[test]
fn shop_tests_find_the_same_below_tmp() {
    let project = Project::own("shop");
    assert!(
        project.root.starts_with("/tmp"),
        "{}",
        project.root.display()
    );
    let run = project.events(&["-p", "shop-core", "--tests"]).exits(0);
    assert_eq!(run.summary()["passed"], 20);
}

#[test]
fn shop_tests_find_the_sources_that_git_tracks_or_does_not_ignore() {
    let project = Project::own("shop");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .current_dir(&project.root)
            .args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    project.write(".gitignore", "ignored*\n/target\n");
    project.write("extra/tracked-ignored.txt", "");
    project.write("extra/ignored.txt", "");
    project.write("extra/new.txt", "");
    project.write("extra/tracked.txt", "");
    git(&["init", "-q"]);
    git(&["add", "."]);
    project.write("extra/ignored-but-tracked.txt", "");
    git(&["add", "-f", "extra/ignored-but-tracked.txt"]);
    git(&["commit", "-qm", "all"]);
    project.write("extra/new.txt", "");
    project.write(
        "extra/src/lib.rs",
        r#"#[test]
        fn lists_its_files() {
            let entries = std::fs::read_dir(".").unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            let expected = [
                "Cargo.toml", "ignored-but-tracked.txt", "new.txt", "src",
                "tracked-ignored.txt", "tracked.txt",
            ];
            assert_eq!(names, expected);
        }"#,
    );
    project.maelstrom(&["-p", "shop-extra"]).exits(0);
}

#[test]
fn shop_tests_have_the_variables_they_have_under_cargo_test() {
    let project = Project::shared("shop");
    project.maelstrom(&["--no-run", "-p", "shop-core"]).exits(0);
    let of = |text: &str| {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("VARIABLE "));
        lines
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let name = "prints_its_environment";
    let mut cargo = project.cargo(&[
        "test",
        "-p",
        "shop-core",
        "--test=surroundings",
        name,
        "--",
        "--nocapture",
    ]);
    let mut under_cargo = of(&Run::of(cargo.env("RUST_BACKTRACE", "1"), &project)
        .exits(0)
        .stdout);
    let mut ours = project.command(&[
        "-p",
        "shop-core",
        "--test=surroundings",
        name,
        "--show-output",
        "--message-format=json",
    ]);
    for (name, _) in std::env::vars() {
        if !name.starts_with("CARGO") && !["PATH", "HOME"].contains(&name.as_str()) {
            ours.env_remove(name);
        }
    }
    ours.env("RUST_BACKTRACE", "1")
        .env("INSTA_UPDATE", "no")
        .env("SECRET", "of the client");
    let run = Run::of(&mut ours, &project).exits(0);
    let mut here = of(run.finished(name)["stdout"].as_str().unwrap());

    // A name that shells and other runners can have in a variable.
    assert_eq!(
        here.remove("CARGO_BIN_EXE_shop_till"),
        Some(here["CARGO_BIN_EXE_shop-till"].clone())
    );

    // None of Cargo's directories holds a library here.
    assert_eq!(here.remove("LD_LIBRARY_PATH"), None);
    let libraries = under_cargo.remove("LD_LIBRARY_PATH").unwrap();
    assert!(libraries.contains("/deps"), "{libraries}");

    // What the tests of this project are run with is not Cargo's doing.
    let own = [
        "CARGO_TARGET_DIR",
        "CARGO_INCREMENTAL",
        "CARGO_PROFILE_DEV_DEBUG",
        "CARGO_HOME",
        "CARGO_WORKSPACE_DIR",
    ];
    let is_cargos = |name: &str| {
        ["CARGO", "OUT_DIR", "LD_LIBRARY_PATH", "RUST_", "BUILT_BY"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            && !own.contains(&name)
    };
    let cargos = |variables: &BTreeMap<String, String>| {
        let mut variables = variables.clone();
        variables.retain(|name, _| is_cargos(name));
        variables
    };
    assert_eq!(cargos(&here), cargos(&under_cargo));
    assert!(here.len() > 20, "{here:?}");
    assert_eq!(here["CARGO_PKG_AUTHORS"], "A Baker:A Butcher");

    let mut others: Vec<_> = here
        .iter()
        .filter(|(name, _)| !is_cargos(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    others.retain(|line| !line.contains("_SLOT=") && !line.contains("NEXTEST_RUN_ID="));
    let run_id = here["NEXTEST_RUN_ID"].as_str();
    assert_eq!(run_id.len(), 36, "{run_id}");
    let slot = here["NEXTEST_TEST_GLOBAL_SLOT"].parse::<u32>();
    assert_eq!(slot, here["MAELSTROM_SLOT"].parse());
    let root = project.root.to_str().unwrap();
    insta::assert_snapshot!(others.join("\n").replace(root, "<root>").replace(run_id, "<run>"), @r"
    CARGO_WORKSPACE_DIR=<root>
    HOME=/home/maelstrom
    INSTA_UPDATE=no
    INSTA_WORKSPACE_ROOT=<root>
    LANG=C.UTF-8
    LOGNAME=maelstrom
    MAELSTROM=1
    NEXTEST=1
    NEXTEST_ATTEMPT=1
    NEXTEST_ATTEMPT_ID=<run>:shop-core::surroundings$prints_its_environment
    NEXTEST_BINARY_ID=shop-core::surroundings
    NEXTEST_BIN_EXE_shop-till=<root>-target/debug/shop-till
    NEXTEST_BIN_EXE_shop_till=<root>-target/debug/shop-till
    NEXTEST_EXECUTION_MODE=process-per-test
    NEXTEST_PROFILE=default
    NEXTEST_RUN_MODE=test
    NEXTEST_TEST_GROUP=@global
    NEXTEST_TEST_NAME=prints_its_environment
    NEXTEST_TEST_PHASE=run
    NEXTEST_TOTAL_ATTEMPTS=1
    NEXTEST_WORKSPACE_ROOT=<root>
    PATH=/usr/local/bin:/usr/bin:/bin
    TMPDIR=/tmp
    TZ=UTC
    USER=maelstrom
    ");
}

/// Whatever path Cargo is started by, tests get the one that Cargo gives them.
#[test]
fn plain_tests_know_cargo_by_the_path_that_cargo_gives_them() {
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        r#"#[test]
        fn tells_cargo() {
            println!("CARGO={}", std::env::var("CARGO").unwrap());
        }"#,
    );
    let told = |command: &mut Command| {
        let run = Run::of(command, &project).exits(0);
        let text = run.stdout + &run.stderr;
        let start = text.find("CARGO=").unwrap();
        text[start..].lines().next().unwrap().to_owned()
    };
    let ours = ["--show-output"];
    let theirs = ["test", "--lib", "--", "--nocapture"];
    // With nothing to go by, the one that the tests' own Cargo names.
    let cargo = told(&mut project.cargo(&theirs));
    let cargo = Path::new(cargo.strip_prefix("CARGO=").unwrap()).to_owned();
    let links = project.temporary().join("links");
    fs::create_dir_all(links.join("inner")).unwrap();
    symlink(&cargo, links.join("cargo")).unwrap();
    symlink(&cargo, links.join("other-name")).unwrap();
    symlink(links.join("other-name"), links.join("inner/cargo")).unwrap();
    let toolchain = cargo.ancestors().nth(2).unwrap();
    symlink(toolchain, links.join("toolchain")).unwrap();
    for path in ["cargo", "other-name", "inner/cargo", "toolchain/bin/cargo"] {
        let path = links.join(path);
        let mut cargo = Command::new(&path);
        project.prepare(cargo.args(theirs));
        let expected = told(cargo.env("CARGO", &path));
        let found = told(project.command(&ours).env("CARGO", &path));
        assert_eq!(found, expected, "{}", path.display());
    }
}

#[test]
fn plain_tests_have_the_variables_of_cargos_configuration() {
    let project = Project::own("plain");
    project.write(
        ".cargo/config.toml",
        "[env]\nGREETING = 'hello'\nPLACE = { value = 'data', relative = true }\n",
    );
    project.write(
        "src/lib.rs",
        r#"#[test]
        fn greets() {
            assert_eq!(std::env::var("GREETING").unwrap(), "hello");
            let place = std::env::var("PLACE").unwrap();
            assert_eq!(place, concat!(env!("CARGO_MANIFEST_DIR"), "/data"));
        }"#,
    );
    project.maelstrom(&[]).exits(0);
}

#[test]
fn scattered_sources_outside_the_workspace_are_there() {
    let project = Project::own_below("scattered", "workspace");
    let run = project.events(&["--workspace"]).exits(0);
    assert_eq!(run.summary()["passed"], 3);
    let run = project
        .maelstrom(&["--workspace", "--list-packages"])
        .exits(0);
    assert_eq!(run.lines(), ["scattered-member", "scattered"]);
}

#[test]
fn shop_files_of_a_test_are_not_seen_by_the_next() {
    // Each finds HOME and the like empty, and writes to them.
    let project = Project::shared("shop");
    let run = project.events(&[
        "-p",
        "shop-core",
        "--test=surroundings",
        "has_",
        "--repeat",
        "4",
        "-j",
        "2",
    ]);
    assert_eq!(run.exits(0).summary()["passed"], 12);
}

#[test]
fn outcomes_a_removed_directory_for_temporary_files_is_there_again() {
    let project = Project::own("outcomes");
    for _ in 0..2 {
        project
            .maelstrom(&["--test", "print", "passes_after_printing"])
            .exits(0);
        fs::remove_dir_all(project.target.join("tmp")).unwrap();
    }
}
