//! Sizes with units: `1 MiB`, `512k`, `1GB`.

use super::value::{ConfigValue, Literal};
use std::{fmt, str::FromStr};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// The error of a text that is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct NotASize;

const EXPECTED: &str = "a size such as `1 MiB`, `512k`, `1.5GB` or a plain number of bytes";

/// The units as they are printed: largest first, binary before decimal. Upper and lower case are
/// the same when they are read, and their last letter is optional (`Mi`, `M`).
const UNITS: [(&str, u64); 10] = [
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
];

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = (&text[..end], unit(text[end..].trim_start())?);
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(unit).map(Self).ok_or(NotASize);
        }
        let bytes = number.parse::<f64>().map_err(|_| NotASize)? * unit as f64;
        if bytes < u64::MAX as f64 {
            Ok(Self(bytes.round() as u64))
        } else {
            Err(NotASize)
        }
    }
}

/// The number of bytes in the unit called `name`. The empty name means bytes.
fn unit(name: &str) -> Result<u64, NotASize> {
    if name.is_empty() || name.eq_ignore_ascii_case("B") {
        return Ok(1);
    }
    UNITS
        .iter()
        .find(|(unit, _)| {
            name.eq_ignore_ascii_case(unit) || name.eq_ignore_ascii_case(&unit[..unit.len() - 1])
        })
        .map(|(_, bytes)| *bytes)
        .ok_or(NotASize)
}

/// The exact size, in the largest unit of which it is a multiple.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = UNITS
            .iter()
            .find(|(_, bytes)| self.0 != 0 && self.0.is_multiple_of(*bytes));
        match fitting {
            Some((unit, bytes)) => write!(f, "{} {unit}", self.0 / bytes),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl ConfigValue for ByteSize {
    fn expected() -> String {
        EXPECTED.to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Integer(bytes) => u64::try_from(*bytes).ok().map(Self),
            Literal::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        format!("\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Option<u64> {
        text.parse().ok().map(|ByteSize(bytes)| bytes)
    }

    #[test]
    fn units_with_an_i_are_powers_of_1024_and_others_of_1000() {
        assert_eq!(bytes("1 MiB"), Some(1_048_576));
        assert_eq!(bytes("1Mi"), Some(1_048_576));
        assert_eq!(bytes("1GB"), Some(1_000_000_000));
        assert_eq!(bytes("512k"), Some(512_000));
        assert_eq!(bytes("2 tib"), Some(2 << 40));
        assert_eq!(bytes("1pb"), Some(1_000_000_000_000_000));
    }

    #[test]
    fn a_plain_number_is_bytes() {
        assert_eq!(bytes("0"), Some(0));
        assert_eq!(bytes(" 1234 "), Some(1234));
        assert_eq!(bytes("12 B"), Some(12));
        assert_eq!(bytes("18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn fractions_of_a_unit_are_read() {
        assert_eq!(bytes("1.5 GiB"), Some(1_610_612_736));
        assert_eq!(bytes(".5k"), Some(500));
    }

    #[test]
    fn other_text_is_an_error() {
        for text in [
            "",
            "MiB",
            "-1",
            "1 XB",
            "1e3",
            "1.2.3",
            "inf",
            "20000 PiB",
            "18446744073709551616",
            "1 M iB",
            "one",
            "1é",
            ".",
        ] {
            assert_eq!(bytes(text), None, "{text}");
        }
        insta::assert_snapshot!("x".parse::<ByteSize>().unwrap_err(), @"expected a size such as `1 MiB`, `512k`, `1.5GB` or a plain number of bytes");
    }

    #[test]
    fn a_size_is_printed_in_the_largest_unit_that_keeps_it_exact() {
        assert_eq!(ByteSize(10 << 30).to_string(), "10 GiB");
        assert_eq!(ByteSize(1_000_000).to_string(), "1 MB");
        assert_eq!(ByteSize(1_001).to_string(), "1001 B");
        assert_eq!(ByteSize(0).to_string(), "0 B");
    }

    proptest! {
        #[test]
        fn a_printed_size_reads_back(size: u64) {
            prop_assert_eq!(bytes(&ByteSize(size).to_string()), Some(size));
        }

        #[test]
        fn no_text_makes_reading_panic(text: String) {
            let _ = bytes(&text);
        }
    }
}
