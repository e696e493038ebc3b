//! `cargo maelstrom --learn`: what tests need is written to `maelstrom-test.toml`, and proven.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use maelstrom::needs::{KnownNeeds, Need, Needs, NeedsRecord};
use maelstrom::schedule::CaseId;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;

/// Tests of which one needs git, and one never passes.
const NEEDING: &str = r#"
#[test]
fn calls_git() {
    let git = std::process::Command::new("git").arg("--version").status();
    assert!(git.unwrap().success());
}

#[test]
fn needs_nothing() {}

#[test]
fn fails_anyway() {
    panic!("it always fails");
}
"#;

fn needing() -> Project {
    let project = Project::own("outcomes");
    project.write("tests/needing.rs", NEEDING);
    project
}

fn known(project: &Project) -> KnownNeeds {
    KnownNeeds::load(&project.target.join("maelstrom/needs.json")).unwrap()
}

fn id(test: &str) -> CaseId {
    CaseId::new("outcomes", "test", "needing", test)
}

/// Has the project remember that a test needs git.
fn remember_git(project: &Project, test: &str) {
    let mut known = known(project);
    let record = NeedsRecord {
        needs: Needs([Need::Program("git".to_owned())].into()),
        ..NeedsRecord::default()
    };
    known.set(id(test), record);
    known.save().unwrap();
}

fn file(project: &Project) -> PathBuf {
    project.root.join("maelstrom-test.toml")
}

#[test]
fn outcomes_what_a_test_needs_is_written_shown_and_proven() {
    needs_containers!();
    let project = needing();
    remember_git(&project, "calls_git");
    let old = "# Mine.\n[[directives]]\n  timeout=60# a minute\n\n[containers.a]\nlayers = []\n";
    project.directives(old);
    let learned = "\n# Learned by cargo maelstrom --learn: what these tests need of the machine.\n\
        [[directives]]\nfilter = \"name.equals(calls_git)\"\n\
        added_layers = [{ programs = [\"git\"] }]\n";
    let selected = ["--test=needing", "--", "--skip=anyway"];
    let learn = [&["--learn"], &selected[..]].concat();
    let run = project.maelstrom(&learn).exits(0);
    assert_eq!(
        run.stdout,
        "--- maelstrom-test.toml\n+++ maelstrom-test.toml\n@@ -4,3 +4,8 @@\n \n [containers.a]\n \
         layers = []\n+\n+# Learned by cargo maelstrom --learn: what these tests need of the \
         machine.\n+[[directives]]\n+filter = \"name.equals(calls_git)\"\n\
         +added_layers = [{ programs = [\"git\"] }]\n"
    );
    assert_eq!(
        fs::read_to_string(file(&project)).unwrap(),
        format!("{old}{learned}")
    );
    assert_eq!(known(&project).get(&id("calls_git")), None);

    let hermetic = [&["--hermetic"], &selected[..]].concat();
    project.maelstrom(&hermetic).exits(0);

    // The directive is there already, even if the need is known again.
    for _ in 0..2 {
        let before = fs::metadata(file(&project)).unwrap();
        let run = project.maelstrom(&learn).exits(0).says("nothing to learn");
        assert_eq!(run.stdout, "");
        let after = fs::metadata(file(&project)).unwrap();
        assert_eq!(
            (before.ino(), before.mtime_nsec()),
            (after.ino(), after.mtime_nsec())
        );
        remember_git(&project, "calls_git");
    }
}

/// A test that needs git, and passes in its first run only. `<runs>` is the directory in which it
/// remembers that.
const PASSING_ONCE: &str = r#"
#[test]
fn passes_once() {
    let first = std::fs::File::create_new("/runs/first");
    assert!(first.is_ok(), "it passes once");
}
"#;

