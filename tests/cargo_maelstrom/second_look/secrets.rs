//! Files that are never given to a test.

use super::{Looked, needs, of_home};
use crate::need::needs_containers;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const READING: &str = r#"
#[test]
fn reads_what_only_the_user_may_read() {
    run("reads_what_only_the_user_may_read");
    fs::read("ignored/private.key").unwrap();
}

#[test]
fn reads_settings_with_secrets() {
    run("reads_settings_with_secrets");
    fs::read(".env").unwrap();
}

#[test]
fn reads_a_file_of_the_home_directory() {
    run("reads_a_file_of_the_home_directory");
    fs::read(env::var("HOME_OF_USER").unwrap() + "/settings").unwrap();
}

#[test]
fn reads_a_file_of_its_own_home_directory() {
    run("reads_a_file_of_its_own_home_directory");
    fs::read(env::var("HOME").unwrap() + "/settings").unwrap();
}

#[test]
fn reads_passwords() {
    run("reads_passwords");
    fs::read("/etc/shadow").unwrap();
}

#[test]
fn reads_passwords_as_root() {
    run("reads_passwords_as_root");
    fs::read("/etc/shadow").unwrap();
}

#[test]
fn reads_passwords_with_a_program() {
    run("reads_passwords_with_a_program");
    output("cat", &["/etc/shadow"]);
}
"#;

#[test]
fn outcomes_files_that_may_hold_secrets_are_no_needs() {
    needs_containers!();
    let looked = Looked::new(READING);
    let project = &looked.project;
    let mut git = Command::new("git");
    let made = git
        .args(["init", "--quiet"])
        .current_dir(&project.root)
        .status();
    assert!(made.unwrap().success());
    project
        .write(".gitignore", "/ignored\n.env\n")
        .write("ignored/private.key", "secret")
        .write(".env", "TOKEN=secret");
    let key = project.root.join("ignored/private.key");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    // Files below /tmp are no needs, wherever the home directory is.
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(home.path().join("settings"), "").unwrap();
    looked.directives(&format!(
        "[[directives]]\nadded_environment = {{ HOME_OF_USER = '{}' }}\n\
         [[directives]]\nfilter = 'name.ends_with(as_root)'\nuser = 0\ngroup = 0\n",
        home.path().display()
    ));
    let variables = of_home(home.path());
    for _ in 0..2 {
        let run = looked.run_with(&["--no-fail-fast"], &variables).exits(100);
        let summary = run.summary();
        assert_eq!(
            (&summary["failed"], &summary["passed"]),
            (&7.into(), &0.into()),
            "{run}"
        );
        for test in run.names("finished") {
            assert!(needs(&run, &test).is_empty(), "{test}: {run}");
            // Each was looked at.
            assert!(looked.runs(&test) >= 2, "{test}: {run}");
        }
        for (test, hint) in [
            ("reads_settings_with_secrets", "files that may be secret"),
            (
                "reads_a_file_of_its_own_home_directory",
                "yours has ~/settings",
            ),
        ] {
            let hints = run.finished(test)["hints"].to_string();
            assert!(hints.contains(hint), "{test}: {hints}");
        }
    }
}

const TOKENS: &str = r#"
#[test]
fn needs_a_token() {
    run("needs_a_token");
    assert!(env::var_os("SERVICE_TOKEN").is_some());
}

#[test]
fn fails_with_a_token_too() {
    run("fails_with_a_token_too");
    output("git", &["--version"]);
    panic!("the token is {:?}", env::var("SERVICE_TOKEN"));
}
"#;

#[test]
fn outcomes_variables_that_may_be_secret_are_no_needs_and_their_values_are_not_kept() {
    needs_containers!();
    let looked = Looked::new(TOKENS);
    let variables = [("SERVICE_TOKEN", "value-of-the-token")];
    for _ in 0..2 {
        let run = looked.run_with(&["--no-fail-fast"], &variables).exits(100);
        assert_eq!(run.summary()["failed"], 2, "{run}");
        for test in run.names("finished") {
            assert!(needs(&run, &test).is_empty(), "{test}: {run}");
        }
        let hints = run.finished("needs_a_token")["hints"].to_string();
        let directive = r#"`pass_environment = [\"SERVICE_TOKEN\"]`"#;
        assert!(hints.contains(directive), "{hints}");
        // The output of the second look is shown, as the test got further in it.
        let hints = run.finished("fails_with_a_token_too")["hints"].to_string();
        assert!(hints.contains("the token is Err(NotPresent)"), "{hints}");
        assert!(!run.to_string().contains(variables[0].1), "{run}");
        let needs = looked.project.target.join("maelstrom/needs.json");
        let needs = fs::read_to_string(needs).unwrap();
        assert!(!needs.contains(variables[0].1), "{needs}");
    }
    looked.directives("[[directives]]\npass_environment = ['SERVICE_TOKEN']\n");
    let run = looked.run_with(&["needs_a_token"], &variables);
    assert_eq!(run.exits(0).summary()["passed"], 1);
}
