//! Files that tests write, and that are copied out of their containers.

use crate::fixture::{Project, Run};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// A workspace with a test that runs a script, in the directory of its package.
fn project() -> Project {
    Project::own("shell")
}

/// Runs the test with options and variables.
fn run(project: &Project, options: &[&str], variables: &[(&str, &str)], script: &str) -> Run {
    let mut command = project.command(options);
    for name in [
        "UPDATE_EXPECT",
        "INSTA_UPDATE",
        "TRYBUILD",
        "TRYCMD",
        "SNAPSHOTS",
        "BLESS",
    ] {
        command.env_remove(name);
    }
    command.args(["--", &format!("--script={script}")]);
    Run::of(command.envs(variables.iter().copied()), project)
}

/// The place of a file outside of the source tree.
fn other(project: &Project, path: &str) -> PathBuf {
    let outputs = project
        .target
        .join("maelstrom/outputs/shell/bin-script/script");
    outputs.join(path.trim_start_matches('/'))
}

/// The files and directories of the workspace, with those of directories.
fn listing(project: &Project) -> Vec<String> {
    fn add(directory: &Path, prefix: &str, names: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                add(&entry.path(), &format!("{name}/"), names);
            }
            names.push(name);
        }
    }
    let mut names = Vec::new();
    add(&project.root, "", &mut names);
    names.sort_unstable();
    names
}

#[test]
fn files_of_snapshot_and_property_tests_are_copied_back_whether_or_not_the_test_failed() {
    let project = project();
    let script = "mkdir -p tests/snapshots proptest-regressions/a\n\
                  echo new >tests/snapshots/a.snap.new\n\
                  echo pending >tests/.a.rs.pending-snap\n\
                  echo seed >proptest-regressions/a/b.txt\n\
                  echo seed >tests/c.proptest-regressions\n\
                  echo other >tests/other\n";
    let before = listing(&project);
    for (end, code) in [("exit 1", 100), ("exit 0", 0)] {
        let run = run(&project, &["--ui=simple"], &[], &format!("{script}{end}"));
        assert_eq!(run.code, Some(code), "{run}");
        for (path, text) in [
            ("tests/snapshots/a.snap.new", "new\n"),
            ("tests/.a.rs.pending-snap", "pending\n"),
            ("proptest-regressions/a/b.txt", "seed\n"),
            ("tests/c.proptest-regressions", "seed\n"),
        ] {
            let path = project.root.join(path);
            assert_eq!(
                fs::read_to_string(&path).ok().as_deref(),
                Some(text),
                "{run}"
            );
            assert!(run.stderr.contains(path.to_str().unwrap()), "{run}");
        }
        assert!(!project.root.join("tests/other").exists(), "{run}");
        let told = run
            .stderr
            .contains("note: 4 files that tests wrote were copied out");
        assert!(told, "{run}");
        for directory in ["tests", "proptest-regressions"] {
            fs::remove_dir_all(project.root.join(directory)).unwrap();
        }
        assert_eq!(listing(&project), before);
    }
}

#[test]
fn a_pending_snapshot_has_the_run_that_its_test_had() {
    let project = project();
    let script = "echo \"{\\\"run_id\\\":\\\"$NEXTEST_RUN_ID\\\",\\\"line\\\":1}\" >.a.rs.pending-snap\n\
                  echo $NEXTEST_RUN_ID >id.snap.new";
    let run = run(&project, &["--ui=simple"], &[], script).exits(0);
    let text = |name| fs::read_to_string(project.root.join(name)).unwrap();
    let id = text("id.snap.new");
    assert_ne!(id.trim(), "", "{run}");
    let expected = format!("{{\"run_id\":\"{}\",\"line\":1}}\n", id.trim());
    assert_eq!(text(".a.rs.pending-snap"), expected, "{run}");
}

#[test]
fn a_failure_names_the_copied_and_the_discarded_files() {
    let project = project();
    let script = "echo new >a.snap.new; echo x >thrown; exit 1";
    let events = run(
        &project,
        &["--message-format=json", "--ui=quiet"],
        &[],
        script,
    );
    let finished = &events.of_tests("finished")[0];
    let path = |name| project.root.join(name).to_str().unwrap().to_owned();
    assert_eq!(finished["outputs"], serde_json::json!([path("a.snap.new")]));
    assert_eq!(finished["written"], serde_json::json!([path("thrown")]));
}

