//! Documentation tests: the same as Cargo's, each in a container of its own.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const AUTO: &str = "--cache-results=auto";

/// How often each name and status occurs.
type Counts = BTreeMap<(String, String), u32>;

/// What `cargo test --doc` prints.
fn of_cargo(project: &Project, arguments: &[&str]) -> Counts {
    let fixed = ["test", "--doc", "--no-fail-fast", "-q"];
    let mut command = project.cargo(&[&fixed, arguments].concat());
    // Not quiet, but Cargo itself is.
    command.args(["--", "--format=pretty"]);
    let output = Run::of(&mut command, project);
    let mut counts = Counts::new();
    for line in output.stdout.lines() {
        let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|line| line.rsplit_once(" ... "))
        else {
            continue;
        };
        let suffixes = [" - compile fail", " - compile", " - should panic"];
        let plain = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
        let status = match result {
            "ok" => "passed",
            "FAILED" => "failed",
            "ignored" => "ignored",
            _ => panic!("{line}"),
        };
        let key = (plain.unwrap_or(name).to_owned(), status.to_owned());
        *counts.entry(key).or_default() += 1;
    }
    assert!(!counts.is_empty(), "{output}");
    counts
}

/// What the events say.
fn of_events(run: &Run) -> Counts {
    let mut counts = Counts::new();
    for event in run.of_tests("finished") {
        if event["target"]["kind"] == "doctest" {
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            *counts.entry((text("name"), text("status"))).or_default() += 1;
        }
    }
    counts
}

