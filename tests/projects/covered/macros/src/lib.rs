use proc_macro::TokenStream;

#[proc_macro]
pub fn by_compiler(_: TokenStream) -> TokenStream {
    "4".parse().unwrap()
}
