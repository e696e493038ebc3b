//! `cargo maelstrom archive`, and its tests where nothing but the archive is.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes an archive of the project.
fn archive(project: &Project, arguments: &[&str]) -> (String, Run) {
    let file = project.temporary().join("tests.tar.zst");
    let file = file.to_str().unwrap().to_owned();
    let words = [&["archive", "-o", &file], arguments].concat();
    let run = project.maelstrom(&words).exits(0);
    (file, run)
}

/// Runs the program where the sources, the target directory, Cargo, rustup and the registry are
/// hidden.
fn elsewhere(project: &Project, arguments: &[&str]) -> Run {
    elsewhere_after(project, "", arguments)
}

fn elsewhere_after(project: &Project, script: &str, arguments: &[&str]) -> Run {
    let inner = project.command(arguments);
    let is_root = nix::unistd::geteuid().is_root();
    let namespaces = if is_root { "-m" } else { "-Urm" };
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let hidden = [
        Some(project.root.clone()),
        Some(project.target.clone()),
        Some(home.join(".cargo")),
        Some(home.join(".rustup")),
        Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cargo-home")),
        variable("CARGO_HOME"),
        variable("RUSTUP_HOME"),
    ];
    let hidden = hidden.into_iter().flatten().filter(|path| path.is_dir());
    let hide: Vec<_> = hidden
        .map(|path| format!("mount -t tmpfs none '{}'", path.display()))
        .collect();
    let hide = hide.join("\n");
    let script = format!(
        "set -e\n{hide}\n{script}\ncommand -v cargo rustc && exit 77\ntest ! -e '{}'\nexec \"$@\"",
        project.root.join("Cargo.toml").display()
    );
    let mut command = Command::new("unshare");
    command.args([namespaces, "sh", "-c", &script, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let path = std::env::var("PATH").unwrap();
    let path = path.split(':').filter(|directory| {
        let has = |program: &str| Path::new(directory).join(program).exists();
        !has("rustc") && !has("rustup")
    });
    command
        .env("PATH", path.collect::<Vec<_>>().join(":"))
        .env("XDG_CACHE_HOME", project.temporary().join("user-cache"))
        .env_remove("CARGO")
        .current_dir("/");
    Run::of(&mut command, project)
}

const JSON: [&str; 4] = ["--message-format", "json", "--ui", "quiet"];

fn events_elsewhere(project: &Project, arguments: &[&str]) -> Run {
    elsewhere(project, &[&JSON, arguments].concat())
}

/// How each test ended.
fn ends(run: &Run) -> BTreeMap<String, (String, Value, Value)> {
    let finished = run.of_tests("finished");
    let of = |event: &Value| {
        let name = format!("{} {} {}", event["package"], event["target"], event["name"]);
        let status = event["status"].as_str().unwrap().to_owned();
        (
            name,
            (status, event["exit_code"].clone(), event["signal"].clone()),
        )
    };
    let ends: BTreeMap<_, _> = finished.iter().map(of).collect();
    assert_eq!(ends.len(), finished.len(), "{run}");
    ends
}

/// The variables that the test of the project `shop` prints, without those of a single run.
fn variables(run: &Run) -> BTreeSet<String> {
    let stdout = run.finished("prints_its_environment")["stdout"].clone();
    let lines = stdout.as_str().unwrap().lines();
    let lines = lines.filter(|line| line.starts_with("VARIABLE "));
    let varies = |line: &&str| {
        [
            "NEXTEST_RUN_ID",
            "NEXTEST_ATTEMPT_ID",
            "SLOT",
            "VARIABLE CARGO_HOME",
        ]
        .iter()
        .any(|name| line.contains(name))
    };
    lines
        .filter(|line| !varies(line))
        .map(str::to_owned)
        .collect()
}

#[test]
fn tests_of_an_archive_end_as_those_of_the_workspace_and_find_the_same() {
    needs_containers!();
    let project = Project::own("shop");
    let options = ["--workspace", "--show-output", "--", "--include-ignored"];
    let here = project.events(&options);
    let (file, made) = archive(&project, &["--workspace"]);
    made.says("packed ").says(" test binaries into ");
    let there = events_elsewhere(
        &project,
        &[
            "--archive",
            &file,
            "--show-output",
            "--",
            "--include-ignored",
        ],
    );
    assert_eq!(there.code, here.code, "{there}");
    assert!(ends(&here).len() > 25, "{here}");
    assert_eq!(ends(&there), ends(&here), "{there}");
    assert_eq!(variables(&there), variables(&here));
}

/// The project `documented` has documentation tests in editions 2021 and 2024.
#[test]
fn documentation_tests_of_an_archive_end_as_those_of_the_workspace() {
    needs_containers!();
    let project = Project::own("documented");
    let workspace = ["--workspace", "--hermetic"];
    let (file, _) = archive(&project, &workspace);
    for after in [
        &["--show-output"][..],
        &["--show-output", "--", "--ignored"],
        &["--show-output", "--", "--include-ignored"],
    ] {
        let here = project.events(&[&workspace, after].concat());
        let there = events_elsewhere(&project, &[&["--archive", &file], after].concat());
        assert_eq!(there.code, here.code, "{there}");
        let of_both = [&here, &there].map(|run| {
            let mut finished = run.of_tests("finished");
            finished.retain(|event| event["target"]["kind"] == "doctest");
            let end = |event: &Value| {
                let keys = ["package", "name", "status", "exit_code", "signal"];
                let stdout = event["stdout"].as_str().unwrap_or_default();
                // A test has a harness of its own, which says how long it took.
                let stdout = stdout.split("finished in").next().map(str::to_owned);
                (keys.map(|key| event[key].to_string()), stdout)
            };
            let mut ends: Vec<_> = finished.iter().map(end).collect();
            ends.sort();
            ends
        });
        let [here_ends, there_ends] = of_both;
        let only_ignored = after.contains(&"--ignored");
        assert!(
            here_ends.len() > if only_ignored { 3 } else { 60 },
            "{here}"
        );
        assert_eq!(there_ends, here_ends, "{there}");
    }
    let line = |text: &str| text.to_owned();
    let listed =
        |run: Run| -> BTreeSet<String> { run.exits(0).lines().into_iter().map(line).collect() };
    let whole = listed(project.maelstrom(&["--workspace", "--list"]));
    let mut together = BTreeSet::new();
    for part in ["slice:1/2", "slice:2/2"] {
        let words = ["--partition", part, "--list"];
        let here = listed(project.maelstrom(&[&["--workspace"], &words[..]].concat()));
        let there = listed(elsewhere(
            &project,
            &[&["--archive", &file], &words[..]].concat(),
        ));
        assert_eq!(there, here);
        together.extend(there);
    }
    assert_eq!(together, whole);
}

#[test]
fn an_archive_may_have_only_documentation_tests() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "//! ```compile_fail\n//! let wrong: u32 = \"\";\n//! ```\n//!\n//! ```\n//! let wrong: u32 = \"\";\n//! ```\n",
    );
    let (file, made) = archive(&project, &["--doc"]);
    made.says("packed 2 tests of 1 test binary");
    let there = events_elsewhere(&project, &["--archive", &file, "-i", "doctest"]).exits(100);
    let statuses = there.statuses();
    assert_eq!(statuses["src/lib.rs - (line 1)"], "passed", "{there}");
    assert_eq!(statuses["src/lib.rs - (line 5)"], "failed", "{there}");
    let failed = there.finished("src/lib.rs - (line 5)");
    assert!(failed.to_string().contains("mismatched types"), "{there}");
}