/// A rustdoc that notes its calls with `--test`, or does something else.
fn write_rustdoc(project: &Project, script: &str) -> String {
    project.write("rustdoc.sh", &format!("#!/bin/sh\n{script}\n"));
    let path = project.root.join("rustdoc.sh");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A rustdoc whose output is changed by this command of sed if it is called with a tool.
fn write_changing_rustdoc(project: &Project, change: &str) -> String {
    write_rustdoc(
        project,
        &format!(
            "case \" $* \" in *maelstrom-doctest-runtool*) rustdoc \"$@\" | sed '{change}' ;; *) exec rustdoc \"$@\" ;; esac"
        ),
    )
}

#[test]
fn documented_every_doctest_ends_as_with_cargo() {
    needs_containers!();
    let project = Project::shared("documented");
    for package in ["old-docs", "new-docs", "broken-docs", "documented-derive"] {
        // Cargo's tests have written it.
        let written = project.root.join("old/written.txt");
        let _ = fs::remove_file(&written);
        let run = project.events(&["--doc", "-p", package, "--hermetic"]);
        assert!(!written.exists(), "{run}");
        assert_eq!(
            of_events(&run),
            of_cargo(&project, &["-p", package]),
            "{run}"
        );
    }
}

#[test]
fn documented_a_doctest_is_reported_with_its_own_output_and_end() {
    needs_containers!();
    let project = Project::shared("documented");
    let run = project.events(&[
        "--doc",
        "-p",
        "new-docs",
        "-p",
        "old-docs",
        "--show-output",
        "--hermetic",
    ]);
    let run = run.exits(100);
    let find = |name: &str| {
        let mut finished = run.of_tests("finished");
        finished.retain(|event| event["name"] == name);
        assert_eq!(finished.len(), 1, "{name}: {run}");
        finished.remove(0)
    };
    for (name, key, value) in [
        ("new/src/lib.rs - ends (line 74)", "status", "passed"),
        (
            "new/src/lib.rs - ends (line 74)",
            "stdout",
            "the last words\n",
        ),
        ("new/src/lib.rs - ends (line 79)", "status", "failed"),
        ("new/src/lib.rs - ends (line 83)", "status", "failed"),
        ("new/src/lib.rs - ends (line 87)", "status", "failed"),
        (
            "old/src/lib.rs - ends (line 87)",
            "stdout",
            "the last words\n",
        ),
        ("old/src/lib.rs - fails (line 16)", "stdout", "before\n"),
        ("new/src/lib.rs - panics (line 22)", "stdout", "calm\n"),
        (
            "old/src/lib.rs - panics (line 40)",
            "stdout",
            "calm in a main function\n",
        ),
    ] {
        assert_eq!(find(name)[key], value, "{name}: {run}");
    }
    let said = |name: &str, text: &str| {
        let event = find(name);
        let output = format!("{}{}", event["stdout"], event["stderr"]);
        assert!(output.contains(text), "{name}: {event}");
    };
    said(
        "new/src/lib.rs - ends (line 87)",
        "has overflowed its stack",
    );
    said(
        "old/src/lib.rs - panics (line 26)",
        "it's marked `should_panic`",
    );
    said(
        "new/src/lib.rs - panics (line 36)",
        "it's marked `should_panic`",
    );
    said(
        "old/src/lib.rs - wrong (line 82)",
        "expected `u32`, found `&str`",
    );
    said(
        "old/src/lib.rs - not_compiled (line 64)",
        "it's marked `compile_fail`",
    );
    // A test that runs takes time of its own.
    assert!(
        find("new/src/lib.rs - add (line 5)")["seconds"].as_f64() > Some(0.0),
        "{run}"
    );
}

#[test]
fn documented_doctests_are_selected_as_with_cargo() {
    needs_containers!();
    let project = Project::shared("documented");
    let names = |arguments: &[&str]| {
        let listed = project
            .maelstrom(&[&["--list"], arguments].concat())
            .exits(0);
        let mut lines: Vec<String> = listed.lines().iter().map(ToString::to_string).collect();
        lines.sort();
        lines
    };
    let of = |arguments: &[&str]| names(&[&["-p", "old-docs"], arguments].concat());
    let usual = "old-docs doctest/antique old/src/lib.rs - usual (line 180)".to_owned();
    let all = of(&[]);
    assert!(
        all.contains(&"old-docs lib/antique tests::unit".to_owned()),
        "{all:?}"
    );
    assert!(all.contains(&usual), "{all:?}");
    let doctests = of(&["--doc"]);
    assert_eq!(doctests.len() + 1, all.len());
    assert_eq!(of(&["-i", "doctest"]), doctests);
    assert_eq!(of(&["-i", "doctest.equals(antique)"]), doctests);
    let unit = ["old-docs lib/antique tests::unit"];
    for without in [
        &["--lib"][..],
        &["--all-targets"],
        &["-x", "doctest"],
        &["--tests"],
    ] {
        assert_eq!(of(without), unit, "{without:?}");
    }
    assert_eq!(of(&["usual"]), [usual]);
    assert_eq!(of(&["--no-default-features", "usual"]), [""; 0]);
    let extra = of(&["--features", "extra", "extra (line"]);
    assert_eq!(extra.len(), 1, "{extra:?}");
    // With `--doc`, Cargo takes no notice of `doctest = false`.
    assert_eq!(names(&["-p", "silent-docs"]), [""; 0]);
    let silent = ["silent-docs doctest/silent_docs silent/src/lib.rs - (line 1)"];
    assert_eq!(names(&["-p", "silent-docs", "--doc"]), silent);
}

#[test]
fn documented_ignored_doctests_run_when_they_are_asked_for() {
    needs_containers!();
    let project = Project::shared("documented");
    let run = project
        .events(&["--doc", "-p", "old-docs", "--ignored", "--hermetic"])
        .exits(100);
    let of_old = of_events(&run);
    assert_eq!(of_old, {
        let mut command = project.cargo(&["test", "--doc", "-q", "-p", "old-docs"]);
        let output = Run::of(
            command.args(["--", "--format=pretty", "--ignored"]),
            &project,
        );
        assert!(
            output.stdout.contains("ignored (line 73) ... ok"),
            "{output}"
        );
        [("73", "passed"), ("77", "failed")]
            .map(|(line, status)| {
                let name = format!("old/src/lib.rs - ignored (line {line})");
                ((name, status.to_owned()), 1)
            })
            .into()
    });
    let run = project.events(&[
        "--doc",
        "-p=new-docs",
        "--include-ignored",
        "new/src/lib.rs - ignored",
    ]);
    assert_eq!(of_events(&run.exits(0)).len(), 2);
}

#[test]
fn documented_doctests_run_with_other_tests_and_are_counted() {
    needs_containers!();
    let project = Project::shared("documented");
    let run = project
        .events(&[
            "-p",
            "documented-derive",
            "-p",
            "old-docs",
            "answer",
            "unit",
        ])
        .exits(0);
    let statuses = run.statuses();
    assert_eq!(statuses["tests::unit"], "passed", "{run}");
    assert_eq!(
        statuses["derive/src/lib.rs - answer (line 3)"], "passed",
        "{run}"
    );
    assert_eq!(run.summary()["passed"], 2, "{run}");
}

#[test]
fn documented_doctests_that_passed_are_known_until_something_changes() {
    needs_containers!();
    let project = Project::own("documented");
    let rustdoc = write_rustdoc(
        &project,
        "case \" $* \" in *' --test '*) echo called >> \"$CALLS\" ;; esac\nexec rustdoc \"$@\"",
    );
    let calls = project.root.parent().unwrap().join("calls");
    let run = |arguments: &[&str]| {
        let _ = fs::remove_file(&calls);
        let json = ["--doc", AUTO, "--message-format=json", "--ui=quiet"];
        let mut command = project.command(&[&json, arguments].concat());
        command.env("RUSTDOC", &rustdoc).env("CALLS", &calls);
        let run = Run::of(&mut command, &project);
        let calls = fs::read_to_string(&calls).unwrap_or_default();
        (run, calls.lines().count())
    };
    let both = [
        "-p",
        "documented-derive",
        "-p",
        "old-docs",
        "-x",
        "name.matches(fails|wrong|panics|ends|compile)",
    ];
    let (first, calls) = run(&both);
    let first = first.exits(0);
    // The user's own rustdoc is called, once for each library, and once more for the tests that
    // should panic and have no symbol.
    assert_eq!(calls, 3, "{first}");
    assert!(first.ran().len() > 10, "{first}");
    let (again, calls) = run(&both);
    let again = again.exits(0);
    assert_eq!(calls, 0, "{again}");
    // What is only compiled has no result that could be of an earlier run.
    assert_eq!(again.names("started"), [""; 0], "{again}");
    assert_eq!(of_events(&again), of_events(&first));

    project.change("old/README.md", "add(2, 2), 4", "add(2, 3), 5");
    let (changed, calls) = run(&both);
    assert_eq!(calls, 2, "{changed}");
    let ran = changed.names("started");
    assert!(
        ran.contains(&"old/src/lib.rs - Readme (line 6)".to_owned()),
        "{changed}"
    );
    let derive = "derive/src/lib.rs - answer (line 3)";
    assert!(!ran.contains(&derive.to_owned()), "{changed}");
    project.change("old/README.md", "add(2, 3), 5", "add(2, 3), 6");
    let (wrong, _) = run(&both);
    assert_eq!(
        wrong.finished("old/src/lib.rs - Readme (line 6)")["status"],
        "failed"
    );
    // The executables are there still, so only the test that failed runs again.
    let (wrong, calls) = run(&both);
    assert_eq!(
        (calls, wrong.names("started")),
        (0, vec!["old/src/lib.rs - Readme (line 6)".to_owned()])
    );
}

#[test]
fn plain_rustdoc_does_not_run_if_nothing_has_changed() {
    needs_containers!();
    for edition in ["2021", "2024"] {
        let project = Project::own("plain");
        project.change("Cargo.toml", "2021", edition);
        project.write("src/lib.rs", "//! ```\n//! ```\n");
        let calls_rustdoc = |arguments: &[&str]| {
            let always = ["--doc", AUTO, "-L", "debug", "--hermetic"];
            let run = project.maelstrom(&[&always, arguments].concat()).exits(0);
            run.stderr.contains("rustdoc took")
        };
        assert!(calls_rustdoc(&["--list"]));
        assert!(!calls_rustdoc(&["--list"]));
        assert!(calls_rustdoc(&[]));
        assert!(!calls_rustdoc(&[]));
        assert!(!calls_rustdoc(&["--list"]));
        project.write("src/lib.rs", "//! ```\n//! assert!(true);\n//! ```\n");
        // The list leaves the executables of the run.
        assert!(calls_rustdoc(&["--list"]));
        project.write("src/lib.rs", "//! ```\n//! ```\n");
        assert!(!calls_rustdoc(&[]));
    }
}

/// Names with spaces, `<`, quotes, commas and line breaks.
const NAMES: &str = "\
pub trait Speaks { fn speak(&self); }
#[path = \"a file.rs\"]
pub mod file;
pub struct ALongNameOfAStructure<A, B>(A, B);
impl<'a, T: Clone> Speaks for Vec<(T, &'a str)> {
    /// ```
    /// assert!(true);
    /// ```
    ///
    /// ```should_panic
    /// fn main() { panic!(); }
    /// ```
    ///
    /// ```should_panic
    /// fn main() {}
    /// ```
    ///
    /// ```compile_fail
    /// let wrong: u32 = \"\";
    /// ```
    fn speak(&self) {}
}
impl<T, U: Ord> Speaks for ALongNameOfAStructure<
    std::collections::BTreeMap<U, T>,
    ALongNameOfAStructure<std::collections::BTreeMap<U, T>, ALongNameOfAStructure<T, U>>,
