//! The files that are copied out of a container.

use crate::both::{Ended, TOOLS, both, both_refuse, job, jobs, project, test, tools};
use crate::fixture::Project;
use crate::need::needs_containers;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// The directories that have the copies: that of the JSON job, and that of the test.
fn copies(project: &Project) -> [PathBuf; 2] {
    [
        project.root.join("maelstrom-outputs/1"),
        (project.target).join("maelstrom/outputs/shell/bin-script/script"),
    ]
}

/// Asserts that scripts succeeded and that there are these copies, and no others of `absent`.
#[track_caller]
fn assert_copied(project: &Project, ended: &[Ended; 2], copied: &[(&str, &str)], absent: &[&str]) {
    for (ended, directory) in ended.iter().zip(copies(project)) {
        assert!(ended.succeeded, "{ended:#?}");
        for (path, text) in copied {
            let copy = fs::read_to_string(directory.join(path));
            assert_eq!(copy.ok().as_deref(), Some(*text), "{path}: {ended:#?}");
        }
        for path in absent {
            assert!(!directory.join(path).exists(), "{path}: {ended:#?}");
        }
    }
}

#[test]
fn outputs_are_copied_out_of_the_container_when_the_job_has_ended() {
    needs_containers!();
    let project = project();
    let script = "mkdir -p /out/a/b; echo 1 >/out/one.xml; echo 2 >/out/a/b/two.xml\n\
                  echo 3 >/out/three; echo 4 >/out/four; echo 5 >/out/a/five";
    let ended = both(
        &project,
        &json!({
            "root_overlay": "tmp",
            "outputs": ["/out/**/*.xml", "/out/f*", "out/a/[ef]ive", "!/out/fo?r"],
        }),
        "root_overlay = 'tmp'\n\
         outputs = ['/out/**/*.xml', '/out/f*', '/out/a/[ef]ive', '!/out/fo?r']",
        script,
    );
    assert_copied(
        &project,
        &ended,
        &[
            ("out/one.xml", "1\n"),
            ("out/a/b/two.xml", "2\n"),
            ("out/a/five", "5\n"),
        ],
        &["out/three", "out/four"],
    );
    let note = "note: 3 outputs of job 1 of the input copied to maelstrom-outputs/1";
    assert!(ended[0].stderr.contains(note), "{ended:#?}");
}

#[test]
fn outputs_are_found_in_mounts_whose_changes_are_thrown_away() {
    needs_containers!();
    let project = project();
    project.write("shared/old.txt", "old\n");
    let ended = both(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/data/in/", "/bound/"] }],
            "added_mounts": [
                { "type": "tmp", "mount_point": "/data/in" },
                { "type": "bind", "mount_point": "/bound", "local_path": "shared", "discard_changes": true },
            ],
            "outputs": ["/data/**", "/bound/a/*", "/bound/*.txt"],
        }),
        "added_layers = [{ stubs = ['/data/in/', '/bound/'] }]\n\
         added_mounts = [{ type = 'tmp', mount_point = '/data/in' }, \
         { type = 'bind', mount_point = '/bound', local_path = 'shared', discard_changes = true }]\n\
         outputs = ['/data/**', '/bound/a/*', '/bound/*.txt']",
        "echo 1 >/data/in/one; mkdir /bound/a; echo 2 >/bound/a/two; echo 3 >/bound/three",
    );
    assert_copied(
        &project,
        &ended,
        &[("data/in/one", "1\n"), ("bound/a/two", "2\n")],
        &["bound/three", "bound/old.txt"],
    );
}

#[test]
fn outputs_of_jobs_that_fail_are_copied_too_and_no_init_is_needed() {
    needs_containers!();
    let project = project();
    let script = "echo 1 >/out; exit 3";
    let fields = json!({ "root_overlay": "tmp", "init": false, "outputs": ["/out"] });
    for options in [&[][..], &["--one"]] {
        let ended = jobs(&project, options, &[tools(), job(&fields, script)]);
        assert!(!ended.succeeded, "{ended:#?}");
        let copy = copies(&project)[0].join("out");
        assert_eq!(fs::read_to_string(&copy).unwrap(), "1\n", "{ended:#?}");
        fs::remove_file(copy).unwrap();
    }
}

