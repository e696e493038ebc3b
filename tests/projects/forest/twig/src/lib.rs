pub fn age() -> u32 {
    leaf::age() + 1
}

#[test]
fn twig_is_old() {
    println!("twig is {} years old", age());
    assert!(age() > 0);
}
