//! Matchers: conditions on one string.

use super::error::PatternProblem;
use super::glob;
use regex::Regex;

/// A matcher without its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatcherKind {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Globs,
}

impl MatcherKind {
    /// The word of the pattern language.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Matches => "matches",
            Self::Globs => "globs",
        }
    }
}

/// A matcher with its argument.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    Equals(String),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    /// The regular expression matches a part of the string.
    Matches(Regex),
    Globs(glob::Glob),
}

/// An error in an argument, and its position in bytes.
#[derive(Debug)]
pub(super) struct BadArgument {
    pub offset: usize,
    pub problem: PatternProblem,
}

impl Matcher {
    pub fn new(kind: MatcherKind, argument: &str) -> Result<Self, BadArgument> {
        Ok(match kind {
            MatcherKind::Equals => Self::Equals(argument.to_owned()),
            MatcherKind::Contains => Self::Contains(argument.to_owned()),
            MatcherKind::StartsWith => Self::StartsWith(argument.to_owned()),
            MatcherKind::EndsWith => Self::EndsWith(argument.to_owned()),
            MatcherKind::Matches => {
                Self::Matches(Regex::new(argument).map_err(|error| explain(argument, &error))?)
            }
            MatcherKind::Globs => Self::Globs(glob::Glob::new(argument)?),
        })
    }

    /// The parts of the matcher, as they are written.
    pub fn parts(&self) -> (MatcherKind, &str) {
        match self {
            Self::Equals(argument) => (MatcherKind::Equals, argument),
            Self::Contains(argument) => (MatcherKind::Contains, argument),
            Self::StartsWith(argument) => (MatcherKind::StartsWith, argument),
            Self::EndsWith(argument) => (MatcherKind::EndsWith, argument),
            Self::Matches(regex) => (MatcherKind::Matches, regex.as_str()),
            Self::Globs(glob) => (MatcherKind::Globs, &glob.text),
        }
    }

    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals(argument) => text == argument,
            Self::Contains(argument) => text.contains(argument.as_str()),
            Self::StartsWith(argument) => text.starts_with(argument.as_str()),
            Self::EndsWith(argument) => text.ends_with(argument.as_str()),
            Self::Matches(regex) => regex.is_match(text),
            Self::Globs(glob) => glob.matches(text),
        }
    }
}

/// `regex` reports errors without their position; its parser `regex_syntax` has it.
fn explain(argument: &str, error: &regex::Error) -> BadArgument {
    let (offset, message) = match regex_syntax::parse(argument) {
        Err(regex_syntax::Error::Parse(error)) => {
            (error.span().start.offset, error.kind().to_string())
        }
        Err(regex_syntax::Error::Translate(error)) => {
            (error.span().start.offset, error.kind().to_string())
        }
        _ => (0, error.to_string().trim_end_matches('.').to_lowercase()),
    };
    BadArgument {
        offset,
        problem: PatternProblem::Regex(message),
    }
}
