//! Libraries that write to the source tree: after `cargo maelstrom` it is as after `cargo test`.

use crate::need::needs_containers;
use crate::rounds::{compare, regressions_of_proptest, snapshots_of_insta, updates_of_expect_test};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn snapshots_of_insta_are_written_reviewed_and_removed_as_with_cargo_test() {
    needs_containers!();
    compare(&[], snapshots_of_insta);
}

#[test]
fn references_of_insta_are_those_of_cargo_test_and_no_used_snapshot_is_deleted() {
    needs_containers!();
    let insta = ["--package=snapshots", "--test=insta"];
    let references = RefCell::new(Vec::new());
    compare(&[], |round| {
        round.test(&insta, &[], false);
        round.insta(&["accept"]);
        let file = round.project.temporary().join("references");
        let _ = fs::remove_file(&file);
        let variable = ("INSTA_SNAPSHOT_REFERENCES_FILE", file.to_str().unwrap());
        round.test(&insta, &[variable], true);
        let text = fs::read_to_string(&file).unwrap();
        let lines: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
        assert_eq!(lines.len(), 3, "{text}");
        references.borrow_mut().push(lines);
        // cargo-insta with its own runner.
        let delete = ["test", "--unreferenced=delete"];
        round.insta(&[&delete, &insta[..]].concat());
        let expected = ["changed", "new", "unchanged"]
            .map(|name| format!("snapshots/tests/snapshots/insta__{name}.snap"));
        assert_eq!(round.names("snapshots/tests/snapshots/", ""), expected);
    });
    let references = references.into_inner();
    assert!(
        references.windows(2).all(|pair| pair[0] == pair[1]),
        "{references:?}"
    );
}

#[test]
fn cargo_insta_with_the_shim_has_the_results_that_it_has_with_cargo_test() {
    needs_containers!();
    compare(&[], |round| {
        let package = "--package=snapshots";
        round.insta_test(&[package], false);
        assert!(!round.names("snapshots/", ".snap.new").is_empty());
        round.insta(&["accept"]);
        round.insta_test(&[package, "--check"], true);
        round.insta_test(&[package, "--unreferenced=delete"], true);
    });
}

#[test]
fn seeds_of_proptest_are_kept_as_with_cargo_test() {
    needs_containers!();
    compare(&[], regressions_of_proptest);
}

#[test]
fn values_of_expect_test_are_updated_as_with_cargo_test() {
    needs_containers!();
    compare(&[], updates_of_expect_test);
}

#[test]
fn values_of_snapbox_are_overwritten_as_with_cargo_test() {
    needs_containers!();
    let snapbox = ["--package=overwritten"];
    compare(&[], |round| {
        round.test(&snapbox, &[], false);
        round.test(&snapbox, &[("SNAPSHOTS", "overwrite")], true);
        round.test(&snapbox, &[], true);
    });
}

#[test]
fn messages_of_trybuild_are_written_as_with_cargo_test() {
    needs_containers!();
    let ui = ["--package=ui"];
    compare(&[], |round| {
        round.test(&ui, &[], false);
        let wip = ["ui/wip/.gitignore", "ui/wip/new.stderr"];
        assert_eq!(round.names("ui/wip/", ""), wip);
        round.test(&ui, &[("TRYBUILD", "overwrite")], true);
        round.test(&ui, &[], true);
    });
}
