//! The options and variables of nextest about output and failures.

use crate::fixture::{Project, Run, mkfifo};
use crate::output::on_a_terminal;
use std::fs;

/// A run of tests of `outcomes` that pass, fail and are ignored.
fn outcomes(variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let project = Project::shared("outcomes");
    let select = [
        "--test",
        "end",
        "-i",
        "n.eq(passes) || n.eq(exits_with_7) || n.eq(is_ignored)",
    ];
    let hermetic = ["--hermetic", "-j1"];
    let mut command = project.command(&[&select[..], &hermetic, arguments].concat());
    Run::of(command.envs(variables.iter().copied()), &project).exits(100)
}

/// The labels of the lines about tests: those before the summary, and those in it.
fn labels(run: &Run) -> (Vec<&str>, Vec<&str>) {
    let (during, summary) = run.stable.split_once("Ran ").unwrap();
    let pick = |text| {
        let lines = str::lines(text).map(str::trim_start);
        let words = lines.map(|line| line.split(' ').next().unwrap_or_default());
        let mut words: Vec<_> = words
            .filter(|word| ["PASS", "FAIL", "IGNORED"].contains(word))
            .collect();
        words.sort_unstable();
        words
    };
    (pick(during), pick(summary))
}

#[test]
fn outcomes_status_levels_decide_which_tests_get_a_line() {
    for (arguments, during, summary) in [
        (&[][..], &["FAIL", "IGNORED", "PASS"][..], &["FAIL"][..]),
        (&["--status-level=pass"], &["FAIL", "PASS"], &["FAIL"]),
        (
            &["--status-level=fail", "--final-status-level=skip"],
            &["FAIL"],
            &["FAIL", "IGNORED"],
        ),
        (
            &[
                "-q",
                "--status-level",
                "all",
                "--final-status-level",
                "none",
            ],
            &["FAIL", "IGNORED", "PASS"],
            &[],
        ),
        (
            &[
                "--status-level=none",
                "--failure-output=never",
                "--final-status-level=all",
            ],
            &[],
            &["FAIL", "IGNORED", "PASS"],
        ),
    ] {
        let run = outcomes(&[], arguments);
        assert_eq!(
            labels(&run),
            (during.to_vec(), summary.to_vec()),
            "{arguments:?}: {run}"
        );
    }
    let variables = [
        ("NEXTEST_STATUS_LEVEL", "pass"),
        ("NEXTEST_FINAL_STATUS_LEVEL", "none"),
    ];
    assert_eq!(
        labels(&outcomes(&variables, &[])),
        (vec!["FAIL", "PASS"], vec![])
    );
}

#[test]
fn outcomes_output_is_shown_at_the_end_of_a_test_or_of_the_run() {
    // How often the outputs of the test that fails and of the one that passes are shown.
    let times = |variables: &[(&str, &str)], arguments: &[&str]| {
        let run = outcomes(variables, arguments);
        (
            run.stderr.matches("leaving").count(),
            run.stderr.matches("all is well").count(),
        )
    };
    assert_eq!(times(&[], &[]), (1, 0));
    assert_eq!(times(&[], &["--failure-output", "never"]), (0, 0));
    assert_eq!(times(&[], &["--failure-output=immediate-final"]), (2, 0));
    assert_eq!(
        times(&[], &["--failure-output=final", "--success-output=final"]),
        (1, 1)
    );
    assert_eq!(times(&[], &["--success-output", "immediate-final"]), (1, 2));
    let variables = [
        ("NEXTEST_FAILURE_OUTPUT", "never"),
        ("NEXTEST_SUCCESS_OUTPUT", "immediate"),
    ];
    assert_eq!(times(&variables, &[]), (0, 1));

    let run = outcomes(&[], &["--failure-output=final", "--status-level=fail"]);
    let after_cargo = run.stable.split_once("FAIL ").unwrap().1;
    insta::assert_snapshot!(format!("FAIL {after_cargo}"), @"
    FAIL    [   0.000s] outcomes test/end exits_with_7 (exit code 7)

    FAIL    [   0.000s] outcomes test/end exits_with_7 (exit code 7)
    --- stderr ---
    leaving

    Ran 2 tests in 0.00s
        1 passed
        1 failed
        1 ignored

    Failures:
        FAIL    outcomes test/end exits_with_7 (exit code 7)

    note: with `--hermetic`, tests get their containers only; `cargo maelstrom --observe TEST` shows what a test asks for
    ");
}

#[test]
fn together_tests_that_run_are_killed_when_the_run_stops_at_once() {
    let project = Project::own("together");
    fs::create_dir(project.root.join("pipes")).unwrap();
    mkfifo(project.root.join("pipes/started"));
    project.write(
        "src/lib.rs",
        "#[test]\nfn hangs() {\n    std::fs::write(\"/pipes/started\", \"\").unwrap();\n    loop { std::thread::park() }\n}\n\
         #[test]\nfn fails() {\n    std::fs::read(\"/pipes/started\").unwrap();\n    panic!()\n}\n",
    );
    // If it were waited for, the other test would fail, too.
    let run = project.events(&["-j2", "--hermetic", "--max-fail", "1:immediate", "-t", "30"]);
    let run = run.exits(100);
    assert_eq!(run.names("started").len(), 2, "{run}");
    assert_eq!(
        run.statuses(),
        [("fails".to_owned(), "failed".to_owned())].into()
    );
    run.says("stopped after 1 failure").says("1 not run");
}

#[test]
fn outcomes_lines_replace_the_progress_bar_on_a_terminal() {
    let project = Project::shared("outcomes");
    let select = ["--test", "end", "-i", "name.equals(passes)"];
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = project.command(&[&select[..], arguments].concat());
        let (code, text) = on_a_terminal(command.envs(variables.iter().copied()));
        assert_eq!(code, Some(0), "{text}");
        // What is drawn is erased. A run may be too short for a bar.
        (text.contains("\u{1b}[2K"), text.contains("PASS "))
    };
    assert!(!run(&[], &[]).1);
    assert!(run(&[], &["--status-level=pass"]).1);
    for (variables, arguments) in [
        (&[][..], &["--hide-progress-bar"][..]),
        (&[("NEXTEST_HIDE_PROGRESS_BAR", "1")], &["--ui=fancy"]),
    ] {
        assert_eq!(run(variables, arguments), (false, true));
    }
}

#[test]
fn plain_the_first_word_run_is_that_of_nextest() {
    let project = Project::shared("plain");
    let run = project.maelstrom(&["run", "--all", "--no-fail-fast", "--lib", "first"]);
    run.exits(0).says("1 passed");
}

#[test]
fn plain_cargo_alone_is_quiet() {
    let project = Project::own("plain");
    let run = project.maelstrom(&["--cargo-quiet", "--lib"]).exits(0);
    run.says("PASS").does_not_say("Compiling");
    project.write("src/lib.rs", "compile_error!(\"no shop today\");");
    let run = project.maelstrom(&["--cargo-quiet", "--lib"]).exits(101);
    run.says("no shop today");
    let run = project.maelstrom(&["--cargo-quiet", "--cargo-quiet", "--lib"]);
    run.exits(101).does_not_say("no shop today");
}
