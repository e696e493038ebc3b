use proptest::prelude::*;

proptest! {
    #[test]
    fn lists_are_short(list in prop::collection::vec(0u8..10, 0..50)) {
        prop_assert!(list.len() < 5);
    }
}
