//! Which lines the tests run: reports, and the profiles of tests that others have instrumented.

use crate::fixture::{Project, Run};
use crate::llvm::Llvm;
use crate::need::needs_containers;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The arguments with which every test of the project passes.
const RETRIES: &str = "--retries=1";

fn command(project: &Project, llvm: &Llvm, arguments: &[&str]) -> Command {
    let mut command = project.command(&[&[RETRIES], arguments].concat());
    llvm.give(&mut command);
    command
}

fn run(project: &Project, llvm: &Llvm, arguments: &[&str]) -> Run {
    Run::of(&mut command(project, llvm, arguments), project)
}

/// The source files of a report in the format of lcov, relative to the workspace.
fn files(project: &Project, lcov: &str) -> BTreeSet<String> {
    let root = format!("SF:{}/", project.root.display());
    let lines = lcov.lines();
    lines
        .filter_map(|line| Some(line.strip_prefix(&root)?.to_owned()))
        .collect()
}

/// The functions of the library whose lines ran.
fn covered(project: &Project, lcov: &str) -> BTreeSet<String> {
    let file = project.root.join("code/src/lib.rs");
    let record = lcov.split("end_of_record").find(|record| {
        let name = format!("SF:{}\n", file.display());
        record.contains(&name)
    });
    let ran: BTreeSet<usize> = (record.expect(lcov).lines())
        .filter_map(|line| line.strip_prefix("DA:")?.split_once(','))
        .filter(|(_, count)| *count != "0")
        .map(|(line, _)| line.parse().unwrap())
        .collect();
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some((index, line.strip_prefix("pub fn ")?)))
        // The line after that with the name has the body.
        .filter(|(index, _)| ran.contains(&(index + 2)))
        .map(|(_, line)| line.split('(').next().unwrap().to_owned())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

const BY_TESTS: [&str; 5] = [
    "by_failed_attempt",
    "by_integration_test",
    "by_program",
    "by_program_left_behind",
    "by_unit_test",
];

