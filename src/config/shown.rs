//! The choices of what a run shows about its tests. The words and their order are those of nextest.

use super::choice::Choice;
use super::value::{ConfigValue, Literal};
use strum::{IntoStaticStr, VariantArray};

/// When the output of a test is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum OutputTime {
    /// When the test has ended.
    Immediate,
    /// When the test has ended, and again at the end of the run.
    ImmediateFinal,
    /// At the end of the run.
    Final,
    Never,
}

impl OutputTime {
    pub fn is_immediate(self) -> bool {
        matches!(self, Self::Immediate | Self::ImmediateFinal)
    }

    pub fn is_final(self) -> bool {
        matches!(self, Self::Final | Self::ImmediateFinal)
    }
}

/// When the output of a test that passed is shown. `true` is short for `immediate`, and `false` for
/// `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessOutput(pub OutputTime);

impl SuccessOutput {
    pub const IMMEDIATE: Self = Self(OutputTime::Immediate);
    pub const NEVER: Self = Self(OutputTime::Never);

    fn of_switch(on: bool) -> Self {
        if on { Self::IMMEDIATE } else { Self::NEVER }
    }
}

impl ConfigValue for SuccessOutput {
    fn expected() -> String {
        format!("{}, or `true` or `false`", OutputTime::expected())
    }

    fn from_text(text: &str) -> Option<Self> {
        let switch = bool::from_text(text).map(Self::of_switch);
        switch.or_else(|| OutputTime::from_text(text).map(Self))
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Boolean(on) => Some(Self::of_switch(*on)),
            literal => OutputTime::from_literal(literal).map(Self),
        }
    }

    fn to_toml(&self) -> String {
        self.0.to_toml()
    }
}

/// The tests that get a line when they end. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum StatusLevel {
    None,
    /// Tests that failed.
    Fail,
    /// Tests that are tried again.
    Retry,
    /// Tests that run for long, also if they pass in the end.
    Slow,
    /// Tests that passed and left processes behind.
    Leak,
    /// Tests that passed.
    Pass,
    /// Tests that were not run.
    Skip,
    All,
}

/// The tests that get a line in the summary. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum FinalStatusLevel {
    None,
    /// Tests that failed.
    Fail,
    /// Tests that passed when they were tried again.
    Flaky,
    /// Tests that ran for long.
    Slow,
    /// Tests that were not run.
    Skip,
    /// Tests that passed and left processes behind.
    Leak,
    /// Tests that passed.
    Pass,
    All,
}

impl Choice for OutputTime {}
impl Choice for StatusLevel {}

impl Choice for FinalStatusLevel {
    const OTHER_WORDS: &'static [(&'static str, Self)] = &[("retry", Self::Flaky)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_tests_that_pass_can_be_switched_on_and_off() {
        for (text, time) in [
            ("true", OutputTime::Immediate),
            ("false", OutputTime::Never),
            ("final", OutputTime::Final),
            ("immediate-final", OutputTime::ImmediateFinal),
        ] {
            assert_eq!(SuccessOutput::from_text(text), Some(SuccessOutput(time)));
        }
        let literal = Literal::Boolean(true);
        assert_eq!(
            SuccessOutput::from_literal(&literal),
            Some(SuccessOutput::IMMEDIATE)
        );
        assert_eq!(SuccessOutput::from_text("always"), None);
    }

    #[test]
    fn levels_have_the_order_of_nextest() {
        let words: Vec<_> = StatusLevel::words().collect();
        assert_eq!(
            words,
            [
                "none", "fail", "retry", "slow", "leak", "pass", "skip", "all"
            ]
        );
        let words: Vec<_> = FinalStatusLevel::words().collect();
        assert_eq!(
            words,
            [
                "none", "fail", "flaky", "slow", "skip", "leak", "pass", "all"
            ]
        );
        assert!(StatusLevel::Pass < StatusLevel::Skip);
        assert!(FinalStatusLevel::Skip < FinalStatusLevel::Pass);
        assert_eq!(
            FinalStatusLevel::named("retry"),
            Some(FinalStatusLevel::Flaky)
        );
    }
}
