//! A library with unit tests and a doctest.

/// ```
/// assert_eq!(shop_core::sum(1, 2), 3);
/// ```
pub fn sum(a: u32, b: u32) -> u32 {
    a + b
}

#[cfg(test)]
mod tests {
    #[test]
    fn sums() {
        assert_eq!(super::sum(2, 2), 4);
    }

    #[test]
    fn sums_nothing() {
        assert_eq!(super::sum(0, 0), 0);
    }

    #[test]
    #[ignore]
    fn takes_inventory() {}

    #[test]
    #[ignore = "the shop is open"]
    fn takes_inventory_at_night() {}

    #[test]
    #[should_panic(expected = "overflow")]
    fn panics_when_the_till_is_full() {
        super::sum(u32::MAX, std::hint::black_box(1));
    }

    #[cfg(feature = "discounts")]
    #[test]
    fn gives_a_discount() {}

    mod nested {
        mod deeper {
            #[test]
            fn sums() {}
        }
    }
}
