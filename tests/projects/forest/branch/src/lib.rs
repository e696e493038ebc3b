pub fn age() -> u32 {
    twig::age() + 1
}

#[test]
fn branch_is_old() {
    println!("branch is {} years old", age());
    assert!(age() > 0);
}
