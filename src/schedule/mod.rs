//! What runs next, on which slot, and what is remembered for that.

mod queue;
mod slots;

pub use queue::{Queue, Rank};
pub use slots::Slots;
