//! How often, and after which delays, a test that failed is run again. The names, defaults and
//! meanings are those of nextest.

use super::choice::Choice;
use super::period::Period;
use super::value::{ConfigValue, Literal};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;
use strum::{IntoStaticStr, VariantArray};

/// The retries of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TestRetries {
    /// The most retries. Zero: a test runs once.
    pub count: u32,
    pub backoff: RetryBackoff,
    /// The time between two attempts, or between the first two.
    pub delay: Duration,
    /// Shortens each delay at random, at most by half.
    pub jitter: bool,
    pub max_delay: Option<Duration>,
}

/// The delays between attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum RetryBackoff {
    /// They are equal.
    #[default]
    Fixed,
    /// Each is twice as long as the one before.
    Exponential,
}

/// The result of a test that is flaky, leaves processes behind or was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum CountsAs {
    #[default]
    Pass,
    Fail,
}

impl Choice for RetryBackoff {}
impl Choice for CountsAs {}

/// The fields of a table that describes retries.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryTable {
    pub backoff: Option<RetryBackoff>,
    pub count: Option<u32>,
    pub delay: Option<Duration>,
    pub jitter: bool,
    pub max_delay: Option<Duration>,
}

impl RetryTable {
    pub const FIELDS: [&str; 5] = ["backoff", "count", "delay", "jitter", "max-delay"];

    /// The policy. An error is the end of a sentence that begins with the name of the field.
    pub fn policy(self) -> Result<TestRetries, &'static str> {
        let backoff = self.backoff.ok_or("needs `backoff`")?;
        let count = self.count.ok_or("needs `count`")?;
        let delay = self.delay.unwrap_or_default();
        match backoff {
            RetryBackoff::Fixed if self.max_delay.is_some() => {
                return Err("has `max-delay` only with `backoff = \"exponential\"`");
            }
            RetryBackoff::Exponential if delay.is_zero() => {
                return Err("with `backoff = \"exponential\"` needs a `delay` that is not zero");
            }
            RetryBackoff::Exponential if count == 0 => {
                return Err("with `backoff = \"exponential\"` needs a `count` that is not zero");
            }
            RetryBackoff::Exponential if self.max_delay.is_some_and(|most| most < delay) => {
                return Err("has a `max-delay` that is less than its `delay`");
            }
            RetryBackoff::Fixed | RetryBackoff::Exponential => {}
        }
        if self.jitter && delay.is_zero() {
            return Err("has `jitter`, which needs a `delay` that is not zero");
        }
        Ok(TestRetries {
            count,
            backoff,
            delay,
            jitter: self.jitter,
            max_delay: self.max_delay,
        })
    }
}

impl TestRetries {
    /// Retries without delays.
    pub fn of_count(count: u32) -> Self {
        Self {
            count,
            ..Self::default()
        }
    }

    /// The delay after this attempt, which is counted from 1.
    pub fn delay_after(&self, attempt: u32) -> Duration {
        // Each state has keys of its own.
        let random = RandomState::new().build_hasher().finish() >> 40;
        self.jittered_delay(attempt, random as f64 / f64::from(1 << 24))
    }

    /// `random` is between 0 and 1.
    fn jittered_delay(&self, attempt: u32, random: f64) -> Duration {
        let factor = match self.backoff {
            RetryBackoff::Fixed => 1.0,
            RetryBackoff::Exponential => 2_f64.powi(attempt.saturating_sub(1).min(1000) as i32),
        };
        let most = self
            .max_delay
            .unwrap_or(Duration::from_secs(u32::MAX.into()));
        let seconds = (self.delay.as_secs_f64() * factor).min(most.as_secs_f64());
        let share = if self.jitter { 0.5 + random / 2.0 } else { 1.0 };
        Duration::from_secs_f64(seconds * share)
    }
}

