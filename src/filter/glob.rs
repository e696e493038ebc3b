//! Globs over names.
//!
//! Names are not paths: no character is a separator, `*` matches `::` and `/` too, and `?` is one
//! character, not one byte. A glob is translated to a regular expression here, because libraries
//! for globs give errors no position.
//!
//! - `*`: any number of characters, `?`: any one character
//! - `[abc]`, `[a-z]`: one of these characters; `[!abc]`, `[^abc]`: one other character
//! - `{one,two}`: one of these globs
//! - `\`: the next character, literally

use super::error::PatternProblem;
use super::matcher::BadArgument;
use regex::Regex;
use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

/// A compiled glob. It matches a name as a whole.
#[derive(Clone)]
pub(super) struct Glob {
    pub text: String,
    regex: Regex,
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Glob").field(&self.text).finish()
    }
}

impl Glob {
    pub fn new(text: &str) -> Result<Self, BadArgument> {
        let mut translation = Translation {
            characters: text.char_indices().peekable(),
            open_braces: Vec::new(),
            regex: String::from(r"(?s)\A(?:"),
        };
        translation.run()?;
        translation.regex.push_str(r")\z");
        // The translation is well-formed, so only its size can be an error.
        let regex = Regex::new(&translation.regex)
            .map_err(|_| bad_argument(0, "it is too long or its braces are nested too deeply"))?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// The regular expression that means the same.
    pub fn expression(&self) -> &str {
        self.regex.as_str()
    }

    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

struct Translation<'a> {
    characters: Peekable<CharIndices<'a>>,
    /// The offsets of the `{` that are still open.
    open_braces: Vec<usize>,
    regex: String,
}

impl Translation<'_> {
    fn run(&mut self) -> Result<(), BadArgument> {
        while let Some((offset, character)) = self.characters.next() {
            match character {
                '*' => self.regex.push_str(".*"),
                '?' => self.regex.push('.'),
                '[' => self.class(offset)?,
                '{' => {
                    self.open_braces.push(offset);
                    self.regex.push_str("(?:");
                }
                ',' if !self.open_braces.is_empty() => self.regex.push('|'),
                '}' => {
                    self.open_braces.pop().ok_or_else(|| {
                        bad_argument(offset, r"no `{` before this `}` (write `\}`)")
                    })?;
                    self.regex.push(')');
                }
                '\\' => {
                    let escaped = self.escaped(offset)?;
                    self.literal(escaped);
                }
                _ => self.literal(character),
            }
        }
        match self.open_braces.pop() {
            Some(offset) => Err(bad_argument(
                offset,
                r"this `{` is never closed (write `\{`)",
            )),
            None => Ok(()),
        }
    }

    /// Translates `[…]`, after the bracket at `start`.
    fn class(&mut self, start: usize) -> Result<(), BadArgument> {
        let unclosed = || bad_argument(start, r"this `[` is never closed (write `\[`)");
        self.regex.push('[');
        if self
            .characters
            .next_if(|&(_, character)| character == '!' || character == '^')
            .is_some()
        {
            self.regex.push('^');
        }
        let mut is_first = true;
        loop {
            let (offset, character) = self.characters.next().ok_or_else(unclosed)?;
            if character == ']' && !is_first {
                self.regex.push(']');
                return Ok(());
            }
            is_first = false;
            let from = self.class_member(offset, character)?;
            self.literal(from);
            if !self.range_follows() {
                continue;
            }
            self.characters.next();
            let (end_offset, character) = self.characters.next().ok_or_else(unclosed)?;
            let to = self.class_member(end_offset, character)?;
            if to < from {
                return Err(bad_argument(offset, "the range ends before it starts"));
            }
            self.regex.push('-');
            self.literal(to);
        }
    }

    fn class_member(&mut self, offset: usize, character: char) -> Result<char, BadArgument> {
        if character == '\\' {
            self.escaped(offset)
        } else {
            Ok(character)
        }
    }

    /// Whether the next character is a `-`, and not the last one of its class.
    fn range_follows(&self) -> bool {
        let mut ahead = self.characters.clone().map(|(_, character)| character);
        ahead.next() == Some('-') && ahead.next() != Some(']')
    }

    /// The character after the backslash at `offset`.
    fn escaped(&mut self, offset: usize) -> Result<char, BadArgument> {
        match self.characters.next() {
            Some((_, character)) => Ok(character),
            None => Err(bad_argument(
                offset,
                r"nothing follows this `\` (write `\\`)",
            )),
        }
    }

    fn literal(&mut self, character: char) {
        let mut buffer = [0; 4];
        let escaped = regex::escape(character.encode_utf8(&mut buffer));
        self.regex.push_str(&escaped);
    }
}

fn bad_argument(offset: usize, message: &'static str) -> BadArgument {
    BadArgument {
        offset,
        problem: PatternProblem::Glob(message),
    }
}