#[test]
fn outcomes_only_tests_that_passed_before_the_proof_are_named() {
    needs_containers!();
    let project = needing();
    let runs = project.temporary().join("runs");
    fs::create_dir(&runs).unwrap();
    // Tests have another user's id.
    fs::set_permissions(&runs, fs::Permissions::from_mode(0o777)).unwrap();
    project.write("tests/needing.rs", &format!("{NEEDING}{PASSING_ONCE}"));
    let mount = format!(
        "{{ type = 'bind', mount_point = '/runs', local_path = '{}' }}",
        runs.display()
    );
    let old = format!(
        "[[directives]]\nadded_layers = [{{ stubs = ['/runs/'] }}]\nadded_mounts = [{mount}]\n"
    );
    project.directives(&old);
    let run = project
        .maelstrom(&["--learn", "--test=needing", "--no-fail-fast"])
        .exits(100);
    run.says("(needs git)")
        .says("error: 1 test passed before, but not with ")
        .says(":\n  outcomes test/needing passes_once\n")
        .does_not_say("\n  outcomes test/needing fails_anyway\n");
    // The file stays written.
    let text = fs::read_to_string(file(&project)).unwrap();
    assert!(
        text.starts_with(&old) && text.contains("[\"git\"]"),
        "{text}"
    );
}

#[test]
fn outcomes_without_needs_there_is_nothing_to_learn() {
    needs_containers!();
    let project = needing();
    let run = project.maelstrom(&["--learn", "--test=needing", "needs_nothing"]);
    run.exits(0).says("nothing to learn");
    let run = project.maelstrom(&["--learn", "--test=needing", "fails_anyway"]);
    run.exits(100).says("nothing to learn");
    assert!(!file(&project).exists());
}

#[test]
fn outcomes_a_file_with_a_mistake_is_refused_before_tests_run() {
    let project = needing();
    remember_git(&project, "calls_git");
    project.directives("[[directives]]\nfilters = \"all\"\n");
    let run = project.maelstrom(&["--learn", "--test=needing"]).exits(96);
    run.says("unknown field `filters`").does_not_say("PASS");
    let text = fs::read_to_string(file(&project)).unwrap();
    assert_eq!(text, "[[directives]]\nfilters = \"all\"\n");
}

/// A test that needs a program of a directory that the container does not have in its search path.
const SEARCHING: &str = r#"
#[test]
fn starts_a_generated_program() {
    let output = std::process::Command::new("generated-program").output().unwrap();
    assert_eq!(output.stdout, b"hello\n");
}
"#;

