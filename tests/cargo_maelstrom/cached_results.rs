//! `--cache-results`: what passed before, and nothing has changed for, is not run again.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use std::collections::BTreeSet;
use std::fs;

const AUTO: &str = "--cache-results=auto";

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn forest_only_the_changed_crate_and_its_dependents_are_tested_again() {
    needs_containers!();
    let project = Project::own("forest");
    let first = project.events(&[AUTO]).exits(0);
    assert_eq!(first.ran().len(), 13, "{first}");
    let again = project.events(&[AUTO]).exits(0);
    assert_eq!(again.ran(), names([]), "{again}");
    assert_eq!(again.statuses(), first.statuses());
    assert_eq!(again.names("started"), [""; 0]);
    let summary = again.summary();
    assert_eq!(
        (&summary["passed"], &summary["cached"]),
        (&13.into(), &13.into())
    );

    project.change("twig/src/lib.rs", "leaf::age() + 1", "leaf::age() + 2");
    let touched = project.events(&[AUTO]).exits(0);
    let expected = names([
        "twig_is_old",
        "branch_is_old",
        "branch_is_older_than_its_twigs",
        "tree_is_old",
        "tree_has_twigs",
    ]);
    assert_eq!(touched.ran(), expected, "{touched}");
    assert_eq!(touched.statuses(), first.statuses());

    // What was before is known still.
    project.change("twig/src/lib.rs", "leaf::age() + 2", "leaf::age() + 1");
    let back = project.events(&[AUTO]).exits(0);
    assert_eq!(back.ran(), names([]), "{back}");
}

#[test]
fn forest_a_file_that_belongs_to_no_package_may_matter_to_all() {
    needs_containers!();
    let project = Project::own("forest");
    let arguments = [AUTO, "-p=rain", "-p=sun"];
    project.events(&arguments).exits(0);
    assert_eq!(project.events(&arguments).exits(0).ran(), names([]));
    project.write("weather.txt", "snow\n");
    let changed = project.events(&arguments).exits(100);
    assert_eq!(
        changed.statuses()["rain_is_in_the_weather"],
        "failed",
        "{changed}"
    );
    assert_eq!(
        changed.ran(),
        names(["rain_is_in_the_weather", "rain_is_old", "sun_is_old"])
    );
    // A failure is no result to keep.
    let again = project.events(&arguments).exits(100);
    assert_eq!(again.ran(), names(["rain_is_in_the_weather"]), "{again}");
}

#[test]
fn forest_a_test_sees_only_packages_that_its_package_depends_on_unless_a_directive_says_so() {
    needs_containers!();
    let project = Project::own("forest");
    let text = fs::read_to_string(project.root.join("sun/src/lib.rs")).unwrap();
    let more = "#[test] fn sun_looks_down() { std::fs::read_to_string(\"../moss/src/lib.rs\").unwrap(); }\n";
    project.write("sun/src/lib.rs", &(text + more));
    let arguments = ["-p=sun", "sun_looks_down"];
    // It is a test like any other for those who do not ask for more.
    project.events(&arguments).exits(0);
    let arguments = [&arguments[..], &[AUTO]].concat();
    let hermetic = [&arguments[..], &["--hermetic"]].concat();
    project.maelstrom(&hermetic).exits(100);
    // A second look finds the file.
    let narrow = project.events(&arguments).exits(0);
    let needs = &narrow.finished("sun_looks_down")["needs"];
    assert_eq!(*needs, serde_json::json!(["moss/src/lib.rs"]), "{narrow}");

    project.directives(
        "[[directives]]\nfilter = \"package.equals(sun)\"\n\
         added_layers = [{ source = \"<workspace-dir>\" }]\n",
    );
    let wide = project.events(&arguments).exits(0);
    assert_eq!(wide.ran(), names(["sun_looks_down"]), "{wide}");
    assert_eq!(project.events(&arguments).exits(0).ran(), names([]));
    project.change("moss/src/lib.rs", "years old", "years young");
    let seen = project.events(&arguments).exits(0);
    assert_eq!(seen.ran(), names(["sun_looks_down"]), "{seen}");
}

