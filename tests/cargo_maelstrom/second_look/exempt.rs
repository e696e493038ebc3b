//! Tests and runs without second looks, and options that matter for them.

use super::{Looked, needs};
use crate::image::{Layer, TestImage};
use crate::need::needs_containers;

const NEEDY: &str = r#"
#[test]
fn needs_git() {
    let run = run("needs_git");
    println!("run {run} of needs_git");
    output("git", &["--version"]);
}

#[test]
fn needs_a_file() {
    run("needs_a_file");
    fs::read("/etc/login.defs").unwrap();
}

#[test]
fn waits() {
    run("waits");
    let missing = fs::read("/etc/login.defs").is_err();
    while missing {
        std::thread::park();
    }
}

#[test]
fn fails() {
    let run = run("fails");
    println!("run {run} of fails");
    panic!();
}
"#;

#[test]
fn outcomes_timeouts_and_errors_are_not_looked_at() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    looked.directives(
        "[[directives]]\nfilter = 'name.equals(waits)'\ntimeout = 1\n\
         [[directives]]\nfilter = 'name.equals(needs_git)'\nworking_directory = '/no/such'\n",
    );
    let run = looked.run(&["waits", "needs_git"]).exits(100);
    assert_eq!(run.finished("waits")["status"], "timed-out");
    assert_eq!(run.finished("needs_git")["status"], "error");
    assert_eq!([looked.runs("waits"), looked.runs("needs_git")], [1, 0]);
}

#[test]
fn outcomes_a_test_whose_changes_are_kept_is_not_looked_at() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    let [upper, work] = ["upper", "work"].map(|name| {
        let path = looked.project.temporary().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    });
    looked.directives(&format!(
        "[[directives]]\nroot_overlay = {{ local = {{ upper = '{}', work = '{}' }} }}\n",
        upper.display(),
        work.display()
    ));
    let run = looked.run(&["needs_git"]).exits(100);
    assert_eq!(run.finished("needs_git")["status"], "failed", "{run}");
    assert_eq!(looked.runs("needs_git"), 1);
}

#[test]
fn outcomes_a_test_in_an_image_is_not_looked_at() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    let image = TestImage::new().layer(Layer::new().file("etc/os-release", b"ID=nothing\n"));
    image.write_oci(&looked.project.root.join("image"), "nothing");
    looked.project.directives(&format!(
        "[[directives]]\nimage = 'oci:image'\ninclude_shared_libraries = true\n\
         added_layers = [{{ stubs = ['/runs/'] }}]\n\
         mounts = [{{ type = 'bind', mount_point = '/runs', local_path = '{}' }}]\n",
        looked.runs.display()
    ));
    let run = looked.run(&["needs_a_file"]).exits(100);
    assert_eq!(run.finished("needs_a_file")["status"], "failed", "{run}");
    assert_eq!(looked.runs("needs_a_file"), 1, "{run}");
}

#[test]
fn outcomes_a_hermetic_run_has_no_second_look() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    looked.run(&["--hermetic", "needs_git"]).exits(100);
    assert_eq!(looked.runs("needs_git"), 1);
    let setting = [("MAELSTROM_HERMETIC", "true")];
    looked.run_with(&["needs_git"], &setting).exits(100);
    assert_eq!(looked.runs("needs_git"), 2);
}

#[test]
fn outcomes_only_the_first_run_is_streamed() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    let options = [
        super::BINARY,
        "--nocapture",
        "--no-fail-fast",
        "needs_git",
        "fails",
    ];
    let run = looked.project.maelstrom(&options).exits(100);
    for test in ["needs_git", "fails"] {
        let lines = run.stdout.lines().chain(run.stderr.lines());
        let lines: Vec<_> = lines
            .filter(|line| line.ends_with(&format!(" of {test}")))
            .collect();
        assert_eq!(lines, [format!("run 1 of {test}")], "{run}");
    }
    assert!(run.stderr.contains("needs_git (needs git)"), "{run}");
}

#[test]
fn outcomes_repeated_tests_pass_with_their_needs() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    let run = looked.run(&["--repeat=2", "needs_git"]).exits(0);
    let finished = run.of_tests("finished");
    assert_eq!(finished.len(), 2, "{run}");
    for event in finished {
        assert_eq!(event["status"], "passed");
        assert_eq!(event["needs"][0], "git");
    }
    assert!(
        run.stderr.contains("note: 1 test needed something"),
        "{run}"
    );
    let before = looked.runs("needs_git");
    looked.run(&["--repeat=2", "needs_git"]).exits(0);
    assert_eq!(looked.runs("needs_git") - before, 2);
}

#[test]
fn outcomes_a_test_that_passes_with_its_needs_stops_no_run() {
    needs_containers!();
    let looked = Looked::new(NEEDY);
    let run = looked.run(&["--stop-after=1", "-j1", "needs_"]).exits(0);
    assert_eq!(run.summary()["passed"], 2, "{run}");
    // One that fails does.
    let run = looked
        .run(&["--stop-after=1", "-j1", "--hermetic", "needs_"])
        .exits(100);
    assert_eq!(run.summary()["failed"], 1, "{run}");
    assert_eq!(run.summary()["not_run"], 1, "{run}");
    assert_eq!(needs(&run, run.names("finished")[0].as_str()).len(), 0);
}
