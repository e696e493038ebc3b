//! A parser by recursive descent, from text to an expression.
//!
//! ```text
//! union        = intersection { ( "|" | "+" | "or" ) intersection }
//! intersection = negation { ( "&" | "and" | "-" ) negation }
//! negation     = { "!" | "not" } operand
//! operand      = "(" union ")" | predicate "(" [ argument ] ")"
//! argument     = "=" text | "~" text | "#" glob | "/" regular expression "/" | text
//! ```
//!
//! An argument starts after white space; white space at its end belongs to it.

use super::error::FiltersetProblem;
use crate::filter::error::{PatternError, PatternProblem};
use crate::filter::matcher::{Matcher, MatcherKind};

/// The deepest nesting of parentheses. The pattern with the same meaning may need more of them than
/// the filterset has, and patterns have a limit too.
const NESTING_LIMIT: usize = 40;

/// A parsed filterset. Chains of operators are flat lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FiltersetExpression {
    Predicate(Predicate),
    Not(Box<Self>),
    /// `a - b` is represented as `a` and `Not(b)`.
    All(Vec<Self>),
    Any(Vec<Self>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    All,
    None,
    Default,
    /// Tests built for the host (`true`) or the target.
    Platform {
        is_host: bool,
    },
    Matching(MatchingPredicate, NameMatch),
}

/// A predicate that compares names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchingPredicate {
    Test,
    Package,
    Dependencies,
    ReverseDependencies,
    Kind,
    Binary,
    BinaryId,
    Group,
}

/// The argument of a predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameMatch {
    pub kind: NameMatchKind,
    pub text: String,
    /// The position of the argument in the filterset.
    pub offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameMatchKind {
    Equal,
    Contains,
    Glob,
    Regex,
}

type Parsed<T> = Result<T, PatternError>;