#[test]
fn a_package_in_the_root_shares_only_files_of_no_package_with_others() {
    needs_containers!();
    let project = Project::own("plain");
    let package = |name: &str| format!("[package]\nname = \"{name}\"\nedition = \"2021\"\n");
    let manifest = "[workspace]\nmembers = [\"a\", \"b\"]\n[dependencies]\na = { path = \"a\" }\n";
    project
        .write("Cargo.toml", &(package("plain") + manifest))
        .write("a/Cargo.toml", &package("a"))
        .write("b/Cargo.toml", &package("b"))
        .write("a/src/lib.rs", "#[test] fn a() {}\n")
        .write("data/b.txt", "for b\n")
        .write(
            "b/src/lib.rs",
            r#"#[test] fn b() {
                assert!(std::path::Path::new("../data/b.txt").exists());
                assert!(!std::path::Path::new("../src").exists());
                assert!(!std::path::Path::new("../a").exists());
            }"#,
        )
        .write(
            "src/lib.rs",
            r#"#[test] fn root() {
                assert!(std::path::Path::new("src/lib.rs").exists());
                assert!(std::path::Path::new("a/src/lib.rs").exists());
                assert!(!std::path::Path::new("b").exists());
            }"#,
        );
    let auto = || project.events(&[AUTO, "--workspace"]).exits(0).ran();
    assert_eq!(auto(), names(["a", "b", "root"]));
    assert_eq!(auto(), names([]));
    project.change("src/lib.rs", "fn root()", "fn root() ");
    assert_eq!(auto(), names(["root"]));
    project.change("b/src/lib.rs", "fn b()", "fn b() ");
    assert_eq!(auto(), names(["b"]));
    project.change("a/src/lib.rs", "fn a()", "fn a() ");
    assert_eq!(auto(), names(["a", "root"]));
    project.write("data/b.txt", "for whom?\n");
    assert_eq!(auto(), names(["a", "b", "root"]));
}

#[test]
fn forest_results_are_used_only_if_asked_for_and_kept_only_with_auto() {
    needs_containers!();
    let project = Project::own("forest");
    let with = |mode: &str| {
        let option = format!("--cache-results={mode}");
        let done = project.events(&["-p=sun", &option]).exits(0);
        done.ran().len()
    };
    for (mode, ran) in [
        ("off", 1),
        ("read", 1),
        ("read", 1),
        ("auto", 1),
        ("auto", 0),
        ("read", 0),
        ("off", 1),
    ] {
        assert_eq!(with(mode), ran, "{mode}");
    }
    // Who wants many runs gets them.
    let repeated = project.events(&["-p=sun", AUTO, "--repeat=3"]).exits(0);
    assert_eq!(repeated.summary()["passed"], 3);
    assert_eq!(repeated.summary()["cached"], 0);
}

#[test]
fn forest_another_environment_argument_or_too_short_a_time_is_another_test() {
    needs_containers!();
    let project = Project::own("forest");
    let text = fs::read_to_string(project.root.join("sun/src/lib.rs")).unwrap();
    let slow = text.replace(
        "println!",
        "std::thread::sleep(std::time::Duration::from_millis(300));\n    println!",
    );
    project.write("sun/src/lib.rs", &slow);
    let count = |more: &[&str]| {
        project
            .events(&[&["-p=sun", AUTO], more].concat())
            .ran()
            .len()
    };
    assert_eq!((count(&[]), count(&[])), (1, 0));
    assert_eq!(count(&["--timeout=100"]), 0);
    assert_eq!(count(&["--timeout=0.1"]), 1);
    assert_eq!(count(&["--", "--quiet", "--test-threads=1"]), 0);
    assert_eq!(count(&["--", "--format=pretty"]), 1);
    project.directives("[[directives]]\nadded_environment = { SEASON = \"$env{SEASON:-}\" }\n");
    assert_eq!((count(&[]), count(&[])), (1, 0));
    let mut command = project.command(&["-p=sun", AUTO, "--message-format=json", "--ui=quiet"]);
    let summer = Run::of(command.env("SEASON", "summer"), &project);
    assert_eq!(summer.ran().len(), 1, "{summer}");
}

