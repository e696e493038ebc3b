//! Reading a whole job: what runs, besides the container's fields.

use super::{Format, seconds};
use crate::spec::{
    Beneath, ContainerFields, ContainerSpec, Containers, Deprecations, Entry, Field, JobSpec,
    Mistake, Node, Place, Problem, Value,
};
use std::time::Duration;

/// The fields that only jobs have.
const NAMES: [&str; 6] = [
    "program",
    "arguments",
    "timeout",
    "estimated_duration",
    "priority",
    "slots",
];

/// Something a stream of jobs may hold.
#[derive(Clone, Debug, PartialEq)]
pub enum JobDocument {
    Job(Box<JobSpec>),
    /// Containers were defined for the jobs after it.
    Containers,
}

/// Reads a job, or an object whose only key is `containers`, which are added to those
/// that are known.
pub fn read_job(
    node: &Node,
    containers: &mut Containers,
    notes: &mut Deprecations,
) -> Result<JobDocument, Mistake> {
    if let Value::List(_) = node.value {
        return Err(node.mistake(Problem::JobList));
    }
    let entries = node.map(Place::Job)?;
    let mut job = Job {
        fields: ContainerFields::new(Format::Json),
        ..Job::default()
    };
    for entry in entries {
        if entry.name() == "containers" {
            if let Some(other) = entries.iter().find(|other| other.name() != "containers") {
                return Err(other.mistake(Problem::BesideContainers {
                    field: other.name().to_owned(),
                }));
            }
            containers.define(entry, Format::Json, notes)?;
            return Ok(JobDocument::Containers);
        }
        job.read(entry, notes)?;
    }
    job.finish(node, containers)
        .map(|job| JobDocument::Job(Box::new(job)))
}

#[derive(Default)]
struct Job {
    fields: ContainerFields,
    program: Option<String>,
    arguments: Vec<String>,
    timeout: Option<Duration>,
    estimated_duration: Option<Duration>,
    priority: i8,
    slots: Option<u32>,
}

impl Job {
    fn read(&mut self, entry: &Entry, notes: &mut Deprecations) -> Result<(), Mistake> {
        match entry.name() {
            "program" => self.program = Some(program(entry)?),
            "arguments" => {
                for argument in entry.strings()? {
                    if argument.value.contains('\0') {
                        let place = Place::Element("arguments").to_string();
                        return Err(Mistake::new(&argument.span, Problem::Nul { place }));
                    }
                    self.arguments.push(argument.value.to_owned());
                }
            }
            "timeout" => self.timeout = time(entry, "no limit")?,
            "estimated_duration" => self.estimated_duration = time(entry, "unknown")?,
            "priority" => self.priority = priority(entry)?,
            "slots" => self.slots = Some(entry.integer(1, u32::MAX)?),
            _ => {
                if !self.fields.read(entry, notes)? {
                    let known = NAMES
                        .into_iter()
                        .chain(ContainerFields::NAMES)
                        .chain(["containers"]);
                    return Err(entry.unknown_field(&"a job", known));
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, node: &Node, containers: &Containers) -> Result<JobSpec, Mistake> {
        self.fields.finish(Beneath::Nothing)?;
        let program = self.program.ok_or_else(|| {
            node.mistake(Problem::Missing {
                what: Place::Job.to_string(),
                field: "program",
            })
        })?;
        let are_given = self.fields.gives(Field::Layers) == Some(true);
        if self.fields.layers.is_none() && !are_given {
            return Err(node.mistake(Problem::NoLayers));
        }
        let mut container = match &self.fields.parent {
            Some(parent) => containers.inherit(parent)?,
            None => ContainerSpec::default(),
        };
        self.fields.apply(&mut container);
        containers.check_network(&container, &self.fields)?;
        Ok(JobSpec {
            container,
            program,
            arguments: self.arguments,
            timeout: self.timeout,
            estimated_duration: self.estimated_duration,
            priority: self.priority,
            slots: self.slots.unwrap_or(1),
        })
    }
}

fn program(entry: &Entry) -> Result<String, Mistake> {
    let program = entry.string()?;
    let place = || entry.place().to_string();
    if program.is_empty() {
        return Err(entry.value.mistake(Problem::Empty { place: place() }));
    }
    if program.contains('\0') {
        return Err(entry.value.mistake(Problem::Nul { place: place() }));
    }
    Ok(program.to_owned())
}

/// A time in seconds; zero means none, or what messages say.
fn time(entry: &Entry, zero: &'static str) -> Result<Option<Duration>, Mistake> {
    Ok(Some(seconds(entry, zero)?).filter(|time| !time.is_zero()))
}

fn priority(entry: &Entry) -> Result<i8, Mistake> {
    let Value::Integer(integer) = entry.value.value else {
        return Err(entry.value.wrong_type(entry.place(), "a whole number"));
    };
    i8::try_from(integer).map_err(|_| entry.value.mistake(Problem::BadPriority { found: integer }))
}

#[cfg(test)]
mod tests;
