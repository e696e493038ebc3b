//! A benchmark that stable Rust can build, with a test.

#[test]
fn is_fast() {}
