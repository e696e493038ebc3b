//! The public interface of patterns.

use super::comparison::Comparison;
use super::dependencies::PackageDependencies;
use super::error::PatternError;
use super::expression::{Expression, KnownParts, SelectorTerm};
use super::parse::parse;
use super::target::TargetKind;
use super::test_name::TestCaseName;
use std::fmt;
use std::str::FromStr;

/// A parsed pattern. Its display is the text that it was parsed from, or translated from.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    expression: Expression,
}

impl Pattern {
    /// Whether the pattern asks which packages depend on which. Then it matches as it should only
    /// after [`Self::relate`].
    pub fn needs_dependencies(&self) -> bool {
        self.expression
            .has_selector(|selector| matches!(selector, SelectorTerm::Related(_)))
    }

    /// Tells the pattern which packages depend on which.
    pub fn relate(&mut self, dependencies: &PackageDependencies) {
        self.expression.each_selector(&mut |selector| {
            if let SelectorTerm::Related(related) = selector {
                related.find(dependencies);
            }
        });
    }

    /// Whether the pattern selects this test case.
    pub fn matches(&self, case: &TestCaseName<'_>) -> bool {
        let known = KnownParts {
            package: case.package,
            target: Some((case.kind, case.target)),
            name: Some(case.name),
        };
        self.expression.evaluate(&known) == Some(true)
    }

    /// Whether the pattern selects all (`Some(true)`) or none (`Some(false)`) of the test cases of
    /// this binary. `None`: it depends on their names.
    pub fn matches_binary(&self, package: &str, kind: TargetKind, target: &str) -> Option<bool> {
        self.expression.evaluate(&KnownParts {
            package,
            target: Some((kind, target)),
            name: None,
        })
    }

    /// Whether the pattern selects all (`Some(true)`) or none (`Some(false)`) of the test cases of
    /// this package. `None`: it depends on their targets or names.
    pub fn matches_package(&self, package: &str) -> Option<bool> {
        self.expression.evaluate(&KnownParts {
            package,
            target: None,
            name: None,
        })
    }

    /// The comparisons with names in the pattern.
    pub fn comparisons(&self) -> Vec<Comparison<'_>> {
        Comparison::all_in(&self.expression)
    }

    /// The same pattern, translated from this text.
    pub(super) fn translated_from(self, text: &str) -> Self {
        let text = text.to_owned();
        Self { text, ..self }
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
