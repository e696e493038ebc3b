#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_are_short(text in "[a-z]{0,20}") {
            prop_assert!(text.len() < 3);
        }
    }
}
