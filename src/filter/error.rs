//! What can be wrong with a pattern, and how it is shown.

use super::names::{COMPOUND, MATCHERS, SIMPLE};
use std::fmt;
use unicode_width::UnicodeWidthChar;

/// Why a text is not a pattern.
///
/// Displays as the message, then the offending line of the pattern, then a caret
/// under the offending column; without a line break at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    offset: usize,
    mistake: Mistake,
}

impl PatternError {
    pub(super) fn new(pattern: &str, offset: usize, mistake: Mistake) -> Self {
        Self {
            pattern: pattern.to_owned(),
            offset,
            mistake,
        }
    }

    /// What is wrong, on one line, without the pattern.
    pub fn message(&self) -> String {
        self.mistake.to_string()
    }

    /// Where in the text it is wrong, in bytes. The length of the text or less,
    /// and always between two characters.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl std::error::Error for PatternError {}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mistake)?;
        if self.mistake == Mistake::Empty {
            return Ok(());
        }
        let (before, after) = self.pattern.split_at(self.offset);
        let before = before.rsplit('\n').next().unwrap_or_default();
        let after = after.split('\n').next().unwrap_or_default();
        f.write_str("\n  ")?;
        for character in before.chars().chain(after.trim_end().chars()) {
            write!(f, "{}", visible(character))?;
        }
        f.write_str("\n  ")?;
        for character in before.chars() {
            match character {
                // As wide as the tab above it, whatever that is.
                '\t' => f.write_str("\t")?,
                _ => write!(f, "{:1$}", "", visible(character).width().unwrap_or(0))?,
            }
        }
        f.write_str("^")
    }
}

/// The character, or what is shown in place of one that would move the cursor.
fn visible(character: char) -> char {
    if character.is_control() && character != '\t' {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

/// What is wrong. Selectors and matchers given as `&'static str` are full words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    #[error("the pattern is empty (write `all` to select every test)")]
    Empty,

    #[error("expected a selector, found {0}")]
    NoSelector(Found),

    #[error(
        "expected an operator, such as `&&`, `||` or `-`, found {0}{hint}",
        hint = not_hint(.0)
    )]
    NoOperator(Found),

    #[error("this `(` is never closed")]
    UnclosedParenthesis,

    #[error("there is no `(` that this `)` could close")]
    UnopenedParenthesis,

    #[error("the pattern nests parentheses more than {0} deep")]
    TooDeep(usize),

    #[error(
        "unknown selector `{0}` (write {simple}; or {compound} with a matcher, \
         as in `name.contains({0})`)",
        simple = Choice(&SIMPLE.words()),
        compound = Choice(&COMPOUND.words())
    )]
    UnknownSimple(String),

    #[error(
        "unknown selector `{0}` (before a `.` write {words})",
        words = Choice(&COMPOUND.words())
    )]
    UnknownCompound(String),

    #[error("ambiguous selector `{written}` (it could be {words})", words = Choice(candidates))]
    AmbiguousSelector {
        written: String,
        candidates: Vec<&'static str>,
    },

    #[error("`{0}` needs a matcher, as in `{0}.contains(…)`")]
    NeedsMatcher(&'static str),

    #[error("`{0}` takes no matcher (only {words} do)", words = Choice(&COMPOUND.words()))]
    TakesNoMatcher(&'static str),

    #[error("`{selector}` takes no argument{hint}", hint = argument_hint(selector, argument))]
    TakesNoArgument {
        selector: &'static str,
        argument: String,
    },

    #[error("expected a matcher, found {0} (write {words})", words = Choice(&MATCHERS.words()))]
    NoMatcher(Found),

    #[error("unknown matcher `{0}` (write {words})", words = Choice(&MATCHERS.words()))]
    UnknownMatcher(String),

    #[error("ambiguous matcher `{written}` (it could be {words})", words = Choice(candidates))]
    AmbiguousMatcher {
        written: String,
        candidates: Vec<&'static str>,
    },

    #[error("`{matcher}` needs an argument, as in `{matcher}(…)`, found {found}")]
    NoArgument { matcher: &'static str, found: Found },

    #[error(
        "the argument is never closed: no `{close}` is left for this `{open}`{hint}",
        hint = delimiter_hint(*.open)
    )]
    UnclosedArgument { open: char, close: char },

    #[error("bad regular expression: {0}")]
    Regex(String),

    #[error("bad glob: {0}")]
    Glob(&'static str),
}

/// What stands where something else was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    End,
    /// An operator, a word or a single character.
    Text(String),
}

impl fmt::Display for Found {
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

/// For those who leave out the `and`.
fn not_hint(found: &Found) -> String {
    match found {
        Found::Text(text) if super::names::NOT.contains(&text.as_str()) => {
            format!(" (write `and {text}`)")
        }
        _ => String::new(),
    }
}

/// For those who come from a language where selectors take arguments directly.
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
        " (within an argument they must balance; if they do not, use other delimiters, \
          such as `/…/`)"
    }
}

/// Words to choose from, in prose.
struct Choice<'a>(&'a [&'static str]);

impl fmt::Display for Choice<'_> {
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
