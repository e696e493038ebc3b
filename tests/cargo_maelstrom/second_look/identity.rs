//! Tests that make commits as the user of the machine.

use super::{Looked, needs, of_home};
use crate::need::needs_containers;
use std::fs;

const COMMITTING: &str = r#"
fn commit() -> std::process::Output {
    let repository = env::temp_dir().join("repository");
    let repository = repository.to_str().unwrap();
    output("git", &["init", "--quiet", repository]);
    let words = ["-C", repository, "commit", "--quiet", "--allow-empty", "--message=first"];
    Command::new("git").args(words).output().unwrap()
}

#[test]
fn makes_a_commit() {
    run("makes_a_commit");
    let output = commit();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn makes_a_commit_and_fails() {
    run("makes_a_commit_and_fails");
    assert!(!commit().status.success() && env::var_os("NEVER").is_some());
}
"#;

#[test]
fn outcomes_a_test_that_commits_with_the_users_identity_gets_another() {
    needs_containers!();
    let looked = Looked::new(COMMITTING);
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let variables = of_home(home.path());
    let arguments = ["--no-fail-fast", "makes_a_commit"];
    // Without an identity of the user, the test fails without a container, too.
    let run = looked.run_with(&arguments, &variables).exits(100);
    assert!(needs(&run, "makes_a_commit").is_empty(), "{run}");

    let identity = "[user]\nname = Somebody\nemail = somebody@example.org\n";
    fs::write(home.path().join(".gitconfig"), identity).unwrap();
    // What is known of a failed test counts until its binary changes.
    looked.tests(&format!("{COMMITTING}\n// Changed.\nconst _: u32 = 1;\n"));
    fs::remove_file(looked.project.target.join("maelstrom/needs.json")).unwrap();
    for _ in 0..2 {
        let run = looked.run_with(&arguments, &variables).exits(100);
        let needs_of = |test| needs(&run, test).into_iter().collect::<Vec<_>>();
        assert_eq!(needs_of("makes_a_commit"), ["git", "git identity"], "{run}");
        assert!(needs_of("makes_a_commit_and_fails").is_empty(), "{run}");
    }
    let learning = ["makes_a_commit", "--", "--exact"];
    let run = looked
        .run_with(&[&["--learn"], &learning[..]].concat(), &variables)
        .exits(0);
    let written = fs::read_to_string(looked.project.root.join("maelstrom-test.toml")).unwrap();
    let layer = r#"gitconfig" = "[user]\n\tname = Test\n\temail = test@example.org\n" } }"#;
    assert!(written.contains(layer), "{written}{run}");
    let hermetic = [&["--hermetic"], &learning[..]].concat();
    let run = looked.run_with(&hermetic, &variables).exits(0);
    assert!(needs(&run, "makes_a_commit").is_empty(), "{run}");
    // A second time, nothing is left to learn.
    looked
        .run_with(&[&["--learn"], &learning[..]].concat(), &variables)
        .exits(0);
    let again = fs::read_to_string(looked.project.root.join("maelstrom-test.toml")).unwrap();
    assert_eq!(written, again);
}