#[test]
fn failures_and_known_needs_travel() {
    needs_containers!();
    let project = Project::own("outcomes");
    let after = ["--", "--skip", "hangs"];
    let here = project.events(&after).exits(100);
    let (file, _) = archive(&project, &[]);
    let there = events_elsewhere(&project, &[&["--archive", &file], &after[..]].concat());
    assert_eq!(ends(&there.exits(100)), ends(&here));
}

#[test]
fn failed_tests_of_an_archive_are_tried_again() {
    needs_containers!();
    let project = Project::own("flaky");
    let (file, _) = archive(&project, &[]);
    let words = ["--archive", &file, "--retries", "1", "-i", "n.c(second)"];
    let run = events_elsewhere(&project, &words).exits(0);
    let finished = run.finished("tests::passes_at_the_second_attempt");
    assert_eq!(finished["flaky"], true, "{run}");
}

#[test]
fn an_archive_has_the_directives_with_which_it_was_made() {
    needs_containers!();
    let project = Project::own("plain");
    project.directives("[[directives]]\nfilter = 'name.equals(first)'\nignore = true\n");
    // The file changes while Cargo builds.
    project.write(
        "build.rs",
        "fn main() { std::fs::write(\"maelstrom-test.toml\", \"\").unwrap(); }\n",
    );
    let (file, _) = archive(&project, &[]);
    let run = events_elsewhere(&project, &["--archive", &file]).exits(0);
    assert_eq!(run.finished("first")["status"], "ignored", "{run}");
}

