//! Naming the step that failed: a container is made whole or not at all.

use super::protocol::StepError;
use std::io;

/// Adds the words for a step to the error of the call that failed.
pub trait Step<T> {
    fn step(self, step: &str) -> Result<T, StepError>;
    /// The same for words that cost something to make.
    fn step_with(self, step: impl FnOnce() -> String) -> Result<T, StepError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, StepError> {
        self.map_err(|error| StepError::new(step, &error.into()))
    }

    fn step_with(self, step: impl FnOnce() -> String) -> Result<T, StepError> {
        self.map_err(|error| StepError::new(step(), &error.into()))
    }
}