#[test]
fn forest_tests_that_get_something_of_this_machine_are_run() {
    needs_containers!();
    let project = Project::own("forest");
    let arguments = [AUTO, "-p=sun", "-p=rain", "-p=moss", "-p=stone"];
    project.directives(
        "[[directives]]\nfilter = \"package.equals(sun)\"\nnetwork = \"local\"\n\
         mounts = [{ type = \"proc\", mount_point = \"/proc\" }]\n\
         [[directives]]\nfilter = \"name.equals(rain_is_old)\"\n\
         added_mounts = [{ type = \"bind\", mount_point = \"/run\", local_path = \"moss\", read_only = true }]\n",
    );
    project.events(&arguments).exits(0);
    let again = project.events(&arguments).exits(0);
    assert_eq!(again.ran(), names(["sun_is_old", "rain_is_old"]), "{again}");
}

#[test]
fn forest_the_output_of_a_cached_test_is_shown_again() {
    needs_containers!();
    let project = Project::own("forest");
    project.maelstrom(&[AUTO, "-p=sun"]).exits(0).says("PASS");
    for option in ["--show-output", "--nocapture"] {
        let cached = project.maelstrom(&[AUTO, "-p=sun", option]).exits(0);
        cached
            .says("CACHED  [   0.000s] sun lib/sun sun_is_old\n")
            .says("sun is 1 years old")
            .says("Ran 0 tests")
            .says("1 passed, 1 of them cached");
    }
}

#[test]
fn forest_without_its_cache_nothing_is_known() {
    needs_containers!();
    let project = Project::own("forest");
    project.events(&[AUTO, "-p=sun"]).exits(0);
    fs::remove_dir_all(
        project
            .target
            .join("maelstrom/cache/store/values/outcomes-5"),
    )
    .unwrap();
    let forgotten = project.events(&[AUTO, "-p=sun"]).exits(0);
    assert_eq!(forgotten.ran().len(), 1, "{forgotten}");
}

/// A job that prints something else each time it runs.
const JOB: &str = r#"{
    "layers": [{ "programs": ["sh", "cat"] }, { "stubs": ["/proc/"] }],
    "mounts": [{ "type": "proc", "mount_point": "/proc" }],
    "program": "sh",
    "arguments": ["-c", "cat /proc/sys/kernel/random/uuid; echo err >&2"]
}"#;

#[test]
fn a_cached_job_has_its_earlier_output() {
    needs_containers!();
    let project = Project::own("plain");
    project.write("job.json", JOB);
    let start = |arguments: &[&str]| {
        let arguments = [&["--file", "job.json"], arguments].concat();
        let run = Run::of(&mut project.jobs(&arguments), &project).exits(0);
        assert_eq!(run.stderr, "err\n");
        run.stdout
    };
    let first = start(&[AUTO]);
    assert_ne!(start(&[]), first);
    assert_eq!(start(&[AUTO]), first);
    assert_eq!(start(&["--cache-results=read"]), first);
    assert_eq!(start(&[AUTO, "--one"]), first);
    // With another program it is another job, known from then on.
    let command = "cat /proc/sys/kernel/random/uuid; echo err >&2; echo";
    let other = [AUTO, "--one", "sh", "-c", command];
    let known = start(&other);
    assert_ne!(known, first);
    assert_eq!(start(&other), known);
}

#[test]
fn a_job_that_fails_is_run_again() {
    needs_containers!();
    let project = Project::own("plain");
    project.write("job.json", &JOB.replace("err >&2", "err >&2; exit 3"));
    let start = || {
        let arguments = [AUTO, "--one", "--file", "job.json"];
        Run::of(&mut project.jobs(&arguments), &project)
            .exits(3)
            .stdout
    };
    assert_ne!(start(), start());
}
