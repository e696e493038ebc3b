pub fn age() -> u32 {
    1
}

#[test]
fn fern_is_old() {
    println!("fern is {} years old", age());
    assert!(age() > 0);
}
