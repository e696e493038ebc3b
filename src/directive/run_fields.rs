//! Reading the fields of directives that settings have as well. Their tables have the names of
//! nextest, with hyphens; underscores are accepted, too.

use crate::config::{FlakyResult, Period, RetryBackoff, RetryTable, TestRetries, parse_period};
use crate::spec::{SpecEntry, SpecError, SpecProblem, SpecValue};
use std::time::Duration;
use strum::VariantArray;

pub fn retries(entry: &SpecEntry) -> Result<TestRetries, SpecError> {
    let fields = match &entry.value.value {
        SpecValue::Integer(_) => return entry.integer(0, u32::MAX).map(TestRetries::of_count),
        SpecValue::Map(fields) => fields,
        _ => {
            let expected = "a whole number or a table of fields";
            return Err(entry.value.wrong_type(entry.label(), expected));
        }
    };
    let mut table = RetryTable::default();
    for field in fields {
        match hyphenated(field).as_str() {
            "backoff" => {
                let name = field.string()?;
                table.backoff = Some(field.value.named("backoff", RetryBackoff::VARIANTS, name)?);
            }
            "count" => table.count = Some(field.integer(0, u32::MAX)?),
            "delay" => table.delay = Some(period(field)?),
            "jitter" => table.jitter = field.boolean()?,
            "max-delay" => table.max_delay = Some(period(field)?),
            _ => return Err(field.unknown_field(&"`retries`", RetryTable::FIELDS)),
        }
    }
    table
        .policy()
        .map_err(|problem| contradiction(entry, problem))
}

pub fn flaky_result(entry: &SpecEntry) -> Result<FlakyResult, SpecError> {
    let name = entry.string()?;
    entry.value.named("result", FlakyResult::VARIANTS, name)
}

/// A time with a unit, or a number of seconds.
fn period(entry: &SpecEntry) -> Result<Duration, SpecError> {
    let (found, period) = match &entry.value.value {
        SpecValue::String(text) => (text.clone(), parse_period(text)),
        SpecValue::Integer(seconds) => (seconds.to_string(), Period::from_seconds(*seconds as f64)),
        SpecValue::Float(seconds) => (seconds.to_string(), Period::from_seconds(*seconds)),
        _ => {
            let expected = "a time such as `60s`, `1m 30s` or `500ms`";
            return Err(entry.value.wrong_type(entry.label(), expected));
        }
    };
    period.map(Period::duration).ok_or_else(|| {
        entry.value.error(SpecProblem::BadPeriod {
            label: entry.label().to_string(),
            found,
        })
    })
}

fn contradiction(entry: &SpecEntry, problem: &'static str) -> SpecError {
    entry.value.error(SpecProblem::BadField {
        field: entry.name().to_owned(),
        problem,
    })
}

fn hyphenated(entry: &SpecEntry) -> String {
    entry.name().replace('_', "-")
}
