//! How tests run: each to its own end, in which order, how many at once, how often.

use crate::fixture::{Project, Run, mkfifo};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
};

#[test]
fn outcomes_each_way_to_end_has_a_result_of_its_own() {
    let run = Project::shared("outcomes").events(&["--test", "end", "--timeout", "2"]);
    let run = run.exits(100);
    assert_eq!(run.statuses().len(), 12, "one event for each test");
    let line = |event: &Value| {
        let text = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
        let number = event["exit_code"].as_i64().or(event["signal"].as_i64());
        let number = number.map_or("-".to_owned(), |number| number.to_string());
        let (name, status, signal) = (text("name"), text("status"), text("signal_name"));
        format!("{name}: {status} {number} {signal} {}", text("message"))
    };
    let mut lines: Vec<_> = run.of_tests("finished").iter().map(line).collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"), @r"
    aborts: failed 6 SIGABRT signal SIGABRT
    exits_with_7: failed 7 - exit code 7
    hangs: timed-out - - timed out after 2s
    is_ignored: ignored - - -
    overflows_its_stack: failed 6 SIGABRT signal SIGABRT
    panics: failed 101 - exit code 101
    panics_as_it_should: passed - - -
    panics_on_another_thread_that_nobody_joins: passed - - -
    passes: passed - - -
    returns_an_error: failed 101 - exit code 101
    segfaults: failed 11 SIGSEGV signal SIGSEGV
    should_panic_but_does_not: failed 101 - exit code 101
    ");
    let summary = run.summary();
    let counts = [
        "passed",
        "failed",
        "timed_out",
        "errors",
        "ignored",
        "not_run",
    ];
    assert_eq!(
        counts.map(|count| summary[count].as_u64().unwrap()),
        [3, 7, 1, 0, 1, 0]
    );
}

#[test]
fn outcomes_the_output_of_a_test_before_its_timeout_is_shown() {
    let project = Project::own("outcomes");
    project.directives(
        r#"
        [[directives]]
        filter = "name.equals(hangs)"
        timeout = 0.25
        "#,
    );
    let hangs = ["--test", "end", "-i", "name.equals(hangs)"];
    let event = project.events(&hangs).exits(100).finished("hangs");
    assert_eq!(event["status"], "timed-out");
    assert_eq!(event["message"], "timed out after 0.25s");
    assert_eq!(event["stdout"], "\nrunning 1 test\ngoing to hang\n");

    // The command line beats the directive, and the environment does.
    let run = project
        .maelstrom(&[&hangs[..], &["-t", "0.5"]].concat())
        .exits(100);
    let run = run
        .says("TIMEOUT")
        .says("(timed out after 0.5s)")
        .says("1 timed out");
    assert!(run.stderr.contains("going to hang"), "{run}");
    let mut command = project.command(&hangs);
    let run = Run::of(command.env("CARGO_MAELSTROM_TIMEOUT", "0.75"), &project);
    run.exits(100).says("(timed out after 0.75s)");
}

#[test]
fn shop_every_kind_of_target_runs() {
    let run = Project::shared("shop")
        .events(&["--workspace", "--include-ignored"])
        .exits(0);
    let kinds = run
        .of_tests("finished")
        .iter()
        .fold(Vec::new(), |mut kinds, event| {
            assert_eq!(event["status"], "passed", "{event}");
            kinds.push(event["target"]["kind"].as_str().unwrap().to_owned());
            kinds
        });
    for kind in ["lib", "bin", "test", "example", "bench", "proc-macro"] {
        assert!(kinds.iter().any(|other| other == kind), "no {kind}");
    }
    assert_eq!(run.summary()["passed"], kinds.len());
}

#[test]
fn shop_binaries_without_libtest_run_by_their_lists_or_as_a_whole() {
    let run = Project::shared("shop")
        .events(&["-p", "shop-custom", "--show-output"])
        .exits(0);
    let output = |name: &str| run.finished(name)["stdout"].clone();
    assert_eq!(output("fresh bread"), "on the shelf: fresh bread\n");
    assert_eq!(output("whole"), "ran as a whole\n");
    assert_eq!(output("nothing"), Value::Null);
    assert_eq!(run.statuses()["old bread: rye"], "ignored");
}

