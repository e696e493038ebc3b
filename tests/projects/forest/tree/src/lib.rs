pub fn age() -> u32 {
    1
}

#[test]
fn tree_is_old() {
    println!("tree is {} years old", age());
    assert!(age() > 0);
}

#[test]
fn tree_has_twigs() {
    assert!(twig::age() > age());
}
