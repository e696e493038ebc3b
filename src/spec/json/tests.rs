use super::*;
use crate::spec::Source;
use proptest::prelude::*;
use proptest::sample::{Index, select};

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
fn control_characters_in_strings_must_be_escaped() {
    assert_eq!(
        explanation(b"{\"a\": \"b\tc\"}"),
        "<stdin>:1:9: this is not JSON: this character in a string must be written as `\\u0009`\n  \
         |\n1 | {\"a\": \"b    c\"}\n  |         ^"
    );
    assert!(parse_json("{\"a\":\t\"\u{7f}\"}").is_ok());
    // What stands first is told.
    assert!(explanation(b"{a: \"\t\"}").contains(":1:2: this is not JSON: expected string"));
    assert!(explanation(b"{\"a\": \"\t\", b}").contains(":1:8: this is not JSON: this character"));
}

#[test]
fn numbers_are_whole_or_not_as_they_are_written() {
    let value = |text| parse_json(text).unwrap().value;
    let largest = "170141183460469231731687303715884105727";
    assert_eq!(value(largest), Value::Integer(i128::MAX));
    assert_eq!(value("-0"), Value::Integer(0));
    assert_eq!(value("1e3"), Value::Float(1000.0));
    assert_eq!(value("1E-400"), Value::Float(0.0));
    assert!(parse_json(&format!("{largest}0")).is_err());
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
    assert!(explanation("{}\u{feff}{}".as_bytes()).starts_with("<stdin>:1:3: this is not JSON"));
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
    fn pieces_do_not_depend_on_how_the_bytes_come(
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