#[test]
fn shop_each_repetition_is_an_event() {
    let project = Project::shared("shop");
    let run = project
        .events(&["-p", "shop-core", "--lib", "--repeat", "3"])
        .exits(0);
    let mut seen: Vec<_> = run
        .of_tests("finished")
        .iter()
        .map(|event| (event["name"].to_string(), event["repeat"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen.len(), 18);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 18);
    assert!(seen.iter().all(|(_, number)| (1..=3).contains(number)));
    assert_eq!(run.summary()["passed"], 12);
    assert_eq!(run.summary()["ignored"], 6);
    project
        .maelstrom(&["-p", "shop-macros", "--loop=2"])
        .exits(0)
        .says("] [1/2] shop-macros proc-macro/shop_macros expands_to_nothing")
        .says("] [2/2] shop-macros");
}

#[test]
fn outcomes_a_run_ends_after_as_many_failures_as_it_may_have() {
    let project = Project::shared("outcomes");
    for (arguments, failures) in [
        (&["--stop-after", "2"][..], 2),
        (&["--max-fail=1"], 1),
        (&["--fail-fast"], 1),
    ] {
        let tests = ["-j", "1", "--test", "end", "-x", "n.eq(hangs)"];
        let run = project.events(&[&tests, arguments].concat()).exits(100);
        let summary = run.summary();
        assert_eq!(summary["failed"], failures, "{arguments:?}");
        assert_eq!(summary["cancelled"], "failures");
        let reached = run.of_tests("finished").len() as u64;
        assert_eq!(reached + summary["not_run"].as_u64().unwrap(), 11, "{run}");
    }
}

#[test]
fn unlistable_binaries_that_cannot_be_listed_end_a_run_that_ends_with_the_first_failure() {
    let tests = ["--test", "babbles", "--test", "exits"];
    let run =
        Project::shared("unlistable").events(&[&tests[..], &["-j", "1", "--fail-fast"]].concat());
    let summary = run.exits(100).summary();
    assert_eq!(summary["cancelled"], "failures");
    assert_eq!(summary["errors"], 1);
    assert_eq!(summary["not_run"], 0, "what was not listed is not known");
}

#[test]
fn plain_containers_that_cannot_be_made_end_a_run_that_ends_with_the_first_failure() {
    let project = Project::own("plain");
    project
        .directives("[[directives]]\nfilter = 'n.eq(second)'\nadded_layers = [{ tar = 'no.tar' }]");
    let run = project.events(&["-j", "1", "--fail-fast"]).exits(100);
    assert_eq!(run.summary()["errors"], 1);
    assert_eq!(run.summary()["cancelled"], "failures");
    assert_eq!(run.statuses()["second"], "error");
}

#[test]
fn outcomes_without_capture_one_test_runs_at_a_time() {
    let project = Project::shared("shop");
    let run = project.events(&[
        "-p",
        "shop-core",
        "--lib",
        "--nocapture",
        "-x",
        "n.c(takes)",
    ]);
    let events = run.exits(0).all_events();
    let events: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "test")
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["started", "finished"].repeat(4));
}

#[test]
fn pace_failed_tests_run_first_and_then_the_longest() {
    let project = Project::own("pace");
    let run = project.events(&["-j", "1"]).exits(100);
    assert_eq!(run.statuses()["d_fails_unless_told_otherwise"], "failed");
    let again = |mood| {
        let mut command = project.command(&["-j", "1", "--message-format=json"]);
        Run::of(command.env("MOOD", mood), &project)
            .exits(0)
            .names("started")
    };
    assert_eq!(
        again("good"),
        [
            "d_fails_unless_told_otherwise",
            "b_longest",
            "c_long",
            "a_short"
        ]
    );
    assert_eq!(again("good")[..2], ["b_longest", "c_long"]);
}

#[test]
fn together_tests_run_at_the_same_time_and_some_take_more_room() {
    let project = Project::own("together");
    fs::create_dir(project.root.join("pipes")).unwrap();
    mkfifo(project.root.join("pipes/to-left"));
    mkfifo(project.root.join("pipes/to-right"));
    let run = project.events(&[
        "-j",
        "2",
        "--show-output",
        "-i",
        "n.eq(left) || n.eq(right)",
    ]);
    let run = run.exits(0);
    let slot = |name: &str| {
        let output = run.finished(name)["stdout"].as_str().unwrap().to_owned();
        output
            .lines()
            .find_map(|line| line.strip_prefix("SLOT ").map(str::to_owned))
            .unwrap()
    };
    let mut slots = [slot("left"), slot("right")];
    slots.sort();
    assert_eq!(slots, ["0", "1"]);

    let run = project.events(&[
        "-j",
        "2",
        "--repeat",
        "3",
        "-x",
        "n.eq(left) || n.eq(right)",
    ]);
    let mut running = 0;
    for event in run
        .exits(0)
        .all_events()
        .iter()
        .filter(|event| event["type"] == "test")
    {
        let wide = event["name"].as_str().unwrap().starts_with("wide");
        if event["event"] == "started" {
            assert!(!wide || running == 0, "{event} had company");
            running += if wide { 2 } else { 1 };
        } else {
            running -= if wide { 2 } else { 1 };
        }
        assert!(running <= 2, "{event} was one too many");
    }
}

