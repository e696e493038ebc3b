//! Reading the fields with a single value: network, root overlay, host name, times.

use super::strings::host_path;
use crate::config::ByteSize;
use crate::spec::{Network, RootOverlay, SpecEntry, SpecError, SpecProblem, SpecValue, ValueLabel};
use std::time::Duration;
use strum::VariantArray;

pub fn network(entry: &SpecEntry) -> Result<Network, SpecError> {
    let SpecValue::String(name) = &entry.value.value else {
        return Err(entry.value.wrong_type(
            entry.label(),
            "`\"disabled\"`, `\"loopback\"` or `\"local\"`",
        ));
    };
    entry.value.named("network", Network::VARIANTS, name)
}

pub fn root_overlay(entry: &SpecEntry) -> Result<RootOverlay, SpecError> {
    const WHAT: &str = "root overlay";
    match &entry.value.value {
        SpecValue::String(name) => match name.as_str() {
            "none" => Ok(RootOverlay::None),
            "tmp" => Ok(RootOverlay::Tmp),
            name => {
                let known = ["none", "tmp", "{ local = { upper, work } }"];
                Err(entry.value.error(SpecProblem::unknown(WHAT, name, known)))
            }
        },
        SpecValue::Map(map) => {
            let mut local = None;
            for entry in map {
                if entry.name() != "local" {
                    return Err(entry.error(SpecProblem::unknown(WHAT, entry.name(), ["local"])));
                }
                local = Some(local_overlay(entry)?);
            }
            local.ok_or_else(|| entry.value.missing(entry.label(), "local"))
        }
        _ => Err(entry.value.wrong_type(
            entry.label(),
            "`\"none\"`, `\"tmp\"` or `{ local = { upper, work } }`",
        )),
    }
}

fn local_overlay(entry: &SpecEntry) -> Result<RootOverlay, SpecError> {
    let mut upper = None;
    let mut work = None;
    for field in entry.map()? {
        let path = || host_path(&field.value, field.label());
        match field.name() {
            "upper" => upper = Some(path()?),
            "work" => work = Some(path()?),
            _ => return Err(field.unknown_field(&"`local`", ["upper", "work"])),
        }
    }
    let missing = |field| entry.value.missing(ValueLabel::Field("local"), field);
    let upper = upper.ok_or_else(|| missing("upper"))?;
    let work = work.ok_or_else(|| missing("work"))?;
    if upper == work {
        return Err(entry.value.error(SpecProblem::UpperIsWork));
    }
    Ok(RootOverlay::Local { upper, work })
}

/// Accepts up to 64 bytes, the limit of sethostname(2).
pub fn hostname(entry: &SpecEntry) -> Result<String, SpecError> {
    let hostname = entry.string()?;
    let is_valid = (1..=64).contains(&hostname.len())
        && hostname
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_valid {
        return Err(entry.value.error(SpecProblem::Hostname {
            hostname: hostname.to_owned(),
        }));
    }
    Ok(hostname.to_owned())
}

/// Reads a size such as `512 MiB`, or a number of bytes.
pub fn memory_limit(entry: &SpecEntry) -> Result<ByteSize, SpecError> {
    let (found, size) = match &entry.value.value {
        SpecValue::String(text) => (text.clone(), text.parse().ok()),
        SpecValue::Integer(bytes) => (bytes.to_string(), u64::try_from(*bytes).ok().map(ByteSize)),
        _ => return Err(entry.value.wrong_type(entry.label(), SIZE)),
    };
    size.ok_or_else(|| {
        entry.value.error(SpecProblem::BadSize {
            label: entry.label().to_string(),
            found,
        })
    })
}

/// The values that [`memory_limit`] reads.
const SIZE: &str = "a size such as `512 MiB` or a number of bytes";

/// Reads a time in seconds, with or without a fraction. `zero` is the meaning of 0 in messages.
pub fn seconds(entry: &SpecEntry, zero: &'static str) -> Result<Duration, SpecError> {
    // Adding such a time to the current time does not overflow.
    const MOST: u64 = u32::MAX as u64;
    let out_of_range = || {
        entry.value.error(SpecProblem::BadSeconds {
            field: entry.name().to_owned(),
            zero,
        })
    };
    let duration = match entry.value.value {
        SpecValue::Integer(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        SpecValue::Float(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        _ => return Err(entry.value.wrong_type(entry.label(), "a number of seconds")),
    };
    duration
        .filter(|duration| duration.as_secs() <= MOST)
        .ok_or_else(out_of_range)
}
