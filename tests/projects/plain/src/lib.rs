#[test]
fn first() {}

#[test]
fn second() {}

#[test]
fn third() {}
