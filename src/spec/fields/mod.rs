//! A container as written: reading each of its fields.

mod container;
mod environment;
mod image;
mod job;
mod layers;
mod mounts;
mod parent;
mod paths;
mod scalars;

pub use container::{Beneath, ContainerFields, Format, Written};
pub use image::ImageRef;
pub use job::{JobDocument, read_job};
pub use parent::{Field, ParentRef};

use super::{Entry, Mistake, Problem, Value};
use std::time::Duration;

/// Reads a time in seconds, whole or not; messages say what `zero` means.
pub fn seconds(entry: &Entry, zero: &'static str) -> Result<Duration, Mistake> {
    // Ends long before clocks do.
    const MOST: u64 = u32::MAX as u64;
    let bad = || {
        entry.value.mistake(Problem::BadSeconds {
            field: entry.name().to_owned(),
            zero,
        })
    };
    let duration = match entry.value.value {
        Value::Integer(seconds) => Duration::from_secs(u64::try_from(seconds).map_err(|_| bad())?),
        Value::Float(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| bad())?,
        _ => {
            return Err(entry.value.wrong_type(entry.place(), "a number of seconds"));
        }
    };
    if duration.as_secs() > MOST {
        return Err(bad());
    }
    Ok(duration)
}
