//! Reading the fields of directives that settings have as well. Their tables have the names of
//! nextest, with hyphens; underscores are accepted, too.

use crate::config::{
    ConfigValue as _, CountsAs, LeakTimeout, Period, RetryBackoff, RetryTable, SlowTimeout,
    TestRetries,
};
use crate::schedule::TestGroup;
use crate::spec::{SpecEntry, SpecError, SpecProblem, SpecValue};
use std::num::NonZeroU32;
use std::sync::Arc;
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

pub fn slow_timeout(entry: &SpecEntry) -> Result<SlowTimeout, SpecError> {
    let (time, fields) = period_and_fields(entry)?;
    let timeout = SlowTimeout::of_period(time);
    let mut timeout = timeout.map_err(|problem| contradiction(entry, problem))?;
    for field in fields {
        match hyphenated(field).as_str() {
            "period" => {}
            "terminate-after" => {
                timeout.terminate_after = NonZeroU32::new(field.integer(1, u32::MAX)?);
            }
            "grace-period" => timeout.grace_period = period(field)?,
            "on-timeout" => timeout.on_timeout = pass_or_fail(field)?,
            _ => return Err(field.unknown_field(&"`slow_timeout`", SlowTimeout::FIELDS)),
        }
    }
    Ok(timeout)
}

pub fn leak_timeout(entry: &SpecEntry) -> Result<LeakTimeout, SpecError> {
    let (time, fields) = period_and_fields(entry)?;
    let timeout = LeakTimeout::of_period(time);
    let mut timeout = timeout.map_err(|problem| contradiction(entry, problem))?;
    for field in fields {
        match field.name() {
            "period" => {}
            "result" => timeout.result = pass_or_fail(field)?,
            _ => return Err(field.unknown_field(&"`leak_timeout`", LeakTimeout::FIELDS)),
        }
    }
    Ok(timeout)
}

/// The table `groups`: the groups by their names.
pub fn groups(entry: &SpecEntry) -> Result<Vec<Arc<TestGroup>>, SpecError> {
    let mut groups = Vec::new();
    for group in entry.map()? {
        let mut max_slots = None;
        for field in group.map()? {
            match hyphenated(field).as_str() {
                "max-slots" => max_slots = Some(field.integer(1, u32::MAX)?),
                _ => return Err(field.unknown_field(&"a group", ["max-slots"])),
            }
        }
        let missing = || group.value.missing(group.label(), "max-slots");
        groups.push(Arc::new(TestGroup {
            name: group.name().to_owned(),
            max_slots: max_slots.ok_or_else(missing)?,
        }));
    }
    Ok(groups)
}

/// The name of a group.
pub fn group(entry: &SpecEntry, groups: &[Arc<TestGroup>]) -> Result<Arc<TestGroup>, SpecError> {
    let name = entry.string()?;
    if groups.is_empty() {
        let problem = "names a group, but no table `[groups.NAME]` defines one";
        return Err(contradiction(entry, problem));
    }
    let group = groups.iter().find(|group| group.name == name);
    group.cloned().ok_or_else(|| {
        let known = groups.iter().map(|group| group.name.as_str());
        entry
            .value
            .error(SpecProblem::unknown("group", name, known))
    })
}

/// The period that a value is or contains, and its fields if it is a table.
fn period_and_fields(
    entry: &SpecEntry,
) -> Result<(Option<Duration>, impl Iterator<Item = &SpecEntry>), SpecError> {
    let (of_period, fields) = match &entry.value.value {
        SpecValue::Map(fields) => {
            let of_period = fields.iter().find(|field| field.name() == "period");
            (of_period, Some(fields))
        }
        _ => (Some(entry), None),
    };
    Ok((
        of_period.map(period).transpose()?,
        fields.into_iter().flatten(),
    ))
}

/// `pass` or `fail`.
pub fn pass_or_fail(entry: &SpecEntry) -> Result<CountsAs, SpecError> {
    let name = entry.string()?;
    entry.value.named("result", CountsAs::VARIANTS, name)
}

/// A time with a unit, or a number of seconds.
fn period(entry: &SpecEntry) -> Result<Duration, SpecError> {
    let (found, period) = match &entry.value.value {
        SpecValue::String(text) => (text.clone(), Period::from_text(text)),
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
