//! A listing as bytes, to be kept by the digest of its binary.
//!
//! Version 1: a line `listing 1 whole`, or a line `listing 1 N` and N lines, each `-` or
//! (ignored) `!` and the name. Anything else, an older or newer version included, is not
//! understood, and the binary is asked again.

use super::{Listed, Listing};
use std::fmt::Write as _;

const HEAD: &str = "listing 1 ";

/// Writes a listing down.
pub fn encode(listing: &Listing) -> Vec<u8> {
    let mut text = String::from(HEAD);
    match listing {
        Listing::Whole => text.push_str("whole\n"),
        Listing::Cases(cases) => {
            // Writing to a string does not fail.
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

/// Reads a listing back; `None` if these bytes are none.
pub fn decode(bytes: &[u8]) -> Option<Listing> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (kind, lines) = text.strip_prefix(HEAD)?.split_once('\n')?;
    if kind == "whole" {
        return lines.is_empty().then_some(Listing::Whole);
    }
    let count: usize = kind.parse().ok()?;
    let cases = lines
        .split_inclusive('\n')
        .map(decode_line)
        .collect::<Option<Vec<_>>>()?;
    (cases.len() == count).then_some(Listing::Cases(cases))
}

fn decode_line(line: &str) -> Option<Listed> {
    let line = line.strip_suffix('\n')?;
    let (ignored, name) = match line.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, line.strip_prefix('-')?),
    };
    Some(Listed {
        name: name.to_owned(),
        ignored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_whole_binary_is_kept() {
        assert_eq!(decode(&encode(&Listing::Whole)), Some(Listing::Whole));
    }

    #[test]
    fn another_version_is_not_understood() {
        assert_eq!(decode(b"listing 2 0\n"), None);
    }

    proptest! {
        #[test]
        fn a_listing_survives(names in proptest::collection::vec(("[^\\n]*", any::<bool>()), 0..20)) {
            let cases = names.into_iter().map(|(name, ignored)| Listed { name, ignored }).collect();
            let listing = Listing::Cases(cases);
            prop_assert_eq!(decode(&encode(&listing)), Some(listing));
        }

        #[test]
        fn a_part_of_a_listing_is_none(names in proptest::collection::vec("[^\\n]*", 0..5), cut: prop::sample::Index) {
            let cases = names.into_iter().map(|name| Listed { name, ignored: false }).collect();
            let bytes = encode(&Listing::Cases(cases));
            prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), None);
        }

        #[test]
        fn any_bytes_are_a_listing_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[HEAD.as_bytes(), &bytes].concat());
        }
    }
}
