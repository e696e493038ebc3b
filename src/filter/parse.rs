//! From text to expression, by recursive descent.
//!
//! ```text
//! disjunction = conjunction { ( "||" | "|" | "or" ) conjunction }
//! conjunction = negation { ( "&&" | "&" | "and" | "\" | "-" | "minus" ) negation }
//! negation    = { "!" | "~" | "not" } operand
//! operand     = "(" disjunction ")" | compound "." matcher argument | simple [ "(" ")" ]
//! argument    = "(" … ")" | "[" … "]" | "{" … "}" | "<" … ">" | "/" … "/"
//! ```
//!
//! A word is a run of letters, digits and `_`, as long as possible. So `notall` is
//! one word and an unknown selector, while `not(all)` and `all-library` are what
//! they look like: `-` is never part of a word. `and`, `or`, `minus` and `not` are
//! reserved; they have no abbreviations and abbreviate nothing. White space may
//! stand between any two of the above, and means something in an argument only.

use super::error::{Found, Mistake, PatternError};
use super::expression::{Expression, Selector};
use super::matcher::Matcher;
use super::names::{
    AND, COMPOUND, Compound, MATCHERS, MINUS, Miss, NOT, OR, SIMPLE, Simple, is_operator,
};

/// How deep parentheses may nest. Bounds the depth of every recursion over a
/// pattern; no pattern written by hand comes near.
pub(super) const NESTING_LIMIT: usize = 100;

type Parsed<T> = Result<T, PatternError>;

