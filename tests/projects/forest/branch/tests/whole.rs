#[test]
fn branch_is_older_than_its_twigs() {
    assert!(branch::age() > twig::age());
}