#[test]
fn breaking_no_test_starts_after_the_build_has_failed() {
    let project = Project::own("breaking");
    fs::create_dir(project.root.join("pipes")).unwrap();
    for pipe in ["pipes/test", "pipes/build"] {
        mkfifo(project.root.join(pipe));
    }
    let mut child = project
        .command(&["-j", "1", "--message-format=json", "--ui", "simple"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut wait_for = |what: &[&str]| loop {
        let line = lines.next().expect("the run goes on");
        if what.iter().all(|what| line.contains(what)) {
            return line;
        }
    };
    wait_for(&["\"started\"", "waits_for_the_build_to_fail"]);
    fs::write(project.root.join("pipes/build"), "go on\n").unwrap();
    let built = wait_for(&["\"build\"", "\"finished\""]);
    assert!(built.contains("\"success\":false"), "{built}");
    fs::write(project.root.join("pipes/test"), "go on\n").unwrap();

    let finished = wait_for(&["\"test\"", "\"finished\""]);
    assert!(
        finished.contains("\"passed\"") && finished.contains("waits_for"),
        "{finished}"
    );
    let summary: Value = serde_json::from_str(&wait_for(&["\"run\"", "\"finished\""])).unwrap();
    assert_eq!(summary["cancelled"], "build-failed");
    assert_eq!(summary["passed"], 1);
    assert_eq!(summary["not_run"], 1);
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(101), "{stderr}");
    assert!(stderr.contains("mismatched types"), "{stderr}");
    assert!(stderr.contains("1 not run"), "{stderr}");
    assert!(stderr.contains("Cancelled: the build failed"), "{stderr}");
}

#[test]
fn plain_a_build_that_fails_ends_with_its_own_code() {
    let project = Project::own("plain");
    project.write("src/lib.rs", "compile_error!(\"no shop today\");");
    let run = project
        .maelstrom(&[])
        .exits(101)
        .says("error: no shop today");
    assert_eq!(run.stdout, "");
    let (_, after) = run.stderr.rsplit_once("error: could not compile").unwrap();
    let after: Vec<_> = after.lines().skip(1).collect();
    assert_eq!(after, ["No tests were run: the build failed"]);
    let summary = project.events(&[]).exits(101).summary();
    assert_eq!(summary["cancelled"], "build-failed");
    project
        .maelstrom(&["--list"])
        .exits(101)
        .says("no shop today");
    project
        .maelstrom(&["--no-run"])
        .exits(101)
        .says("no shop today");
}

#[test]
fn listed_tests_are_listed_once_unless_something_changed() {
    let project = Project::own("listed");
    project.write("log/starts", "");
    let starts = || {
        let log = fs::read_to_string(project.root.join("log/starts")).unwrap();
        fs::write(project.root.join("log/starts"), "").unwrap();
        let mut lines: Vec<_> = log.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.sort();
        lines
    };
    let lists = [
        "by_libtest --list --format terse",
        "by_libtest --list --format terse --ignored",
        "from_a_file --list --format terse",
        "from_a_file --list --format terse --ignored",
    ];
    let runs = [
        "by_libtest one --exact --nocapture",
        "from_a_file alpha --exact --nocapture",
    ];

    project.maelstrom(&[]).exits(0).says("2 passed");
    assert_eq!(
        starts(),
        [&lists[..2], &runs[..1], &lists[2..], &runs[1..]]
            .concat()
            .sorted()
    );
    project.maelstrom(&[]).exits(0).says("2 passed");
    assert_eq!(starts(), runs);

    // Tests made from data follow the data; those of libtest are in the binary.
    project.write("tests.txt", "alpha\nbeta\n");
    project.maelstrom(&["--list"]).exits(0);
    assert_eq!(starts(), lists[2..]);

    project.write(
        "tests/by_libtest.rs",
        "#[test]\n#[ignore]\nfn another() {}\n",
    );
    let run = project.events(&["--include-ignored"]).exits(0);
    assert_eq!(
        run.statuses().into_keys().collect::<Vec<_>>(),
        ["alpha", "another", "beta"]
    );
}

/// The same elements in their order.
trait Sorted {
    fn sorted(self) -> Self;
}

impl<T: Ord> Sorted for Vec<T> {
    fn sorted(mut self) -> Self {
        self.sort();
        self
    }
}

#[test]
fn plain_the_runner_of_cargos_configuration_lists_and_runs() {
    let project = Project::own("plain");
    project.write("src/lib.rs", "#[test]\nfn wrapped() {\n    assert_eq!(std::env::var(\"WRAPPED\").unwrap(), \"yes\");\n}\n");
    project.write(
        ".cargo/config.toml",
        "[target.'cfg(unix)']\nrunner = ['env', 'WRAPPED=yes']\n",
    );
    let run = project.events(&[]).exits(0);
    assert_eq!(run.statuses()["wrapped"], "passed");

    project.write(
        ".cargo/config.toml",
        "[target.'cfg(unix)']\nrunner = ['no-such-runner']\n",
    );
    project
        .maelstrom(&[])
        .exits(100)
        .says("no-such-runner")
        .says("its tests could not be listed");
}

#[test]
fn plain_tests_of_binaries_built_one_after_the_other_run_in_containers_of_their_own() {
    let project = Project::own("plain");
    project.directives("[[directives]]\nfilter = 'name.equals(special)'\nhostname = 'special'\n");
    for number in 0..8 {
        project.write(
            &format!("tests/number_{number}.rs"),
            "#[test]\nfn special() {}\n",
        );
    }
    let run = project.maelstrom(&["--build-jobs", "1"]).exits(0);
    run.says("11 passed");
}
