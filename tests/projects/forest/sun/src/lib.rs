pub fn age() -> u32 {
    1
}

#[test]
fn sun_is_old() {
    println!("sun is {} years old", age());
    assert!(age() > 0);
}
