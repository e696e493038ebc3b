//! Libraries that write to the source tree: after `cargo maelstrom` it is as after `cargo test`.

use crate::fixture::Project;
use crate::need::needs_containers;
use crate::twins::{Twins, regressions_of_proptest, snapshots_of_insta, updates_of_expect_test};
use std::collections::BTreeSet;
use std::fs;

fn twins() -> Option<Twins> {
    Twins::new(Vec::new())
}

#[test]
fn snapshots_of_insta_are_written_reviewed_and_removed_as_with_cargo_test() {
    needs_containers!();
    let Some(twins) = twins() else { return };
    snapshots_of_insta(&twins);
}

#[test]
fn references_of_insta_are_those_of_cargo_test_and_no_used_snapshot_is_deleted() {
    needs_containers!();
    let Some(twins) = twins() else { return };
    const REFERENCES: &str = "INSTA_SNAPSHOT_REFERENCES_FILE";
    let insta = ["--package=snapshots", "--test=insta"];
    let path = |project: &Project| project.temporary().join("references");
    twins.test(&insta, &[]);
    twins.insta(&["accept"]);
    twins.test_with(&insta, &|project: &Project| {
        vec![(
            REFERENCES.to_owned(),
            path(project).to_str().unwrap().to_owned(),
        )]
    });
    let references = |project: &Project| -> BTreeSet<String> {
        let text = fs::read_to_string(path(project)).unwrap();
        let text = text.replace(project.root.to_str().unwrap(), "ROOT");
        text.lines().map(ToOwned::to_owned).collect()
    };
    let ours = references(&twins.ours);
    assert_eq!(ours, references(&twins.tested));
    assert_eq!(ours.len(), 3, "{ours:?}");
    // cargo-insta with its own runner, in the tree that `cargo maelstrom` left.
    let arguments = [
        "test",
        "--unreferenced=delete",
        "--package=snapshots",
        "--test=insta",
    ];
    twins.insta_in(&twins.ours, &arguments).exits(0);
    let left = twins.names("snapshots/tests/snapshots/", "");
    let expected = ["changed", "new", "unchanged"]
        .map(|name| format!("snapshots/tests/snapshots/insta__{name}.snap"));
    assert_eq!(left, expected);
}

#[test]
fn seeds_of_proptest_are_kept_as_with_cargo_test() {
    needs_containers!();
    let Some(twins) = twins() else { return };
    regressions_of_proptest(&twins);
}

#[test]
fn values_of_expect_test_are_updated_as_with_cargo_test() {
    needs_containers!();
    let Some(twins) = twins() else { return };
    updates_of_expect_test(&twins);
}

#[test]
fn values_of_snapbox_are_overwritten_as_with_cargo_test() {
    needs_containers!();
    let Some(twins) = twins() else { return };
    let snapbox = ["--package=snapshots", "--test=snapbox"];
    twins.test(&snapbox, &[]).exits(100);
    twins.test(&snapbox, &[("SNAPSHOTS", "overwrite")]);
    twins.test(&snapbox, &[]).exits(0);
}

#[test]
fn messages_of_trybuild_are_written_as_with_cargo_test() {
    needs_containers!();
    let Some(twins) = twins() else { return };
    let ui = ["--package=ui"];
    twins.test(&ui, &[]).exits(100);
    assert_eq!(
        twins.names("ui/wip/", ""),
        ["ui/wip/.gitignore", "ui/wip/new.stderr"]
    );
    twins.test(&ui, &[("TRYBUILD", "overwrite")]);
    twins.test(&ui, &[]).exits(0);
}
