//! A parser by recursive descent, from text to an expression.
//!
//! ```text
//! disjunction = conjunction { ( "||" | "|" | "or" ) conjunction }
//! conjunction = negation { ( "&&" | "&" | "and" | "\" | "-" | "minus" ) negation }
//! negation    = { "!" | "~" | "not" } operand
//! operand     = "(" disjunction ")" | compound "." matcher argument | simple [ "(" ")" ]
//!             | "package" "." relation [ "." matcher ] argument
//! argument    = "(" … ")" | "[" … "]" | "{" … "}" | "<" … ">" | "/" … "/"
//! ```
//!
//! A word is the longest run of letters, digits and `_`. So `notall` is one word, and an unknown
//! selector; `-` is never part of a word, so `all-library` has an operator. `and`, `or`, `minus`
//! and `not` are reserved words without abbreviations. White space may be between any two of the
//! tokens above; it is significant only in an argument.

use super::dependencies::RelatedPackages;
use super::error::{FoundToken, PatternError, PatternProblem};
use super::expression::{Expression, SelectorTerm};
use super::matcher::{Matcher, MatcherKind};
use super::names::{
    AND, COMPOUND, CompoundSelector, MATCHERS, MINUS, NOT, OR, RELATIONS, SIMPLE, SimpleSelector,
    WordError, is_operator,
};

/// The deepest nesting of parentheses. It limits the depth of every recursion over a pattern.
pub(super) const NESTING_LIMIT: usize = 100;

type Parsed<T> = Result<T, PatternError>;

