//! The pattern language: which test cases a pattern selects.
//!
//! A [`Pattern`] is parsed once, with its regular expressions and globs compiled,
//! and then asked about test cases, test binaries or whole packages. The last two
//! are answered as far as they can be ([`Pattern::matches_binary`],
//! [`Pattern::matches_package`]), so that nothing is built or listed in vain.
//!
//! [`Pattern::comparisons`] tells what a pattern asks for, to explain one that selects nothing.
//!
//! `parse` reads the text, `names` knows the words and their abbreviations,
//! `expression` is what a pattern means, `matcher` and `glob` look at one string,
//! and `error` says what is wrong with a pattern and where.
//!
//! Knows nothing of the other rooms.

mod comparison;
mod error;
mod expression;
mod glob;
mod matcher;
mod names;
mod parse;
mod pattern;
mod target;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use comparison::Comparison;
pub use error::PatternError;
pub use pattern::{Pattern, Subject};
pub use target::TargetKind;
