//! Groups of tests, of which only some run at once.

use crate::fixture::{Project, Run, mkfifo};
use std::fs;

/// The names of the tests in the order in which they started and ended: `+a` and `-a`.
fn order(run: &Run) -> Vec<String> {
    let events = run.all_events();
    let of_tests = events.iter().filter(|event| event["type"] == "test");
    let text = |event: &serde_json::Value| {
        let name = event["name"].as_str().unwrap();
        let sign = if event["event"] == "started" {
            "+"
        } else {
            "-"
        };
        format!("{sign}{name}")
    };
    of_tests.map(text).collect()
}

#[test]
fn together_tests_of_a_group_wait_for_each_other_and_leave_slots_to_other_tests() {
    let project = Project::own("together");
    fs::create_dir(project.root.join("pipes")).unwrap();
    mkfifo(project.root.join("pipes/to-left"));
    mkfifo(project.root.join("pipes/to-right"));
    // `left` ends only if `right`, which comes after `narrow`, runs at the same time.
    project.change(
        "maelstrom-test.toml",
        "[[directives]]\nadded_layers",
        "[groups.serial]\nmax-slots = 1\n\
         [[directives]]\nfilter = 'name.equals(left) || name.equals(narrow)'\ngroup = 'serial'\n\
         [[directives]]\nadded_layers",
    );
    let run = project.events(&["-j2", "-x", "n.c(wide)"]).exits(0);
    let order = order(&run);
    let position = |what: &str| order.iter().position(|event| event == what).unwrap();
    assert!(
        position("-left") < position("+narrow") || position("-narrow") < position("+left"),
        "{order:?}"
    );
    assert!(position("+right") < position("-left"), "{order:?}");
}

#[test]
fn pace_no_more_tests_of_a_group_run_at_once_than_it_has_slots() {
    let project = Project::own("pace");
    project.write(
        "maelstrom-test.toml",
        "[groups]\ntwo = { max-slots = 2 }\n\
         [[directives]]\ngroup = 'two'\nadded_environment = { MOOD = 'good' }\n",
    );
    let run = project.events(&["-j8", "--repeat=3"]).exits(0);
    let mut running = 0_i32;
    let mut most = 0;
    for event in order(&run) {
        running += if event.starts_with('+') { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!(most, 2, "{run}");
    assert_eq!(run.summary()["passed"], 12);
}

#[test]
fn together_tests_find_their_number_in_their_group() {
    let project = Project::own("together");
    fs::create_dir(project.root.join("pipes")).unwrap();
    mkfifo(project.root.join("pipes/to-left"));
    mkfifo(project.root.join("pipes/to-right"));
    project.change("src/lib.rs", "MAELSTROM_SLOT", "NEXTEST_TEST_GROUP_SLOT");
    let print = "println!(\"SLOT {}\", std::env::var(\"NEXTEST_TEST_GROUP_SLOT\").unwrap());";
    let narrow = format!("fn narrow() {{ {print} }}");
    project.change("src/lib.rs", "fn narrow() {}", &narrow);
    // `left` and `right` run at the same time.
    project.change(
        "maelstrom-test.toml",
        "[[directives]]\nadded_layers",
        "[groups.pair]\nmax-slots = 2\n\
         [[directives]]\nfilter = 'name.equals(left) || name.equals(right)'\ngroup = 'pair'\n\
         [[directives]]\nadded_layers",
    );
    let run = project.events(&["-j3", "--show-output", "-x", "n.c(wide)"]);
    let run = run.exits(0);
    let slot = |name: &str| {
        let stdout = run.finished(name)["stdout"].as_str().unwrap().to_owned();
        let slot = stdout.lines().find_map(|line| line.strip_prefix("SLOT "));
        slot.unwrap().to_owned()
    };
    assert_eq!(slot("narrow"), "none");
    let of_pair = [slot("left"), slot("right")];
    assert!(of_pair == ["0", "1"] || of_pair == ["1", "0"], "{run}");
}

#[test]
fn plain_mistakes_about_groups_are_explained() {
    let project = Project::own("plain");
    for (text, message) in [
        (
            "[groups.database]\nmax-slots = 1\n[[directives]]\ngroup = 'databse'",
            "unknown group `databse`; did you mean `database`?",
        ),
        (
            "[[directives]]\ngroup = 'database'",
            "`group` names a group, but no table `[groups.NAME]` defines one",
        ),
        (
            "[groups.database]",
            "`database` needs the field `max-slots`",
        ),
        (
            "[groups.database]\nmax-slots = 0",
            "`max-slots` must be between 1 and",
        ),
        (
            "[groups.database]\nmax-threads = 1",
            "unknown field `max-threads` of a group",
        ),
    ] {
        project.directives(text);
        project.maelstrom(&[]).exits(96).says(message);
    }
}
