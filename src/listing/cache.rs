//! A listing as JSON, for the cache. The kind of the cached values is renamed when [`TestListing`]
//! changes.

use super::TestListing;

/// A listing as bytes.
pub fn encode(listing: &TestListing) -> Vec<u8> {
    serde_json::json!(listing).to_string().into_bytes()
}

/// The listing in these bytes. `None`: they are no listing.
pub fn decode(bytes: &[u8]) -> Option<TestListing> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::ListedTest;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_binary_without_a_list_survives() {
        assert_eq!(
            decode(&encode(&TestListing::Whole)),
            Some(TestListing::Whole)
        );
    }

    #[test]
    fn another_format_is_no_listing() {
        assert_eq!(decode(b"listing 1 0\n"), None);
    }

    proptest! {
        #[test]
        fn a_listing_survives(names in proptest::collection::vec(("[^\\n]*", any::<bool>()), 0..20)) {
            let cases = names.into_iter().map(|(name, ignored)| ListedTest { name, ignored }).collect();
            let listing = TestListing::Cases(cases);
            prop_assert_eq!(decode(&encode(&listing)), Some(listing));
        }

        #[test]
        fn a_truncated_listing_is_no_listing(names in proptest::collection::vec("[^\\n]*", 0..5), cut: prop::sample::Index) {
            let cases = names.into_iter().map(|name| ListedTest { name, ignored: false }).collect();
            let bytes = encode(&TestListing::Cases(cases));
            prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), None);
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