#[test]
fn what_is_bound_does_not_travel_and_is_told() {
    needs_containers!();
    let project = Project::own("plain");
    let bound = project.temporary().join("bound");
    fs::create_dir(&bound).unwrap();
    project.directives(&format!(
        "[[directives]]\nfilter = \"name.equals(first)\"\n\
         added_layers = [{{ stubs = [\"/bound/\"] }}]\n\
         added_mounts = [{{ type = \"bind\", mount_point = \"/bound\", local_path = \"{0}\" }}]\n\
         [[directives]]\nfilter = \"name.equals(second)\"\n\
         added_layers = [{{ programs = [\"cargo\"] }}]\n",
        bound.display()
    ));
    project.maelstrom(&[]).exits(0);
    let (file, made) = archive(&project, &[]);
    made.says("warning: 2 tests need directories or files of the machine, which the archive does not hold")
        .says(bound.to_str().unwrap())
        .says("  plain lib/plain first\n  plain lib/plain second");
    let there = events_elsewhere(&project, &["--archive", &file]).exits(100);
    let status = |name: &str| there.finished(name)["status"].clone();
    let message = |name: &str| there.finished(name)["message"].as_str().unwrap().to_owned();
    // The directory is there, as only the project is hidden.
    assert_eq!(
        [status("first"), status("third")],
        ["passed", "passed"],
        "{there}"
    );
    assert_eq!(status("second"), "error", "{there}");
    let text = message("second");
    assert!(text.contains("this machine does not have it"), "{text}");
    fs::remove_dir(&bound).unwrap();
    let there = events_elsewhere(&project, &["--archive", &file]).exits(100);
    let text = there.finished("first")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let expected = format!(
        "the container binds {} of the machine to /bound",
        bound.display()
    );
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn parts_of_an_archive_are_divided_by_its_history() {
    needs_containers!();
    let project = Project::own("forest");
    project.maelstrom(&["--workspace"]).exits(0);
    let (file, _) = archive(&project, &["--workspace"]);
    let whole = elsewhere(&project, &["--archive", &file, "--list"]).exits(0);
    let whole: BTreeSet<_> = whole.lines().into_iter().map(str::to_owned).collect();
    assert_eq!(whole.len(), 13);
    let (mut together, mut digests) = (BTreeSet::new(), BTreeSet::new());
    for part in ["time:1/2", "time:2/2"] {
        let run = events_elsewhere(&project, &["--archive", &file, "--partition", part]).exits(0);
        for event in run.of_tests("finished") {
            let (package, target) = (event["package"].as_str(), &event["target"]);
            let name = event["name"].as_str().unwrap();
            let (kind, target) = (target["kind"].as_str().unwrap(), target["name"].as_str());
            let line = format!("{} {kind}/{} {name}", package.unwrap(), target.unwrap());
            assert!(together.insert(line.clone()), "{line} ran twice");
        }
        let mut events = run.all_events();
        events.retain(|event| event["event"] == "divided");
        digests.insert(events[0]["digest"].to_string());
    }
    assert_eq!((together, digests.len()), (whole, 1));
}

#[test]
fn filters_select_when_an_archive_is_made_and_when_its_tests_run() {
    needs_containers!();
    let project = Project::own("shop");
    let filter = ["--workspace", "-i", "package.equals(shop-core) && library"];
    let (file, _) = archive(&project, &filter);
    let list = |arguments: &[&str]| {
        let words = [&["--archive", &file, "--list"], arguments].concat();
        let run = elsewhere(&project, &words).exits(0);
        let lines = run.lines().into_iter();
        lines
            .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[]).len(), 6);
    assert_eq!(list(&["till"]), ["tests::panics_when_the_till_is_full"]);
    for package in ["shop-core", "shop-c*", "shop-core@1.2.3"] {
        assert_eq!(list(&["--exclude", package]), Vec::<String>::new());
    }
    let run = elsewhere(
        &project,
        &["--archive-file", &file, "--test-threads", "1", "absent"],
    );
    run.exits(4).says("note: no test has `absent` in its name");
}

