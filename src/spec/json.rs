//! From JSON text to a tree of values with positions, one object of a stream at a time.

use super::{Entry, Map, Mistake, Node, Position, Problem, Span, Spanned, Value, decode};
use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

/// Values deeper in each other than this are taken for a mistake.
const DEEPEST: usize = 128;

/// Reads one JSON value.
pub fn parse_json(text: &str) -> Result<Node, Mistake> {
    // As RFC 8259 has it.
    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let collect = CollectOptions {
        comments: CommentCollectionStrategy::Off,
        tokens: false,
    };
    check_depth(text)?;
    let parsed = parse_to_ast(text, &collect, &options)
        .map_err(|error| syntax(&span(error.range()), &fragment(&error.kind().to_string())));
    // The parser takes any character in strings. A string that is not closed would have it
    // find the mistake lines later, so the one that stands first is told.
    let parsed = match (parsed, check_strings(text)) {
        (Err(earlier), Err(later)) if earlier.span.start < later.span.start => Err(earlier),
        (_, Err(mistake)) => Err(mistake),
        (parsed, Ok(())) => parsed,
    }?;
    match parsed.value {
        Some(value) => node(&value),
        None => Err(syntax(&(0..text.len()), "there is nothing")),
    }
}

/// The parser's words within a sentence.
fn fragment(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Fails at a control character in a string.
fn check_strings(text: &str) -> Result<(), Mistake> {
    let mut splitter = Splitter::default();
    let mut start = 0;
    for (offset, byte) in text.bytes().enumerate() {
        let was_in_string = splitter.in_string;
        splitter.step(byte);
        if !was_in_string {
            start = offset;
        } else if byte == b'\n' {
            let message = "the string is not closed on its line";
            return Err(syntax(&(start..offset), message));
        } else if byte.is_ascii_control() && byte != 0x7F {
            let message = format!("this character in a string must be written as `\\u{byte:04x}`");
            return Err(syntax(&(offset..offset + 1), &message));
        }
    }
    Ok(())
}

fn syntax(span: &Span, message: &str) -> Mistake {
    Mistake::new(
        span,
        Problem::Syntax {
            format: "JSON",
            message: message.to_owned(),
        },
    )
}

/// The parser goes into itself for each level.
fn check_depth(text: &str) -> Result<(), Mistake> {
    let mut splitter = Splitter::default();
    for (offset, byte) in text.bytes().enumerate() {
        splitter.step(byte);
        if splitter.depth > DEEPEST {
            let message = format!("values are more than {DEEPEST} levels deep");
            return Err(syntax(&(offset..offset + 1), &message));
        }
    }
    Ok(())
}

fn span(range: Range) -> Span {
    range.start..range.end
}

fn node(value: &ast::Value<'_>) -> Result<Node, Mistake> {
    let value_of = match value {
        ast::Value::StringLit(string) => Value::String(string.value.to_string()),
        ast::Value::NumberLit(number) => self::number(number)?,
        ast::Value::BooleanLit(boolean) => Value::Boolean(boolean.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => {
            Value::List(array.elements.iter().map(node).collect::<Result<_, _>>()?)
        }
        ast::Value::Object(object) => {
            let entries = object.properties.iter().map(|property| {
                Ok(Entry {
                    key: Spanned {
                        span: span(property.name.range()),
                        value: property.name.as_str().to_owned(),
                    },
                    value: node(&property.value)?,
                })
            });
            Value::Map(Map::new(entries.collect::<Result<_, _>>()?)?)
        }
    };
    Ok(Node {
        span: span(value.range()),
        value: value_of,
    })
}

fn number(number: &ast::NumberLit<'_>) -> Result<Value, Mistake> {
    if let Ok(integer) = number.value.parse() {
        return Ok(Value::Integer(integer));
    }
    let is_whole = !number.value.contains(['.', 'e', 'E']);
    match number.value.parse::<f64>() {
        Ok(float) if float.is_finite() && !is_whole => Ok(Value::Float(float)),
        _ => Err(syntax(&span(number.range), "the number is too large")),
    }
}

/// Where a stream starts.
const START: Position = Position { line: 1, column: 1 };

/// What some programs put in front of a text in UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// One value of a stream, and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Fit to be shown, even if it is not fit to be read.
    pub text: String,
    pub start: Position,
    not_utf8: Option<Mistake>,
}

impl Piece {
    /// Reads the value.
    pub fn parse(&self) -> Result<Node, Mistake> {
        match &self.not_utf8 {
            None => parse_json(&self.text),
            Some(mistake) => Err(mistake.clone()),
        }
    }
}

/// Cuts a stream of JSON objects into the objects, each as soon as it is complete.
/// What lies between them is passed on too, for the parser to complain about.
#[derive(Debug)]
pub struct JsonStream {
    splitter: Splitter,
    piece: Vec<u8>,
    piece_start: Position,
    position: Position,
}

/// Where in a value a byte stands.
#[derive(Debug, Default)]
struct Splitter {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Splitter {
    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

impl Default for JsonStream {
    fn default() -> Self {
        Self {
            splitter: Splitter::default(),
            piece: Vec::new(),
            piece_start: START,
            position: START,
        }
    }
}

impl JsonStream {
    /// Takes the next bytes; returns what has become complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for &byte in bytes {
            let between = self.piece.is_empty() && byte.is_ascii_whitespace();
            if !between {
                if self.piece.is_empty() {
                    self.piece_start = self.position;
                }
                self.piece.push(byte);
                self.splitter.step(byte);
            }
            if byte == b'\n' {
                self.position.line += 1;
                self.position.column = 1;
            } else if byte & 0xC0 != 0x80 {
                // Not within a character.
                self.position.column += 1;
            }
            if self.piece == BYTE_ORDER_MARK && self.piece_start == START {
                self.piece.clear();
                self.position = START;
            }
            if matches!(byte, b'}' | b']') && self.splitter.depth == 0 && !self.splitter.in_string {
                pieces.extend(self.cut());
            }
        }
        pieces
    }

    /// The end of the stream: what is left, which is not complete.
    pub fn finish(mut self) -> Option<Piece> {
        self.cut()
    }

    fn cut(&mut self) -> Option<Piece> {
        self.splitter = Splitter::default();
        let piece = std::mem::take(&mut self.piece);
        (!piece.is_empty()).then(|| {
            let (text, not_utf8) = decode(piece);
            Piece {
                text,
                start: self.piece_start,
                not_utf8,
            }
        })
    }
}

#[cfg(test)]
mod tests;
