//! The test cases of a test binary: parsing the list that the binary prints, and encoding it for
//! the cache.
//!
//! Does not run the binary, and does no I/O.

mod cache;
mod parse;

pub use cache::{decode, encode};
pub use parse::{ListedTest, ListingError, TestListing, merge, parse};
