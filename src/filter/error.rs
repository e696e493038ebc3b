//! Errors in a pattern or a filterset, and their display.

use super::filterset::FiltersetProblem;
use super::names::{COMPOUND, MATCHERS, RELATIONS, SIMPLE};
use std::fmt;
use unicode_width::UnicodeWidthChar;

/// An error in the text of a pattern or a filterset.
///
/// Its display is the message, the line of the text with the error, and a caret below the column of
/// the error, without a line break at the end. An empty text is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    text: String,
    offset: usize,
    problem: PatternProblem,
}

impl PatternError {
    pub(super) fn new(text: &str, offset: usize, problem: impl Into<PatternProblem>) -> Self {
        Self {
            text: text.to_owned(),
            offset,
            problem: problem.into(),
        }
    }

    /// The message on one line, without the text.
    pub fn message(&self) -> String {
        self.problem.to_string()
    }

    /// The position of the error in the text, in bytes: at most the length of the text, and always
    /// a character boundary.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl std::error::Error for PatternError {}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        if self.text.trim().is_empty() {
            return Ok(());
        }
        write_position(f, &self.text, self.offset)
    }
}

/// Writes the line of a text with a position, and a caret below it.
fn write_position(f: &mut fmt::Formatter<'_>, text: &str, offset: usize) -> fmt::Result {
    let (before, after) = text.split_at(offset);
    let before = before.rsplit('\n').next().unwrap_or_default();
    let after = after.split('\n').next().unwrap_or_default();
    f.write_str("\n  ")?;
    for character in before.chars().chain(after.trim_end().chars()) {
        write!(f, "{}", visible(character))?;
    }
    f.write_str("\n  ")?;
    for character in before.chars() {
        match character {
            // A tab is as wide as the tab above it.
            '\t' => f.write_str("\t")?,
            _ => write!(f, "{:1$}", "", visible(character).width().unwrap_or(0))?,
        }
    }
    f.write_str("^")
}

/// The character, or a replacement for a control character, which could move the cursor.
fn visible(character: char) -> char {
    if character.is_control() && character != '\t' {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

/// The kinds of errors. Selectors and matchers of type `&'static str` are full words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternProblem {
    #[error("the pattern is empty (write `all` to select every test)")]
    Empty,

    #[error("expected a selector, found {0}")]
    NoSelector(FoundToken),

    #[error(
        "expected an operator, such as `&&`, `||` or `-`, found {0}{hint}",
        hint = not_hint(.0)
    )]
    NoOperator(FoundToken),

    #[error("this `(` is never closed")]
    UnclosedParenthesis,

    #[error("this `)` closes no `(`")]
    UnopenedParenthesis,

    #[error("the pattern nests parentheses more than {0} deep")]
    TooDeep(usize),

    #[error(
        "unknown selector `{0}` (write {simple}; or {compound} with a matcher, \
         as in `name.contains({0})`)",
        simple = WordList(&SIMPLE.words()),
        compound = WordList(&COMPOUND.words())
    )]
    UnknownSimple(String),

    #[error(
        "unknown selector `{0}` (before a `.` write {words})",
        words = WordList(&COMPOUND.words())
    )]
    UnknownCompound(String),

    #[error("ambiguous selector `{written}` (it could be {words})", words = WordList(candidates))]
    AmbiguousSelector {
        written: String,
        candidates: Vec<&'static str>,
    },

    #[error("`{0}` needs a matcher, as in `{0}.contains(…)`")]
    NeedsMatcher(&'static str),

    #[error("`{0}` takes no matcher (only {words} do)", words = WordList(&COMPOUND.words()))]
    TakesNoMatcher(&'static str),

    #[error("`{selector}` takes no argument{hint}", hint = argument_hint(selector, argument))]
    TakesNoArgument {
        selector: &'static str,
        argument: String,
    },

    #[error("expected a matcher, found {0} (write {words})", words = WordList(&MATCHERS.words()))]
    NoMatcher(FoundToken),

    #[error("unknown matcher `{0}` (write {words})", words = WordList(&MATCHERS.words()))]
    UnknownMatcher(String),

    #[error(
        "unknown matcher `{0}` (write {words})",
        words = WordList(&[MATCHERS.words(), RELATIONS.words()].concat())
    )]
    UnknownPackageMatcher(String),

    #[error("ambiguous matcher `{written}` (it could be {words})", words = WordList(candidates))]
    AmbiguousMatcher {
        written: String,
        candidates: Vec<&'static str>,
    },

    #[error("`{matcher}` needs an argument, as in `{matcher}(…)`, found {found}")]
    NoArgument {
        matcher: &'static str,
        found: FoundToken,
    },

    #[error(
        "the argument is never closed: this `{open}` has no `{close}`{hint}",
        hint = delimiter_hint(*.open)
    )]
    UnclosedArgument { open: char, close: char },

    #[error("bad regular expression: {0}")]
    Regex(String),

    #[error("bad glob: {0}")]
    Glob(&'static str),

    #[error(transparent)]
    Filterset(#[from] FiltersetProblem),
}

/// The token at the position of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FoundToken {
    End,
    /// An operator, a word or a single character.
    Text(String),
}

impl fmt::Display for FoundToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end of the pattern"),
            Self::Text(text) => {
                f.write_str("`")?;
                text.chars()
                    .try_for_each(|character| write!(f, "{}", visible(character)))?;
                f.write_str("`")
            }
        }
    }
}

/// A hint for a `not` without an `and` before it.
fn not_hint(found: &FoundToken) -> String {
    match found {
        FoundToken::Text(text) if super::names::NOT.contains(&text.as_str()) => {
            format!(" (write `and {text}`)")
        }
        _ => String::new(),
    }
}

/// A hint for a selector with an argument, as other languages of patterns have them.
fn argument_hint(selector: &str, argument: &str) -> String {
    let by_target =
        || format!("to select by the target's name write `{selector}.equals({argument})`");
    let by_name = || format!("by the name of the test case `name.contains({argument})`");
    match COMPOUND.find(selector) {
        Err(_) => String::new(),
        Ok(("test", _)) => format!(" ({}, {})", by_target(), by_name()),
        Ok(_) => format!(" ({})", by_target()),
    }
}

fn delimiter_hint(open: char) -> &'static str {
    if open == '/' {
        ""
    } else {
        " (delimiters within an argument must balance; if they do not, use `/…/`)"
    }
}

/// Alternatives, in prose.
struct WordList<'a>(&'a [&'static str]);

impl fmt::Display for WordList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}`{word}`")?;
        }
        Ok(())
    }
}
