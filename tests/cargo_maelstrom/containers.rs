//! Containers as `maelstrom-test.toml` describes them: layers, mounts, roots, networks, parents.
//!
//! The tests of the project `containers` look around in their containers; here they are run once,
//! and each test below tells how some of them fared.

use crate::fixture::{Project, Run};
use std::{fs, net::TcpListener, path::Path, sync::OnceLock};

struct All {
    project: Project,
    run: Run,
}

/// The project's tests, with all that they need outside their containers.
fn all() -> &'static All {
    static ALL: OnceLock<All> = OnceLock::new();
    ALL.get_or_init(|| {
        let project = Project::own("containers");
        for directory in ["shared", "kept", "work"] {
            fs::create_dir(project.root.join(directory)).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        project.write("shared/in", "from outside\n");
        project.write("shared/port", &port.to_string());
        make_archive(&project.root.join("archive.tar"));
        let mut command = project.command(&["--message-format", "json"]);
        let run = Run::of(command.env("PROBE_CLIENT", "from the client"), &project);
        All { project, run }
    })
}

fn make_archive(path: &Path) {
    let mut archive = tar::Builder::new(fs::File::create(path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    let note = b"from the archive\n";
    header.set_size(note.len() as u64);
    archive
        .append_data(&mut header, "from-tar/note.txt", &note[..])
        .unwrap();
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive
        .append_link(&mut link, "from-tar/link", "note.txt")
        .unwrap();
    archive.into_inner().unwrap();
}

#[track_caller]
fn assert_passed(names: &[&str]) {
    let run = &all().run;
    let statuses = run.statuses();
    for name in names {
        let status = statuses.get(*name).map(String::as_str);
        assert_eq!(status, Some("passed"), "{name}: {run}");
    }
}

#[test]
fn containers_get_each_kind_of_layer() {
    assert_passed(&[
        "tar",
        "glob",
        "paths",
        "stubs",
        "symlinks",
        "files",
        "programs",
        "libraries",
        "source",
        "later_layers_win",
    ]);
}

#[test]
fn containers_get_each_kind_of_mount() {
    assert_passed(&["bind_writable", "bind_read_only", "all_other_mounts"]);
    let written = fs::read_to_string(all().project.root.join("shared/out")).unwrap();
    assert_eq!(written, "from inside\n");
}

#[test]
fn containers_have_roots_that_are_read_only_thrown_away_or_kept() {
    assert_passed(&[
        "root_is_read_only",
        "root_changes_are_kept",
        "starts_from_nothing",
    ]);
    let root = &all().project.root;
    let kept = root.join("kept").join(root.strip_prefix("/").unwrap());
    assert_eq!(
        fs::read_to_string(kept.join("kept-note")).unwrap(),
        "for later\n"
    );
    assert_eq!(fs::read_to_string(kept.join("lib.rs")).unwrap(), "changed");
    assert!(!root.join("kept-note").exists());
    assert_ne!(fs::read_to_string(root.join("lib.rs")).unwrap(), "changed");

    // What was kept is no obstacle to the next run.
    let again = all().project.maelstrom(&["root_changes_are_kept"]).exits(0);
    // The kernel lets only root read the work directory, which is among the sources here.
    let unreadable = again
        .stable
        .matches("cannot read <root>/work/work: Permission denied");
    assert!(unreadable.count() <= 1, "said twice: {again}");
}

#[test]
fn containers_have_the_network_they_are_given() {
    assert_passed(&["network_disabled", "network_loopback", "network_local"]);
}

#[test]
fn containers_inherit_from_parents() {
    assert_passed(&["grandchild", "takes_the_layers_only"]);
}

#[test]
fn containers_are_many_in_a_run_and_each_test_ends_once() {
    let run = &all().run;
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(run.summary()["passed"], 21);
    assert_eq!(run.statuses()["is_ignored_here"], "ignored");
}

#[test]
fn plain_tests_that_keep_their_changes_in_one_place_take_turns() {
    let project = Project::own("plain");
    project.directives(
        "[[directives]]\nroot_overlay = { local = { upper = 'kept', work = 'work' } }\n",
    );
    for directory in ["kept", "work"] {
        fs::create_dir(project.root.join(directory)).unwrap();
    }
    let run = project.events(&["-j", "4", "--repeat", "10"]).exits(0);
    assert_eq!(run.summary()["passed"], 30);
}
