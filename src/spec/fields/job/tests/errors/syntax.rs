//! Text that is not JSON, and JSON that is not a job.

use super::job_errors;

#[test]
fn values_other_than_objects_are_errors() {
    insta::assert_snapshot!(job_errors(r#"
"x"
7
true
null
[]
[{ "layers": [], "program": "x" }]
"#), @r#"
    "x"
    ^^^ a job must be a table of fields, not a string
    7
    ^ a job must be a table of fields, not a whole number
    true
    ^^^^ a job must be a table of fields, not `true`
    null
    ^^^^ a job must be a table of fields, not null
    []
    ^^ a job must be a table of fields, not a list; write jobs one after another, without `[`, `,` and `]`
    [{ "layers": [], "program": "x" }]
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a job must be a table of fields, not a list; write jobs one after another, without `[`, `,` and `]`
    "#);
}

#[test]
fn repeated_keys_are_errors() {
    insta::assert_snapshot!(job_errors(r#"
{ "program": "x", "slots": 1, "program": "y" }
{ "environment": { "A": "1", "A": "2" } }
{ "containers": { "a": {}, "a": {} } }
"#), @r#"
    { "program": "x", "slots": 1, "program": "y" }
                                  ^^^^^^^^^ the field `program` is given twice; drop one of them
    { "environment": { "A": "1", "A": "2" } }
                                 ^^^ the field `A` is given twice; drop one of them
    { "containers": { "a": {}, "a": {} } }
                               ^^^ the field `a` is given twice; drop one of them
    "#);
}

#[test]
fn malformed_numbers_are_errors() {
    insta::assert_snapshot!(job_errors(r#"
{ "slots": 01 }
{ "slots": +1 }
{ "slots": - }
{ "slots": 0x10 }
{ "slots": 1_000 }
{ "timeout": 1. }
{ "timeout": .5 }
{ "timeout": 1e }
{ "timeout": NaN }
{ "timeout": Infinity }
{ "timeout": -Infinity }
{ "slots": 99999999999999999999999999999999999999999 }
{ "timeout": 99999999999999999999999999999999999999999 }
{ "slots": 1e999 }
{ "timeout": 1e999 }
"#), @r#"
    { "slots": 01 }
                ^ this is not JSON: expected comma
    { "slots": +1 }
               ^ this is not JSON: unary plus on numbers is not allowed
    { "slots": - }
                ^ this is not JSON: expected digit following negative sign
    { "slots": 0x10 }
               ^ this is not JSON: hexadecimal numbers are not allowed
    { "slots": 1_000 }
                ^ this is not JSON: expected comma
    { "timeout": 1. }
                 ^^ this is not JSON: leading or trailing decimal points on numbers are not allowed
    { "timeout": .5 }
                 ^ this is not JSON: leading or trailing decimal points on numbers are not allowed
    { "timeout": 1e }
                   ^ this is not JSON: expected plus, minus, or digit in number literal
    { "timeout": NaN }
                 ^^^ this is not JSON: unexpected word
    { "timeout": Infinity }
                 ^^^^^^^^ this is not JSON: unexpected word
    { "timeout": -Infinity }
                 ^^^^^^^^^ this is not JSON: infinity and NaN are not allowed
    { "slots": 99999999999999999999999999999999999999999 }
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this is not JSON: the number is too large
    { "timeout": 99999999999999999999999999999999999999999 }
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this is not JSON: the number is too large
    { "slots": 1e999 }
               ^^^^^ this is not JSON: the number is too large
    { "timeout": 1e999 }
                 ^^^^^ this is not JSON: the number is too large
    "#);
}

#[test]
fn malformed_strings_are_errors() {
    insta::assert_snapshot!(job_errors(r#"
{ "program": 'x' }
{ "program": "x }
{ "program": "\x" }
{ "program": "\u12" }
{ "program": "\ud800" }
"#), @r#"
    { "program": 'x' }
                 ^ this is not JSON: single-quoted strings are not allowed
    { "program": "x }
                 ^^^^ this is not JSON: unterminated string literal
    { "program": "\x" }
                  ^^ this is not JSON: invalid escape
    { "program": "\u12" }
                  ^^^^^ this is not JSON: expected four hex digits
    { "program": "\ud800" }
                  ^^^^^^^ this is not JSON: invalid unicode escape sequence. 'd800 (unpaired high surrogate)' is not a valid UTF8 character
    "#);
}

#[test]
fn extensions_of_json_are_errors_that_name_them() {
    insta::assert_snapshot!(job_errors(r#"
{ "layers": [], }
{ "layers": [{},] }
{ layers: [] }
{ 'layers': [] }
{ "slots": 1 // one
{ "slots": /* one */ 1 }
# a comment
"#), @r#"
    { "layers": [], }
                  ^ this is not JSON: trailing commas are not allowed
    { "layers": [{},] }
                   ^ this is not JSON: trailing commas are not allowed
    { layers: [] }
      ^^^^^^ this is not JSON: expected string for object property
    { 'layers': [] }
      ^ this is not JSON: single-quoted strings are not allowed
    { "slots": 1 // one
                 ^^^^^^ this is not JSON: comments are not allowed
    { "slots": /* one */ 1 }
               ^^^^^^^^^ this is not JSON: comments are not allowed
    # a comment
    ^ this is not JSON: unexpected token
    "#);
}

#[test]
fn missing_and_superfluous_tokens_are_pointed_at() {
    insta::assert_snapshot!(job_errors(r#"
{ "layers": [],
nothing
{} {}
{ "layers": [] } garbage
{ "layers": [] "program": "x" }
{ "layers" [] }
{ "layers": }
{ "init": True }
{ "init": yes }
{ "layers": [] ]
{ "layers": [ } ]
}
]
,
:
{ , }
{ "a": 1, , "b": 2 }
"#), @r#"
    { "layers": [],
    ^^^^^^^^^^^^^^^ this is not JSON: unterminated object
    nothing
    ^^^^^^^ this is not JSON: unexpected word
    {} {}
       ^ this is not JSON: text cannot contain more than one JSON value
    { "layers": [] } garbage
                     ^^^^^^^ this is not JSON: text cannot contain more than one JSON value
    { "layers": [] "program": "x" }
                  ^ this is not JSON: expected comma
    { "layers" [] }
               ^ this is not JSON: expected colon after the string or word in object property
    { "layers": }
                ^ this is not JSON: unexpected close brace
    { "init": True }
              ^^^^ this is not JSON: unexpected word
    { "init": yes }
              ^^^ this is not JSON: unexpected word
    { "layers": [] ]
                   ^ this is not JSON: unexpected token in object
    { "layers": [ } ]
                  ^ this is not JSON: unexpected close brace
    }
    ^ this is not JSON: unexpected close brace
    ]
    ^ this is not JSON: unexpected close bracket
    ,
    ^ this is not JSON: unexpected comma
    :
    ^ this is not JSON: unexpected colon
    { , }
      ^ this is not JSON: unexpected token in object
    { "a": 1, , "b": 2 }
              ^ this is not JSON: unexpected token in object
    "#);
}
