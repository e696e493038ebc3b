//! Running jobs elsewhere: a batch of jobs becomes the input of an action, and the
//! action's output their outcomes.
//!
//! ```text
//! batch.json            the jobs and their containers                          [batch]
//! manifests/<digest>    what each layer holds
//! packs/<digest>        the small files of a layer with many, in one           [pack]
//! blobs/ab/<digest>     a file that is not in a pack, plain,
//! blobs/ab/<digest>.x     and one that is executable
//! runner/               this program, its loader and its libraries             [kit]
//! outcomes              written by the runner: what became of each job         [record]
//! ```
//!
//! The [`runner`] is this very program, so that both ends agree on all of this, and what
//! is in the files above has no other version.

mod action;
mod arguments;
mod batch;
mod batch_progress;
mod budget;
mod bundle;
mod execution;
mod executor;
mod input;
mod known_blobs;

mod pack;

mod record;
pub mod runner;
mod timing;
mod trees;

pub use arguments::ClusterArguments;
pub use batch::{BatchError, JobBatch, NotPortable};
pub use bundle::{BundleError, RunnerBundle};
pub use executor::{RemoteError, RemoteExecutor, RemoteSettings};
pub use input::{InputContent, InputError, InputFile, InputRoot, Inputs};
pub use record::{BatchEnd, RecordError, RunnerRecord};

/// The jobs of an action, and how they are to be run.
pub const BATCH: &str = "batch.json";

/// What the runner writes.
pub const OUTCOMES: &str = "outcomes";
