//! A procedural macro with a doctest.

/// ```
/// documented_derive::answer!();
/// assert_eq!(ANSWER, 42);
/// ```
#[proc_macro]
pub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    "const ANSWER: u32 = 42;".parse().unwrap()
}
