//! From a job to its outcome: the only room that knows both a job and a way to
//! run it.

mod executors;
mod job;
mod known;
mod local;
mod output;
mod pool;
pub mod remote;
mod turn;

pub use executors::Executors;
#[cfg(test)]
pub(crate) use executors::tests::does_not_block_the_loop;
pub use job::{Container, Job, Outcome, Status};
pub use known::KnownOutcomes;
pub use local::{LocalExecutor, LocalSettings};
pub use output::{Captured, Output, OutputSink, Stream};