> {
    /// ```
    /// assert!(true);
    /// ```
    ///
    /// ```
    /// panic!();
    /// ```
    ///
    /// ```should_panic
    /// fn main() { panic!(); }
    /// ```
    ///
    /// ```
    /// let wrong: u32 = \"\";
    /// ```
    fn speak(&self) {}
}
";

#[test]
fn plain_any_name_of_rustdoc_is_understood() {
    needs_containers!();
    let project = Project::own("plain");
    project.write("src/lib.rs", NAMES);
    project.write("src/a file.rs", "//! ```\n//! ```\n");
    let mut in_editions = Vec::new();
    for edition in ["2021", "2024"] {
        project.change("Cargo.toml", "2021", edition);
        let json = ["--doc", "--hermetic", "--message-format=json", "--ui=quiet"];
        let mut command = project.command(&json);
        let run = Run::of(command.env("RUST_TEST_NOCAPTURE", "1"), &project).exits(100);
        let names: Vec<_> = of_events(&run).into_keys().collect();
        let listed = project.maelstrom(&["--doc", "--list"]).exits(0);
        let mut listed: Vec<String> = listed.lines().iter().map(ToString::to_string).collect();
        listed.sort();
        let line = |(name, _): &(String, String)| format!("plain doctest/plain {name}");
        assert_eq!(listed, names.iter().map(line).collect::<Vec<_>>());
        in_editions.push(names);
    }
    let file = "src/a file.rs - file (line 1)".to_owned();
    assert!(
        in_editions[0].contains(&(file, "passed".to_owned())),
        "{in_editions:?}"
    );
    let statuses: Vec<_> = in_editions[0]
        .iter()
        .map(|(_, status)| status.as_str())
        .collect();
    let failed = statuses
        .iter()
        .filter(|status| **status == "failed")
        .count();
    assert_eq!((statuses.len(), failed), (9, 3), "{in_editions:?}");
    assert_eq!(in_editions[0], in_editions[1]);
}

