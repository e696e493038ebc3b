//! From JSON text to a tree of values with positions, one object of a stream at a time.

use super::{Entry, Map, Mistake, Node, Position, Problem, Span, Spanned, Value};
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
        .map_err(|error| syntax(&span(error.range()), &error.kind().to_string()))?;
    match parsed.value {
        Some(value) => node(&value),
        None => Err(syntax(&(0..text.len()), "there is nothing")),
    }
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
    let whole = number.value.parse().map(Value::Integer);
    whole
        .or_else(|_| number.value.parse().map(Value::Float))
        .map_err(|_| syntax(&span(number.range), "this is not a number"))
}

/// One value of a stream, and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub start: Position,
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
        let start = Position { line: 1, column: 1 };
        Self {
            splitter: Splitter::default(),
            piece: Vec::new(),
            piece_start: start,
            position: start,
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
        (!piece.is_empty()).then(|| Piece {
            text: String::from_utf8_lossy(&piece).into_owned(),
            start: self.piece_start,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str) -> Vec<(String, usize, usize)> {
        let mut stream = JsonStream::default();
        let mut pieces = stream.push(text.as_bytes());
        pieces.extend(stream.finish());
        let flat = |piece: Piece| (piece.text, piece.start.line, piece.start.column);
        pieces.into_iter().map(flat).collect()
    }

    #[test]
    fn objects_of_a_stream_are_cut_where_they_end() {
        assert_eq!(
            pieces("{\"a\": \"}\\\"{\"}\n  {\"b\": [{}]}{}  "),
            [
                ("{\"a\": \"}\\\"{\"}".to_owned(), 1, 1),
                ("{\"b\": [{}]}".to_owned(), 2, 3),
                ("{}".to_owned(), 2, 14),
            ]
        );
    }

    #[test]
    fn what_is_not_complete_is_left_at_the_end() {
        assert_eq!(
            pieces("{} {\"a\""),
            [("{}".to_owned(), 1, 1), ("{\"a\"".to_owned(), 1, 4),]
        );
    }

    #[test]
    fn columns_are_of_characters() {
        assert_eq!(pieces("{\"ä\": 1}{}")[1].2, 9);
    }

    #[test]
    fn values_know_where_they_stand() {
        let node = parse_json("{\"a\": [1, -2.5, null]}").unwrap();
        let Value::Map(map) = &node.value else {
            panic!("{node:?}")
        };
        let entry = map.iter().next().unwrap();
        assert_eq!((entry.name(), entry.key.span.clone()), ("a", 1..4));
        let Value::List(list) = &entry.value.value else {
            panic!("{entry:?}")
        };
        let values: Vec<_> = list
            .iter()
            .map(|node| (node.value.clone(), node.span.clone()))
            .collect();
        assert_eq!(
            values,
            [
                (Value::Integer(1), 7..8),
                (Value::Float(-2.5), 10..14),
                (Value::Null, 16..20),
            ]
        );
    }

    #[test]
    fn what_only_looks_like_json_is_a_mistake_with_its_place() {
        for (text, place) in [
            ("{a: 1}", 1),
            ("{\"a\": 1,}", 7),
            ("{\"a\": 'x'}", 6),
            ("{\"a\": 1 // one\n}", 8),
            ("{\"a\": 1, \"a\": 2}", 9),
            ("{\"a\" 1}", 5),
            ("nothing", 0),
        ] {
            let mistake = parse_json(text).expect_err(text);
            assert_eq!(mistake.span.start, place, "{text}: {mistake}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse_json(&deep).unwrap_err().span.start, DEEPEST);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_fail_otherwise(text in any::<String>()) {
            let _ = parse_json(&text);
        }

        #[test]
        fn pieces_do_not_depend_on_how_the_bytes_come(text in "[{}\\[\\]\"a\\\\ \n]{0,40}", at in 0..40usize) {
            let whole = pieces(&text);
            let at = at.min(text.len());
            let mut stream = JsonStream::default();
            let mut cut = stream.push(&text.as_bytes()[..at]);
            cut.extend(stream.push(&text.as_bytes()[at..]));
            cut.extend(stream.finish());
            let flat = cut.into_iter().map(|piece| (piece.text, piece.start.line, piece.start.column));
            prop_assert_eq!(flat.collect::<Vec<_>>(), whole);
        }
    }
}
