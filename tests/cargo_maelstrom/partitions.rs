//! `--partition`: parts of a run that together are the whole; and histories of durations.

use crate::fixture::{Project, Run};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The lines of `--list` with these options.
fn list(project: &Project, arguments: &[&str]) -> BTreeSet<String> {
    let run = project.maelstrom(&[&["--workspace", "--list"], arguments].concat());
    let run = run.exits(0);
    run.lines().into_iter().map(str::to_owned).collect()
}

/// The history of a run of all tests of the project, in a file of its own.
fn history(project: &Project) -> String {
    project.maelstrom(&["--workspace", "-q"]);
    let file = project.temporary().join("history");
    let written = project.target.join("maelstrom/history");
    let merge = ["history", "merge", "-o", path(&file), path(&written)];
    project
        .maelstrom(&merge)
        .exits(0)
        .says("wrote the durations of");
    path(&file).to_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn divided(run: &Run) -> serde_json::Value {
    let mut events = run.all_events();
    events.retain(|event| event["type"] == "run" && event["event"] == "divided");
    assert_eq!(events.len(), 1, "{run}");
    events.remove(0)
}

#[test]
fn the_parts_together_are_all_selected_tests_and_have_none_in_common() {
    let project = Project::shared("shop");
    let history = history(&project);
    let whole = list(&project, &[]);
    assert!(whole.len() > 20, "{whole:?}");
    assert!(
        whole.iter().any(|test| test.contains(" doctest/")),
        "{whole:?}"
    );
    for method in ["hash", "slice", "time"] {
        let mut together = BTreeSet::new();
        for part in 1..=3 {
            let partition = format!("{method}:{part}/3");
            let listed = list(
                &project,
                &["--partition", &partition, "--history", &history],
            );
            assert!(
                !listed.is_empty() && listed.len() < whole.len(),
                "{partition}"
            );
            for test in listed {
                assert!(
                    together.insert(test.clone()),
                    "{partition}: {test} is in two parts"
                );
            }
        }
        assert_eq!(together, whole, "{method}");
    }
}

#[test]
fn a_part_is_of_the_tests_that_filters_select() {
    let project = Project::shared("shop");
    let filters = ["-i", "library"];
    let whole = list(&project, &filters);
    let parts = ["slice:1/2", "slice:2/2"]
        .map(|part| list(&project, &[&filters[..], &["--partition", part]].concat()));
    let union: BTreeSet<_> = parts.iter().flatten().cloned().collect();
    assert_eq!(union, whole);
    assert!(parts[0].len().abs_diff(parts[1].len()) <= 1, "{parts:?}");
}

#[test]
fn each_part_runs_its_tests_and_reports_the_division() {
    let project = Project::own("forest");
    let all = project.events(&["--workspace"]).exits(0).ran();
    let history = project.target.join("maelstrom/history");
    let file = project.temporary().join("recorded");
    let merge = ["history", "merge", "-o", path(&file), path(&history)];
    project.maelstrom(&merge).exits(0);
    for method in ["hash", "slice", "time"] {
        let (mut names, mut digests, mut tests) = (BTreeSet::new(), BTreeSet::new(), 0);
        for part in 1..=2 {
            let partition = format!("{method}:{part}/2");
            let report = project.temporary().join("junit.xml");
            let run = project.events(&[
                "--workspace",
                "--partition",
                &partition,
                "--history",
                path(&file),
                "--junit",
                path(&report),
            ]);
            let run = run.exits(0);
            let event = divided(&run);
            assert_eq!(event["partition"], partition.as_str());
            let finished = run.of_tests("finished").len();
            assert_eq!(event["tests"], finished, "{run}");
            tests += finished;
            assert_eq!(event["of"], 13, "{run}");
            names.extend(run.ran());
            let digest = event["digest"].as_str().unwrap().to_owned();
            let xml = fs::read_to_string(report).unwrap();
            for (name, value) in [("partition", &partition), ("partition-digest", &digest)] {
                let property = format!("<property name=\"{name}\" value=\"{value}\"/>");
                assert!(xml.contains(&property), "{property}: {xml}");
            }
            digests.insert(digest);
        }
        assert_eq!((names, tests), (all.clone(), 13), "{method}");
        assert_eq!(digests.len(), 1, "{method}: {digests:?}");
    }
}

#[test]
fn people_see_the_digest_of_the_division() {
    let project = Project::shared("plain");
    let run = project.maelstrom(&["--partition", "slice:1/2"]).exits(0);
    run.says("note: the partition slice:1/2 has ")
        .says("; the digest of the division is ");
}

#[test]
fn parts_made_with_other_durations_have_another_digest_and_the_documented_check_refuses_them() {
    let project = Project::shared("shop");
    let empty = project.temporary().join("empty");
    let merge = ["history", "merge", "-o", path(&empty)];
    project
        .maelstrom(&merge)
        .exits(0)
        .says("wrote the durations of 0 tests");
    let known = history(&project);
    let report = |part: &str, history: &str| -> PathBuf {
        let file = project
            .temporary()
            .join(format!("junit-{}.xml", part.replace('/', "-")));
        let options = [
            "--workspace",
            "--partition",
            part,
            "--history",
            history,
            "--junit",
        ];
        project.maelstrom(&[&options[..], &[path(&file)]].concat());
        file
    };
    let check = |one: &Path, other: &Path| {
        // As in the chapter on partitions.
        let script =
            r#"test "$(grep -ho 'partition-digest" value="[^"]*"' "$@" | sort -u | wc -l)" = 1"#;
        let status = Command::new("sh")
            .args(["-c", script, "sh"])
            .args([one, other])
            .status();
        status.unwrap().success()
    };
    let one = report("time:1/2", &known);
    assert!(check(&one, &report("time:2/2", &known)));
    assert!(!check(&one, &report("time:2/2", path(&empty))));
}

#[test]
fn a_partition_that_cannot_be_made_is_an_error_before_the_build() {
    let project = Project::own("plain");
    let fails = |arguments: &[&str]| project.maelstrom(arguments).exits(96);
    fails(&["--partition", "count:1/2"]).says("`count` is not supported; use `slice:1/2`");
    fails(&["--partition", "slice:3/2"]).says("the part must be a number from 1 to 2");
    fails(&["--partition", "time:1/2"])
        .says("'--partition time:1/2' needs durations that are the same for every part");
    fails(&["--partition", "time:1/2", "--history", "none"])
        .says("error: there is no history in `none`; `cargo maelstrom history merge -o FILE`");
    project.write("text", "text");
    fails(&["--partition", "time:1/2", "--history", "text"])
        .says("error: the history in `text` cannot be used: it is not a history");
    fails(&["history", "merge", "-o", "text"])
        .says("error: failed to write the history to `text`: the file exists and is not a history");
    assert!(!project.target.join("debug").exists());
}

#[test]
fn an_empty_part_says_so() {
    let project = Project::shared("plain");
    let arguments = ["--partition", "slice:40/40"];
    project
        .maelstrom(&arguments)
        .exits(4)
        .says("note: the partition slice:40/40 has none of ");
    project
        .maelstrom(&[&arguments[..], &["--no-tests", "pass"]].concat())
        .exits(0);
}

#[test]
fn hashes_are_those_of_nextest() {
    let project = Project::shared("shop");
    for (part, expected) in [("hash:1/2", NEXTEST_FIRST), ("hash:2/2", NEXTEST_SECOND)] {
        let listed = list(
            &project,
            &[
                "-i",
                "library && package.equals(shop-core)",
                "--partition",
                part,
            ],
        );
        let names: BTreeSet<_> = listed
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap())
            .collect();
        assert_eq!(names, expected.iter().copied().collect(), "{part}");
    }
}

/// What `cargo nextest list --run-ignored all -p shop-core --lib --partition hash:1/2` prints.
const NEXTEST_FIRST: &[&str] = &["tests::panics_when_the_till_is_full", "tests::sums"];

/// The same for `hash:2/2`.
const NEXTEST_SECOND: &[&str] = &[
    "tests::nested::deeper::sums",
    "tests::sums_nothing",
    "tests::takes_inventory",
    "tests::takes_inventory_at_night",
];