#[test]
fn plain_what_changes_while_rustdoc_reads_it_is_not_kept() {
    needs_containers!();
    let project = Project::own("plain");
    let rustdoc = write_rustdoc(
        &project,
        "case \" $* \" in *' --test '*) if [ -n \"$EDIT\" ]; then echo \"$EDIT\" > src/doc.md; fi ;; \
         esac\nexec rustdoc \"$@\"",
    );
    let text = |condition: &str| format!("```\nassert!({condition});\n```\n");
    let run = |edit: Option<String>| {
        let mut command = project.command(&["--doc", AUTO, "--hermetic"]);
        command.env("RUSTDOC", &rustdoc);
        command.env("EDIT", edit.unwrap_or_default());
        Run::of(&mut command, &project)
    };
    project.write("src/lib.rs", "#![doc = include_str!(\"doc.md\")]\n");
    project.write("src/doc.md", &text("true"));
    run(Some(text("false"))).exits(100);
    project.write("src/doc.md", &text("true"));
    run(None).exits(0);
}

#[test]
fn plain_with_another_rustdoc_the_tests_run_outside_containers() {
    needs_containers!();
    let project = Project::own("plain");
    for (change, reason) in [
        ("s/^running/starting/", "before the first test"),
        ("s/ FAILED$/ failed/", "it announces 2 tests, and names 0"),
        ("s/^---- /== /", "2 tests failed, and 0 are explained"),
        ("/^running/,$d", "it names no tests"),
    ] {
        let rustdoc = write_changing_rustdoc(&project, change);
        for (assertion, code) in [("1 == 1", 0), ("1 == 2", 100)] {
            let text =
                format!("//! ```\n//! assert!({assertion});\n//! ```\n//!\n//! ```\n//! ```\n");
            project.write("src/lib.rs", &text);
            let mut command = project.command(&["--doc", "--ui=simple"]);
            let run = Run::of(command.env("RUSTDOC", &rustdoc), &project).exits(code);
            let run = run
                .says("warning: the documentation tests of plain doctest/plain cannot run in containers")
                .says(reason)
                .says("they ran as with `cargo test --doc`")
                .says("test src/lib.rs - (line 5) ... ok");
            let end = if code > 0 { "FAIL " } else { "PASS " };
            assert!(run.stable.contains(end), "{run}");
            run.says("doctest/plain plain");
        }
    }
}

#[test]
fn plain_with_another_rustdoc_ignored_tests_run_only_when_they_are_asked_for() {
    needs_containers!();
    let project = Project::own("plain");
    let rustdoc = write_changing_rustdoc(&project, "s/^running/starting/");
    project.write(
        "src/lib.rs",
        "//! ```\n//! ```\n//!\n//! ```ignore\n//! panic!(\"asked for\");\n//! ```\n",
    );
    for (option, code) in [("--ignored", 100), ("--include-ignored", 100), ("-v", 0)] {
        let mut command = project.command(&["--doc", "--ui=simple", option]);
        let run = Run::of(command.env("RUSTDOC", &rustdoc), &project).exits(code);
        let other = run.stderr.contains("src/lib.rs - (line 1) ... ok");
        assert_eq!(other, option != "--ignored", "{run}");
    }
}

