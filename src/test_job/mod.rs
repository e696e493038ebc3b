//! From a test case and its directives to a job, and what the outcome of the job means.

mod case;
pub mod hints;
mod test_container;
mod variables;
pub mod verdict;

pub use case::{TestCase, test_binary_name, test_case_name};
pub use test_container::TestContainerBuilder;
pub use variables::{PASSED_BY_DEFAULT, PassedVariables};
