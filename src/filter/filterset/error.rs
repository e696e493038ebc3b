//! Errors in a filterset, and their display.

use crate::filter::error::write_position;
use std::fmt;

/// An error in the text of a filterset, displayed as an error in a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiltersetError {
    filterset: String,
    offset: usize,
    problem: FiltersetProblem,
}

impl FiltersetError {
    pub(super) fn new(filterset: &str, offset: usize, problem: FiltersetProblem) -> Self {
        Self {
            filterset: filterset.to_owned(),
            offset,
            problem,
        }
    }

    /// The message on one line, without the filterset.
    pub fn message(&self) -> String {
        self.problem.to_string()
    }

    /// The position of the error in the text, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl std::error::Error for FiltersetError {}

impl fmt::Display for FiltersetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        if self.filterset.trim().is_empty() {
            return Ok(());
        }
        write_position(f, &self.filterset, self.offset)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FiltersetProblem {
    #[error("the filterset is empty (write `all()` to select every test)")]
    Empty,
    #[error("expected a predicate such as `test(…)` or `package(…)`, found {0}")]
    NoPredicate(String),
    #[error(
        "unknown predicate `{0}` (write `test`, `package`, `deps`, `rdeps`, `kind`, `binary`, \
         `binary_id`, `platform`, `group`, `default`, `all` or `none`)"
    )]
    UnknownPredicate(String),
    #[error("expected `(` after `{0}`")]
    NoParenthesis(String),
    #[error("expected an operator (`and`, `or`, `&`, `|`, `+` or `-`), found {0}")]
    NoOperator(String),
    #[error("`{written}` is no operator of filtersets (write `{instead}`)")]
    WrongOperator {
        written: &'static str,
        instead: &'static str,
    },
    #[error("this `(` is never closed")]
    Unclosed,
    #[error("this `)` closes no `(`")]
    Unopened,
    #[error("the filterset nests parentheses more than {0} deep")]
    TooDeep(usize),
    #[error("`{0}` takes no argument")]
    TakesNoArgument(String),
    #[error("the argument is empty")]
    EmptyArgument,
    #[error(r"a predicate takes one argument (write `\,` for a comma in it)")]
    Comma,
    #[error(
        r"unknown escape sequence (write `\\`, `\/`, `\)`, `\,`, `\n`, `\r`, `\t` or `\u{{…}}`)"
    )]
    Escape,
    #[error("the regular expression has no `/` at its end")]
    UnclosedRegex,
    #[error("bad regular expression: {0}")]
    Regex(String),
    #[error("bad glob: {0}")]
    Glob(String),
    #[error("unknown platform `{0}` (write `host` or `target`)")]
    Platform(String),
    #[error("no {0} of the workspace matches")]
    NoMatch(&'static str),
    #[error("no test group matches (`[groups.NAME]` in `maelstrom-test.toml` defines one)")]
    NoGroup,
    #[error("the pattern with the same meaning cannot be read: {0}")]
    Untranslatable(String),
}
