//! Reading a job: the container's fields, and those of the program.

use super::strings::{non_empty, text};
use super::{SpecFormat, memory_limit, seconds};
use crate::config::ByteSize;
use crate::spec::{
    ContainerField, ContainerFields, ContainerSpec, Containers, Deprecations, ImplicitBase,
    JobSpec, Node, SpecEntry, SpecError, SpecProblem, SpecValue, ValueLabel,
};
use std::time::Duration;

/// The fields that only jobs have.
const NAMES: [&str; 8] = [
    "program",
    "arguments",
    "timeout",
    "memory_limit",
    "process_limit",
    "estimated_duration",
    "priority",
    "slots",
];

/// An object of a stream of jobs.
#[derive(Clone, Debug, PartialEq)]
pub enum JobDocument {
    Job(Box<JobSpec>),
    /// The object defined containers.
    Containers,
}

/// Reads a job, or an object whose only field is `containers`; its containers are added to
/// `containers`.
pub fn read_job(
    node: &Node,
    containers: &mut Containers,
    deprecations: &mut Deprecations,
) -> Result<JobDocument, SpecError> {
    if let SpecValue::List(_) = node.value {
        return Err(node.error(SpecProblem::JobList));
    }
    let entries = node.map(ValueLabel::Job)?;
    let mut job = JobFields {
        fields: ContainerFields::new(SpecFormat::Json),
        ..JobFields::default()
    };
    for entry in entries {
        if entry.name() == "containers" {
            if let Some(other) = entries.iter().find(|other| other.name() != "containers") {
                return Err(other.error(SpecProblem::BesideContainers {
                    field: other.name().to_owned(),
                }));
            }
            containers.define(entry, SpecFormat::Json, deprecations)?;
            return Ok(JobDocument::Containers);
        }
        job.read(entry, deprecations)?;
    }
    job.finish(node, containers)
        .map(|job| JobDocument::Job(Box::new(job)))
}

#[derive(Default)]
struct JobFields {
    fields: ContainerFields,
    program: Option<String>,
    arguments: Vec<String>,
    timeout: Option<Duration>,
    memory_limit: Option<ByteSize>,
    process_limit: Option<u32>,
    estimated_duration: Option<Duration>,
    priority: i8,
    slots: Option<u32>,
}

impl JobFields {
    fn read(
        &mut self,
        entry: &SpecEntry,
        deprecations: &mut Deprecations,
    ) -> Result<(), SpecError> {
        match entry.name() {
            "program" => {
                let program = non_empty(&entry.value, entry.label())?;
                self.program = Some(program.to_owned());
            }
            "arguments" => {
                self.arguments =
                    entry.elements(|node, label| text(node, label).map(str::to_owned))?;
            }
            "timeout" => self.timeout = time(entry, "no limit")?,
            "memory_limit" => {
                self.memory_limit = Some(memory_limit(entry)?).filter(|limit| limit.bytes() > 0);
            }
            "process_limit" => {
                let limit = entry.integer(0, u32::MAX)?;
                self.process_limit = Some(limit).filter(|limit| *limit > 0);
            }
            "estimated_duration" => self.estimated_duration = time(entry, "unknown")?,
            "priority" => self.priority = entry.integer(i8::MIN, i8::MAX)?,
            "slots" => self.slots = Some(entry.integer(1, u32::MAX)?),
            _ => {
                if !self.fields.read(entry, deprecations)? {
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

    fn finish(mut self, node: &Node, containers: &Containers) -> Result<JobSpec, SpecError> {
        self.fields.finish(ImplicitBase::None)?;
        let program = (self.program).ok_or_else(|| node.missing(ValueLabel::Job, "program"))?;
        let has_inherited_layers = self.fields.gives(ContainerField::Layers) == Some(true);
        if self.fields.layers.is_none() && !has_inherited_layers {
            return Err(node.error(SpecProblem::NoLayers));
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
            memory_limit: self.memory_limit,
            process_limit: self.process_limit,
            estimated_duration: self.estimated_duration,
            priority: self.priority,
            slots: self.slots.unwrap_or(1),
        })
    }
}

/// A time in seconds. Zero is `None`; `zero` is its meaning in messages.
fn time(entry: &SpecEntry, zero: &'static str) -> Result<Option<Duration>, SpecError> {
    Ok(Some(seconds(entry, zero)?).filter(|time| !time.is_zero()))
}

#[cfg(test)]
mod tests;
