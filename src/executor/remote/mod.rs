//! Running jobs on the workers of an engine. A batch of jobs is one action: its input has the jobs
//! and their layers, and its output has their outcomes.
//!
//! ```text
//! batch.json            the jobs and their containers                          [batch]
//! manifests/<digest>    the manifest of each layer                             [input]
//! packs/<digest>        the small files of a layer that has many               [input]
//! blobs/ab/<digest>     a plain file that is not in a pack
//! blobs/ab/<digest>.x   an executable file that is not in a pack
//! runner/               this program, its loader and its libraries             [bundle]
//! outcomes              an output: what the runner recorded of each job        [record]
//! outputs/<job>/<n>     outputs: the contents of a job's outputs               [outputs]
//! ```
//!
//! The [`runner`] on the worker is this program, in the same version, so these formats need no
//! compatibility between versions.

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
mod known_result;
mod outputs;
mod record;
pub mod runner;
mod trees;

pub use arguments::ClusterArguments;
pub use batch::{BatchError, JobBatch, NotPortable};
pub use bundle::{BundleError, RunnerBundle};
pub use executor::{RemoteError, RemoteExecutor, RemoteSettings, ReuseResults};
pub use input::{InputContent, InputError, InputFile, InputRoot, Inputs};
pub use record::{BatchEnd, RecordError, RunnerRecord};

/// The path of the batch in an action's input.
pub const BATCH: &str = "batch.json";

/// The path of the records that the runner writes.
pub const OUTCOMES: &str = "outcomes";

/// The directory of the outputs of jobs. It has a directory for each job that wrote files, named by
/// the job's index in the batch.
pub const OUTPUTS: &str = "outputs";
