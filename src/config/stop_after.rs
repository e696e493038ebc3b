//! When a run stops because of failures.

use super::value::{ConfigValue, Literal};
use std::num::NonZeroU32;

/// The number of failures after which no new test starts. Zero: all tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopAfter {
    failures: u32,
    /// Whether the tests that run then are killed.
    is_immediate: bool,
}

impl StopAfter {
    pub const FIRST_FAILURE: Self = Self::waiting(1);
    pub const NEVER: Self = Self::waiting(0);

    /// `None`: all tests run.
    pub fn failures(self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.failures)
    }

    /// Whether the tests that run when the run stops are killed.
    pub fn is_immediate(self) -> bool {
        self.is_immediate
    }

    const fn waiting(failures: u32) -> Self {
        Self {
            failures,
            is_immediate: false,
        }
    }

    /// `fail-fast = true` or `false`.
    fn of_switch(on: bool) -> Self {
        if on { Self::FIRST_FAILURE } else { Self::NEVER }
    }
}

impl ConfigValue for StopAfter {
    fn expected() -> String {
        "a number of failures, such as `3` or `3:immediate`, 0 or `all` to run every test"
            .to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("all") {
            return Some(Self::NEVER);
        }
        if let Ok(on) = text.parse() {
            return Some(Self::of_switch(on));
        }
        let (failures, is_immediate) = match text.split_once(':') {
            None => (text, false),
            Some((failures, "wait")) => (failures, false),
            Some((failures, "immediate")) => (failures, true),
            Some(_) => return None,
        };
        Some(Self {
            failures: failures.parse().ok()?,
            is_immediate,
        })
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Integer(number) => u32::try_from(*number).ok().map(Self::waiting),
            Literal::Boolean(on) => Some(Self::of_switch(*on)),
            Literal::Text(text) => Self::from_text(text),
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        if self.is_immediate {
            format!("\"{}:immediate\"", self.failures)
        } else {
            self.failures.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(text: &str) -> Option<(u32, bool)> {
        let stop = StopAfter::from_text(text)?;
        Some((
            stop.failures().map_or(0, NonZeroU32::get),
            stop.is_immediate(),
        ))
    }

    #[test]
    fn zero_failures_means_running_all_tests() {
        for text in ["0", "all", "ALL", "false"] {
            assert_eq!(StopAfter::from_text(text), Some(StopAfter::NEVER));
        }
        let literal = Literal::Integer(3);
        let stop = StopAfter::from_literal(&literal).unwrap();
        assert_eq!(stop.failures(), NonZeroU32::new(3));
        assert_eq!(StopAfter::from_literal(&Literal::Integer(-3)), None);
        let on = StopAfter::from_literal(&Literal::Boolean(true));
        assert_eq!(on, Some(StopAfter::FIRST_FAILURE));
    }

    #[test]
    fn running_tests_are_waited_for_or_killed() {
        assert_eq!(meaning("3"), Some((3, false)));
        assert_eq!(meaning("3:wait"), Some((3, false)));
        assert_eq!(meaning("3:immediate"), Some((3, true)));
        for text in ["", ":", "3:", "3:now", "-1", "many", ":immediate"] {
            assert_eq!(meaning(text), None, "{text}");
        }
    }

    #[test]
    fn a_printed_value_reads_back() {
        for text in ["0", "7", "2:immediate"] {
            let stop = StopAfter::from_text(text).unwrap();
            let printed = stop.to_toml();
            assert_eq!(StopAfter::from_text(printed.trim_matches('"')), Some(stop));
        }
    }
}
