//! Text that is not JSON, or JSON that is no job.

use super::refused;

#[test]
fn values_that_are_no_jobs_are_mistakes() {
    refused(
        r#"
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
"#,
    );
}

#[test]
fn things_given_twice_are_mistakes() {
    refused(
        r#"
{ "program": "x", "slots": 1, "program": "y" }
                              ^^^^^^^^^ the field `program` is given twice; drop one of them
{ "environment": { "A": "1", "A": "2" } }
                             ^^^ the field `A` is given twice; drop one of them
{ "containers": { "a": {}, "a": {} } }
                           ^^^ the field `a` is given twice; drop one of them
"#,
    );
}

#[test]
fn numbers_that_are_none_are_mistakes_where_they_stand() {
    refused(
        r#"
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
"#,
    );
}

#[test]
fn strings_that_are_none_are_mistakes_where_they_stand() {
    refused(
        r#"
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
"#,
    );
}

#[test]
fn what_json_lacks_is_named() {
    refused(
        r#"
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
"#,
    );
}

#[test]
fn what_is_missing_or_too_much_is_pointed_at() {
    refused(
        r#"
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
"#,
    );
}
