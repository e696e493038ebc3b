//! Each kind of need, and what of it is true.

use super::{Looked, START, needs};
use crate::fixture::Run;
use crate::need::needs_containers;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Tests that need a file, a program or a variable.
const NEEDY: &str = r#"
#[test]
fn starts_a_program() {
    run("starts_a_program");
    assert!(output("git", &["--version"]).starts_with("git version "));
}

#[test]
fn starts_a_program_with_data() {
    run("starts_a_program_with_data");
    let (from, to) = (env::temp_dir().join("from"), env::temp_dir().join("to"));
    output("git", &["init", "--quiet", from.to_str().unwrap()]);
    // The clone starts programs of git's own directory.
    output("git", &["clone", "--quiet", from.to_str().unwrap(), to.to_str().unwrap()]);
    assert!(to.join(".git/HEAD").exists());
}

#[test]
fn starts_an_interpreter() {
    run("starts_an_interpreter");
    let program = "import json; print(json.dumps({'a': 1}))";
    assert_eq!(output("python3", &["-c", program]), "{\"a\": 1}\n");
}

#[test]
fn starts_a_program_by_its_path() {
    run("starts_a_program_by_its_path");
    assert!(output("/usr/bin/openssl", &["version"]).starts_with("OpenSSL "));
}

#[test]
fn reads_a_file() {
    run("reads_a_file");
    assert!(fs::read_to_string("/etc/login.defs").unwrap().contains("UID_MIN"));
}

#[test]
fn lists_a_directory() {
    run("lists_a_directory");
    assert!(fs::read_dir("/etc/pam.d").unwrap().any(|entry| entry.unwrap().file_name() == "login"));
}

#[test]
fn looks_at_a_file() {
    run("looks_at_a_file");
    assert!(Path::new("/etc/login.defs").exists());
}

#[test]
fn reads_a_variable() {
    run("reads_a_variable");
    assert_eq!(env::var("SERVICE_URL").unwrap(), "http://service.invalid/");
}

#[test]
fn needs_nothing() {
    run("needs_nothing");
    // The container has it, so it is no need.
    output("sh", &["-c", "true"]);
}
"#;

/// Tests that need a toolchain.
const BUILDING: &str = r##"
#[test]
fn asks_cargo_for_its_version() {
    run("asks_cargo_for_its_version");
    assert!(output("cargo", &["--version"]).starts_with("cargo "));
}

#[test]
fn compiles_and_links() {
    run("compiles_and_links");
    env::set_current_dir(env::temp_dir()).unwrap();
    fs::write("hello.rs", "fn main() { println!(\"hello\") }").unwrap();
    output("rustc", &["hello.rs"]);
    assert_eq!(output("./hello", &[]), "hello\n");
}

#[test]
fn compiles_c() {
    run("compiles_c");
    env::set_current_dir(env::temp_dir()).unwrap();
    let program = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";
    fs::write("hello.c", program).unwrap();
    output("gcc", &["-o", "hello", "hello.c"]);
    assert_eq!(output("./hello", &[]), "hello\n");
}
"##;

const VARIABLES: [(&str, &str); 1] = [("SERVICE_URL", "http://service.invalid/")];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The tests pass in a first run with a second look, and in the next run without one, since their
/// needs are remembered. Without their needs they fail. Returns the first run.
#[track_caller]
fn pass_with_needs(looked: &Looked, tests: &[&str]) -> Run {
    let run = |options: &[&str]| looked.run_with(options, &VARIABLES);
    let runs = || {
        tests
            .iter()
            .map(|test| looked.runs(test))
            .collect::<Vec<_>>()
    };
    let first = run(&[]).exits(0);
    let before = runs();
    let second = run(&[]).exits(0);
    let hermetic = run(&["--hermetic", "--no-fail-fast"]).exits(100);
    let third = run(&[]).exits(0);
    for (test, (before, after)) in tests.iter().zip(before.into_iter().zip(runs())) {
        let needs_of = |run| needs(run, test);
        assert!(!needs_of(&first).is_empty(), "{test}: {first}");
        assert_eq!(needs_of(&second), needs_of(&first), "{test}");
        assert_eq!(needs_of(&third), needs_of(&first), "{test}");
        assert_eq!(hermetic.finished(test)["status"], "failed", "{test}");
        assert_eq!(needs_of(&hermetic), set(&[]), "{test}");
        // The first run, the second look, and at least twice with the needs and without them.
        assert!(before >= 6, "{test}: {before} runs");
        assert_eq!(after - before, 3, "{test}");
    }
    let count = tests.len();
    let note = format!(
        "note: {count} tests needed something of this machine; `cargo maelstrom --learn` writes it \
         to maelstrom-test.toml"
    );
    for run in [&first, &second, &third] {
        assert!(run.stderr.contains(&note), "{run}");
    }
    assert!(!hermetic.stderr.contains("needed something"), "{hermetic}");
    first
}

