//! Digests, which name content.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// The SHA-256 and size of a content. This is the digest of the Remote Execution API, so a file
/// is hashed once for the store and the engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    pub sha256: [u8; 32],
    /// In bytes.
    pub size: u64,
}

impl Digest {
    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(content);
        hasher.finish()
    }

    /// The SHA-256 in 64 hex digits.
    pub fn hex(&self) -> String {
        // Manifests have many thousands of digests, so this is fast.
        let mut digits = String::with_capacity(64);
        for byte in self.sha256 {
            digits.push(char::from(DIGITS[usize::from(byte >> 4)]));
            digits.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        digits
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for Digest {
    /// `<64 hex digits>-<size>`: usable as a file name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.hex(), self.size)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a digest in the format of its `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: expected 64 hexadecimal digits, `-` and a size in bytes")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    /// Accepts only the format of `Display`, so that a digest has one spelling.
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (hex, size) = text.split_once('-').ok_or(ParseDigestError)?;
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return Err(ParseDigestError);
        }
        let mut sha256 = [0; 32];
        for (byte, pair) in sha256.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        let canonical = size == "0" || (!size.starts_with('0') && !size.starts_with('+'));
        if !canonical {
            return Err(ParseDigestError);
        }
        let size = size.parse().map_err(|_| ParseDigestError)?;
        Ok(Self { sha256, size })
    }
}

fn hex_digit(digit: u8) -> Result<u8, ParseDigestError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(ParseDigestError),
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hasher {
    sha256: Sha256,
    size: u64,
}

impl Hasher {
    pub fn update(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        self.size += piece.len() as u64;
    }

    pub fn finish(self) -> Digest {
        Digest {
            sha256: self.sha256.finalize().into(),
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_digest_of_nothing_is_well_known() {
        assert_eq!(
            Digest::of(b"").to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855-0"
        );
    }

    proptest! {
        #[test]
        fn a_digest_survives_printing(sha256 in any::<[u8; 32]>(), size in any::<u64>()) {
            let digest = Digest { sha256, size };
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }

        #[test]
        fn what_parses_as_a_digest_prints_as_it_was(text in "[0-9a-f]{62,65}-[+0-9]{1,4}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