#[test]
fn coverage_is_that_of_all_tests_their_processes_and_the_compiler_whatever_is_built_anew() {
    needs_containers!();
    let Some(llvm) = Llvm::find() else { return };
    let project = Project::own("covered");
    for _ in 0..2 {
        let run = run(&project, &llvm, &["--coverage=lcov"]).exits(0);
        let mut expected = set(&BY_TESTS);
        expected.insert("by_doctest".to_owned());
        assert_eq!(covered(&project, &run.stdout), expected, "{run}");
        // Without the tests.
        let reported = ["code/src/lib.rs", "code/src/main.rs", "macros/src/lib.rs"];
        assert_eq!(files(&project, &run.stdout), set(&reported), "{run}");
        let count = |file: &str, line: u32| {
            let parts = run.stdout.split("SF:");
            let record = { parts }.find(|part| part.contains(file)).unwrap();
            let label = format!("DA:{line},");
            let count = record.lines().find_map(|line| line.strip_prefix(&label));
            count.unwrap().parse::<u32>().unwrap()
        };
        assert!(count("macros/src/lib.rs", 5) > 0, "{run}");
        // A second look at the failed attempt does not count.
        assert_eq!(count("code/src/lib.rs", 27), 1, "{run}");
        assert!(run.stdout.contains("by_nothing_with_cfg"), "{run}");
    }
    // The usual build has nothing of it.
    project
        .maelstrom(&[RETRIES, "--coverage-output=x"])
        .exits(96);
    let left: Vec<_> = fs::read_dir(project.target.join("maelstrom/coverage"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let left: BTreeSet<String> = left.into_iter().collect();
    assert_eq!(left, set(&["instrument.json", "of-build", "of-targets"]));
}

#[test]
fn coverage_of_one_package_leaves_out_the_others() {
    needs_containers!();
    let Some(llvm) = Llvm::find() else { return };
    let project = Project::shared("covered");
    let run = run(
        &project,
        &llvm,
        &["-p", "code", "--tests", "--coverage=lcov"],
    )
    .exits(0);
    assert_eq!(covered(&project, &run.stdout), set(&BY_TESTS), "{run}");
    let reported = ["code/src/lib.rs", "code/src/main.rs"];
    assert_eq!(files(&project, &run.stdout), set(&reported), "{run}");
}

#[test]
fn coverage_reports_have_the_same_numbers_in_every_format() {
    needs_containers!();
    let Some(llvm) = Llvm::find() else { return };
    let project = Project::shared("covered");
    let output = |name: &str| project.temporary().join(name);
    let report = |format: &str, name: &str| {
        let coverage = format!("--coverage={format}");
        let output = format!("--coverage-output={}", output(name).display());
        run(&project, &llvm, &["--tests", &coverage, &output]).exits(0)
    };
    let json = report("json", "a/b.json");
    assert_eq!(json.stdout, "", "{json}");
    let text = fs::read_to_string(output("a/b.json")).unwrap();
    let exported: Value = serde_json::from_str(&text).unwrap();
    let lines = exported["data"][0]["totals"]["lines"].clone();
    let (count, covered) = (
        lines["count"].as_u64().unwrap(),
        lines["covered"].as_u64().unwrap(),
    );
    assert!(covered > 20 && covered < count, "{text}");
    let said = format!("of {count} lines, and ");
    let json = json.says(&said).says("; the report is ");

    let html = report("html", "pages");
    let page = fs::read_to_string(output("pages/index.html")).unwrap();
    assert!(page.contains(&format!("({covered}/{count})")), "{page}");
    html.says("pages/index.html");

    report("cobertura", "c.xml");
    let xml = fs::read_to_string(output("c.xml")).unwrap();
    assert!(xml.contains("filename=\"code/src/lib.rs\""), "{xml}");
    assert!(xml.contains("name=\"code::by_unit_test\""), "{xml}");

    let summary = run(&project, &llvm, &["--tests", "--coverage"]).exits(0);
    let total = summary
        .stdout
        .lines()
        .find(|line| line.starts_with("TOTAL"));
    let missed = (count - covered).to_string();
    let numbers: Vec<&str> = total.unwrap().split_whitespace().collect();
    assert_eq!(numbers[7..9], [count.to_string(), missed], "{summary}");
    drop(json);
}

#[test]
fn coverage_is_an_event_and_too_few_lines_are_a_failure() {
    needs_containers!();
    let Some(llvm) = Llvm::find() else { return };
    let project = Project::shared("covered");
    let json = ["--message-format=json", "--tests", "--coverage"];
    let fails = run(
        &project,
        &llvm,
        &[&json[..], &["--fail-under-lines=99.5"]].concat(),
    );
    let fails = fails
        .exits(99)
        .says("and `--fail-under-lines 99.5` requires more");
    let events = fails.all_events();
    let event = events.iter().find(|event| event["type"] == "coverage");
    let lines = &event.unwrap()["lines"];
    let percent = lines["percent"].as_f64().unwrap();
    assert!(percent > 50.0 && percent < 99.5, "{fails}");
    let enough = format!("--fail-under-lines={percent}");
    run(&project, &llvm, &[&json[..], &[&enough]].concat()).exits(0);
    // Failed tests are worse.
    let failed = [
        "--tests",
        "--coverage",
        "--fail-under-lines=99",
        "--retries=0",
    ];
    let mut command = project.command(&failed);
    llvm.give(&mut command);
    let failed = Run::of(&mut command, &project).exits(100);
    assert!(failed.stdout.contains("TOTAL"), "{failed}");
}

/// The profiles in a directory.
fn profiles(directory: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn coverage_profiles_go_where_the_variable_says_merged_into_one_file_a_run() {
    needs_containers!();
    let Some(llvm) = Llvm::find() else { return };
    let project = Project::own("covered");
    let directory = project.temporary().join("profiles");
    let run = |profdata: &Path| {
        let mut command = command(&project, &llvm, &["--tests", "--cache-results=auto"]);
        command
            .env("LLVM_PROFILE_FILE", directory.join("code-%p-%2m.profraw"))
            .env("LLVM_PROFDATA", profdata)
            .env("RUSTFLAGS", "-Cinstrument-coverage");
        Run::of(&mut command, &project).exits(0)
    };
    // The compiler writes profiles there, too.
    run(&llvm.profdata);
    let before = profiles(&directory);
    let again = run(&llvm.profdata);
    let added: Vec<_> = profiles(&directory).difference(&before).cloned().collect();
    let [merged] = &added[..] else {
        panic!("{added:?}: {again}");
    };
    let name = merged.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("code-") && name.ends_with("_0.profraw"),
        "{name}"
    );
    // Cached results would have no profiles.
    again.does_not_say("cached");
    let shown = Command::new(&llvm.profdata)
        .args(["show", "--all-functions", "--counts"])
        .arg(merged)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for function in BY_TESTS {
        let found = shown
            .split("\n  ")
            .any(|line| line.contains(&format!("{function}:")));
        assert!(found, "{function}: {shown}");
    }
    assert!(!shown.contains("by_nothing"), "{shown}");

    // A program that cannot merge them.
    let before = profiles(&directory);
    let unmerged = run(Path::new("/bin/false")).says("each is copied as it is");
    let added: Vec<_> = profiles(&directory).difference(&before).cloned().collect();
    // A test has a file for each of its programs at least.
    assert!(added.len() >= 6, "{added:?}: {unmerged}");
    let merged = project.temporary().join("merged");
    let status = Command::new(&llvm.profdata)
        .arg("merge")
        .args(&added)
        .arg("-o")
        .arg(&merged)
        .status();
    assert!(status.unwrap().success(), "{added:?}");
}

#[test]
fn coverage_without_the_programs_of_llvm_is_an_error_with_the_command_that_installs_them() {
    let project = Project::own("covered");
    let rustc = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    let sysroot = String::from_utf8(rustc.stdout).unwrap();
    let elsewhere = project.temporary().join("sysroot");
    fs::create_dir_all(elsewhere.join("bin")).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n'--print sysroot') echo {} ;;\n*) exec {}/bin/rustc \"$@\" ;;\nesac\n",
        elsewhere.display(),
        sysroot.trim(),
    );
    project.write("rustc.sh", &script);
    let path = project.root.join("rustc.sh");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let cargo = Path::new(sysroot.trim()).join("bin/cargo");
    let run = Run::of(
        project
            .command(&["--coverage"])
            .env("RUSTC", path)
            .env("CARGO", cargo)
            .env("PATH", elsewhere.join("bin"))
            .env_remove("LLVM_COV")
            .env_remove("LLVM_PROFDATA"),
        &project,
    );
    run.exits(96)
        .says("`rustup component add llvm-tools`")
        .does_not_say("Compiling");
}

