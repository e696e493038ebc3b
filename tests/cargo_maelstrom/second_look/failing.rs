//! Tests that fail although nothing of this machine is missing, or by chance.

use super::{Looked, names, needs};
use crate::need::needs_containers;
use serde_json::Value;

/// Tests that pass every second time. They use more and more of this machine without needing it, so
/// that more and more sets of needs are tried.
const FLAKY: &str = r#"
fn passes_every_second_time(name: &str) {
    let run = run(name);
    let _ = env::var_os("SERVICE_URL");
    assert!(run % 2 == 0, "in run {run}");
}

fn git() {
    let _ = Command::new("git").arg("--version").output();
}

#[test]
fn uses_nothing() {
    passes_every_second_time("uses_nothing");
}

#[test]
fn uses_git() {
    git();
    passes_every_second_time("uses_git");
}

#[test]
fn uses_git_and_a_file() {
    git();
    let _ = fs::read("/etc/login.defs");
    passes_every_second_time("uses_git_and_a_file");
}

#[test]
fn uses_git_and_two_files() {
    git();
    let _ = fs::read("/etc/login.defs");
    let _ = Path::new("/etc/pam.d/login").exists();
    passes_every_second_time("uses_git_and_two_files");
}

#[test]
fn uses_git_and_a_file_and_takes_long() {
    git();
    let _ = fs::read("/etc/login.defs");
    // A test of more than a second is run fewer times with its needs and without them.
    std::thread::sleep(std::time::Duration::from_millis(1001));
    passes_every_second_time("uses_git_and_a_file_and_takes_long");
}
"#;

#[test]
fn outcomes_a_test_that_fails_every_second_time_has_no_needs() {
    needs_containers!();
    for variables in [&[][..], &[("SERVICE_URL", "1")]] {
        let looked = Looked::new(FLAKY);
        let tests = [
            "uses_nothing",
            "uses_git",
            "uses_git_and_a_file",
            "uses_git_and_two_files",
            "uses_git_and_a_file_and_takes_long",
        ];
        for _ in 0..2 {
            let before = tests.map(|test| looked.runs(test));
            let run = looked.run_with(&["--no-fail-fast"], variables);
            for (test, before) in tests.into_iter().zip(before) {
                let finished = run.finished(test);
                let passes = before % 2 == 1;
                let status = if passes { "passed" } else { "failed" };
                assert_eq!(finished["status"], status, "{test}, {before}: {run}");
                assert!(needs(&run, test).is_empty(), "{run}");
                let hints = names(&finished, "hints");
                let is_noted = |hint: &String| {
                    hint.starts_with("the test passed when it was run again, and no program")
                };
                assert_eq!(hints.iter().any(is_noted), !passes, "{run}");
            }
            assert!(!run.stderr.contains("needed something"), "{run}");
        }
    }
}

/// Tests that fail in every container.
const FAILING: &str = r#"
#[test]
fn fails() {
    let run = run("fails");
    println!("stdout of run {run}");
    panic!("panic of run {run}");
}

#[test]
fn uses_git() {
    run("uses_git");
    output("git", &["--version"]);
    panic!();
}

#[test]
fn misses_programs() {
    run("misses_programs");
    let _ = Command::new("no-such-program").output();
    output("/no/such/place/program", &[]);
}

#[test]
fn misses_files() {
    run("misses_files");
    let _ = fs::read_dir("/etc/no-such-directory");
    fs::read("/etc/no-such-file.conf").unwrap();
}

#[test]
fn connects() {
    run("connects");
    std::net::UdpSocket::bind("0.0.0.0:0").unwrap().connect("192.0.2.7:9").unwrap();
}

#[test]
fn writes() {
    run("writes");
    fs::write("/usr/new", "").unwrap();
}
"#;

