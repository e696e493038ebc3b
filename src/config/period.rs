//! Times with units, as nextest writes them: `60s`, `1m 30s`, `500ms`.

use super::value::{ConfigValue, Literal};
use std::time::Duration;

/// A time with a unit, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period(pub Duration);

/// The longest time. Adding it to the current time does not overflow.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// The names of the units, and their length in seconds.
const UNITS: [(&[&str], f64); 10] = [
    (&["ns", "nsec", "nanos"], 1e-9),
    (&["us", "usec", "µs"], 1e-6),
    (&["ms", "msec", "millis"], 1e-3),
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86400.0),
    (&["w", "wk", "wks", "week", "weeks"], 604_800.0),
    (&["M", "month", "months"], 2_630_016.0),
    (&["y", "yr", "yrs", "year", "years"], 31_557_600.0),
];

impl Period {
    pub fn duration(self) -> Duration {
        self.0
    }

    /// `None`: the number is negative or too large.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        (duration <= LONGEST).then_some(Self(duration))
    }
}

impl ConfigValue for Period {
    fn expected() -> String {
        "a time such as `60s`, `1m 30s` or `500ms`".to_owned()
    }

    /// Reads numbers with units, such as `1m 30s`. The time is their sum. A number alone is a number of
    /// seconds.
    fn from_text(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        if let Ok(seconds) = rest.parse() {
            return Self::from_seconds(seconds);
        }
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest[..end].parse().ok()?;
            rest = rest[end..].trim_start();
            let end = rest
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(rest.len());
            let unit = UNITS
                .iter()
                .find(|(names, _)| names.contains(&&rest[..end]));
            seconds += number * unit?.1;
            rest = rest[end..].trim_start();
        }
        (!text.trim().is_empty())
            .then(|| Self::from_seconds(seconds))
            .flatten()
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Integer(seconds) => Self::from_seconds(*seconds as f64),
            Literal::Float(seconds) => Self::from_seconds(*seconds),
            Literal::Text(text) => Self::from_text(text),
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        format!("\"{}s\"", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_sum_of_numbers_with_units() {
        let millis = |text| Period::from_text(text).map(|period| period.0.as_millis());
        assert_eq!(millis("60s"), Some(60_000));
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("1m 30s"), Some(90_000));
        assert_eq!(millis("1h2m"), Some(3_720_000));
        assert_eq!(millis("2 min"), Some(120_000));
        assert_eq!(millis("0.5s"), Some(500));
        assert_eq!(millis("2 weeks"), Some(14 * 86_400_000));
        assert_eq!(millis("30y"), Some(30 * 31_557_600_000));
        assert_eq!(millis("1.5"), Some(1_500));
        assert_eq!(millis("0s"), Some(0));
        for text in [
            "", "s", "1x", "-1s", "1s x", "1 2s", "9999999d", "200y", "1..2s",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn a_printed_time_is_read_as_the_same() {
        let period = Period::from_text("1m 500ms").unwrap();
        let printed = period.to_toml();
        assert_eq!(printed, "\"60.5s\"");
        assert_eq!(Period::from_text(printed.trim_matches('"')), Some(period));
    }
}