#[test]
fn outcomes_a_test_passes_with_what_it_needs_of_this_machine() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    let run = pass_with_needs(
        &looked,
        &[
            "starts_a_program",
            "starts_a_program_with_data",
            "starts_an_interpreter",
            "starts_a_program_by_its_path",
            "reads_a_file",
            "lists_a_directory",
            "looks_at_a_file",
            "reads_a_variable",
        ],
    );
    for (test, need) in [
        ("starts_a_program", "git"),
        ("reads_a_file", "/etc/login.defs"),
        ("lists_a_directory", "/etc/pam.d/"),
        ("looks_at_a_file", "/etc/login.defs"),
        ("reads_a_variable", "$SERVICE_URL"),
    ] {
        assert_eq!(needs(&run, test), set(&[need]), "{run}");
        let line = format!("looked {test} (needs {need})\n");
        assert!(run.stderr.contains(&line), "{run}");
    }
    // Programs have their names, or their paths if the name means another program on this machine.
    let has = |test: &str, wanted: &dyn Fn(&str) -> bool| {
        let needs = needs(&run, test);
        assert!(needs.iter().any(|need| wanted(need)), "{test}: {needs:?}");
    };
    has("starts_a_program_by_its_path", &|need| {
        need.ends_with("openssl")
    });
    has("starts_a_program_with_data", &|need| need == "git");
    has("starts_a_program_with_data", &|need| {
        need.contains("/git-core/")
    });
    has("starts_an_interpreter", &|need| need.ends_with("python3"));
    has("starts_an_interpreter", &|need| {
        need.contains("/lib/python3") && need.ends_with('/')
    });
    // A test that passes is run once.
    assert_eq!(looked.runs("needs_nothing"), 4);
    assert_eq!(needs(&run, "needs_nothing"), set(&[]));
    // Values of variables are not kept.
    let known = fs::read_to_string(looked.project.target.join("maelstrom/needs.json")).unwrap();
    assert!(
        known.contains("SERVICE_URL") && !known.contains("service.invalid"),
        "{known}"
    );
}

#[test]
fn outcomes_a_test_passes_with_a_toolchain() {
    needs_containers!();
    let looked = Looked::new(BUILDING);
    let tests = [
        "asks_cargo_for_its_version",
        "compiles_and_links",
        "compiles_c",
    ];
    let run = pass_with_needs(&looked, &tests);
    assert_eq!(
        needs(&run, "asks_cargo_for_its_version"),
        set(&["toolchain"]),
        "{run}"
    );
    assert_eq!(
        needs(&run, "compiles_and_links"),
        set(&["toolchain"]),
        "{run}"
    );
    assert_eq!(needs(&run, "compiles_c"), set(&["toolchain"]), "{run}");
}

/// In the view of the machine, the directory of a member is on another file system than that of the
/// workspace if the target directory, of which a part is hidden, is in the workspace.
#[test]
fn git_finds_the_repository_of_a_member() {
    needs_containers!();
    let looked = Looked::new("");
    let test = r#"
        #[test]
        fn asks_git() {
            run("asks_git");
            output("git", &["rev-parse", "--show-toplevel"]);
        }
    "#;
    let project = &looked.project;
    project.write("member/tests/looked.rs", &format!("{START}{test}"));
    let member = "[package]\nname = \"member\"\nedition = \"2024\"\n";
    project.write("member/Cargo.toml", member);
    let manifest = fs::read_to_string(project.root.join("Cargo.toml")).unwrap();
    let with_member = manifest.replace("[workspace]", "[workspace]\nmembers = [\"member\"]");
    project.write("Cargo.toml", &with_member);
    let mut git = Command::new("git");
    git.args(["init", "--quiet"]).current_dir(&project.root);
    assert!(git.status().unwrap().success());
    let target = project.root.join("target");
    let target = [("CARGO_TARGET_DIR", target.to_str().unwrap())];
    let run = looked.run_with(&["-p=member"], &target).exits(0);
    let needs = needs(&run, "asks_git");
    assert!(needs.contains("git"), "{run}");
    assert!(needs.iter().any(|need| need.starts_with(".git")), "{run}");
}
