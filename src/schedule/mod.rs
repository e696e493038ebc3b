//! The order of jobs: the queue, slots, batches, partitions, and the history of tests that estimates and
//! ranks come from. This room runs nothing.

pub mod batches;
mod groups;
pub mod history;
mod partition;
mod queue;
mod slots;

pub use groups::{Groups, TestGroup};
pub use history::{CaseId, History, PastDurations, RecordedHistory, lock_for_saving};
pub use partition::{DivisibleTest, Division, PartitionMethod, TestPartition};
pub use queue::{Queue, Rank};
pub use slots::{HeldSlots, Slots};
