use super::*;
use crate::spec::SpecText;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn pieces(text: &str) -> Vec<(String, usize, usize)> {
    let mut stream = JsonStream::default();
    let mut pieces = stream.push(text.as_bytes());
    pieces.extend(stream.finish());
    let flat = |piece: JsonPiece| (piece.text, piece.start.line, piece.start.column);
    pieces.into_iter().map(flat).collect()
}

#[test]
fn a_stream_is_split_where_its_objects_end() {
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
fn an_incomplete_object_is_the_last_piece() {
    assert_eq!(
        pieces("{} {\"a\""),
        [("{}".to_owned(), 1, 1), ("{\"a\"".to_owned(), 1, 4),]
    );
}

#[test]
fn columns_count_characters() {
    assert_eq!(pieces("{\"ä\": 1}{}")[1].2, 9);
}

/// The first error in a stream.
fn explanation(bytes: &[u8]) -> String {
    let mut stream = JsonStream::default();
    let mut pieces = stream.push(bytes);
    pieces.extend(stream.finish());
    let explanations = pieces.iter().filter_map(|piece| {
        let source = SpecText {
            name: "<stdin>",
            text: &piece.text,
        };
        let error = piece.parse().err()?;
        Some(source.explain_from(piece.start, &error.span, &error.problem))
    });
    explanations.into_iter().next().expect("an error")
}

#[test]
fn control_characters_in_strings_must_be_escaped() {
    insta::assert_snapshot!(explanation(b"{\"a\": \"b\tc\"}"), @r#"
    <stdin>:1:9: this is not JSON: this character in a string must be written as `\u0009`
      |
    1 | {"a": "b    c"}
      |         ^
    "#);
    assert!(parse_json("{\"a\":\t\"\u{7f}\"}").is_ok());
    // The first error is reported.
    assert!(explanation(b"{a: \"\t\"}").contains(":1:2: this is not JSON: expected string"));
    assert!(explanation(b"{\"a\": \"\t\", b}").contains(":1:8: this is not JSON: this character"));
}

#[test]
fn numbers_without_fraction_and_exponent_are_integers() {
    let value = |text| parse_json(text).unwrap().value;
    let largest = "170141183460469231731687303715884105727";
    assert_eq!(value(largest), SpecValue::Integer(i128::MAX));
    assert_eq!(value("-0"), SpecValue::Integer(0));
    assert_eq!(value("1e3"), SpecValue::Float(1000.0));
    assert_eq!(value("1E-400"), SpecValue::Float(0.0));
    assert!(parse_json(&format!("{largest}0")).is_err());
}

#[test]
fn invalid_utf_8_is_an_error_at_its_first_byte() {
    insta::assert_snapshot!(explanation(b"{\"a\": \"\xc3\xa4\"}\n {\"b\":\n  \"\xc3\xa4\xe4\xff\"} {}"), @r#"
    <stdin>:3:5: this is not UTF-8: the byte 0xe4 is not part of a character; save the text as UTF-8
      |
    3 |   "ä��"}
      |     ^
    "#);
    // Between values, and at the end of the stream within a character.
    assert!(explanation(b"{} \x80 {}").starts_with("<stdin>:1:4: this is not UTF-8: "));
    assert!(explanation(b"{} {\"\xc3").starts_with("<stdin>:1:6: this is not UTF-8: "));
}

#[test]
fn a_byte_order_mark_at_the_start_is_skipped() {
    assert_eq!(
        pieces("\u{feff}{}{}"),
        [("{}".to_owned(), 1, 1), ("{}".to_owned(), 1, 3)]
    );
    assert!(explanation("{}\u{feff}{}".as_bytes()).starts_with("<stdin>:1:3: this is not JSON"));
}

#[test]
fn values_have_positions() {
    let node = parse_json("{\"a\": [1, -2.5, null]}").unwrap();
    let SpecValue::Map(map) = &node.value else {
        panic!("{node:?}")
    };
    let entry = map.iter().next().unwrap();
    assert_eq!((entry.name(), entry.key.span.clone()), ("a", 1..4));
    let SpecValue::List(list) = &entry.value.value else {
        panic!("{entry:?}")
    };
    let values: Vec<_> = list
        .iter()
        .map(|node| (node.value.clone(), node.span.clone()))
        .collect();
    assert_eq!(
        values,
        [
            (SpecValue::Integer(1), 7..8),
            (SpecValue::Float(-2.5), 10..14),
            (SpecValue::Null, 16..20),
        ]
    );
}

#[test]
fn extensions_of_json_are_errors_with_their_position() {
    for (text, offset) in [
        ("{a: 1}", 1),
        ("{\"a\": 1,}", 7),
        ("{\"a\": 'x'}", 6),
        ("{\"a\": 1 // one\n}", 8),
        ("{\"a\": 1, \"a\": 2}", 9),
        ("{\"a\" 1}", 5),
        ("nothing", 0),
    ] {
        let error = parse_json(text).expect_err(text);
        assert_eq!(error.span.start, offset, "{text}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(parse_json(&deep).unwrap_err().span.start, DEEPEST);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse_json(&text);
    }

    #[test]
    fn pieces_do_not_depend_on_where_the_bytes_are_split(
        bytes in proptest::collection::vec(select(b"{}[]\"a\\ \n\xc3\xa4\xff\xef\xbb\xbf"), 0..40),
        at in any::<Index>(),
    ) {
        let mut stream = JsonStream::default();
        let mut whole = stream.push(&bytes);
        whole.extend(stream.finish());
        let (head, tail) = bytes.split_at(at.index(bytes.len() + 1));
        let mut stream = JsonStream::default();
        let mut cut = stream.push(head);
        cut.extend(stream.push(tail));
        cut.extend(stream.finish());
        prop_assert_eq!(cut, whole);
    }
}
