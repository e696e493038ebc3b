pub fn age() -> u32 {
    1
}

#[test]
fn leaf_is_old() {
    println!("leaf is {} years old", age());
    assert!(age() > 0);
}
