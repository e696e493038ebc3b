#[test]
fn can_be_listed() {}
