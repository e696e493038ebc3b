fn main() {}

#[test]
fn counts() {}
