//! The limits of the memory and the processes of a job: which mechanism holds them, and what
//! happened at them.

use super::job::Status;
use crate::config::ByteSize;
use crate::container::{ControlGroups, JobControlGroup, JobLimits, LimitEvents};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;

/// The limits of a job that ran, and how they were held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldLimits {
    /// In bytes.
    pub memory: Option<u64>,
    pub processes: Option<u32>,
    pub by: LimitKeeper,
    /// A control group refused to make a process.
    pub process_refused: bool,
}

/// The mechanism of the kernel that holds the limits of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKeeper {
    /// A control group, for all processes of the job together.
    ControlGroup,
    /// Resource limits: that of memory is for each process.
    ResourceLimits,
}

impl HeldLimits {
    /// `None`: the job has no limits. `events`: those of the control group, if it has one.
    pub fn of(limits: &JobLimits, events: Option<LimitEvents>) -> Option<Self> {
        has_limits(limits).then(|| Self {
            memory: limits.memory,
            processes: limits.processes,
            by: match events {
                Some(_) => LimitKeeper::ControlGroup,
                None => LimitKeeper::ResourceLimits,
            },
            process_refused: events.is_some_and(|events| events.process_refused),
        })
    }
}

/// The status of a job whose processes the kernel killed at its limit of memory. A time limit, or a
/// program that ended well, counts for more.
pub fn with_events(status: Status, limits: &JobLimits, events: Option<LimitEvents>) -> Status {
    let has_failed = match status {
        Status::Exited(code) => code != 0,
        Status::Signaled(_) => true,
        _ => false,
    };
    let is_out_of_memory = events.is_some_and(|events| events.out_of_memory);
    match limits.memory {
        Some(limit) if has_failed && is_out_of_memory => Status::OutOfMemory { limit },
        _ => status,
    }
}

/// The message about a job that was killed at its limit of memory, in bytes.
pub fn out_of_memory(limit: u64) -> String {
    format!(
        "out of memory: the limit is {} (`memory_limit`)",
        ByteSize(limit)
    )
}

/// Makes the control groups of jobs with limits. The first such job has them set up.
#[derive(Default)]
pub struct LimitGroups {
    /// `None` inside: this process cannot make control groups.
    groups: OnceCell<Option<ControlGroups>>,
}

impl LimitGroups {
    /// The group of a job. `None`: the job has no limits, or they are resource limits.
    pub fn group(&self, limits: &JobLimits) -> Option<JobControlGroup> {
        if !has_limits(limits) {
            return None;
        }
        let groups = self.groups.get_or_init(|| match ControlGroups::set_up() {
            Ok(groups) => {
                tracing::debug!(
                    "limits are held by control groups in {}",
                    groups.base().display()
                );
                Some(groups)
            }
            Err(reason) => {
                tracing::debug!("limits are resource limits: {reason}");
                None
            }
        });
        match groups.as_ref()?.create(limits) {
            Ok(group) => Some(group),
            Err(error) => {
                tracing::warn!("a job has resource limits, as it got no control group: {error}");
                None
            }
        }
    }
}

fn has_limits(limits: &JobLimits) -> bool {
    limits.memory.is_some() || limits.processes.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_failed_at_its_limit_of_memory_is_out_of_memory() {
        let limits = JobLimits {
            memory: Some(1),
            ..JobLimits::default()
        };
        let killed = Some(LimitEvents {
            out_of_memory: true,
            process_refused: false,
        });
        let status = |status, events| with_events(status, &limits, events);
        let out_of_memory = Status::OutOfMemory { limit: 1 };
        assert_eq!(status(Status::Signaled(9), killed), out_of_memory);
        assert_eq!(status(Status::Exited(101), killed), out_of_memory);
        for (other, events) in [
            (Status::Exited(0), killed),
            (Status::TimedOut, killed),
            (Status::Signaled(9), None),
            (Status::Signaled(9), Some(LimitEvents::default())),
        ] {
            assert_eq!(status(other.clone(), events), other);
        }
    }

    #[test]
    fn limits_without_a_control_group_are_resource_limits() {
        let none = JobLimits::default();
        assert_eq!(HeldLimits::of(&none, None), None);
        let limits = JobLimits {
            processes: Some(3),
            ..none
        };
        let by = |events| HeldLimits::of(&limits, events).unwrap().by;
        assert_eq!(by(None), LimitKeeper::ResourceLimits);
        assert_eq!(by(Some(LimitEvents::default())), LimitKeeper::ControlGroup);
    }
}