pub(super) fn parse(text: &str) -> Parsed<Expression> {
    // Without the white space at the end, so that what is missing there is
    // reported right after what is there.
    let mut parser = Parser {
        text: text.trim_end(),
        position: 0,
        depth: 0,
    };
    if parser.text.is_empty() {
        return Err(PatternError::new(text, 0, Mistake::Empty));
    }
    let expression = parser.disjunction()?;
    match parser.peek() {
        None => Ok(expression),
        Some(')') => Err(parser.error_here(Mistake::UnopenedParenthesis)),
        Some(_) => Err(parser.unexpected(Mistake::NoOperator)),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes. The functions below take what they read and the white space
    /// before it, and leave the white space after it.
    position: usize,
    /// How many parentheses are open.
    depth: usize,
}

/// An argument between its delimiters.
struct Argument<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Parser<'a> {
    fn disjunction(&mut self) -> Parsed<Expression> {
        let mut parts = vec![self.conjunction()?];
        while self.take_operator(OR).is_some() {
            parts.push(self.conjunction()?);
        }
        Ok(joined(parts, Expression::Any))
    }

    fn conjunction(&mut self) -> Parsed<Expression> {
        let mut parts = vec![self.negation()?];
        loop {
            if self.take_operator(AND).is_some() {
                parts.push(self.negation()?);
            } else if self.take_operator(MINUS).is_some() {
                parts.push(Expression::Not(Box::new(self.negation()?)));
            } else {
                return Ok(joined(parts, Expression::All));
            }
        }
    }

    fn negation(&mut self) -> Parsed<Expression> {
        let mut negated = false;
        while self.take_operator(NOT).is_some() {
            negated = !negated;
        }
        let operand = self.operand()?;
        Ok(if negated {
            Expression::Not(Box::new(operand))
        } else {
            operand
        })
    }

    fn operand(&mut self) -> Parsed<Expression> {
        if self.peek() == Some('(') {
            return self.group();
        }
        let start = self.position;
        match self.peek_word() {
            Some(word) if !is_operator(word) => {
                self.position += word.len();
                Ok(Expression::Selector(self.selector(word, start)?))
            }
            _ => Err(self.unexpected(Mistake::NoSelector)),
        }
    }

    /// `( … )`, from its `(` on.
    fn group(&mut self) -> Parsed<Expression> {
        let open = self.position;
        if self.depth == NESTING_LIMIT {
            return Err(self.error_here(Mistake::TooDeep(NESTING_LIMIT)));
        }
        self.position += 1;
        self.depth += 1;
        let inner = self.disjunction()?;
        self.depth -= 1;
        match self.peek() {
            Some(')') => {
                self.position += 1;
                Ok(inner)
            }
            Some(_) => Err(self.unexpected(Mistake::NoOperator)),
            None => Err(self.error_at(open, Mistake::UnclosedParenthesis)),
        }
    }

    /// What follows the first word of a selector.
    fn selector(&mut self, word: &str, start: usize) -> Parsed<Selector> {
        if self.peek() == Some('.') {
            let compound = self.compound(word, start)?;
            self.position += 1;
            let matcher = self.matcher()?;
            return Ok(match compound {
                Compound::Name => Selector::Name(matcher),
                Compound::Package => Selector::Package(matcher),
                Compound::Target(group) => Selector::TargetName(group, matcher),
            });
        }
        let (full, simple) = self.simple(word, start)?;
        self.empty_parentheses(full)?;
        Ok(match simple {
            Simple::Constant(value) => Selector::Constant(value),
            Simple::Target(group) => Selector::Target(group),
        })
    }

    fn compound(&self, word: &str, start: usize) -> Parsed<Compound> {
        let mistake = match COMPOUND.find(word) {
            Ok((_, compound)) => return Ok(compound),
            Err(Miss::Ambiguous(candidates)) => Mistake::AmbiguousSelector {
                written: word.to_owned(),
                candidates,
            },
            Err(Miss::Unknown) => match SIMPLE.find(word) {
                Ok((simple, _)) => Mistake::TakesNoMatcher(simple),
                Err(_) => Mistake::UnknownCompound(word.to_owned()),
            },
        };
        Err(self.error_at(start, mistake))
    }

    fn simple(&self, word: &str, start: usize) -> Parsed<(&'static str, Simple)> {
        let mistake = match SIMPLE.find(word) {
            Ok(found) => return Ok(found),
            Err(Miss::Ambiguous(candidates)) => Mistake::AmbiguousSelector {
                written: word.to_owned(),
                candidates,
            },
            Err(Miss::Unknown) => match COMPOUND.find(word) {
                Ok((compound, _)) => Mistake::NeedsMatcher(compound),
                Err(_) => Mistake::UnknownSimple(word.to_owned()),
            },
        };
        Err(self.error_at(start, mistake))
    }

    /// The `()` that may follow a simple selector.
    fn empty_parentheses(&mut self, selector: &'static str) -> Parsed<()> {
        if self.peek() != Some('(') {
            return Ok(());
        }
        let open = self.position;
        let argument = self.argument('(', ')')?.text.trim().to_owned();
        if argument.is_empty() {
            return Ok(());
        }
        Err(self.error_at(open, Mistake::TakesNoArgument { selector, argument }))
    }

    /// A matcher and its argument, after the `.`.
    fn matcher(&mut self) -> Parsed<Matcher> {
        let Some(word) = self.peek_word() else {
            return Err(self.unexpected(Mistake::NoMatcher));
        };
        let (full, kind) = MATCHERS.find(word).map_err(|miss| {
            self.error_here(match miss {
                Miss::Unknown => Mistake::UnknownMatcher(word.to_owned()),
                Miss::Ambiguous(candidates) => Mistake::AmbiguousMatcher {
                    written: word.to_owned(),
                    candidates,
                },
            })
        })?;
        self.position += word.len();
        let argument = match self.peek() {
            Some('(') => self.argument('(', ')'),
            Some('[') => self.argument('[', ']'),
            Some('{') => self.argument('{', '}'),
            Some('<') => self.argument('<', '>'),
            Some('/') => self.argument('/', '/'),
            _ => Err(self.unexpected(|found| Mistake::NoArgument {
                matcher: full,
                found,
            })),
        }?;
        Matcher::new(kind, argument.text)
            .map_err(|bad| self.error_at(argument.offset + bad.offset, bad.mistake))
    }

    /// From the `open` at the current position to the `close` that balances it.
    fn argument(&mut self, open: char, close: char) -> Parsed<Argument<'a>> {
        let offset = self.position + open.len_utf8();
        let mut depth = 0_usize;
        for (length, character) in self.text[offset..].char_indices() {
            if character == close {
                if depth == 0 {
                    self.position = offset + length + close.len_utf8();
                    let text = &self.text[offset..offset + length];
                    return Ok(Argument { text, offset });
                }
                depth -= 1;
            } else if character == open {
                depth += 1;
            }
        }
        Err(self.error_here(Mistake::UnclosedArgument { open, close }))
    }

    /// Takes an operator with one of these spellings, and gives the spelling.
    fn take_operator(&mut self, spellings: &[&'static str]) -> Option<&'static str> {
        let spelling = self.peek_operator(spellings)?;
        self.position += spelling.len();
        Some(spelling)
    }

    fn peek_operator(&mut self, spellings: &[&'static str]) -> Option<&'static str> {
        match self.peek_word() {
            Some(word) => spellings.iter().find(|spelling| **spelling == word),
            None => spellings
                .iter()
                .find(|spelling| self.rest().starts_with(**spelling)),
        }
        .copied()
    }

    /// Skips white space and looks at the next character.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    /// Skips white space and looks at the word there, if one is there.
    fn peek_word(&mut self) -> Option<&'a str> {
        self.peek()?;
        let rest = self.rest();
        let end = rest
            .find(|character: char| !character.is_alphanumeric() && character != '_')
            .unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    /// An error that says what is at the current position.
    fn unexpected(&mut self, mistake: impl FnOnce(Found) -> Mistake) -> PatternError {
        let found = match self.peek() {
            None => Found::End,
            Some(character) => Found::Text(
                self.peek_word()
                    .or_else(|| self.peek_operator(&[OR, AND, MINUS, NOT].concat()))
                    .map_or_else(|| character.to_string(), str::to_owned),
            ),
        };
        self.error_here(mistake(found))
    }

    fn error_here(&self, mistake: Mistake) -> PatternError {
        self.error_at(self.position, mistake)
    }

    fn error_at(&self, offset: usize, mistake: Mistake) -> PatternError {
        PatternError::new(self.text, offset, mistake)
    }
}

/// A chain of one link is the link.
fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
