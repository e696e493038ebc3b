//! What test cases a test binary has: understanding its own list of them, and
//! keeping that list for as long as the binary stays the same.
//!
//! Knows nothing of how the binary is run.

mod cache;
mod parse;

pub use cache::{decode, encode};
pub use parse::{Listed, Listing, ListingError, merge, parse};