#[test]
fn a_variable_that_asks_for_an_update_brings_every_changed_file_of_the_source_tree_back() {
    let project = project();
    project.write("expected.txt", "old\n");
    let script = "echo new >expected.txt; touch Cargo.toml; chmod +x expected.txt; \
                  mkdir -p .git; echo x >.git/config; echo x >/tmp/x";
    let before = listing(&project);
    let expected = project.root.join("expected.txt");
    let plain = run(&project, &[], &[], script);
    assert_eq!(fs::read_to_string(&expected).unwrap(), "old\n", "{plain}");
    let update = run(
        &project,
        &["--ui=simple"],
        &[("UPDATE_EXPECT", "1")],
        script,
    );
    assert_eq!(update.code, Some(0), "{update}");
    assert_eq!(fs::read_to_string(&expected).unwrap(), "new\n", "{update}");
    let mode = expected.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7111, 0o111, "{mode:o}");
    assert!(
        update
            .stderr
            .contains("note: 1 file that tests wrote was copied"),
        "{update}"
    );
    let warning = ".git/config: files of version control are not written back";
    assert!(update.stderr.contains(warning), "{update}");
    assert_eq!(listing(&project), before);
    // A container with outputs of its own keeps to them.
    project.directives("[[directives]]\noutputs = []\n");
    project.write("expected.txt", "old\n");
    let own = run(&project, &[], &[("UPDATE_EXPECT", "1")], script);
    assert_eq!(fs::read_to_string(&expected).unwrap(), "old\n", "{own}");
}

#[test]
fn write_back_brings_every_changed_file_back_and_nothing_leads_out_of_the_source_tree() {
    let project = project();
    let outside = project.temporary().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    project.directives("[[directives]]\noutputs = []\n");
    let (root, outside_path) = (project.root.display(), outside.display());
    let script = format!(
        "ln -s ../outside up; ln -s {outside_path}/file link; echo x >one; ln one two; mkfifo fifo\n\
         mkdir directory; ln -s {root} directory/loop; chmod 600 one; mkdir empty\n\
         (sleep 1000; echo late >late) & echo passed"
    );
    let run = run(&project, &["--write-back", "--ui=simple"], &[], &script);
    assert_eq!(run.code, Some(0), "{run}");
    let target = |name: &str| fs::read_link(project.root.join(name)).unwrap();
    assert_eq!(target("up"), Path::new("../outside"));
    assert_eq!(target("link"), outside.join("file"));
    assert_eq!(target("directory/loop"), project.root);
    for name in ["one", "two"] {
        assert_eq!(
            fs::read_to_string(project.root.join(name)).unwrap(),
            "x\n",
            "{run}"
        );
    }
    for name in ["fifo", "late", "empty"] {
        assert!(!project.root.join(name).exists(), "{name}: {run}");
    }
    // The next run does not have the links in its container where they lead out: it replaces them.
    let script = format!("rm up link; mkdir up; echo y >up/file; echo y >link; ls {outside_path}");
    let run = self::run(&project, &["--write-back", "--ui=simple"], &[], &script);
    assert_eq!(
        fs::read_to_string(outside.join("file")).unwrap(),
        "precious",
        "{run}"
    );
    assert_eq!(
        fs::read_to_string(project.root.join("link")).unwrap(),
        "y\n",
        "{run}"
    );
    let warning = "`up` on its path is a symbolic link here";
    assert!(run.stderr.contains(warning), "{run}");
}

#[test]
fn a_link_of_the_source_tree_is_replaced_and_not_written_through() {
    let project = project();
    let outside = project.temporary().join("outside");
    fs::write(&outside, "precious").unwrap();
    symlink(&outside, project.root.join("a.snap.new")).unwrap();
    let script = "rm -f a.snap.new; echo new >a.snap.new";
    let run = run(&project, &[], &[], script);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "precious", "{run}");
    let copy = project.root.join("a.snap.new");
    assert!(!copy.is_symlink(), "{run}");
    assert_eq!(fs::read_to_string(copy).unwrap(), "new\n", "{run}");
}

#[test]
fn outputs_that_are_not_of_the_source_tree_are_copied_to_a_directory_of_the_test() {
    let project = project();
    project.directives(
        "[[directives]]\n\
         added_outputs = ['/tmp/report/*.xml', '<target-dir>/kept', '/home/maelstrom/**']\n",
    );
    let (target, script) = (project.target.display(), |number: u32| {
        let target = project.target.display();
        format!(
            "mkdir -p /tmp/report {target}; echo {number} >/tmp/report/{number}.xml; echo x >/tmp/x\n\
             echo {number} >{target}/kept; echo x >{target}/a.snap.new; echo {number} >~/{number}"
        )
    });
    for number in [1, 2] {
        let run = run(&project, &["--ui=simple"], &[], &script(number));
        assert_eq!(run.code, Some(0), "{run}");
        let text = format!("{number}\n");
        for path in [
            format!("/tmp/report/{number}.xml"),
            format!("{target}/kept"),
            format!("/home/maelstrom/{number}"),
        ] {
            let copy = fs::read_to_string(other(&project, &path));
            assert_eq!(copy.ok(), Some(text.clone()), "{path}: {run}");
        }
        assert!(!other(&project, "/tmp/x").exists(), "{run}");
        assert!(
            !other(&project, &format!("{target}/a.snap.new")).exists(),
            "{run}"
        );
        assert!(!project.target.join("kept").exists(), "{run}");
    }
    let first = other(&project, "/tmp/report/1.xml");
    assert!(
        !first.exists(),
        "the outputs of the second run replace those of the first"
    );
}