#[test]
fn outcomes_a_failure_is_that_of_the_first_run_and_is_explained() {
    needs_containers!();
    let looked = Looked::new(FAILING);
    looked.directives("[[directives]]\nfilter = 'name.equals(writes)'\nroot_overlay = 'none'\n");
    let run = looked.run(&["--no-fail-fast"]).exits(100);
    assert_eq!(run.summary()["failed"], 6, "{run}");
    let fails = run.finished("fails");
    assert!(
        fails["stdout"]
            .as_str()
            .unwrap()
            .contains("stdout of run 1\n"),
        "{fails}"
    );
    assert!(
        fails["stderr"]
            .as_str()
            .unwrap()
            .contains("panic of run 1\n"),
        "{fails}"
    );
    assert!(
        !run.stdout.contains("of run 2") && !run.stderr.contains("of run 2"),
        "{run}"
    );
    assert_eq!(fails["hints"], Value::Null, "{run}");
    assert_eq!(run.of_tests("started").len(), 6, "{run}");
    let lines = run
        .stderr
        .lines()
        .filter(|line| line.contains("] outcomes test/looked fails "));
    assert_eq!(lines.count(), 1, "{run}");
    for (test, hint) in [
        (
            "uses_git",
            "the test also fails if its container has the files of this machine, of which it uses: \
             git",
        ),
        (
            "misses_programs",
            "the test looked for programs that neither its container nor this machine has: \
             no-such-program, program",
        ),
        (
            "misses_files",
            "the test looked for files that neither its container nor this machine has: \
             /etc/no-such-directory, /etc/no-such-file.conf",
        ),
        (
            "connects",
            "the test used addresses beyond its loopback network: 192.0.2.7:9; a directive with \
             `network = \"local\"` gives it the network of this machine",
        ),
        (
            "writes",
            "the test wrote to a read-only part of its container: /usr/new",
        ),
    ] {
        let hints = names(&run.finished(test), "hints");
        let start = hint.split(';').next().unwrap();
        // git also looks for its settings in the home directory, and the user may have some.
        let others = hints.iter().filter(|text| !text.contains("home directory"));
        let [found] = others.collect::<Vec<_>>()[..] else {
            panic!("one hint expected for {test}: {run}")
        };
        // The hint about programs ends with the output of the second run.
        let first_line = found.lines().next().unwrap();
        assert_eq!(first_line.split(';').next(), Some(start), "{run}");
        assert_eq!(
            found.contains("explicit panic"),
            test == "uses_git",
            "{run}"
        );
        // The first run, one that is observed, one that sees git, and one with an identity for git.
        let home = std::env::home_dir().unwrap();
        let mut settings = [".gitconfig", ".config/git/config"].into_iter();
        let has_identity = settings.any(|name| home.join(name).is_file());
        let runs = match test {
            "uses_git" => 3 + u64::from(has_identity),
            _ => 2,
        };
        assert_eq!(looked.runs(test), runs, "{test}");
        assert!(run.stderr.contains("hint: "), "{run}");
    }
    assert_eq!(looked.runs("fails"), 2);
}

#[test]
fn outcomes_a_second_look_in_vain_is_repeated_when_the_test_has_changed() {
    needs_containers!();
    let looked = Looked::new(FAILING);
    let options = ["--no-fail-fast", "misses_files", "fails"];
    let runs = || ["misses_files", "fails"].map(|test| looked.runs(test));
    let first = looked.run(&options).exits(100);
    assert_eq!(runs(), [2, 2]);
    let second = looked.run(&options).exits(100);
    assert_eq!(runs(), [3, 3]);
    let hints = |run, test| names(&crate::fixture::Run::finished(run, test), "hints");
    assert_eq!(hints(&first, "misses_files").len(), 1);
    assert_eq!(
        hints(&second, "misses_files"),
        hints(&first, "misses_files")
    );
    looked.tests(&FAILING.replace("stdout of run", "a changed test in run"));
    looked.run(&options).exits(100);
    assert_eq!(runs(), [5, 5]);
    looked.directives("[[directives]]\nadded_environment = { CHANGED = '1' }\n");
    looked.run(&options).exits(100);
    assert_eq!(runs(), [7, 7]);
    looked.run(&options).exits(100);
    assert_eq!(runs(), [8, 8]);
    // A test that is mended passes at once.
    looked.tests(&FAILING.replace("panic!(\"panic", "println!(\"no panic"));
    looked.run(&["fails"]).exits(0);
    assert_eq!(looked.runs("fails"), 9);
}
