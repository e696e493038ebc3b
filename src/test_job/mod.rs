//! The job of a test case: its container, its arguments, and the outcome of the test. This room
//! combines what `cargo`, `directive` and `listing` know of a test, and reads sources of tests only
//! for hints.

mod appended;
mod case;
pub mod explanations;
pub mod hints;
mod outputs;
mod test_container;
mod toolchain;
mod variables;
pub mod verdict;

pub use appended::AppendedFiles;
pub use case::{TestCase, case_id, test_binary_name, test_case_name};
pub use outputs::{TestOutputs, WriteBack};
pub use test_container::TestContainerBuilder;
pub use variables::{PASSED_BY_DEFAULT, PassedVariables, slot_variable, test_variables};
