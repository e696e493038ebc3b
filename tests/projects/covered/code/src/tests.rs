#[test]
fn unit() {
    assert_eq!(super::by_unit_test(), 2);
}