#[test]
fn coverage_profiles_of_the_tests_of_an_archive_are_collected() {
    needs_containers!();
    let Some(llvm) = Llvm::find() else { return };
    let project = Project::own("covered");
    let archive = project.temporary().join("tests.tar.zst");
    let directory = project.temporary().join("profiles");
    let packs = ["archive", "--tests", "-o", archive.to_str().unwrap()];
    let mut command = project.command(&packs);
    command
        .env("RUSTFLAGS", "-Cinstrument-coverage")
        .env("LLVM_PROFILE_FILE", "/dev/null");
    Run::of(&mut command, &project).exits(0);
    let archive = format!("--archive={}", archive.display());
    let mut command = command_of_archive(&project, &llvm, &archive);
    command.env("LLVM_PROFILE_FILE", directory.join("%p.profraw"));
    Run::of(&mut command, &project).exits(0);
    assert_eq!(profiles(&directory).len(), 1);
    let with_report = project.maelstrom(&[&archive, "--coverage"]).exits(96);
    with_report.says("set LLVM_PROFILE_FILE");
}

/// The tests of an archive, whose cache is the project's.
fn command_of_archive(project: &Project, llvm: &Llvm, archive: &str) -> Command {
    let mut command = command(project, llvm, &[archive]);
    command.env("XDG_CACHE_HOME", project.temporary().join("cache"));
    command
}
