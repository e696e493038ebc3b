//! Libraries that write to the source tree, in tests on an engine.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::needs_cluster;
use crate::rounds::{
    Round, compare, regressions_of_proptest, snapshots_of_insta, updates_of_expect_test,
};

/// Does the steps, where `cargo maelstrom` runs the tests on a cluster.
fn on_cluster(steps: impl Fn(&Round<'_>)) {
    let cluster = Cluster::start(Engine::shared(), 1);
    compare(&cluster.options(), steps);
}

#[test]
fn snapshots_of_insta_on_a_cluster_are_as_with_cargo_test() {
    needs_cluster!();
    on_cluster(snapshots_of_insta);
}

#[test]
fn seeds_of_proptest_on_a_cluster_are_as_with_cargo_test() {
    needs_cluster!();
    on_cluster(regressions_of_proptest);
}

#[test]
fn values_of_expect_test_on_a_cluster_are_as_with_cargo_test() {
    needs_cluster!();
    on_cluster(updates_of_expect_test);
}
