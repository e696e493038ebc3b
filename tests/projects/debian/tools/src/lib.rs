//! What the tests call.

use derive::Named;

#[derive(Named)]
pub struct Tree;

#[test]
fn a_macro_was_expanded() {
    assert_eq!(Tree::NAME, "Tree");
}
