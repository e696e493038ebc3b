//! Mistakes in a stream of jobs, whose places are counted from its start.

use crate::spec::{Containers, Deprecations, JsonStream, Source, read_job};

/// What is said about the first mistake of an input.
fn told(input: &str) -> String {
    let mut stream = JsonStream::default();
    let mut pieces = stream.push(input.as_bytes());
    pieces.extend(stream.finish());
    let (mut containers, mut notes) = (Containers::new(), Deprecations::default());
    for piece in pieces {
        let source = Source {
            name: "<stdin>",
            text: &piece.text,
        };
        let document = piece
            .parse()
            .and_then(|node| read_job(&node, &mut containers, &mut notes));
        if let Err(mistake) = document {
            return source.explain_from(piece.start, &mistake.span, &mistake.problem);
        }
    }
    panic!("no mistake in {input}");
}

const GOOD: &str = r#"{ "layers": [], "program": "x" }"#;

#[test]
fn lines_and_columns_are_those_of_the_input() {
    assert_eq!(
        told(&format!(
            "{GOOD}\n\n  {{ \"layers\": [],\n    \"programm\": 1 }}"
        )),
        r#"<stdin>:4:5: unknown field `programm` of a job; did you mean `program`?
  |
4 |     "programm": 1 }
  |     ^^^^^^^^^^"#
    );
    // Beside another job, only what is wrong is shown.
    assert_eq!(
        told(&format!("{GOOD} {{ \"program\": 1 }}")),
        r#"<stdin>:1:47: `program` must be a string, not a whole number
  |
1 | { "program": 1 }
  |              ^"#
    );
    assert_eq!(
        told("{ \"containers\": {} }\r\n{ \"environment\": { \"ä\": \"ö\", \"ü\": 1 } }"),
        r#"<stdin>:2:35: `ü` in `environment` must be a string, not a whole number
  |
2 | { "environment": { "ä": "ö", "ü": 1 } }
  |                                   ^"#
    );
}

#[test]
fn an_object_that_does_not_end_is_told_where_the_next_one_starts() {
    assert_eq!(
        told("{ \"layers\": [], \"program\": \"x\"\n{ \"layers\": [] }"),
        r#"<stdin>:2:1: this is not JSON: unexpected token in object
  |
2 | { "layers": [] }
  | ^"#
    );
}

#[test]
fn a_string_that_does_not_end_is_told_on_its_own_line() {
    assert_eq!(
        told("{ \"layers\": [],\n\"program\": \"x }\n{ \"layers\": [], \"program\": \"y\" }"),
        r#"<stdin>:2:12: this is not JSON: the string is not closed on its line
  |
2 | "program": "x }
  |            ^^^^"#
    );
}

#[test]
fn the_end_of_the_input_is_no_end_of_an_object() {
    assert_eq!(
        told(&format!("{GOOD}\n  {{ \"layers\": []")),
        r#"<stdin>:2:3: this is not JSON: unterminated object
  |
2 | { "layers": []
  | ^^^^^^^^^^^^^^"#
    );
}

#[test]
fn nothing_stands_between_jobs() {
    assert_eq!(
        told(&format!("{GOOD},\n{GOOD}")).lines().next(),
        Some("<stdin>:1:33: this is not JSON: unexpected comma")
    );
    assert_eq!(
        told(&format!("{GOOD}\n-- {GOOD}")).lines().next(),
        Some("<stdin>:2:2: this is not JSON: expected digit following negative sign")
    );
}

#[test]
fn values_may_not_be_in_each_other_without_end() {
    let deep = format!("{GOOD}\n{{ \"layers\": {}", "[".repeat(10_000));
    assert_eq!(
        told(&deep).lines().next(),
        Some("<stdin>:2:140: this is not JSON: values are more than 128 levels deep")
    );
}

#[test]
fn containers_are_known_from_their_definition_on() {
    let definition = r#"{ "containers": { "shell": {} } }"#;
    let job = r#"{ "parent": "shell", "program": "x" }"#;
    assert_eq!(
        told(&format!("{job}\n{definition}")),
        r#"<stdin>:1:13: unknown container `shell`; define it in `containers`, or name `empty`
  |
1 | { "parent": "shell", "program": "x" }
  |             ^^^^^^^"#
    );
    assert_eq!(
        told(&format!("{definition}\n{job}\n{definition}")),
        r#"<stdin>:3:19: the container `shell` is defined already; choose another name
  |
3 | { "containers": { "shell": {} } }
  |                   ^^^^^^^"#
    );
}
