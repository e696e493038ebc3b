//! The list of failures at the end of a run, where errors that are the same are one entry.

use super::units::{Count, Thousands};
use std::collections::HashMap;

/// How many of those that share an error are named.
const NAMED: usize = 5;

/// What did not go well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    Test,
    /// A test binary whose tests could not be listed.
    Binary,
}

/// One that failed; in the order that they are shown in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    pub subject: String,
    pub repetition: u32,
    pub kind: FailureKind,
    pub label: String,
    /// What stands behind the label.
    pub text: String,
}

/// Those that failed so far.
#[derive(Debug, Default)]
pub struct Failures {
    /// With reasons of their own.
    own: Vec<Failure>,
    /// Could not be run, by all that was said about it.
    errors: HashMap<String, Error>,
}

#[derive(Debug)]
struct Error {
    message: String,
    failures: Vec<Failure>,
}

impl Failures {
    pub fn add(&mut self, failure: Failure) {
        self.own.push(failure);
    }

    /// Adds one that could not be run. `details` is all that there is to say about it, `message`
    /// what comes first. How many with the same details there were before.
    pub fn add_error(&mut self, failure: Failure, details: &str, message: &str) -> usize {
        if let Some(error) = self.errors.get_mut(details) {
            error.failures.push(failure);
            return error.failures.len() - 1;
        }
        let error = Error {
            message: message.to_owned(),
            failures: vec![failure],
        };
        self.errors.insert(details.to_owned(), error);
        0
    }

    /// The lines of the list, those first that tell of most tests.
    pub fn take_lines(&mut self) -> Vec<String> {
        let mut own = std::mem::take(&mut self.own);
        let mut shared = Vec::new();
        for mut error in std::mem::take(&mut self.errors).into_values() {
            error.failures.sort_unstable();
            if error.failures.len() == 1 {
                own.append(&mut error.failures);
            } else {
                shared.push(error);
            }
        }
        shared.sort_by(|a, b| {
            let more = b.failures.len().cmp(&a.failures.len());
            more.then_with(|| a.failures.cmp(&b.failures))
        });
        own.sort_unstable();
        let mut lines: Vec<_> = shared.iter().flat_map(Error::lines).collect();
        lines.extend(own.into_iter().map(|f| format!("{} {}", f.label, f.text)));
        lines
    }
}

impl Error {
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
