//! What a run shows: text for people on stderr, what was asked for on stdout.

use crate::fixture::{Project, Run};
use nix::pty::{Winsize, openpty};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

/// A run of one test of `outcomes`.
fn outcome(name: &str, arguments: &[&str]) -> Run {
    let pattern = format!("name.equals({name})");
    let target = if name.contains("print") || name.contains("after_") || name.contains("newline") {
        "print"
    } else {
        "end"
    };
    Project::shared("outcomes")
        .maelstrom(&[&["--test", target, "-i", &pattern], arguments].concat())
}

/// What the run said after Cargo's own lines.
fn said(run: &Run) -> String {
    let cargos = |line: &&str| {
        ["Compiling", "Finished"]
            .iter()
            .any(|word| line.trim_start().starts_with(word))
    };
    let lines: Vec<_> = run.stable.lines().filter(|line| !cargos(line)).collect();
    lines.join("\n")
}

#[test]
fn shop_without_a_terminal_each_test_gets_a_line() {
    let project = Project::shared("shop");
    let run = project.maelstrom(&[
        "-p",
        "shop-core",
        "--lib",
        "takes_inventory_at",
        "--run-ignored=all",
    ]);
    insta::assert_snapshot!(said(&run.exits(0)), @r"
    PASS    [   0.000s] shop-core lib/shop_core tests::takes_inventory_at_night

    Ran 1 test in 0.00s
        1 passed
    ");
    let run = project
        .maelstrom(&["-p", "shop-core", "takes_inventory_at"])
        .exits(0);
    insta::assert_snapshot!(said(&run), @r"
    IGNORED [        -] shop-core lib/shop_core tests::takes_inventory_at_night

    Ran 0 tests in 0.00s
        1 ignored

    note: the selected test is marked as ignored in its source; `--ignored` runs ignored tests, `--include-ignored` all tests
    ");
    assert_eq!(run.stdout, "", "stdout is for what was asked for");
}

#[test]
fn plain_an_error_that_a_thousand_tests_share_is_shown_once() {
    let project = Project::own("plain");
    let tests = (0..1000).map(|number| format!("#[test] fn number_{number:03}() {{}}\n"));
    project.write("src/lib.rs", &tests.collect::<String>());
    let fail_by = |line: &str| {
        // Listing them needs a container, too.
        let filter = "name.starts_with(number)";
        project.directives(&format!("[[directives]]\nfilter = \"{filter}\"\n{line}\n"));
    };
    fail_by(r#"added_layers = [{ tar = "no.tar" }]"#);
    let [simple, quiet] = ["simple", "quiet"].map(|ui| {
        let run = project.maelstrom(&["--lib", "--ui", ui]).exits(100);
        said(&run)
    });
    assert_eq!(simple, quiet);
    insta::assert_snapshot!(simple, @r"
    ERROR   [        -] plain lib/plain number_000
        cannot build the `tar` layer `<root>/no.tar`: <root>/no.tar does not exist

    ERROR   [        -] plain lib/plain number_001 (the same error: see the summary)

    Ran 1,000 tests in 0.00s
        1,000 errors

    Failures:
        ERROR   1,000 tests: cannot build the `tar` layer `<root>/no.tar`: <root>/no.tar does not exist
                plain lib/plain number_000
                plain lib/plain number_001
                plain lib/plain number_002
                plain lib/plain number_003
                plain lib/plain number_004
                and 995 more
    ");
    fail_by(r#"image = "docker://127.0.0.1:1/none:1""#);
    let run = project.events(&["--lib"]).exits(100);
    assert!(run.stable.lines().count() < 24, "{run}");
    let run =
        run.says("    ERROR   1,000 tests: cannot get the image `docker://127.0.0.1:1/none:1`: ");
    // Programs hear of each.
    let statuses = run.statuses();
    assert_eq!(statuses.len(), 1000, "{run}");
    assert!(statuses.values().all(|status| status == "error"), "{run}");
}

#[test]
fn outcomes_a_failure_is_shown_with_all_there_is_to_know() {
    insta::assert_snapshot!(said(&outcome("panics", &[]).exits(100)), @"
    FAIL    [   0.000s] outcomes test/end panics (exit code 101)
    --- stderr ---
    thread 'panics' panicked at tests/end.rs:24:5:
    assertion `left == right` failed: sums are hard
      left: 2
     right: 3
    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

    Ran 1 test in 0.00s
        1 failed

    Failures:
        FAIL    outcomes test/end panics (exit code 101)
    ");
    insta::assert_snapshot!(said(&outcome("exits_with_7", &[]).exits(100)), @"
    FAIL    [   0.000s] outcomes test/end exits_with_7 (exit code 7)
    --- stderr ---
    leaving

    Ran 1 test in 0.00s
        1 failed

    Failures:
        FAIL    outcomes test/end exits_with_7 (exit code 7)
    ");
    insta::assert_snapshot!(said(&outcome("aborts", &[]).exits(100)), @"
    FAIL    [   0.000s] outcomes test/end aborts (signal SIGABRT)
        used CPU time and memory

    Ran 1 test in 0.00s
        1 failed

    Failures:
        FAIL    outcomes test/end aborts (signal SIGABRT)
    ");
    insta::assert_snapshot!(said(&outcome("hangs", &["-t", "0.5"]).exits(100)), @"
    TIMEOUT [   0.000s] outcomes test/end hangs (timed out after 0.5s)
        used CPU time and memory
    --- stdout ---
    going to hang

    Ran 1 test in 0.00s
        1 timed out

    Failures:
        TIMEOUT outcomes test/end hangs (timed out after 0.5s)
    ");
}

#[test]
fn outcomes_quiet_runs_show_failures_and_the_summary() {
    for quiet in [&["-q"][..], &["--quiet"], &["--ui", "quiet"], &["--", "-q"]] {
        let run = outcome("passes", quiet).exits(0);
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(&run), @r"
            Ran 1 test in 0.00s
                1 passed
            ");
        }
    }
    outcome("passes", &["-q"])
        .exits(0)
        .does_not_say("Finished `test` profile");
    outcome("exits_with_7", &["-q"])
        .exits(100)
        .says("leaving")
        .says("FAIL");
}

#[test]
fn outcomes_a_drawing_without_a_terminal_is_lines() {
    for ui in ["auto", "fancy", "simple"] {
        outcome("passes", &["--ui", ui])
            .exits(0)
            .says("PASS    [   0.000s] outcomes test/end passes\n");
    }
}

/// Runs a command with stderr on a terminal. Returns the exit code, and the text that the terminal
/// received without colours.
pub fn on_a_terminal(command: &mut Command) -> (Option<i32>, String) {
    let size = Winsize {
        ws_row: 24,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let terminal = openpty(&size, None).unwrap();
    command
        .env("TERM", "xterm")
        .stdout(Stdio::null())
        .stderr(terminal.slave);
    let mut child = command.spawn().unwrap();
    // Closes this process's copy of the terminal, so that reading ends with the command.
    command.stderr(Stdio::null());
    let mut received = Vec::new();
    // Reading the master fails with EIO when all copies of the terminal are closed (pty(7)).
    let _ = File::from(terminal.master).read_to_end(&mut received);
    let text = String::from_utf8_lossy(&received);
    let text = console::strip_ansi_codes(&text).into_owned();
    (child.wait().unwrap().code(), text)
}

#[test]
fn outcomes_verbose_names_tests_that_pass_on_a_terminal() {
    let project = Project::shared("outcomes");
    let arguments = ["--test", "end", "-i", "name.equals(passes)"];
    let run = |more: &[&str]| {
        let (code, text) = on_a_terminal(&mut project.command(&[&arguments, more].concat()));
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("1 passed"), "{text}");
        let lines = text.lines().filter(|line| line.contains("PASS "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // Where progress is drawn, tests that pass get no line by default.
    assert_eq!(run(&[]), Vec::<String>::new());
    for verbose in ["-v", "--verbose"] {
        let lines = run(&[verbose]);
        assert!(
            matches!(&lines[..], [line] if line.contains("outcomes test/end passes")),
            "{lines:?}"
        );
    }
}

#[test]
fn outcomes_output_of_tests_that_pass_is_shown_when_asked_for() {
    outcome("passes_after_printing", &[])
        .exits(0)
        .does_not_say("to stdout")
        .does_not_say("to stderr");
    for option in [&["--show-output"][..], &["--", "--show-output"]] {
        let run = outcome("passes_after_printing", option).exits(0);
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(&run), @"
            PASS    [   0.000s] outcomes test/print passes_after_printing
            --- stdout ---
            to stdout
            --- stderr ---
            to stderr

            Ran 1 test in 0.00s
                1 passed
            ");
        }
    }
}

#[test]
fn outcomes_without_capture_output_is_shown_as_it_comes_and_once() {
    for option in [
        &["--nocapture"][..],
        &["--no-capture"],
        &["--", "--nocapture"],
    ] {
        let run = outcome("passes_after_printing", option).exits(0);
        assert_eq!(run.stderr.matches("to stdout").count(), 1, "{run}");
        assert_eq!(run.stderr.matches("to stderr").count(), 1, "{run}");
        let run = outcome("fails_without_a_last_newline", option).exits(100);
        assert_eq!(run.stderr.matches("no newline").count(), 1, "{run}");
        run.says("no newline\nFAIL  ");
    }
    // Programs get it all the same.
    let run = outcome(
        "fails_without_a_last_newline",
        &["--nocapture", "--message-format", "json"],
    );
    assert!(
        run.finished("fails_without_a_last_newline")["stdout"]
            .as_str()
            .unwrap()
            .contains("no newline")
    );
}

#[test]
fn outcomes_output_that_is_not_text_does_not_reach_the_terminal() {
    let run = outcome("fails_after_what_is_not_utf_8", &[]).exits(100);
    run.says("caf\u{fffd} red  end\n");
    let run = outcome("fails_after_what_is_not_utf_8", &["--color", "always"]).exits(100);
    run.says("caf\u{fffd} \u{1b}[31mred\u{1b}[0m  end");
    let run = outcome(
        "fails_after_what_is_not_utf_8",
        &["--message-format", "json"],
    )
    .exits(100);
    let event = run.finished("fails_after_what_is_not_utf_8");
    let text = event["stdout"].as_str().unwrap();
    assert!(
        text.contains("caf\u{fffd} \u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7} end\n"),
        "{text:?}"
    );
}

#[test]
fn outcomes_much_output_is_cut_in_the_middle() {
    let run = outcome("fails_after_three_megabytes", &["--message-format=json"]).exits(100);
    assert!(run.stderr.len() < 1_200_000, "{}", run.stderr.len());
    let run = run
        .says("the beginning\n")
        .says("the end\n")
        .says(" bytes left out ...]");
    let event = run.finished("fails_after_three_megabytes");
    let omitted = event["stdout_omitted"].as_u64().unwrap();
    let text = event["stdout"].as_str().unwrap();
    assert!(text.contains(&format!("[... {omitted} bytes left out ...]")));
    assert!(omitted > 1_900_000, "{omitted}");
    assert_eq!(event["stderr_omitted"], Value::Null);

    let run = outcome("fails_after_three_megabytes", &["--inline-limit", "2 KiB"]).exits(100);
    assert!(run.stderr.len() < 4096, "{run}");
    outcome("fails_after_three_megabytes", &["--inline-limit=1G"])
        .exits(100)
        .says(&"0".repeat(99))
        .does_not_say("left out");
}

#[test]
fn outcomes_colors_depend_on_the_terminal_and_the_settings() {
    let escape = "\u{1b}[";
    outcome("passes", &[]).does_not_say(escape);
    outcome("passes", &["--color", "always"]).says(escape);
    outcome("passes", &["--", "--color=always"]).says(escape);
    let project = Project::shared("outcomes");
    for (variables, colored) in [
        (&[("CLICOLOR_FORCE", "1")][..], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[("CARGO_TERM_COLOR", "always"), ("NO_COLOR", "1")], true),
        (
            &[("CARGO_TERM_COLOR", "never"), ("CLICOLOR_FORCE", "1")],
            false,
        ),
    ] {
        let mut command = project.command(&["--test", "end", "-i", "n.eq(passes)"]);
        let run = Run::of(command.envs(variables.iter().copied()), &project).exits(0);
        assert_eq!(run.stderr.contains(escape), colored, "{variables:?}: {run}");
    }
}

#[test]
fn outcomes_json_is_one_object_per_line_from_the_start_to_the_end() {
    let run = outcome("exits_with_7", &["--message-format", "json"]).exits(100);
    let mut events = run.all_events();
    for event in &mut events {
        if event["seconds"].is_number() {
            event["seconds"] = 0.into();
        }
        if event["usage"].is_object() {
            event["usage"] = "…".into();
        }
        if event["program_version"].is_string() {
            event["program_version"] = "…".into();
        }
    }
    // Tests run while the build still goes on: when it ends is not said.
    let is_end_of_build = |event: &Value| event["type"] == "build" && event["event"] == "finished";
    let end_of_build = events.iter().position(is_end_of_build).unwrap();
    assert_eq!(events.remove(end_of_build)["success"], true);
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"type":"run","event":"started","version":1,"program":"cargo-maelstrom","program_version":"…"}
    {"type":"build","event":"started"}
    {"type":"binary","event":"listed","package":"outcomes","target":{"kind":"test","name":"end"},"count":12}
    {"type":"test","event":"started","package":"outcomes","target":{"kind":"test","name":"end"},"name":"exits_with_7"}
    {"type":"test","event":"finished","package":"outcomes","target":{"kind":"test","name":"end"},"name":"exits_with_7","status":"failed","seconds":0,"exit_code":7,"message":"exit code 7","stdout":"\nrunning 1 test\n","stderr":"leaving\n","usage":"…"}
    {"type":"run","event":"finished","passed":0,"cached":0,"flaky":0,"leaky":0,"failed":1,"timed_out":0,"errors":0,"ignored":0,"not_run":0,"seconds":0}
    "#);
}

#[test]
fn shop_json_leaves_text_for_people_on_stderr() {
    let project = Project::shared("shop");
    let run = project
        .maelstrom(&["--message-format", "json", "-p", "shop-macros"])
        .exits(0);
    run.all_events();
    run.says("PASS  ").says("1 passed");
}

#[test]
fn shop_a_closed_reader_does_not_end_the_run() {
    let project = Project::shared("shop");
    for format in ["json", "human"] {
        let arguments = ["--message-format", format, "-p", "shop-core", "--lib"];
        let mut child = project
            .command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(stderr.contains("4 passed"), "{stderr}");
    }
    let mut child = project
        .command(&["--list"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn shop_json_that_cannot_be_written_is_an_error() {
    let project = Project::shared("shop");
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let mut command = project.command(&["--message-format", "json", "-p", "shop-macros"]);
    let run = Run::of_stdout(&mut command, &project, full()).exits(96);
    run.says("error: failed to write `standard output`: No space left on device");
}

#[test]
fn shop_cargos_own_messages_come_when_asked_for() {
    let project = Project::shared("shop");
    let run = project
        .maelstrom(&["-p", "shop-macros", "--cargo-message-format", "json"])
        .exits(0);
    let reasons: Vec<_> = run
        .all_events()
        .iter()
        .map(|event| event["reason"].to_string())
        .collect();
    assert!(reasons.contains(&"\"build-finished\"".to_owned()), "{run}");
    assert!(
        reasons.contains(&"\"compiler-artifact\"".to_owned()),
        "{run}"
    );
}

#[test]
fn shop_compiler_messages_for_people_do_not_go_to_stdout() {
    let project = Project::shared("shop");
    for format in ["human", "short"] {
        let options = [
            "--no-run",
            "-p",
            "shop-macros",
            "--cargo-message-format",
            format,
        ];
        let run = project.maelstrom(&options).exits(0);
        assert_eq!(run.stdout, "", "{run}");
    }
}

#[test]
fn outcomes_sources_that_a_failed_test_wrote_are_named() {
    let project = Project::own("outcomes");
    let before = std::fs::read(project.root.join("lib.rs")).unwrap();
    let run = project
        .maelstrom(&["--test", "need", "writes_sources", "--message-format=json"])
        .exits(100);
    assert_eq!(run.statuses()["writes_sources_and_passes"], "passed");
    let written = run.finished("writes_sources_and_fails")["written"].clone();
    let written: Vec<String> = serde_json::from_value(written).unwrap();
    let written: Vec<_> = written.iter().map(|path| project.stable(path)).collect();
    assert_eq!(
        written,
        ["<root>/Cargo.lock", "<root>/lib.rs", "<root>/snapshot.new"]
    );
    let run = run.says("note: the test wrote to the source tree; its container discarded these files: <root>/Cargo.lock, <root>/lib.rs, <root>/snapshot.new\n");
    assert_eq!(run.stderr.matches("note: the test wrote").count(), 1);
    assert_eq!(std::fs::read(project.root.join("lib.rs")).unwrap(), before);
    assert!(project.root.join("Cargo.lock").exists());
    assert!(!project.root.join("snapshot.new").exists());
    assert!(!project.root.join("new-directory").exists());
}

#[test]
fn plain_results_are_in_a_junit_report() {
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        r#"
#[test] fn passes() { println!("not shown"); }
#[test] fn fails() { println!("\u{1b}[31mred\u{1b}[0m\0"); panic!("1 < 2 & so on"); }
#[test] #[ignore] fn is_ignored() {}
#[test] fn cannot_run() {}
#[test] fn needs_git() { assert!(std::process::Command::new("git").arg("--version").status().unwrap().success()); }
"#,
    );
    project.directives(
        "[[directives]]\nfilter = \"name.equals(cannot_run)\"\nadded_layers = [{ tar = \"no.tar\" }]\n",
    );
    let file = project.root.join("reports/of/junit.xml");
    let run = project.maelstrom(&["--lib", "--junit", "reports/of/junit.xml"]);
    let run = run.exits(100).says("(needs git)");
    let xml = std::fs::read_to_string(&file).unwrap();
    let suite = r#"<testsuite name="plain" tests="5" skipped="1" errors="1" failures="1""#;
    assert!(xml.contains(suite), "{xml}{run}");
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let cases: Vec<_> = report.test_suites[0].test_cases.iter().collect();
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(
        names,
        ["cannot_run", "fails", "is_ignored", "needs_git", "passes"]
    );
    let text = |output: &Option<quick_junit::XmlString>| output.as_deref().map(str::to_owned);
    assert!(xml.contains("no.tar does not exist</error>"), "{xml}");
    assert!(xml.contains("1 &lt; 2 &amp; so on"), "{xml}");
    assert!(
        text(&cases[1].system_out).unwrap().contains("red␀"),
        "{xml}"
    );
    assert!(xml.contains("<skipped message=\"ignored\"/>"), "{xml}");
    let need = &cases[3].properties[0];
    assert_eq!((need.name.as_str(), need.value.as_str()), ("needs", "git"));
    assert_eq!(text(&cases[4].system_out), None);

    // The report of another run replaces the report. Tests that ended before the run stopped are
    // in it.
    let arguments = [
        "--lib",
        "-j1",
        "--stop-after=1",
        "--show-output",
        "--repeat=2",
    ];
    project
        .maelstrom(
            &[
                &arguments[..],
                &["-i", "name.equals(fails)", "--junit"],
                &[file.to_str().unwrap()],
            ]
            .concat(),
        )
        .exits(100);
    let xml = std::fs::read_to_string(&file).unwrap();
    assert!(xml.contains("tests=\"1\""), "{xml}");
    assert!(xml.contains("<testcase name=\"fails ["), "{xml}");

    project
        .maelstrom(&["--lib", "passes", "--junit", "src/lib.rs/junit.xml"])
        .exits(96)
        .says("error: failed to write `src/lib.rs/junit.xml`: Not a directory");
}

#[test]
fn plain_a_step_of_github_actions_has_groups_annotations_and_a_summary() {
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "#[test]\nfn passes() {}\n#[test]\nfn fails() {\n    panic!(\"no: 1, 2\");\n}\n",
    );
    let summary = project.temporary().join("summary.md");
    std::fs::write(&summary, "an earlier step\n").unwrap();
    let mut command = project.command(&["--lib"]);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", project.root.parent().unwrap())
        .env("GITHUB_STEP_SUMMARY", &summary);
    let run = Run::of(&mut command, &project).exits(100);
    let directory = project.root.file_name().unwrap().to_str().unwrap();
    let annotation = format!(
        "\n::error file={directory}/src/lib.rs,line=5,col=5,title=plain lib/plain fails%3A exit \
         code 101::thread 'fails' "
    );
    assert!(run.stderr.contains(&annotation), "{run}");
    let is_marker = |line: &&str| line.starts_with("::group::") || line.starts_with("::endgroup");
    let markers: Vec<_> = run.stderr.lines().filter(is_marker).collect();
    let tests = ["::group::Tests", "::endgroup::"];
    let build = ["::group::Build", "::endgroup::"];
    assert_eq!(markers, [build, tests].concat(), "{run}");
    let text = std::fs::read_to_string(&summary).unwrap();
    let start = "an earlier step\n### ❌ 1 of 2 tests failed\n\n1 passed · 1 failed · in ";
    assert!(text.starts_with(start), "{text}");
    assert!(
        text.contains("panicked at src/lib.rs:5:5:\nno: 1, 2"),
        "{text}"
    );

    let mut command = project.command(&["--lib", "passes"]);
    let missing = project.temporary().join("missing/summary.md");
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &missing);
    Run::of(&mut command, &project)
        .exits(96)
        .says(&format!("error: failed to write `{}`", missing.display()));
}