pub(super) fn parse(text: &str) -> Parsed<FiltersetExpression> {
    let mut parser = Parser {
        text,
        position: 0,
        depth: 0,
    };
    if text.trim().is_empty() {
        return Err(parser.error_at(0, FiltersetProblem::Empty));
    }
    let expression = parser.union()?;
    match parser.peek() {
        None => Ok(expression),
        Some(')') => Err(parser.error_here(PatternProblem::UnopenedParenthesis)),
        Some(_) => Err(parser.no_operator()),
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    /// The number of open parentheses.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn union(&mut self) -> Parsed<FiltersetExpression> {
        let mut parts = vec![self.intersection()?];
        loop {
            self.refuse_operator(&[("||", "|"), ("OR", "or")])?;
            if !["or", "|", "+"].iter().any(|word| self.take(word)) {
                break;
            }
            parts.push(self.intersection()?);
        }
        Ok(joined(parts, FiltersetExpression::Any))
    }

    fn intersection(&mut self) -> Parsed<FiltersetExpression> {
        let mut parts = vec![self.negation()?];
        loop {
            self.refuse_operator(&[("&&", "&"), ("AND", "and")])?;
            if ["and", "&"].iter().any(|word| self.take(word)) {
                parts.push(self.negation()?);
            } else if self.take("-") {
                parts.push(FiltersetExpression::Not(Box::new(self.negation()?)));
            } else {
                return Ok(joined(parts, FiltersetExpression::All));
            }
        }
    }

    fn negation(&mut self) -> Parsed<FiltersetExpression> {
        let mut negated = false;
        while self.take("not") || self.take("!") {
            negated = !negated;
        }
        self.refuse_operator(&[("NOT", "not")])?;
        let operand = self.operand()?;
        Ok(if negated {
            FiltersetExpression::Not(Box::new(operand))
        } else {
            operand
        })
    }

    fn operand(&mut self) -> Parsed<FiltersetExpression> {
        if self.peek() == Some('(') {
            return self.group();
        }
        let start = self.position;
        let word = self.peek_word();
        if word.is_empty() || ["and", "or", "not"].contains(&word) {
            let found = self.found();
            return Err(self.error_here(FiltersetProblem::NoPredicate(found)));
        }
        self.position += word.len();
        self.predicate(word, start)
            .map(FiltersetExpression::Predicate)
    }

    /// `( … )`, at its `(`.
    fn group(&mut self) -> Parsed<FiltersetExpression> {
        let open = self.position;
        if self.depth == NESTING_LIMIT {
            return Err(self.error_here(FiltersetProblem::TooDeep(NESTING_LIMIT)));
        }
        self.position += 1;
        self.depth += 1;
        let inner = self.union()?;
        self.depth -= 1;
        match self.peek() {
            Some(')') => {
                self.position += 1;
                Ok(inner)
            }
            Some(_) => Err(self.no_operator()),
            None => Err(self.error_at(open, PatternProblem::UnclosedParenthesis)),
        }
    }

    /// A predicate, after its word, which is at `start`.
    fn predicate(&mut self, word: &str, start: usize) -> Parsed<Predicate> {
        use MatchingPredicate as Matching;
        use NameMatchKind::{Contains, Equal, Glob};
        let (predicate, kind) = match word {
            "test" => (Matching::Test, Contains),
            "package" => (Matching::Package, Glob),
            "deps" => (Matching::Dependencies, Glob),
            "rdeps" => (Matching::ReverseDependencies, Glob),
            "kind" => (Matching::Kind, Equal),
            "binary" => (Matching::Binary, Glob),
            "binary_id" => (Matching::BinaryId, Glob),
            "group" => (Matching::Group, Glob),
            "platform" => return self.platform(word),
            "all" => return self.without_argument(word).map(|()| Predicate::All),
            "none" => return self.without_argument(word).map(|()| Predicate::None),
            "default" => return self.without_argument(word).map(|()| Predicate::Default),
            _ => {
                let problem = FiltersetProblem::UnknownPredicate(word.to_owned());
                return Err(self.error_at(start, problem));
            }
        };
        let open = self.open(word)?;
        let argument = self.argument(open, kind)?;
        self.close(open)?;
        Ok(Predicate::Matching(predicate, argument))
    }

    fn platform(&mut self, word: &str) -> Parsed<Predicate> {
        let open = self.open(word)?;
        self.peek();
        let start = self.position;
        let platform = self.string(open)?;
        self.close(open)?;
        match platform.trim() {
            "host" => Ok(Predicate::Platform { is_host: true }),
            "target" => Ok(Predicate::Platform { is_host: false }),
            other => Err(self.error_at(start, FiltersetProblem::Platform(other.to_owned()))),
        }
    }

    fn without_argument(&mut self, word: &str) -> Parsed<()> {
        let open = self.open(word)?;
        match self.peek() {
            Some(')') => self.close(open),
            None => Err(self.error_at(open, PatternProblem::UnclosedParenthesis)),
            Some(_) => Err(self.error_here(FiltersetProblem::TakesNoArgument(word.to_owned()))),
        }
    }

    /// Consumes a `(`, and returns its position.
    fn open(&mut self, word: &str) -> Parsed<usize> {
        if self.peek() != Some('(') {
            return Err(self.error_here(FiltersetProblem::NoParenthesis(word.to_owned())));
        }
        self.position += 1;
        Ok(self.position - 1)
    }

    /// Consumes the `)` for the `(` at `open`.
    fn close(&mut self, open: usize) -> Parsed<()> {
        match self.peek() {
            Some(')') => {
                self.position += 1;
                Ok(())
            }
            Some(',') => Err(self.error_here(FiltersetProblem::Comma)),
            Some(_) => Err(self.no_operator()),
            None => Err(self.error_at(open, PatternProblem::UnclosedParenthesis)),
        }
    }

    fn argument(&mut self, open: usize, default: NameMatchKind) -> Parsed<NameMatch> {
        let kind = match self.peek() {
            Some('/') => return self.regex(),
            Some('=') => Some(NameMatchKind::Equal),
            Some('~') => Some(NameMatchKind::Contains),
            Some('#') => Some(NameMatchKind::Glob),
            _ => None,
        };
        self.position += usize::from(kind.is_some());
        let kind = kind.unwrap_or(default);
        let offset = self.position;
        let text = self.string(open)?;
        if text.is_empty() {
            return Err(self.error_at(offset, FiltersetProblem::EmptyArgument));
        }
        if kind == NameMatchKind::Glob
            && let Err(error) = glob(&text)
        {
            let problem = FiltersetProblem::Glob(error.kind().to_string());
            return Err(self.error_at(offset, problem));
        }
        Ok(NameMatch { kind, text, offset })
    }

    /// A text, up to a `)` or `,` without a backslash.
    fn string(&mut self, open: usize) -> Parsed<String> {
        let mut text = String::new();
        loop {
            let start = self.position;
            match self.next() {
                None => return Err(self.error_at(open, PatternProblem::UnclosedParenthesis)),
                Some(')' | ',') => {
                    self.position = start;
                    return Ok(text);
                }
                Some('\\') => {
                    let escaped = self.escaped();
                    text.push(
                        escaped.ok_or_else(|| self.error_at(start, FiltersetProblem::Escape))?,
                    );
                }
                Some(character) => text.push(character),
            }
        }
    }

    /// The character that an escape sequence means, after its backslash.
    fn escaped(&mut self) -> Option<char> {
        Some(match self.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            same @ ('\\' | '/' | ')' | ',') => same,
            'u' => {
                let digits = self.rest().strip_prefix('{')?;
                let (digits, _) = digits.split_once('}')?;
                if digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return None;
                }
                self.position += digits.len() + 2;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        })
    }

    /// `/ … /`, at its first slash.
    fn regex(&mut self) -> Parsed<NameMatch> {
        let open = self.position;
        self.position += 1;
        let offset = self.position;
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.error_at(open, FiltersetProblem::UnclosedRegex)),
                Some('/') => break,
                Some('\\') if self.rest().starts_with('/') => {
                    self.position += 1;
                    text.push('/');
                }
                Some(character) => text.push(character),
            }
        }
        match Matcher::new(MatcherKind::Matches, &text) {
            Ok(_) => Ok(NameMatch {
                kind: NameMatchKind::Regex,
                text,
                offset,
            }),
            Err(bad) => {
                // A `\/` before the error is one character longer than it was for the expression.
                let shift = self.text[offset..]
                    .match_indices(r"\/")
                    .enumerate()
                    .take_while(|(count, (place, _))| place - count < bad.offset)
                    .count();
                Err(self.error_at(offset + bad.offset + shift, bad.problem))
            }
        }
    }

    /// Consumes an operator. A word must end there.
    fn take(&mut self, operator: &str) -> bool {
        self.peek();
        let found = if operator.starts_with(char::is_alphabetic) {
            self.peek_word() == operator
        } else {
            self.rest().starts_with(operator)
        };
        if found {
            self.position += operator.len();
        }
        found
    }

    /// An error if one of these operators follows, each with what to write instead.
    fn refuse_operator(&mut self, wrong: &[(&'static str, &'static str)]) -> Parsed<()> {
        for (written, instead) in wrong {
            let start = self.position;
            if self.take(written) {
                self.position = start;
                self.peek();
                return Err(self.error_here(FiltersetProblem::WrongOperator { written, instead }));
            }
        }
        Ok(())
    }

    /// Skips white space. Returns the next character, without consuming it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    /// The word at the current position, which may be empty.
    fn peek_word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest
            .find(|character: char| !character.is_alphanumeric() && character != '_')
            .unwrap_or(rest.len());
        &rest[..end]
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest().chars().next()?;
        self.position += character.len_utf8();
        Some(character)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    /// What is at the current position, for a message.
    fn found(&mut self) -> String {
        match (self.peek(), self.peek_word()) {
            (None, _) => "the end of the filterset".to_owned(),
            (Some(character), "") => format!("`{character}`"),
            (_, word) => format!("`{word}`"),
        }
    }

    fn no_operator(&mut self) -> PatternError {
        let found = self.found();
        self.error_here(FiltersetProblem::NoOperator(found))
    }

    fn error_here(&self, problem: impl Into<PatternProblem>) -> PatternError {
        self.error_at(self.position, problem)
    }

    fn error_at(&self, offset: usize, problem: impl Into<PatternProblem>) -> PatternError {
        PatternError::new(self.text, offset, problem)
    }
}

/// A glob as cargo-nextest compiles it.
pub(super) fn glob(text: &str) -> Result<globset::Glob, globset::Error> {
    globset::GlobBuilder::new(text)
        .backslash_escape(false)
        .empty_alternates(true)
        .build()
}

/// A list of one part is that part.
fn joined(
    mut parts: Vec<FiltersetExpression>,
    join: fn(Vec<FiltersetExpression>) -> FiltersetExpression,
) -> FiltersetExpression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
