//! Partitions: the division of the tests of a run into parts, one for each machine.
//!
//! The division depends on the tests and, for `time`, on their recorded durations, and on nothing
//! else, so machines that know the same make the same division. [`Division::digest`] identifies it.

mod by_time;

use crate::filter::{TargetKind, TestCaseName};
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;
use strum::{IntoStaticStr, VariantArray};
use twox_hash::XxHash64;

/// The number of digits of a digest that people compare.
const DIGITS: usize = 16;

/// One part of a divided run (`--partition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestPartition {
    pub method: PartitionMethod,
    /// From 1.
    pub part: u32,
    pub of: u32,
}

/// The way in which tests are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum PartitionMethod {
    /// By the hash of a test's name, as cargo-nextest does. A test stays in its part when others
    /// are added.
    Hash,
    /// In turn, in the order of all selected tests, as cargo-nextest does.
    Slice,
    /// By recorded durations, so that the parts take equally long.
    Time,
}

impl fmt::Display for TestPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method: &str = self.method.into();
        write!(f, "{method}:{}/{}", self.part, self.of)
    }
}

impl FromStr for TestPartition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected `hash:K/N`, `slice:K/N` or `time:K/N`, the part K of N, such as `slice:1/4`"
                .to_owned()
        };
        let (method, numbers) = text.split_once(':').ok_or_else(expected)?;
        let (part, of) = numbers.split_once('/').ok_or_else(expected)?;
        if method == "count" {
            return Err(format!("`count` is not supported; use `slice:{numbers}`"));
        }
        let methods = PartitionMethod::VARIANTS.iter().copied();
        let named = |&known: &PartitionMethod| <&str>::from(known) == method;
        let method = methods.into_iter().find(named).ok_or_else(expected)?;
        let part: u32 = part.parse().map_err(|_| expected())?;
        let of: u32 = of.parse().map_err(|_| expected())?;
        if part == 0 || part > of {
            return Err(format!("the part must be a number from 1 to {of}"));
        }
        Ok(Self { method, part, of })
    }
}

impl TestPartition {
    /// Whether a test is in this part, if that depends on nothing but its name.
    pub fn has_name(&self, name: &str) -> Option<bool> {
        match self.method {
            PartitionMethod::Hash => Some(part_of_name(name, self.of) == self.part),
            PartitionMethod::Slice | PartitionMethod::Time => None,
        }
    }
}

/// A selected test, to be divided.
#[derive(Clone, Copy, Debug)]
pub struct DivisibleTest<'a> {
    pub case: TestCaseName<'a>,
    /// Whether its source marks the test as ignored.
    pub ignored: bool,
    /// Whether the test is run, and not only reported as ignored.
    pub runs: bool,
    /// `None`: no duration is known.
    pub estimate: Option<Duration>,
}

/// The division of tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// The part of each test, from 1, in the order in which the tests were given.
    pub parts: Vec<u32>,
    /// Equal if and only if all parts are, for practical purposes.
    pub digest: String,
}

impl Division {
    /// Divides tests into `of` parts. Their order does not matter.
    pub fn new(method: PartitionMethod, of: u32, tests: &[DivisibleTest<'_>]) -> Self {
        let mut order: Vec<usize> = (0..tests.len()).collect();
        order.sort_by_key(|&index| sort_key(&tests[index].case));
        let mut parts = vec![1; tests.len()];
        match method {
            PartitionMethod::Hash => {
                for (part, test) in parts.iter_mut().zip(tests) {
                    *part = part_of_name(test.case.name, of);
                }
            }
            PartitionMethod::Slice => {
                for (runs, ignored) in [(true, false), (true, true), (false, false), (false, true)]
                {
                    let group = order.iter().copied();
                    let group = group.filter(|&index| {
                        (tests[index].runs, tests[index].ignored) == (runs, ignored)
                    });
                    in_turn(group, of, &mut parts);
                }
            }
            PartitionMethod::Time => {
                let (run, not_run): (Vec<_>, Vec<_>) =
                    order.iter().copied().partition(|&index| tests[index].runs);
                let estimates: Vec<_> = run.iter().map(|&index| tests[index].estimate).collect();
                let divided = by_time::divide(&estimates, of);
                for (index, part) in run.into_iter().zip(divided) {
                    parts[index] = part;
                }
                in_turn(not_run.into_iter(), of, &mut parts);
            }
        }
        let digest = digest(
            of,
            order
                .iter()
                .map(|&index| (&tests[index].case, parts[index])),
        );
        Self { parts, digest }
    }
}

/// Gives the tests to the parts in turn.
fn in_turn(tests: impl Iterator<Item = usize>, of: u32, parts: &mut [u32]) {
    for (index, part) in tests.zip((1..=of).cycle()) {
        parts[index] = part;
    }
}

/// The hash of cargo-nextest, which is fixed for its series 0.9.
fn part_of_name(name: &str, of: u32) -> u32 {
    let part = XxHash64::oneshot(0, name.as_bytes()) % u64::from(of);
    part as u32 + 1
}

/// The order of tests is that of cargo-nextest: by package, with the library first, then tests,
/// then other targets.
fn sort_key<'a>(case: &TestCaseName<'a>) -> (&'a str, u8, &'static str, &'a str, &'a str) {
    let (rank, kind) = match case.kind {
        TargetKind::Library | TargetKind::ProcMacro => (0, ""),
        TargetKind::Test => (1, ""),
        kind => (2, kind.into_str()),
    };
    (case.package, rank, kind, case.target, case.name)
}

fn digest<'a>(of: u32, tests: impl Iterator<Item = (&'a TestCaseName<'a>, u32)>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(of.to_le_bytes());
    for (case, part) in tests {
        for word in [case.package, case.kind.into_str(), case.target, case.name] {
            hasher.update((word.len() as u64).to_le_bytes());
            hasher.update(word);
        }
        hasher.update(part.to_le_bytes());
    }
    let bytes: [u8; 32] = hasher.finalize().into();
    let mut text = String::new();
    for byte in &bytes[..DIGITS / 2] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
