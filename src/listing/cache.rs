//! A listing as bytes, for the cache.
//!
//! Version 1 is a line `listing 1 whole`, or a line `listing 1 N` and N lines. Each of these is `-`,
//! or `!` for an ignored test case, and the name. Other bytes, also of other versions, are no
//! listing; then the binary is listed again.

use super::{ListedTest, TestListing};
use std::fmt::Write as _;

const HEAD: &str = "listing 1 ";

/// A listing as bytes.
pub fn encode(listing: &TestListing) -> Vec<u8> {
    let mut text = String::from(HEAD);
    match listing {
        TestListing::Whole => text.push_str("whole\n"),
        TestListing::Cases(cases) => {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", cases.len());
            for case in cases {
                text.push(if case.ignored { '!' } else { '-' });
                text.push_str(&case.name);
                text.push('\n');
            }
        }
    }
    text.into_bytes()
}

/// The listing in these bytes. `None`: they are no listing.
pub fn decode(bytes: &[u8]) -> Option<TestListing> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (kind, lines) = text.strip_prefix(HEAD)?.split_once('\n')?;
    if kind == "whole" {
        return lines.is_empty().then_some(TestListing::Whole);
    }
    let count: usize = kind.parse().ok()?;
    let cases = lines
        .split_inclusive('\n')
        .map(decode_line)
        .collect::<Option<Vec<_>>>()?;
    (cases.len() == count).then_some(TestListing::Cases(cases))
}

fn decode_line(line: &str) -> Option<ListedTest> {
    let line = line.strip_suffix('\n')?;
    let (ignored, name) = match line.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, line.strip_prefix('-')?),
    };
    Some(ListedTest {
        name: name.to_owned(),
        ignored,
    })
}

#[cfg(test)]
mod tests {
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
    fn another_version_is_no_listing() {
        assert_eq!(decode(b"listing 2 0\n"), None);
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
            let _ = decode(&[HEAD.as_bytes(), &bytes].concat());
        }
    }
}
