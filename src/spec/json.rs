//! JSON text as a tree of values with their positions, and streams of JSON objects.

use super::{Node, Position, Span, Spanned, SpecEntry, SpecError, SpecMap, SpecValue, decode_utf8};
use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

/// The deepest nesting of arrays and objects that is accepted. The parser recurses for each level.
const DEEPEST: usize = 128;

/// Reads one JSON value, by RFC 8259.
pub fn parse_json(text: &str) -> Result<Node, SpecError> {
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
    // The parser accepts control characters in strings, and reports an unclosed string lines
    // later. The first of the two errors is reported.
    let parsed = match (parsed, check_strings(text)) {
        (Err(earlier), Err(later)) if earlier.span.start < later.span.start => Err(earlier),
        (_, Err(error)) => Err(error),
        (parsed, Ok(())) => parsed,
    }?;
    match parsed.value {
        Some(value) => node(&value),
        None => Err(syntax(&(0..text.len()), "the text is empty")),
    }
}

/// The parser's message, for the middle of a sentence.
fn fragment(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Fails at a control character in a string.
fn check_strings(text: &str) -> Result<(), SpecError> {
    let mut scanner = Scanner::default();
    let mut start = 0;
    for (offset, byte) in text.bytes().enumerate() {
        let was_in_string = scanner.in_string;
        scanner.step(byte);
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

fn syntax(span: &Span, message: &str) -> SpecError {
    SpecError::syntax(span, "JSON", message)
}

/// Fails at nesting deeper than [`DEEPEST`].
fn check_depth(text: &str) -> Result<(), SpecError> {
    let mut scanner = Scanner::default();
    for (offset, byte) in text.bytes().enumerate() {
        scanner.step(byte);
        if scanner.depth > DEEPEST {
            let message = format!("values are more than {DEEPEST} levels deep");
            return Err(syntax(&(offset..offset + 1), &message));
        }
    }
    Ok(())
}

fn span(range: Range) -> Span {
    range.start..range.end
}

fn node(value: &ast::Value<'_>) -> Result<Node, SpecError> {
    let value_of = match value {
        ast::Value::StringLit(string) => SpecValue::String(string.value.to_string()),
        ast::Value::NumberLit(number) => self::number(number)?,
        ast::Value::BooleanLit(boolean) => SpecValue::Boolean(boolean.value),
        ast::Value::NullKeyword(_) => SpecValue::Null,
        ast::Value::Array(array) => {
            SpecValue::List(array.elements.iter().map(node).collect::<Result<_, _>>()?)
        }
        ast::Value::Object(object) => {
            let entries = object.properties.iter().map(|property| {
                Ok(SpecEntry {
                    key: Spanned {
                        span: span(property.name.range()),
                        value: property.name.as_str().to_owned(),
                    },
                    value: node(&property.value)?,
                })
            });
            SpecValue::Map(SpecMap::new(entries.collect::<Result<_, _>>()?)?)
        }
    };
    Ok(Node {
        span: span(value.range()),
        value: value_of,
    })
}

fn number(number: &ast::NumberLit<'_>) -> Result<SpecValue, SpecError> {
    if let Ok(integer) = number.value.parse() {
        return Ok(SpecValue::Integer(integer));
    }
    let is_whole = !number.value.contains(['.', 'e', 'E']);
    match number.value.parse::<f64>() {
        Ok(float) if float.is_finite() && !is_whole => Ok(SpecValue::Float(float)),
        _ => Err(syntax(&span(number.range), "the number is too large")),
    }
}

/// The start of a stream.
const START: Position = Position { line: 1, column: 1 };

/// The byte order mark in UTF-8. Some programs write it at the start of a text.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// One value of a stream, with its position. It may be no valid JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPiece {
    /// For bytes that are not UTF-8, the lossy text.
    pub text: String,
    pub start: Position,
    not_utf8: Option<SpecError>,
}

impl JsonPiece {
    /// Reads the value.
    pub fn parse(&self) -> Result<Node, SpecError> {
        match &self.not_utf8 {
            None => parse_json(&self.text),
            Some(error) => Err(error.clone()),
        }
    }
}

/// Splits a stream of JSON objects into the objects, each as soon as it is complete. Text between
/// objects becomes part of the next piece, so that parsing that piece reports it.
#[derive(Debug)]
pub struct JsonStream {
    scanner: Scanner,
    piece: Vec<u8>,
    piece_start: Position,
    position: Position,
}

/// The state of a scan through the bytes of JSON.
#[derive(Debug, Default)]
struct Scanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scanner {
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
            scanner: Scanner::default(),
            piece: Vec::new(),
            piece_start: START,
            position: START,
        }
    }
}

impl JsonStream {
    /// Takes the next bytes, and returns the pieces that are now complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<JsonPiece> {
        let mut pieces = Vec::new();
        for &byte in bytes {
            let between = self.piece.is_empty() && byte.is_ascii_whitespace();
            if !between {
                if self.piece.is_empty() {
                    self.piece_start = self.position;
                }
                self.piece.push(byte);
                self.scanner.step(byte);
            }
            if byte == b'\n' {
                self.position.line += 1;
                self.position.column = 1;
            } else if byte & 0xC0 != 0x80 {
                // The first byte of a character.
                self.position.column += 1;
            }
            if self.piece == BYTE_ORDER_MARK && self.piece_start == START {
                self.piece.clear();
                self.position = START;
            }
            if matches!(byte, b'}' | b']') && self.scanner.depth == 0 && !self.scanner.in_string {
                pieces.extend(self.cut());
            }
        }
        pieces
    }

    /// Ends the stream, and returns the incomplete piece that is left.
    pub fn finish(mut self) -> Option<JsonPiece> {
        self.cut()
    }

    fn cut(&mut self) -> Option<JsonPiece> {
        self.scanner = Scanner::default();
        let piece = std::mem::take(&mut self.piece);
        (!piece.is_empty()).then(|| {
            let (text, not_utf8) = decode_utf8(piece);
            JsonPiece {
                text,
                start: self.piece_start,
                not_utf8,
            }
        })
    }
}

#[cfg(test)]
mod tests;