#[test]
fn relative_outputs_start_at_the_working_directory_or_the_package_of_a_test() {
    needs_containers!();
    let project = project();
    let fields = json!({
        "root_overlay": "tmp", "added_layers": [{ "stubs": ["/srv/[x]/"] }],
        "working_directory": "/srv/[x]", "outputs": ["*.xml"],
    });
    let script = "echo 1 >a.xml; mkdir b; echo 2 >b/a.xml";
    let ended = jobs(&project, &[], &[tools(), job(&fields, script)]);
    let copy = copies(&project)[0].join("srv/[x]/a.xml");
    assert_eq!(
        fs::read_to_string(copy).ok().as_deref(),
        Some("1\n"),
        "{ended:#?}"
    );
    assert!(
        !copies(&project)[0].join("srv/[x]/b").exists(),
        "{ended:#?}"
    );
    project.directives("[[directives]]\noutputs = ['*.xml']\n");
    let ended = test(&project, script);
    let copy = project.root.join("a.xml");
    assert_eq!(
        fs::read_to_string(copy).ok().as_deref(),
        Some("1\n"),
        "{ended:#?}"
    );
    assert!(!project.root.join("b").exists(), "{ended:#?}");
}

#[test]
fn outputs_take_the_place_of_those_inherited_and_added_outputs_come_after_them() {
    needs_containers!();
    let project = project();
    let script = "for name in a b c; do echo $name >/data/$name; done";
    let parent = r#"
        [containers.parent]
        parent = "tools"
        added_layers = [{ stubs = ["/data/"] }]
        added_mounts = [{ type = "tmp", mount_point = "/data" }]
        outputs = ["/data/a", "/data/c"]
    "#;
    let documents = json!({ "containers": { "parent": {
        "parent": "tools",
        "added_layers": [{ "stubs": ["/data/"] }],
        "added_mounts": [{ "type": "tmp", "mount_point": "/data" }],
        "outputs": ["/data/a", "/data/c"],
    } } });
    for (json, toml, copied, absent) in [
        (
            json!({ "outputs": ["/data/b"] }),
            "outputs = ['/data/b']",
            &["b"][..],
            &["a", "c"][..],
        ),
        (
            json!({ "added_outputs": ["/data/b", "!/data/c"] }),
            "added_outputs = ['/data/b', '!/data/c']",
            &["a", "b"],
            &["c"],
        ),
    ] {
        let mut fields = json;
        fields["parent"] = json!("parent");
        for directory in copies(&project) {
            let _ = fs::remove_dir_all(directory);
        }
        project.directives(&format!(
            "{TOOLS}{parent}\n[[directives]]\nparent = 'parent'\n{toml}\n"
        ));
        let ended = [
            jobs(
                &project,
                &[],
                &[tools(), documents.clone(), job(&fields, script)],
            ),
            test(&project, script),
        ];
        for (ended, directory) in ended.iter().zip(copies(&project)) {
            let is_there = |name: &&str| directory.join("data").join(name).exists();
            assert!(copied.iter().all(is_there), "{toml}: {ended:#?}");
            assert!(!absent.iter().any(is_there), "{toml}: {ended:#?}");
        }
    }
}

#[test]
fn outputs_are_globs_without_parent_directories() {
    needs_containers!();
    let project = project();
    both_refuse(
        &project,
        &json!({ "outputs": ["/a/../b"] }),
        "outputs = ['/a/../b']",
        "`..`",
    );
    both_refuse(
        &project,
        &json!({ "outputs": ["/a/[b"] }),
        "outputs = ['/a/[b']",
        "bad glob pattern",
    );
}
