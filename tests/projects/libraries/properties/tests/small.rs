use proptest::prelude::*;

proptest! {
    #[test]
    fn numbers_are_small(number in 0u32..1_000_000) {
        prop_assert!(number < 100);
    }

    #[test]
    fn bytes_are_bytes(byte: u8) {
        prop_assert!(u32::from(byte) < 256);
    }
}
