//! Values that are numbers: counts and durations.

use super::value::{ConfigValue, Literal};
use std::{num::NonZeroU32, time::Duration};

/// The number of slots: so many single-slot jobs run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotCount(pub NonZeroU32);

impl SlotCount {
    pub const ONE: Self = Self(NonZeroU32::MIN);

    pub fn get(self) -> usize {
        self.0.get() as usize
    }
}

impl ConfigValue for SlotCount {
    fn expected() -> String {
        "a number of slots, at least 1".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Integer(number) => NonZeroU32::new(u32::try_from(*number).ok()?).map(Self),
            _ => None,
        }
    }

    fn mistake(text: &str) -> Option<String> {
        (text == "num-cpus")
            .then(|| "the number of CPUs is the default, so leave it out".to_owned())
    }

    fn to_toml(&self) -> String {
        self.0.to_string()
    }
}

/// The intended duration of a batch of tests. Zero: each test is a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchTarget(pub Duration);

impl BatchTarget {
    pub const SECOND: Self = Self(Duration::from_secs(1));

    pub fn duration(self) -> Duration {
        self.0
    }
}

impl ConfigValue for BatchTarget {
    fn expected() -> String {
        "a number of seconds, 0 for each test alone".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Timeout::from_text(text).map(|seconds| Self(seconds.0))
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        Timeout::from_literal(literal).map(|seconds| Self(seconds.0))
    }

    fn to_toml(&self) -> String {
        Timeout(self.0).to_toml()
    }
}

/// The time limit of a test. Zero: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(Duration);

impl Timeout {
    /// `None`: no limit.
    pub fn limit(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }

    fn from_seconds(seconds: f64) -> Option<Self> {
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

impl ConfigValue for Timeout {
    fn expected() -> String {
        "a number of seconds, 0 for no timeout".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::from_seconds(text.parse().ok()?)
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Integer(seconds) => Self::from_seconds(*seconds as f64),
            Literal::Float(seconds) => Self::from_seconds(*seconds),
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        self.0.as_secs_f64().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_least_one_slot() {
        assert_eq!(SlotCount::from_text("1"), Some(SlotCount::ONE));
        assert_eq!(SlotCount::from_text("0"), None);
        assert_eq!(SlotCount::from_text("-2"), None);
        assert_eq!(SlotCount::from_literal(&Literal::Integer(0)), None);
        assert_eq!(
            SlotCount::from_literal(&Literal::Text("1".to_owned())),
            None
        );
    }

    #[test]
    fn a_timeout_is_in_seconds_and_zero_is_no_limit() {
        let limit = |text| Timeout::from_text(text).map(Timeout::limit);
        assert_eq!(limit("90"), Some(Some(Duration::from_secs(90))));
        assert_eq!(limit("0.5"), Some(Some(Duration::from_millis(500))));
        assert_eq!(limit("0"), Some(None));
        for text in ["-1", "1m", "NaN", "inf", "1e300", ""] {
            assert_eq!(limit(text), None, "{text}");
        }
    }

    #[test]
    fn a_timeout_is_printed_without_trailing_zeros() {
        let printed = |text| Timeout::from_text(text).unwrap().to_toml();
        assert_eq!(printed("90"), "90");
        assert_eq!(printed("0.50"), "0.5");
    }
}
