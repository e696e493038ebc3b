#[test]
fn has_a_mistake() {
    let number: u32 = "a text";
}
