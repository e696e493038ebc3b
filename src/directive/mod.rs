//! `maelstrom-test.toml`: which test cases run in which container, and how.
//!
//! Every test case starts from the built-in default container; each directive
//! whose filter matches changes that candidate, in the order of the file. All
//! that can be wrong with a file is found when it is loaded.

mod default_container;
mod file;
mod resolve;
mod starter;

pub use default_container::{HOME, default_container};
pub use file::DirectiveError;
pub use resolve::{Directives, TestSpec};
pub use starter::STARTER;

/// The file's name; it stands in the workspace root.
pub const FILE_NAME: &str = "maelstrom-test.toml";