#[test]
fn damaged_and_foreign_archives_are_refused() {
    let project = Project::own("plain");
    let (file, _) = archive(&project, &[]);
    let whole = fs::read(&file).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let run = elsewhere(&project, &["--archive", &file]).exits(96);
        run.says(what);
    };
    refused(&whole[..whole.len() / 2], "is damaged: ");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    refused(&flipped, "is damaged: ");
    refused(b"text", "is not an archive of tests");
    fs::remove_file(&file).unwrap();
    elsewhere(&project, &["--archive", &file])
        .exits(96)
        .says("error: failed to read the archive `");
}

#[test]
fn an_archive_in_the_workspace_is_not_packed_into_the_next_one() {
    let project = Project::own("plain");
    let words = ["archive", "-o", "tests.tar.zst"];
    let file = project.root.join("tests.tar.zst");
    project.maelstrom(&words).exits(0);
    let first = fs::read(&file).unwrap();
    project.maelstrom(&words).exits(0);
    assert!(fs::read(&file).unwrap() == first);
    project.write("text", "of the user");
    let run = project.maelstrom(&["archive", "-o", "text"]).exits(96);
    run.says("error: `text` exists and is not an archive of tests; remove it first");
    assert_eq!(
        fs::read_to_string(project.root.join("text")).unwrap(),
        "of the user"
    );
}

#[test]
fn options_that_an_archive_cannot_have_are_refused() {
    let project = Project::own("plain");
    let fails = |arguments: &[&str]| project.maelstrom(arguments).exits(96);
    fails(&["--archive", "a", "--release"])
        .says("'--release' is for Cargo, which is not used with '--archive'");
    fails(&["--archive", "a", "--learn"]).says("with '--archive', tests run or are listed");
    fails(&["--archive", "a", "--write-back"]).says("'--write-back' changes the source tree");
    fails(&["-o", "a"]).says("'-o' names the file that `cargo maelstrom archive -o FILE` writes");
    fails(&["archive"]).says("name it with '-o FILE'");
    fails(&["archive", "-o", "a", "--list"]).says("packs tests and has no other action");
    fails(&["--archive", "a", "--doc"]).says("write '-i doctest'");
    fails(&["archive", "-o", "a", "--archive-file", "b"]).says("both name the archive");
    let run = project
        .maelstrom(&["archive", "--archive-file", "here.tar.zst", "-q"])
        .exits(0);
    run.says("packed 3 tests of 1 test binary into here.tar.zst");
    let run = project
        .maelstrom(&["archive", "-o", "none.tar.zst", "nothing"])
        .exits(4);
    run.says("no tests were archived");
    assert!(!project.root.join("none.tar.zst").exists());
}

#[test]
fn an_archive_has_the_profiles_of_its_workspace() {
    needs_containers!();
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "#[test]\nfn prints() { println!(\"it printed\"); }\n",
    );
    project.directives("[profile.loud]\nsuccess-output = \"immediate\"\njunit = \"junit.xml\"\n");
    let (file, _) = archive(&project, &["--lib"]);
    let here = project.temporary().join("here");
    fs::create_dir(&here).unwrap();
    let script = format!("cd '{}'", here.display());
    let words = ["--archive", &file, "--test-profile", "loud"];
    let run = elsewhere_after(&project, &script, &words);
    run.exits(0).says("it printed");
    assert!(here.join("junit.xml").exists());
    let words = ["--archive", &file, "--test-profile", "quiet"];
    elsewhere(&project, &words)
        .exits(96)
        .says("there is no profile `quiet`")
        .says("loud");
    let words = ["--archive", &file, "-i", "package.depends_on(plain)"];
    elsewhere(&project, &words)
        .exits(96)
        .says("asks for dependencies of packages, which only Cargo knows");
}
