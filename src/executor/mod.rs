//! Running jobs: from a job to its outcome, on this machine, on the workers of an engine, or from
//! an earlier run. The room starts launchers and actions, and touches no layers.

mod directory_lock;
mod executors;
mod job;
mod known;
mod launch_plan;
mod limits;
mod local;
mod observed;
mod output;
mod outputs;
pub mod remote;

pub use executors::Executors;
#[cfg(test)]
pub(crate) use executors::tests::does_not_block_the_loop;
pub use job::{Container, Job, JobVariable, Outcome, Status};
pub use known::KnownOutcomes;
pub use limits::{HeldLimits, LimitKeeper, out_of_memory};
pub use local::{LocalExecutor, LocalSettings};
pub use output::{Captured, Output, OutputSink, Stream};
pub use outputs::{
    APPENDED_DIRECTORY, JobOutputs, ListedKind, ListedOutput, OutputListing, OutputPlaces,
    PROFILE_DIRECTORY, SavedOutputs, WrittenSources,
};
