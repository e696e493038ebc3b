//! The pattern language: which test cases a pattern selects.
//!
//! A [`Pattern`] is parsed once, with its regular expressions and globs compiled. It then decides
//! about test cases, and as far as possible about whole test binaries
//! ([`Pattern::matches_binary`]) and packages ([`Pattern::matches_package`]), so that those without
//! selected test cases are neither built nor listed.
//!
//! [`Pattern::comparisons`] returns what a pattern compares, to explain one that selects nothing.
//!
//! Patterns that ask which packages depend on which are told so with [`Pattern::relate`]
//! (`dependencies`).
//!
//! [`Filterset`] is an expression of cargo-nextest's language, which is translated into a pattern.
//! [`comparison_text()`] writes a part of a pattern. [`complete_pattern`] says what may come next in one.
//!
//! `parse` reads the text, `names` has the words and their abbreviations, `expression` is a parsed
//! pattern, `matcher` and `glob` look at one string, and `error` has the errors.
//!
//! Uses no other room.

mod comparison;
mod comparison_text;
mod completion;
mod dependencies;
mod error;
mod expression;
mod filterset;
mod glob;
mod matcher;
mod names;
mod parse;
mod pattern;
mod target;
mod test_name;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use comparison::Comparison;
pub use comparison_text::comparison_text;
pub use completion::{CompletedName, ExpectedInPattern, PatternCompletion, complete_pattern};
pub use dependencies::PackageDependencies;
pub use error::PatternError;
pub use filterset::{Filterset, FiltersetTerms, GroupRule, WorkspaceNames};
pub use matcher::MatcherKind;
pub use pattern::Pattern;
pub use target::TargetKind;
pub use test_name::{TestBinaryName, TestCaseName};