#[test]
fn outputs_beyond_the_limit_are_a_warning_and_no_failure() {
    let project = project();
    let script = "echo new >a.snap.new; head -c 3000 /dev/zero >b.snap.new";
    let run = run(
        &project,
        &["--outputs-limit=2k", "--ui=simple"],
        &[],
        script,
    );
    assert_eq!(run.code, Some(0), "{run}");
    assert!(project.root.join("a.snap.new").exists(), "{run}");
    assert!(!project.root.join("b.snap.new").exists(), "{run}");
    let warning = "b.snap.new and later outputs were not copied: together they exceed the limit of \
                   2000 bytes; raise `outputs-limit`";
    assert!(run.stderr.contains(warning), "{run}");
}

#[test]
fn a_test_that_wrote_outputs_runs_again_though_results_are_cached() {
    let project = project();
    let options = ["--cache-results=auto", "--ui=simple"];
    let script = "echo new >a.snap.new";
    let copy = project.root.join("a.snap.new");
    for _ in 0..2 {
        let run = run(&project, &options, &[], script);
        assert!(!run.stderr.contains("CACHED"), "{run}");
        assert!(copy.exists(), "{run}");
        fs::remove_file(&copy).unwrap();
    }
    // Without outputs, the result is known. It does not count where the files are wanted.
    for (option, cached) in [
        ("--no-fail-fast", false),
        ("--no-fail-fast", true),
        ("--write-back", false),
    ] {
        let run = run(
            &project,
            &[&options[..], &[option]].concat(),
            &[],
            "echo x >b",
        );
        assert_eq!(run.stderr.contains("CACHED"), cached, "{run}");
    }
    assert!(project.root.join("b").exists());
}

#[test]
fn a_file_that_a_test_removed_is_removed_from_the_source_tree() {
    let project = project();
    project
        .write("stale.snap.new", "stale")
        .write("other", "other")
        .write("snapshots/a.snap.new", "stale")
        .write("snapshots/kept", "kept");
    let script = "rm stale.snap.new other; rm -r snapshots; rm -f absent.snap.new";
    let run = run(&project, &["--ui=simple"], &[], script);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(!project.root.join("stale.snap.new").exists(), "{run}");
    // Not an output, and a directory as a whole.
    for kept in ["other", "snapshots/a.snap.new", "snapshots/kept"] {
        assert!(project.root.join(kept).exists(), "{kept}: {run}");
    }
    let note = "note: 1 file that tests removed was removed from the source tree:";
    assert!(run.stderr.contains(note), "{run}");
}

#[test]
fn lines_for_the_files_of_insta_are_appended_to_those_of_the_client_and_no_result_is_reused() {
    let project = project();
    let files = ["INSTA_SNAPSHOT_REFERENCES_FILE", "INSTA_WARNINGS_FILE"]
        .map(|name| (name, project.temporary().join(name)));
    let variables = files
        .each_ref()
        .map(|(name, path)| (*name, path.to_str().unwrap()));
    let options = ["--cache-results=auto", "--ui=simple"];
    let script = "for f in $INSTA_SNAPSHOT_REFERENCES_FILE $INSTA_WARNINGS_FILE; do \
                  echo a >>$f; echo b >>$f; done; true";
    let text = |number: usize| fs::read_to_string(&files[number].1).unwrap_or_default();
    run(&project, &options, &[], script);
    let known = run(&project, &options, &[], script);
    assert!(known.stderr.contains("CACHED"), "{known}");
    for count in 1..=2 {
        let run = run(&project, &options, &variables, script);
        assert!(!run.stderr.contains("CACHED"), "{run}");
        assert!(!run.stderr.contains("copied out"), "{run}");
        assert_eq!(
            [text(0), text(1)],
            ["a\nb\n", "a\nb\n"].map(|lines| lines.repeat(count))
        );
    }
    // A container with a read-only root and nothing of the default container.
    project.directives(
        "[[directives]]\nmounts = []\nadded_layers = []\nroot_overlay = 'none'\noutputs = []\n\
         environment = { PATH = '/bin:/usr/bin' }\n",
    );
    let run = self::run(
        &project,
        &options,
        &variables[..1],
        "echo c >>$INSTA_SNAPSHOT_REFERENCES_FILE",
    );
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(text(0), "a\nb\na\nb\nc\n", "{run}");
    // What was known without the variables still is.
    fs::remove_file(project.root.join("maelstrom-test.toml")).unwrap();
    let known = self::run(&project, &options, &[], script);
    assert!(known.stderr.contains("CACHED"), "{known}");
}

