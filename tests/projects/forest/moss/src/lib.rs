pub fn age() -> u32 {
    1
}

#[test]
fn moss_is_old() {
    println!("moss is {} years old", age());
    assert!(age() > 0);
}
