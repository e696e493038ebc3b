//! Tests that start Cargo and the compiler.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use std::fs;
use std::path::PathBuf;

const TESTS: &str = r#"
use std::{env, fs, path::Path, process::Command};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn builds_and_runs_a_package() {
    let package = env::temp_dir().join("hello");
    run("cargo", &["new", "--quiet", "--vcs=none", package.to_str().unwrap()]);
    env::set_current_dir(&package).unwrap();
    assert_eq!(run("cargo", &["run", "--quiet"]), "Hello, world!\n");
    assert_eq!(run(env!("CARGO"), &["--version"]), run("cargo", &["--version"]));
    assert!(run("rustc", &["--version"]).starts_with("rustc "));
}

#[test]
fn finds_no_credentials() {
    let home = env::var("CARGO_HOME").unwrap();
    let home = Path::new(&home);
    let configuration = fs::read_to_string(home.join("config.toml")).unwrap();
    assert!(configuration.contains("sparse+https://ours.invalid/"), "{configuration}");
    assert!(!configuration.contains("secret"), "{configuration}");
    assert_eq!(fs::read_to_string(home.join("registry/src/file")).unwrap(), "of the registry");
    assert!(!home.join("credentials.toml").exists());
    fs::write(home.join("new"), "").unwrap();
    fs::write(home.join("registry/src/file"), "").unwrap_err();
}

#[test]
fn builds_with_the_settings_of_the_client() {
    assert_eq!(env::var("CARGO_PROFILE_DEV_DEBUG").unwrap(), "line-tables-only");
    assert_eq!(env::var("CARGO_INCREMENTAL").unwrap(), "0");
    assert_eq!(env::var("CARGO_TARGET_DIR").unwrap(), env::var("TARGET").unwrap());
    assert!(env::var_os("CARGO_REGISTRIES_OURS_TOKEN").is_none());
}

#[test]
fn changes_the_target_directory() {
    let target = Path::new(&env::var("TARGET").unwrap()).to_owned();
    assert!(fs::read_dir(target.join("debug/deps")).unwrap().count() > 1);
    fs::write(target.join("debug/new"), "").unwrap();
    fs::remove_dir_all(target.join("debug/deps")).unwrap();
    fs::write(target.join("tests/kept"), "").unwrap();
}
"#;

fn cargo_home(project: &Project) -> PathBuf {
    project.temporary().join("cargo-home")
}

/// A run of these tests with `cargo` as the only program that the container names.
fn run(project: &Project, options: &[&str]) -> Run {
    project.write("tests/nested.rs", TESTS);
    let home = cargo_home(project);
    fs::create_dir_all(home.join("registry/src")).unwrap();
    for (name, text) in [
        ("credentials.toml", "[registry]\ntoken = \"secret\"\n"),
        (
            "config.toml",
            "[registries.ours]\nindex = \"sparse+https://ours.invalid/\"\ntoken = \"secret\"\n",
        ),
        ("registry/src/file", "of the registry"),
    ] {
        fs::write(home.join(name), text).unwrap();
    }
    let target = project.root.join("target");
    project
        .write(".gitignore", "/cargo-home\n")
        .directives(&format!(
            "[[directives]]\nadded_layers = [{{ programs = [\"cargo\"] }}]\n\
         added_environment = {{ TARGET = \"{}\" }}\n",
            target.display()
        ));
    let mut command =
        project.command(&[&["--test=nested", "--message-format=json"], options].concat());
    command
        .env("CARGO_HOME", home)
        .env("CARGO_TARGET_DIR", "target")
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_REGISTRIES_OURS_TOKEN", "secret");
    Run::of(&mut command, project)
}

#[test]
fn plain_a_container_that_names_cargo_has_everything_for_a_build() {
    needs_containers!();
    let project = Project::own("plain");
    let run = run(&project, &[]).exits(0);
    assert_eq!(run.summary()["passed"], 4);
    let target = project.root.join("target");
    assert!(target.join("tests/kept").exists());
    assert!(!target.join("debug/new").exists());
    assert!(fs::read_dir(target.join("debug/deps")).unwrap().count() > 1);
    assert!(!cargo_home(&project).join("new").exists());
}

#[test]
fn plain_results_of_tests_with_a_toolchain_are_cached_until_the_lock_file_changes() {
    needs_containers!();
    let project = Project::own("plain");
    let cached = |project: &Project| {
        let run = run(project, &["--cache-results=auto", "builds_and_runs"]).exits(0);
        let summary = run.summary();
        assert_eq!(summary["passed"], 1, "{run}");
        summary["cached"].as_u64().unwrap()
    };
    assert_eq!([cached(&project), cached(&project)], [0, 1]);
    project.change("Cargo.toml", "version = \"0.1.0\"", "version = \"0.1.1\"");
    assert_eq!(cached(&project), 0);
}