#[test]
fn plain_with_another_rustdoc_no_test_runs_for_a_list() {
    needs_containers!();
    let project = Project::own("plain");
    let rustdoc = write_changing_rustdoc(&project, "s/^.*: test$/& (doc)/");
    project.write(
        "src/lib.rs",
        "//! ```\n//! std::fs::write(\"ran\", \"\").unwrap();\n//! ```\n",
    );
    let mut command = project.command(&["--doc", "--list"]);
    let run = Run::of(command.env("RUSTDOC", &rustdoc), &project).exits(100);
    let run = run.says("rustdoc works in another way than is known");
    assert!(!project.root.join("ran").exists(), "{run}");
}

#[test]
fn plain_a_rustdoc_is_found_from_the_directory_of_the_call() {
    needs_containers!();
    let project = Project::own("plain");
    write_rustdoc(&project, "exec rustdoc \"$@\"");
    project.write("src/lib.rs", "//! ```\n//! ```\n");
    let mut command = project.command(&["--doc", "--hermetic"]);
    command.env("RUSTDOC", "../rustdoc.sh");
    command.current_dir(project.root.join("src"));
    Run::of(&mut command, &project).exits(0);
}

#[test]
fn plain_without_capture_a_doctest_says_why_it_failed() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "//! ```should_panic\n//! ```\n//!\n//! ```\n//! let wrong: u32 = \"\";\n//! ```\n",
    );
    let run = project.maelstrom(&["--doc", "--hermetic", "--", "--nocapture"]);
    let run = run.exits(100).says("it's marked `should_panic`");
    run.says("mismatched types");
}

#[test]
fn plain_a_list_keeps_the_executables_of_doctests() {
    needs_containers!();
    let project = Project::own("plain");
    project.write("src/lib.rs", "//! ```\n//! panic!();\n//! ```\n");
    let rustdoc = write_rustdoc(
        &project,
        "case \" $* \" in *' --test '*) echo called >> ../calls ;; esac\nexec rustdoc \"$@\"",
    );
    let run = |arguments: &[&str]| {
        let mut command = project.command(&[&["--doc", AUTO, "--hermetic"], arguments].concat());
        Run::of(command.env("RUSTDOC", &rustdoc), &project)
    };
    run(&[]).exits(100);
    run(&["--list"]).exits(0);
    let calls = || fs::read_to_string(project.root.with_file_name("calls")).unwrap();
    let before = calls();
    let again = run(&[]).exits(100);
    assert_eq!(calls(), before, "{again}");
}

#[test]
fn plain_doctests_use_the_runner_of_cargo() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        ".cargo/config.toml",
        "[target.'cfg(unix)']\nrunner = ['env', 'RUN_BY=a runner']\n",
    );
    project.write(
        "src/lib.rs",
        "//! ```\n//! assert_eq!(std::env::var(\"RUN_BY\").unwrap(), \"a runner\");\n//! ```\n",
    );
    let run = project.events(&["--hermetic"]).exits(0);
    assert_eq!(run.statuses()["src/lib.rs - (line 1)"], "passed", "{run}");
}

#[test]
fn plain_doctests_need_what_other_tests_need() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "//! ```\n//! std::process::Command::new(\"sleep\").arg(\"0\").status().unwrap();\n//! ```\n",
    );
    // The second look finds the program.
    let run = project.events(&[]).exits(0);
    assert_eq!(run.statuses()["src/lib.rs - (line 1)"], "passed", "{run}");
    let run = project.maelstrom(&["--print-spec=doctest"]).exits(0);
    assert!(run.stdout.contains("rust_out"), "{run}");
}

#[test]
fn plain_a_library_that_rustdoc_refuses_is_an_error() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "#[cfg(doctest)]\ncompile_error!(\"no documentation\");\n#[test]\nfn one() {}\n",
    );
    let run = project.maelstrom(&[]).exits(100);
    run.says("rustdoc failed").says("no documentation");
}

#[test]
fn plain_doctests_run_if_cargo_is_quiet_or_verbose() {
    needs_containers!();
    let project = Project::own("plain");
    project.write("src/lib.rs", "//! ```\n//! ```\n");
    for option in ["-q", "-v"] {
        let words = ["--message-format=json", option, "-i", "doctest"];
        let run = project.maelstrom(&words).exits(0);
        assert_eq!(run.statuses().len(), 1, "{run}");
    }
}
