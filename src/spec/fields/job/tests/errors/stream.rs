//! Errors in a stream of jobs. Their positions are those in the stream.

use crate::spec::{Containers, Deprecations, JsonStream, SpecText, read_job};

/// The first error in a stream.
fn first_error(input: &str) -> String {
    let mut stream = JsonStream::default();
    let mut pieces = stream.push(input.as_bytes());
    pieces.extend(stream.finish());
    let (mut containers, mut deprecations) = (Containers::new(), Deprecations::default());
    for piece in pieces {
        let source = SpecText {
            name: "<stdin>",
            text: &piece.text,
        };
        let document = piece
            .parse()
            .and_then(|node| read_job(&node, &mut containers, &mut deprecations));
        if let Err(error) = document {
            return source.explain_from(piece.start, &error.span, &error.problem);
        }
    }
    panic!("no error in {input}");
}

const GOOD: &str = r#"{ "layers": [], "program": "x" }"#;

#[test]
fn lines_and_columns_are_those_of_the_input() {
    insta::assert_snapshot!(first_error(&format!(
            "{GOOD}\n\n  {{ \"layers\": [],\n    \"programm\": 1 }}"
        )), @r#"
    <stdin>:4:5: unknown field `programm` of a job; did you mean `program`?
      |
    4 |     "programm": 1 }
      |     ^^^^^^^^^^
    "#);
    // Other jobs on the same line are not shown.
    insta::assert_snapshot!(first_error(&format!("{GOOD} {{ \"program\": 1 }}")), @r#"
    <stdin>:1:47: `program` must be a string, not a whole number
      |
    1 | { "program": 1 }
      |              ^
    "#);
    insta::assert_snapshot!(first_error("{ \"containers\": {} }\r\n{ \"environment\": { \"ä\": \"ö\", \"ü\": 1 } }"), @r#"
    <stdin>:2:35: `ü` in `environment` must be a string, not a whole number
      |
    2 | { "environment": { "ä": "ö", "ü": 1 } }
      |                                   ^
    "#);
}

#[test]
fn an_unclosed_object_is_reported_where_the_next_one_starts() {
    insta::assert_snapshot!(first_error("{ \"layers\": [], \"program\": \"x\"\n{ \"layers\": [] }"), @r#"
    <stdin>:2:1: this is not JSON: unexpected token in object
      |
    2 | { "layers": [] }
      | ^
    "#);
}

#[test]
fn an_unclosed_string_is_reported_on_its_own_line() {
    insta::assert_snapshot!(first_error("{ \"layers\": [],\n\"program\": \"x }\n{ \"layers\": [], \"program\": \"y\" }"), @r#"
    <stdin>:2:12: this is not JSON: the string is not closed on its line
      |
    2 | "program": "x }
      |            ^^^^
    "#);
}

#[test]
fn an_incomplete_object_at_the_end_of_the_stream_is_an_error() {
    insta::assert_snapshot!(first_error(&format!("{GOOD}\n  {{ \"layers\": []")), @r#"
    <stdin>:2:3: this is not JSON: unterminated object
      |
    2 | { "layers": []
      | ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn text_between_jobs_is_an_error() {
    assert_eq!(
        first_error(&format!("{GOOD},\n{GOOD}")).lines().next(),
        Some("<stdin>:1:33: this is not JSON: unexpected comma")
    );
    assert_eq!(
        first_error(&format!("{GOOD}\n-- {GOOD}")).lines().next(),
        Some("<stdin>:2:2: this is not JSON: expected digit following negative sign")
    );
}

#[test]
fn nesting_is_limited() {
    let deep = format!("{GOOD}\n{{ \"layers\": {}", "[".repeat(10_000));
    assert_eq!(
        first_error(&deep).lines().next(),
        Some("<stdin>:2:140: this is not JSON: values are more than 128 levels deep")
    );
}

#[test]
fn containers_are_known_after_their_definition() {
    let definition = r#"{ "containers": { "shell": {} } }"#;
    let job = r#"{ "parent": "shell", "program": "x" }"#;
    insta::assert_snapshot!(first_error(&format!("{job}\n{definition}")), @r#"
    <stdin>:1:13: unknown container `shell`; define it in `containers`, or name `empty`
      |
    1 | { "parent": "shell", "program": "x" }
      |             ^^^^^^^
    "#);
    insta::assert_snapshot!(first_error(&format!("{definition}\n{job}\n{definition}")), @r#"
    <stdin>:3:19: the container `shell` is already defined; choose another name
      |
    3 | { "containers": { "shell": {} } }
      |                   ^^^^^^^
    "#);
}