impl ConfigValue for TestRetries {
    fn expected() -> String {
        "a number of retries, or in a file a table such as `{ backoff = \"fixed\", count = 2, \
         delay = \"1s\" }` or `{ backoff = \"exponential\", count = 3, delay = \"1s\", jitter = true, \
         max-delay = \"10s\" }`"
            .to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::of_count)
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        let fields = match literal {
            Literal::Integer(count) => return u32::try_from(*count).ok().map(Self::of_count),
            Literal::Table(fields) => fields,
            _ => return None,
        };
        let mut table = RetryTable::default();
        for (name, value) in fields {
            let time = || Period::from_literal(value).map(Period::duration);
            match (name.as_str(), value) {
                ("backoff", value) => table.backoff = Some(RetryBackoff::from_literal(value)?),
                ("count", Literal::Integer(count)) => {
                    table.count = Some(u32::try_from(*count).ok()?);
                }
                ("delay", _) => table.delay = Some(time()?),
                ("jitter", Literal::Boolean(jitter)) => table.jitter = *jitter,
                ("max-delay", _) => table.max_delay = Some(time()?),
                _ => return None,
            }
        }
        table.policy().ok()
    }

    fn to_toml(&self) -> String {
        if *self == Self::of_count(self.count) {
            return self.count.to_string();
        }
        let mut fields = format!(
            "backoff = \"{}\", count = {}, delay = {}",
            self.backoff.name(),
            self.count,
            Period(self.delay).to_toml()
        );
        if self.jitter {
            fields.push_str(", jitter = true");
        }
        if let Some(most) = self.max_delay {
            fields.push_str(", max-delay = ");
            fields.push_str(&Period(most).to_toml());
        }
        format!("{{ {fields} }}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(toml: &str) -> Option<TestRetries> {
        fn of(value: &toml::Value) -> Literal {
            match value {
                toml::Value::Integer(number) => Literal::Integer(*number),
                toml::Value::String(text) => Literal::Text(text.clone()),
                toml::Value::Boolean(value) => Literal::Boolean(*value),
                toml::Value::Table(table) => {
                    let fields = table.iter().map(|(key, value)| (key.clone(), of(value)));
                    Literal::Table(fields.collect())
                }
                _ => Literal::Other,
            }
        }
        let table: toml::Table = format!("retries = {toml}").parse().unwrap();
        TestRetries::from_literal(&of(&table["retries"]))
    }

    fn delays(toml: &str, random: f64) -> Vec<f64> {
        let policy = literal(toml).unwrap();
        let delay = |attempt| policy.jittered_delay(attempt, random).as_secs_f64();
        (1..=policy.count).map(delay).collect()
    }

    #[test]
    fn delays_are_those_of_nextest() {
        assert_eq!(delays("2", 1.0), [0.0, 0.0]);
        let fixed = r#"{ backoff = "fixed", count = 2, delay = "1s" }"#;
        assert_eq!(delays(fixed, 1.0), [1.0, 1.0]);
        let doubled = r#"{ backoff = "exponential", count = 3, delay = "5s" }"#;
        assert_eq!(delays(doubled, 0.0), [5.0, 10.0, 20.0]);
        let most = r#"{ backoff = "exponential", count = 4, delay = "5s", max-delay = "12s", jitter = true }"#;
        assert_eq!(delays(most, 1.0), [5.0, 10.0, 12.0, 12.0]);
        assert_eq!(delays(most, 0.0), [2.5, 5.0, 6.0, 6.0]);
    }

    #[test]
    fn tables_that_nextest_refuses_are_refused() {
        for wrong in [
            "-1",
            "{ count = 1 }",
            r#"{ backoff = "fixed" }"#,
            r#"{ backoff = "linear", count = 1 }"#,
            r#"{ backoff = "fixed", count = 1, jitter = true }"#,
            r#"{ backoff = "fixed", count = 1, delay = "1s", max-delay = "2s" }"#,
            r#"{ backoff = "exponential", count = 1 }"#,
            r#"{ backoff = "exponential", count = 0, delay = "1s" }"#,
            r#"{ backoff = "exponential", count = 1, delay = "2s", max-delay = "1s" }"#,
            r#"{ backoff = "fixed", count = 1, dely = "1s" }"#,
        ] {
            assert_eq!(literal(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_printed_policy_is_read_as_the_same() {
        for text in [
            "0",
            "3",
            r#"{ backoff = "exponential", count = 2, delay = "1s", jitter = true, max-delay = "2s" }"#,
        ] {
            let policy = literal(text).unwrap();
            assert_eq!(policy.to_toml(), text);
        }
    }
}
