pub fn age() -> u32 {
    1
}

#[test]
fn lichen_is_old() {
    println!("lichen is {} years old", age());
    assert!(age() > 0);
}
