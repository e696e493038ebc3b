//! When a running test is slow or stopped, and how long its processes may outlive it. The names and
//! meanings are those of nextest.

use super::choice::Choice;
use super::period::Period;
use super::retries::CountsAs;
use super::value::{ConfigValue, Literal};
use std::num::NonZeroU32;
use std::time::Duration;

/// When a running test is reported as slow, and when it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlowTimeout {
    /// A test that runs is reported each time that this time has passed. Not zero.
    pub period: Duration,
    /// The number of periods after which a test is stopped. `None`: it is not.
    pub terminate_after: Option<NonZeroU32>,
    /// The time from SIGTERM to SIGKILL.
    pub grace_period: Duration,
    /// The result of a test that was stopped.
    pub on_timeout: CountsAs,
}

/// How long processes may outlive their test, and the result of a test whose processes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeakTimeout {
    /// The time that processes may live after the end of the test.
    pub period: Duration,
    pub result: CountsAs,
}

/// The end of a sentence that begins with the name of the field.
const NO_PERIOD: &str = "needs `period`";

impl SlowTimeout {
    pub const FIELDS: [&str; 4] = ["period", "terminate-after", "grace-period", "on-timeout"];

    /// `None`: tests are not stopped.
    pub fn limit(&self) -> Option<Duration> {
        let periods = self.terminate_after?.get();
        Some(self.period.saturating_mul(periods))
    }

    /// An error is the end of a sentence that begins with the name of the field.
    pub fn of_period(period: Option<Duration>) -> Result<Self, &'static str> {
        match period {
            None => Err(NO_PERIOD),
            Some(Duration::ZERO) => Err("must not have a period of zero"),
            Some(period) => Ok(Self {
                period,
                ..Self::default()
            }),
        }
    }
}

impl Default for SlowTimeout {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(60),
            terminate_after: None,
            grace_period: Duration::from_secs(10),
            on_timeout: CountsAs::Fail,
        }
    }
}

impl LeakTimeout {
    pub const FIELDS: [&str; 2] = ["period", "result"];

    /// An error is the end of a sentence that begins with the name of the field.
    pub fn of_period(period: Option<Duration>) -> Result<Self, &'static str> {
        let result = CountsAs::Pass;
        let period = period.ok_or(NO_PERIOD)?;
        Ok(Self { period, result })
    }
}

impl Default for LeakTimeout {
    fn default() -> Self {
        Self {
            period: Duration::from_millis(200),
            result: CountsAs::Pass,
        }
    }
}

fn time(literal: &Literal) -> Option<Duration> {
    Period::from_literal(literal).map(Period::duration)
}

/// The period that a value is or contains, and its fields if it is a table.
fn period_and_fields(literal: &Literal) -> (Option<Duration>, &[(String, Literal)]) {
    let Literal::Table(fields) = literal else {
        return (time(literal), &[]);
    };
    let period = fields.iter().find(|(name, _)| name == "period");
    (period.and_then(|(_, value)| time(value)), fields)
}

impl ConfigValue for SlowTimeout {
    fn expected() -> String {
        "a time such as `60s`, or in a file a table such as `{ period = \"60s\", terminate-after = 2, \
         grace-period = \"10s\", on-timeout = \"fail\" }`"
            .to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::of_period(Period::from_text(text).map(Period::duration)).ok()
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        let (period, fields) = period_and_fields(literal);
        let mut timeout = Self::of_period(period).ok()?;
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("period", _) => {}
                ("terminate-after", Literal::Integer(periods)) => {
                    let periods = NonZeroU32::new(u32::try_from(*periods).ok()?)?;
                    timeout.terminate_after = Some(periods);
                }
                ("grace-period", _) => timeout.grace_period = time(value)?,
                ("on-timeout", _) => timeout.on_timeout = CountsAs::from_literal(value)?,
                _ => return None,
            }
        }
        Some(timeout)
    }

    fn to_toml(&self) -> String {
        let period = Period(self.period).to_toml();
        let default = Self {
            period: self.period,
            ..Self::default()
        };
        if *self == default {
            return period;
        }
        let terminate = self.terminate_after.map_or(String::new(), |periods| {
            format!(", terminate-after = {periods}")
        });
        format!(
            "{{ period = {period}{terminate}, grace-period = {}, on-timeout = \"{}\" }}",
            Period(self.grace_period).to_toml(),
            self.on_timeout.name()
        )
    }
}

impl ConfigValue for LeakTimeout {
    fn expected() -> String {
        "a time such as `200ms`, or in a file a table such as `{ period = \"200ms\", result = \"fail\" \
         }`"
        .to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::of_period(Period::from_text(text).map(Period::duration)).ok()
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        let (period, fields) = period_and_fields(literal);
        let mut timeout = Self::of_period(period).ok()?;
        for (name, value) in fields {
            match name.as_str() {
                "period" => {}
                "result" => timeout.result = CountsAs::from_literal(value)?,
                _ => return None,
            }
        }
        Some(timeout)
    }

    fn to_toml(&self) -> String {
        let period = Period(self.period).to_toml();
        match self.result {
            CountsAs::Pass => period,
            CountsAs::Fail => format!("{{ period = {period}, result = \"fail\" }}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    fn table(fields: &[(&str, Literal)]) -> Literal {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Literal::Table(fields.collect())
    }

    #[test]
    fn a_period_alone_stops_no_test() {
        let slow = SlowTimeout::from_literal(&text("30s")).unwrap();
        assert_eq!((slow.period, slow.limit()), (Duration::from_secs(30), None));
        assert_eq!(slow.to_toml(), "\"30s\"");
        assert_eq!(SlowTimeout::from_text("0s"), None);
    }

    #[test]
    fn a_test_is_stopped_after_a_number_of_periods() {
        let fields = [
            ("period", text("30s")),
            ("terminate-after", Literal::Integer(4)),
            ("on-timeout", text("pass")),
        ];
        let slow = SlowTimeout::from_literal(&table(&fields)).unwrap();
        assert_eq!(slow.limit(), Some(Duration::from_secs(120)));
        assert_eq!(slow.grace_period, Duration::from_secs(10));
        assert_eq!(
            slow.to_toml(),
            r#"{ period = "30s", terminate-after = 4, grace-period = "10s", on-timeout = "pass" }"#
        );
        for wrong in [
            table(&fields[1..]),
            table(&[
                ("period", text("1s")),
                ("terminate-after", Literal::Integer(0)),
            ]),
            table(&[
                ("period", text("1s")),
                ("terminate_at", Literal::Integer(1)),
            ]),
        ] {
            assert_eq!(SlowTimeout::from_literal(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_leak_passes_unless_it_is_set_to_fail() {
        let leak = LeakTimeout::from_literal(&text("500ms")).unwrap();
        assert_eq!(
            (leak.result, leak.to_toml().as_str()),
            (CountsAs::Pass, "\"0.5s\"")
        );
        let fails = [("period", text("1s")), ("result", text("fail"))];
        let leak = LeakTimeout::from_literal(&table(&fails)).unwrap();
        assert_eq!(leak.to_toml(), r#"{ period = "1s", result = "fail" }"#);
        assert_eq!(LeakTimeout::from_literal(&table(&fails[1..])), None);
    }
}
