use insta::assert_snapshot;
use snapshots::greeting;

#[test]
fn new() {
    assert_snapshot!(greeting("new"));
}

#[test]
fn changed() {
    assert_snapshot!(greeting("changed"));
}

#[test]
fn unchanged() {
    assert_snapshot!(greeting("unchanged"));
}

#[test]
fn inline() {
    assert_snapshot!(greeting("inline"), @"");
}

#[test]
fn another_inline() {
    assert_snapshot!(greeting("another"), @"goodbye");
}