/// Writes a program to a directory that git ignores.
fn generate_program(project: &Project) {
    let git = Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(&project.root)
        .status();
    assert!(git.unwrap().success());
    project.write(".gitignore", "/generated\n");
    project.write("generated/generated-program", "#!/bin/sh\necho hello\n");
    let program = project.root.join("generated/generated-program");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A run with the generated program in the search path, and a variable.
fn run(project: &Project, options: &[&str]) -> Run {
    let generated = project.root.join("generated");
    let path = format!("{}:{}", std::env::var("PATH").unwrap(), generated.display());
    let mut command = project.command(options);
    command
        .env("PATH", path)
        .env("SERVICE_URL", "http://service.invalid/");
    Run::of(&mut command, project)
}

/// A further `--learn` does not touch the file.
#[track_caller]
fn learns_nothing(project: &Project, code: i32, options: &[&str]) {
    let state = || {
        let metadata = fs::metadata(file(project)).unwrap();
        let text = fs::read_to_string(file(project)).unwrap();
        (
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            text,
        )
    };
    let before = state();
    let again = run(project, &[&["--learn"], options].concat());
    again.exits(code).says("nothing to learn");
    assert_eq!(state(), before);
}

#[test]
fn outcomes_a_program_is_found_by_the_search_path_that_is_written() {
    needs_containers!();
    let project = Project::own("outcomes");
    generate_program(&project);
    project.write("tests/needing.rs", SEARCHING);
    run(&project, &["--learn", "--test=needing"]).exits(0);
    let text = fs::read_to_string(file(&project)).unwrap();
    let generated = project.root.join("generated");
    let learned = format!(
        "added_layers = [{{ programs = [\"<workspace-dir>/generated/generated-program\"] }}]\n\
         added_environment = {{ PATH = \"$prev{{PATH}}:{}\" }}\n",
        generated.display()
    );
    assert!(text.ends_with(&learned), "{text}");
    assert_eq!(known(&project).get(&id("starts_a_generated_program")), None);
    run(&project, &["--hermetic", "--test=needing"]).exits(0);
    learns_nothing(&project, 0, &["--test=needing"]);
    // Without the search path, the program is not found by its name.
    project.change(
        "maelstrom-test.toml",
        "added_environment",
        "# added_environment",
    );
    run(&project, &["--hermetic", "--test=needing"]).exits(100);
}

/// Tests with needs of every kind.
const EVERY_KIND: &str = r#"
use std::{env, fs, process::Command};

#[test]
fn calls_git() {
    assert!(Command::new("git").arg("--version").status().unwrap().success());
}

#[test]
fn reads_a_file() {
    assert!(fs::read_to_string("/etc/login.defs").unwrap().contains("UID_MIN"));
}

#[test]
fn lists_a_directory() {
    assert!(fs::read_dir("/etc/pam.d").unwrap().any(|entry| entry.unwrap().file_name() == "login"));
}

#[test]
fn reads_a_variable() {
    assert_eq!(env::var("SERVICE_URL").unwrap(), "http://service.invalid/");
}

#[test]
fn compiles() {
    env::set_current_dir(env::temp_dir()).unwrap();
    fs::write("hello.rs", "fn main() {}").unwrap();
    assert!(Command::new("rustc").arg("hello.rs").status().unwrap().success());
    assert!(Command::new("./hello").status().unwrap().success());
}

#[test]
fn needs_nothing() {}

#[test]
fn needs_nothing_either() {}
"#;

#[test]
fn outcomes_needs_of_every_kind_are_written_in_few_directives_and_once() {
    needs_containers!();
    let project = Project::own("outcomes");
    generate_program(&project);
    project.write("tests/needing.rs", &format!("{EVERY_KIND}{SEARCHING}"));
    let old = "# Mine.\n[[directives]]\n  timeout=60# a minute\n# The end.\n";
    project.directives(old);
    let selected = ["--test=needing", "--no-fail-fast"];
    let learned = run(&project, &[&["--learn"], &selected[..]].concat()).exits(0);
    let text = fs::read_to_string(file(&project)).unwrap();
    let new = text.strip_prefix(old).unwrap_or_else(|| panic!("{text}"));
    let directives = new.matches("[[directives]]\n").count();
    assert!((1..=5).contains(&directives), "{text}");
    for need in [
        "\"git\"",
        "paths = [\"/etc/login.defs\"]",
        "{ glob = \"/etc/pam.d/**\" }",
        "pass_environment = [\"SERVICE_URL\"]",
        "\"cargo\"",
        "\"<workspace-dir>/generated/generated-program\"",
    ] {
        assert_eq!(new.matches(need).count(), 1, "{need}: {text}");
    }
    assert!(!text.contains("service.invalid"), "{text}");
    for line in new.lines() {
        assert!(
            learned.stdout.contains(&format!("+{line}\n")),
            "{line}: {learned}"
        );
    }
    for test in [
        "calls_git",
        "reads_a_file",
        "lists_a_directory",
        "reads_a_variable",
        "compiles",
        "starts_a_generated_program",
    ] {
        assert!(
            learned.stderr.contains(&format!("{test} (needs ")),
            "{test}: {learned}"
        );
        assert_eq!(known(&project).get(&id(test)), None, "{test}");
    }
    run(&project, &[&["--hermetic"], &selected[..]].concat()).exits(0);
    learns_nothing(&project, 0, &selected);
    let ordinary = run(&project, &selected).exits(0);
    ordinary
        .does_not_say("(needs ")
        .does_not_say("needed something");
}

/// A test that needs the network.
const CONNECTING: &str = r#"
#[test]
fn connects() {
    std::net::UdpSocket::bind("0.0.0.0:0").unwrap().connect("192.0.2.7:9").unwrap();
}
"#;

#[test]
fn outcomes_the_network_is_proposed_once_also_if_the_test_has_failed_before() {
    needs_containers!();
    for failed_before in [false, true] {
        let project = Project::own("outcomes");
        project.write("tests/needing.rs", &format!("{CONNECTING}{EVERY_KIND}"));
        let selected = ["--test=needing", "--", "connects", "calls_git"];
        if failed_before {
            run(&project, &selected).exits(100);
        }
        let learn = || run(&project, &[&["--learn"], &selected[..]].concat());
        learn().exits(100).does_not_say("passed before");
        let text = fs::read_to_string(file(&project)).unwrap();
        let proposal = "\n# Found by cargo maelstrom --learn: tests connect to 192.0.2.7:9. To let \
            them:\n# [[directives]]\n# filter = \"name.equals(connects)\"\n# network = \"local\"\n";
        assert!(text.ends_with(proposal), "{text}");
        assert!(text.contains("\n[[directives]]\n"), "{text}");
        learns_nothing(&project, 100, &selected);
    }
}
