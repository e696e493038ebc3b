//! Filtersets: the language of cargo-nextest for sets of tests, see
//! <https://nexte.st/docs/filtersets/reference/>.
//!
//! A filterset is read as cargo-nextest reads it (`parse`), and translated into a pattern
//! (`translate`) that selects the same tests. [`FiltersetTerms`] has what the predicates
//! `default()` and `group()` mean in a workspace, and the names that predicates may refer to.

mod error;
mod parse;
mod translate;

#[cfg(test)]
mod tests;

pub(super) use error::FiltersetProblem;
pub use translate::{FiltersetTerms, GroupRule, WorkspaceNames};

use super::{Pattern, PatternError};
use parse::FiltersetExpression;

/// A filterset without syntax errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filterset {
    text: String,
    expression: FiltersetExpression,
}

impl Filterset {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Ok(Self {
            text: text.to_owned(),
            expression: parse::parse(text)?,
        })
    }

    /// The text of a pattern that selects the same tests.
    pub fn pattern_text(&self, terms: &FiltersetTerms<'_>) -> Result<String, PatternError> {
        let text = translate::translate(&self.expression, terms)
            .map_err(|(offset, problem)| PatternError::new(&self.text, offset, problem))?;
        self.checked(&text).map(|_| text)
    }

    /// A pattern that selects the same tests. Its display is the filterset.
    pub fn pattern(&self, terms: &FiltersetTerms<'_>) -> Result<Pattern, PatternError> {
        let pattern = self.checked(&self.pattern_text(terms)?)?;
        Ok(pattern.translated_from(&self.text))
    }

    fn checked(&self, text: &str) -> Result<Pattern, PatternError> {
        text.parse().map_err(|error: PatternError| {
            let problem = FiltersetProblem::Untranslatable(error.message());
            PatternError::new(&self.text, 0, problem)
        })
    }
}
