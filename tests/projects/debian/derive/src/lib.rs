//! A procedural macro: the test binary of its crate is linked with the compiler's own libraries.

use proc_macro::TokenStream;

/// Gives a type a constant `NAME`.
#[proc_macro_derive(Named)]
pub fn named(input: TokenStream) -> TokenStream {
    let name = type_name(&input.to_string()).expect("a struct has a name");
    format!("impl {name} {{ pub const NAME: &'static str = {name:?}; }}")
        .parse()
        .expect("this is Rust")
}

fn type_name(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find(|word| *word == "struct")?;
    words.find(|word| !word.is_empty()).map(str::to_owned)
}

#[test]
fn a_type_has_a_name() {
    assert_eq!(type_name("pub struct Tree ;").as_deref(), Some("Tree"));
    assert_eq!(type_name("pub fn tree() {}"), None);
}
