//! The list of failures at the end of a run. Equal errors share an entry.

use super::units::{Count, Thousands};
use std::collections::HashMap;
use std::fmt;

/// How many of the tests that share an error are named.
const NAMED: usize = 5;

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    Test,
    /// A test binary, whose tests could not be listed.
    Binary,
}

/// A failed test or test binary. The order is the order in the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailureLine {
    pub subject: String,
    pub repetition: u32,
    pub kind: FailureKind,
    pub label: String,
    /// The text after the label.
    pub text: String,
}

impl fmt::Display for FailureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.label, self.text)
    }
}

/// All failures so far.
#[derive(Debug, Default)]
pub struct Failures {
    /// Tests that failed by themselves.
    individual: Vec<FailureLine>,
    /// Tests that could not be run, by the details of the error.
    errors: HashMap<String, SharedError>,
}

#[derive(Debug)]
struct SharedError {
    message: String,
    failures: Vec<FailureLine>,
}

impl Failures {
    pub fn add(&mut self, failure: FailureLine) {
        self.individual.push(failure);
    }

    /// Adds a test or binary that could not be run. `details` is the whole text about the error,
    /// `message` only the error's message. Returns how many with the same details there were before.
    pub fn add_error(&mut self, failure: FailureLine, details: &str, message: &str) -> usize {
        if let Some(error) = self.errors.get_mut(details) {
            error.failures.push(failure);
            return error.failures.len() - 1;
        }
        let error = SharedError {
            message: message.to_owned(),
            failures: vec![failure],
        };
        self.errors.insert(details.to_owned(), error);
        0
    }

    /// Returns the lines of the list and empties it. Errors of most tests come first.
    pub fn take_lines(&mut self) -> Vec<String> {
        let mut individual = std::mem::take(&mut self.individual);
        let mut shared = Vec::new();
        for mut error in std::mem::take(&mut self.errors).into_values() {
            error.failures.sort_unstable();
            if error.failures.len() == 1 {
                individual.append(&mut error.failures);
            } else {
                shared.push(error);
            }
        }
        shared.sort_by(|a, b| {
            let more = b.failures.len().cmp(&a.failures.len());
            more.then_with(|| a.failures.cmp(&b.failures))
        });
        individual.sort_unstable();
        let mut lines: Vec<_> = shared.iter().flat_map(SharedError::lines).collect();
        lines.extend(individual.iter().map(ToString::to_string));
        lines
    }
}

impl SharedError {
    fn lines(&self) -> Vec<String> {
        let number = |kind| self.failures.iter().filter(|f| f.kind == kind).count() as u64;
        let (tests, binaries) = (number(FailureKind::Test), number(FailureKind::Binary));
        let tests = (tests > 0).then(|| Count(tests, "test", "tests").to_string());
        let binaries =
            (binaries > 0).then(|| Count(binaries, "test binary", "test binaries").to_string());
        let numbers: Vec<_> = tests.into_iter().chain(binaries).collect();
        let label = self.failures.first().map_or("", |f| f.label.as_str());
        let mut lines = vec![format!(
            "{label} {}: {}",
            numbers.join(" and "),
            self.brief()
        )];
        let named = self.failures.iter().take(NAMED);
        lines.extend(named.map(|failure| format!("        {}", failure.text)));
        let more = self.failures.len().saturating_sub(NAMED);
        if more > 0 {
            lines.push(format!("        and {} more", Thousands(more as u64)));
        }
        lines
    }

    /// The first line of the message.
    fn brief(&self) -> String {
        let mut lines = self.message.trim().lines();
        let first = lines.next().unwrap_or_default();
        match lines.next() {
            Some(_) => format!("{first} …"),
            None => first.to_owned(),
        }
    }
}
