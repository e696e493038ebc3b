#[test]
fn calls_the_dependency() {
    assert_eq!(scattered_dependency::greeting(), "hello from outside");
}

#[test]
fn reads_the_sources_of_the_dependency() {
    assert!(std::fs::read_to_string("../dependency/src/lib.rs").unwrap().contains("greeting"));
}
