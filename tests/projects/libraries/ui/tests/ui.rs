#[test]
fn errors() {
    let tests = trybuild::TestCases::new();
    tests.compile_fail("tests/ui/known.rs");
    tests.compile_fail("tests/ui/new.rs");
}
