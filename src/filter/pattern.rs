//! A pattern as the other rooms see it.

use super::comparison::Comparison;
use super::error::PatternError;
use super::expression::{Expression, Known};
use super::parse::parse;
use super::target::TargetKind;
use std::fmt;
use std::str::FromStr;

/// A parsed pattern. Displays as the text it was parsed from.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    expression: Expression,
}

/// A test case, as far as patterns look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The name of the package, without its version.
    pub package: &'a str,
    pub kind: TargetKind,
    /// The name of the target, as Cargo's metadata gives it.
    pub target: &'a str,
    /// The name of the test case, with its module path.
    pub name: &'a str,
}

impl Pattern {
    /// Whether the pattern selects this test case.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let known = Known {
            package: subject.package,
            target: Some((subject.kind, subject.target)),
            name: Some(subject.name),
        };
        self.expression.evaluate(&known) == Some(true)
    }

    /// Whether the pattern selects all (`Some(true)`) or none (`Some(false)`) of
    /// the test cases of this binary. `None`: their names may decide.
    pub fn matches_binary(&self, package: &str, kind: TargetKind, target: &str) -> Option<bool> {
        self.expression.evaluate(&Known {
            package,
            target: Some((kind, target)),
            name: None,
        })
    }

    /// Whether the pattern selects all (`Some(true)`) or none (`Some(false)`) of
    /// the test cases of this package. `None`: targets or names may decide.
    pub fn matches_package(&self, package: &str) -> Option<bool> {
        self.expression.evaluate(&Known {
            package,
            target: None,
            name: None,
        })
    }

    /// What names it asks for.
    pub fn comparisons(&self) -> Vec<Comparison<'_>> {
        Comparison::all_in(&self.expression)
    }

    #[cfg(test)]
    pub(super) fn expression(&self) -> &Expression {
        &self.expression
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Ok(Self {
            text: text.to_owned(),
            expression: parse(text)?,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
