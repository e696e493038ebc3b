//! What runs next, on which slot, and the record that the order is learned from.

pub mod batches;
pub mod history;
mod queue;
mod slots;

pub use history::{CaseId, History};
pub use queue::{Queue, Rank};
pub use slots::{HeldSlots, Slots};