pub(super) fn parse(text: &str) -> Parsed<Expression> {
    // White space at the end is removed, so that a missing token is reported after the last one.
    let mut parser = Parser {
        text: text.trim_end(),
        position: 0,
        depth: 0,
    };
    if parser.text.is_empty() {
        return Err(PatternError::new(text, 0, PatternProblem::Empty));
    }
    let expression = parser.disjunction()?;
    match parser.peek() {
        None => Ok(expression),
        Some(')') => Err(parser.error_here(PatternProblem::UnopenedParenthesis)),
        Some(_) => Err(parser.unexpected(PatternProblem::NoOperator)),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes. The functions below consume their tokens and the white space before them, but not
    /// the white space after them.
    position: usize,
    /// The number of open parentheses.
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
            _ => Err(self.unexpected(PatternProblem::NoSelector)),
        }
    }

    /// `( … )`, at its `(`.
    fn group(&mut self) -> Parsed<Expression> {
        let open = self.position;
        if self.depth == NESTING_LIMIT {
            return Err(self.error_here(PatternProblem::TooDeep(NESTING_LIMIT)));
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
            Some(_) => Err(self.unexpected(PatternProblem::NoOperator)),
            None => Err(self.error_at(open, PatternProblem::UnclosedParenthesis)),
        }
    }

    /// A selector, after its first word.
    fn selector(&mut self, word: &str, start: usize) -> Parsed<SelectorTerm> {
        if self.peek() == Some('.') {
            let compound = self.compound(word, start)?;
            self.position += 1;
            if compound == CompoundSelector::Package
                && let Some(related) = self.related_packages()?
            {
                return Ok(SelectorTerm::Related(related));
            }
            let matcher = self.matcher(compound == CompoundSelector::Package)?;
            return Ok(match compound {
                CompoundSelector::Name => SelectorTerm::Name(matcher),
                CompoundSelector::Package => SelectorTerm::Package(matcher),
                CompoundSelector::Target(group) => SelectorTerm::TargetName(group, matcher),
                CompoundSelector::AnyTarget => SelectorTerm::AnyTargetName(matcher),
                CompoundSelector::Kind => SelectorTerm::Kind(matcher),
                CompoundSelector::BinaryId => SelectorTerm::BinaryId(matcher),
            });
        }
        let (full, simple) = self.simple(word, start)?;
        self.empty_parentheses(full)?;
        Ok(match simple {
            SimpleSelector::Constant(value) => SelectorTerm::Constant(value),
            SimpleSelector::Target(group) => SelectorTerm::Target(group),
        })
    }

    fn compound(&self, word: &str, start: usize) -> Parsed<CompoundSelector> {
        let problem = match COMPOUND.find(word) {
            Ok((_, compound)) => return Ok(compound),
            Err(WordError::Ambiguous(candidates)) => PatternProblem::AmbiguousSelector {
                written: word.to_owned(),
                candidates,
            },
            Err(WordError::Unknown) => match SIMPLE.find(word) {
                Ok((simple, _)) => PatternProblem::TakesNoMatcher(simple),
                Err(_) => PatternProblem::UnknownCompound(word.to_owned()),
            },
        };
        Err(self.error_at(start, problem))
    }

    fn simple(&self, word: &str, start: usize) -> Parsed<(&'static str, SimpleSelector)> {
        let problem = match SIMPLE.find(word) {
            Ok(found) => return Ok(found),
            Err(WordError::Ambiguous(candidates)) => PatternProblem::AmbiguousSelector {
                written: word.to_owned(),
                candidates,
            },
            Err(WordError::Unknown) => match COMPOUND.find(word) {
                Ok((compound, _)) => PatternProblem::NeedsMatcher(compound),
                Err(_) => PatternProblem::UnknownSimple(word.to_owned()),
            },
        };
        Err(self.error_at(start, problem))
    }

    /// The optional `()` after a simple selector.
    fn empty_parentheses(&mut self, selector: &'static str) -> Parsed<()> {
        if self.peek() != Some('(') {
            return Ok(());
        }
        let open = self.position;
        let argument = self.argument('(', ')')?.text.trim().to_owned();
        if argument.is_empty() {
            return Ok(());
        }
        Err(self.error_at(open, PatternProblem::TakesNoArgument { selector, argument }))
    }

    /// A relation of packages, after the `.`. `None`: there is no such word.
    fn related_packages(&mut self) -> Parsed<Option<RelatedPackages>> {
        let Some(word) = self.peek_word() else {
            return Ok(None);
        };
        let Ok((full, relation)) = RELATIONS.find(word) else {
            return Ok(None);
        };
        self.position += word.len();
        let matcher = if self.peek() == Some('.') {
            self.position += 1;
            self.matcher(false)?
        } else {
            self.matcher_argument(full, MatcherKind::Globs)?
        };
        Ok(Some(RelatedPackages::new(relation, matcher)))
    }

    /// A matcher and its argument, after the `.`. `or_relation`: a relation of packages could be
    /// here too.
    fn matcher(&mut self, or_relation: bool) -> Parsed<Matcher> {
        let Some(word) = self.peek_word() else {
            return Err(self.unexpected(PatternProblem::NoMatcher));
        };
        let (full, kind) = MATCHERS.find(word).map_err(|error| {
            self.error_here(match error {
                WordError::Unknown if or_relation => {
                    PatternProblem::UnknownPackageMatcher(word.to_owned())
                }
                WordError::Unknown => PatternProblem::UnknownMatcher(word.to_owned()),
                WordError::Ambiguous(candidates) => PatternProblem::AmbiguousMatcher {
                    written: word.to_owned(),
                    candidates,
                },
            })
        })?;
        self.position += word.len();
        self.matcher_argument(full, kind)
    }

    /// The argument of a matcher, after its word.
    fn matcher_argument(&mut self, word: &'static str, kind: MatcherKind) -> Parsed<Matcher> {
        let argument = match self.peek() {
            Some('(') => self.argument('(', ')'),
            Some('[') => self.argument('[', ']'),
            Some('{') => self.argument('{', '}'),
            Some('<') => self.argument('<', '>'),
            Some('/') => self.argument('/', '/'),
            _ => Err(self.unexpected(|found| PatternProblem::NoArgument {
                matcher: word,
                found,
            })),
        }?;
        Matcher::new(kind, argument.text)
            .map_err(|bad| self.error_at(argument.offset + bad.offset, bad.problem))
    }

    /// An argument, from the `open` at the current position to its `close`.
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
        Err(self.error_here(PatternProblem::UnclosedArgument { open, close }))
    }

    /// Consumes an operator with one of these spellings, and returns the spelling.
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

    /// Skips white space. Returns the next character, without consuming it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    /// Skips white space. Returns the word there, if there is one, without consuming it.
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

    /// An error with the token at the current position.
    fn unexpected(&mut self, problem: impl FnOnce(FoundToken) -> PatternProblem) -> PatternError {
        let found = match self.peek() {
            None => FoundToken::End,
            Some(character) => FoundToken::Text(
                self.peek_word()
                    .or_else(|| self.peek_operator(&[OR, AND, MINUS, NOT].concat()))
                    .map_or_else(|| character.to_string(), str::to_owned),
            ),
        };
        self.error_here(problem(found))
    }

    fn error_here(&self, problem: PatternProblem) -> PatternError {
        self.error_at(self.position, problem)
    }

    fn error_at(&self, offset: usize, problem: PatternProblem) -> PatternError {
        PatternError::new(self.text, offset, problem)
    }
}

/// A list of one part is that part.
fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
