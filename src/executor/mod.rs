//! From a job to its outcome: the only room that knows both a job and a way to
//! run it.

mod job;
mod local;
mod output;
mod pool;
pub mod remote;
mod turn;

pub use job::{Container, Job, Outcome, Status};
pub use local::{LocalExecutor, Settings};
pub use output::{Captured, Output, Sink, Stream};
