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
mod tests {
    use super::*;
    use crate::spec::Source;
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

    /// The first mistake of a stream, as people are told of it.
    fn explanation(bytes: &[u8]) -> String {
        let mut stream = JsonStream::default();
        let mut pieces = stream.push(bytes);
        pieces.extend(stream.finish());
        let explanations = pieces.iter().filter_map(|piece| {
            let source = Source {
                name: "<stdin>",
                text: &piece.text,
            };
            let mistake = piece.parse().err()?;
            Some(source.explain_from(piece.start, &mistake.span, &mistake.problem))
        });
        explanations.into_iter().next().expect("a mistake")
    }

    #[test]
    fn what_is_not_utf_8_is_a_mistake_at_the_first_such_byte() {
        assert_eq!(
            explanation(b"{\"a\": \"\xc3\xa4\"}\n {\"b\":\n  \"\xc3\xa4\xe4\xff\"} {}"),
            "<stdin>:3:5: this is not UTF-8: the byte 0xe4 is not part of a character; save the \
             text as UTF-8\n  |\n3 |   \"\u{e4}\u{fffd}\u{fffd}\"}\n  |     ^"
        );
        // Between values, and where the input ends within a character.
        assert!(explanation(b"{} \x80 {}").starts_with("<stdin>:1:4: this is not UTF-8: "));
        assert!(explanation(b"{} {\"\xc3").starts_with("<stdin>:1:6: this is not UTF-8: "));
    }

    #[test]
    fn a_byte_order_mark_at_the_start_is_no_part_of_the_input() {
        assert_eq!(
            pieces("\u{feff}{}{}"),
            [("{}".to_owned(), 1, 1), ("{}".to_owned(), 1, 3)]
        );
        assert!(
            explanation("{}\u{feff}{}".as_bytes()).starts_with("<stdin>:1:3: this is not JSON")
        );
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