#[test]
fn lines_of_tests_that_append_at_the_same_time_are_whole() {
    let project = Project::own("plain");
    let tests = (0..12).map(|number| {
        format!(
            "#[test] fn t{number}() {{
                use std::io::Write as _;
                let path = std::env::var(\"INSTA_SNAPSHOT_REFERENCES_FILE\").unwrap();
                for line in 0..200 {{
                    let mut options = std::fs::File::options();
                    let mut file = options.append(true).create(true).open(&path).unwrap();
                    file.write_all(format!(\"test {number} line {{line}}\\n\").as_bytes()).unwrap();
                }}
            }}\n"
        )
    });
    project.write("src/lib.rs", &tests.collect::<String>());
    let references = project.temporary().join("references");
    let mut command = project.command(&["--lib", "--slots=4"]);
    command.env("INSTA_SNAPSHOT_REFERENCES_FILE", &references);
    let run = Run::of(&mut command, &project).exits(0);
    let text = fs::read_to_string(&references).unwrap();
    let lines: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
    let expected = (0..12).flat_map(|n| (0..200).map(move |line| format!("test {n} line {line}")));
    assert_eq!(lines, expected.collect(), "{run}");
    assert_eq!(text.lines().count(), lines.len());
}

#[test]
fn only_files_and_links_are_copied_out_of_a_container() {
    let project = project();
    // A `tmp` mount, in which a job can make the device that is overlayfs's mark elsewhere.
    project.directives(&format!(
        "[[directives]]\n\
         added_layers = [{{ programs = [\"mknod\"] }}]\n\
         added_mounts = [{{ type = \"tmp\", mount_point = \"{}/scratch\" }}]\n",
        project.root.display()
    ));
    project.write("scratch/kept", "precious");
    let script = "mkfifo fifo || exit 2; mknod scratch/kept c 0 0 || exit 3\n\
         mkfifo scratch/fifo || exit 4; ln -s / slash; ln -s slash/tmp chain; ln -s . here\n\
         ln -s loop loop; ln -s /proc/self/root proc; echo x >'a\nb'; mkdir '...'\n\
         echo x >'.../x'; ln '.../x' hard; ln /etc/passwd linked || exit 5";
    let before = listing(&project);
    let run = run(&project, &["--write-back", "--ui=simple"], &[], script);
    assert_eq!(run.code, Some(0), "{run}");
    let new: Vec<_> = (listing(&project).into_iter())
        .filter(|name| !before.contains(name))
        .collect();
    let expected = [
        "...", ".../x", "a\nb", "chain", "hard", "here", "linked", "loop", "proc", "slash",
    ];
    assert_eq!(new, expected, "{run}");
    let kept = fs::read_to_string(project.root.join("scratch/kept")).ok();
    assert_eq!(kept.as_deref(), Some("precious"), "{run}");
    for name in [".../x", "a\nb", "hard", "linked"] {
        let copy = fs::symlink_metadata(project.root.join(name)).unwrap();
        assert!(copy.is_file(), "{name}: {run}");
    }
    for (name, target) in [("slash", "/"), ("chain", "slash/tmp"), ("loop", "loop")] {
        let link = fs::read_link(project.root.join(name)).unwrap();
        assert_eq!(link, Path::new(target), "{run}");
    }
}

#[test]
fn more_files_than_are_copied_are_a_warning() {
    let project = project();
    project.directives("[[directives]]\nadded_outputs = ['/tmp/many/**']\n");
    // One more than are copied.
    let script = "mkdir /tmp/many; cd /tmp/many; seq 100001 | xargs -n 5000 touch";
    let run = run(&project, &["--ui=simple"], &[], script);
    assert_eq!(run.code, Some(0), "{run}");
    let warning = "there are 100001 outputs, of which 100000 are copied; make `outputs` match \
                   fewer files";
    assert!(run.stderr.contains(warning), "{run}");
    let copies = fs::read_dir(other(&project, "/tmp/many")).unwrap();
    assert_eq!(copies.count(), 100_000);
}

#[test]
fn files_of_any_size_are_measured_before_they_are_copied() {
    let project = project();
    let script =
        "echo new >a.snap.new; truncate -s 10G b.snap.new; truncate -s 8000P c.snap.new; true";
    let run = run(&project, &["--ui=simple"], &[], script);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(project.root.join("a.snap.new").exists(), "{run}");
    let warning = "b.snap.new and later outputs were not copied: together they exceed the limit of \
                   1073741824 bytes; raise `outputs-limit`";
    assert!(run.stderr.contains(warning), "{run}");
    assert!(!project.root.join("b.snap.new").exists(), "{run}");
}
