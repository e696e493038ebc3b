pub fn age() -> u32 {
    1
}

#[test]
fn stone_is_old() {
    println!("stone is {} years old", age());
    assert!(age() > 0);
}
