//! The fields that only jobs have, and the definition of containers.

use super::job_errors;

#[test]
fn missing_fields_are_named() {
    insta::assert_snapshot!(job_errors(r#"
{}
{ "layers": [] }
{ "program": "x" }
{ "program": "x", "added_layers": [] }
{ "program": "x", "parent": { "name": "empty", "use": ["user"] } }
"#), @r#"
    {}
    ^^ a job needs the field `program`
    { "layers": [] }
    ^^^^^^^^^^^^^^^^ a job needs the field `program`
    { "program": "x" }
    ^^^^^^^^^^^^^^^^^^ a job needs the field `layers`, or an `image` or a `parent` that gives them
    { "program": "x", "added_layers": [] }
                      ^^^^^^^^^^^^^^ `added_layers` has nothing to add to; name an `image` or a `parent` with `layers`, or write `layers`
    { "program": "x", "parent": { "name": "empty", "use": ["user"] } }
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a job needs the field `layers`, or an `image` or a `parent` that gives them
    "#);
}

#[test]
fn unknown_fields_are_named_with_the_known_ones() {
    insta::assert_snapshot!(job_errors(r#"
{ "argumnts": [] }
{ "args": [] }
{ "container": {} }
"#), @r#"
    { "argumnts": [] }
      ^^^^^^^^^^ unknown field `argumnts` of a job; did you mean `arguments`?
    { "args": [] }
      ^^^^^^ unknown field `args` of a job; it must be one of `program`, `arguments`, `timeout`, `memory_limit`, `process_limit`, `estimated_duration`, `priority`, `slots`, `image`, `parent`, `environment`, `added_environment`, `layers`, `added_layers`, `mounts`, `added_mounts`, `outputs`, `added_outputs`, `network`, `root_overlay`, `enable_writable_file_system`, `working_directory`, `user`, `group`, `init`, `hostname`, `containers`
    { "container": {} }
      ^^^^^^^^^^^ unknown field `container` of a job; did you mean `containers`?
    "#);
}

#[test]
fn errors_in_definitions_of_containers_are_found() {
    insta::assert_snapshot!(job_errors(r#"
{ "containers": {}, "program": "x" }
{ "program": "x", "containers": {} }
{ "containers": [] }
{ "containers": null }
{ "containers": { "a": [] } }
{ "containers": { "a": { "program": "x" } } }
{ "containers": { "a": { "image": "oci:x", "parent": "empty" } } }
{ "containers": { "empty": {} } }
{ "containers": { "default": {} } }
{ "containers": { "a": { "parent": "b" }, "b": { "parent": "a" } } }
{ "containers": { "a": { "parent": "a" } } }
{ "containers": { "a": { "parent": "x" } } }
{ "containers": { "tools": {}, "b": { "parent": "tolos" } } }
{ "containers": { "a": { "added_mounts": [] } } }
"#), @r#"
    { "containers": {}, "program": "x" }
                        ^^^^^^^^^ an object with `containers` defines containers and no job, but it also has `program`; write two objects
    { "program": "x", "containers": {} }
      ^^^^^^^^^ an object with `containers` defines containers and no job, but it also has `program`; write two objects
    { "containers": [] }
                    ^^ `containers` must be a table of fields, not a list
    { "containers": null }
                    ^^^^ `containers` must be a table of fields, not null
    { "containers": { "a": [] } }
                           ^^ `a` must be a table of fields, not a list
    { "containers": { "a": { "program": "x" } } }
                             ^^^^^^^^^ unknown field `program` of a container; it must be one of `image`, `parent`, `environment`, `added_environment`, `layers`, `added_layers`, `mounts`, `added_mounts`, `outputs`, `added_outputs`, `network`, `root_overlay`, `enable_writable_file_system`, `working_directory`, `user`, `group`, `init`, `hostname`
    { "containers": { "a": { "image": "oci:x", "parent": "empty" } } }
                             ^^^^^^^ `image` and `parent` exclude each other: a container starts from one of them; keep one
    { "containers": { "empty": {} } }
                      ^^^^^^^ `empty` is the name of a built-in container; choose another name
    { "containers": { "default": {} } }
                      ^^^^^^^^^ `default` is the name of a built-in container; choose another name
    { "containers": { "a": { "parent": "b" }, "b": { "parent": "a" } } }
                                                               ^^^ these containers are each other's parents: `a` -> `b` -> `a`; give one of them another parent or none
    { "containers": { "a": { "parent": "a" } } }
                                       ^^^ these containers are each other's parents: `a` -> `a`; give one of them another parent or none
    { "containers": { "a": { "parent": "x" } } }
                                       ^^^ unknown container `x`; define it in `containers`, or name one of `a`, `empty`
    { "containers": { "tools": {}, "b": { "parent": "tolos" } } }
                                                    ^^^^^^^ unknown container `tolos`; did you mean `tools`?
    { "containers": { "a": { "added_mounts": [] } } }
                             ^^^^^^^^^^^^^^ `added_mounts` has nothing to add to; name a `parent` with `mounts`, or write `mounts`
    "#);
}

#[test]
fn programs_and_arguments_are_strings_without_nul() {
    insta::assert_snapshot!(job_errors(r#"
{ "program": "" }
{ "program": "a\u0000b" }
{ "program": 1 }
{ "program": null }
{ "program": ["x", "y"] }
{ "arguments": "a" }
{ "arguments": ["a", 1] }
{ "arguments": ["a", null] }
{ "arguments": ["a", "\u0000"] }
"#), @r#"
    { "program": "" }
                 ^^ `program` must not be empty
    { "program": "a\u0000b" }
                 ^^^^^^^^^^ `program` must be a string without NUL characters
    { "program": 1 }
                 ^ `program` must be a string, not a whole number
    { "program": null }
                 ^^^^ `program` must be a string, not null
    { "program": ["x", "y"] }
                 ^^^^^^^^^^ `program` must be a string, not a list
    { "arguments": "a" }
                   ^^^ `arguments` must be a list, not a string
    { "arguments": ["a", 1] }
                         ^ each element of `arguments` must be a string, not a whole number
    { "arguments": ["a", null] }
                         ^^^^ each element of `arguments` must be a string, not null
    { "arguments": ["a", "\u0000"] }
                         ^^^^^^^^ each element of `arguments` must be a string without NUL characters
    "#);
}

#[test]
fn times_priorities_and_slots_have_ranges() {
    insta::assert_snapshot!(job_errors(r#"
{ "timeout": "5s" }
{ "timeout": null }
{ "timeout": -1 }
{ "timeout": -0.5 }
{ "timeout": 4294967296 }
{ "timeout": 1e300 }
{ "estimated_duration": "long" }
{ "estimated_duration": -1 }
{ "priority": 128 }
{ "priority": -129 }
{ "priority": 1.5 }
{ "priority": "high" }
{ "slots": 0 }
{ "slots": -1 }
{ "slots": 4294967296 }
{ "slots": 2.0 }
{ "slots": "2" }
{ "memory_limit": "much" }
{ "memory_limit": -1 }
{ "memory_limit": 1.5 }
{ "process_limit": -1 }
{ "process_limit": "2" }
"#), @r#"
    { "timeout": "5s" }
                 ^^^^ `timeout` must be a number of seconds, not a string
    { "timeout": null }
                 ^^^^ `timeout` must be a number of seconds, not null
    { "timeout": -1 }
                 ^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    { "timeout": -0.5 }
                 ^^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    { "timeout": 4294967296 }
                 ^^^^^^^^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    { "timeout": 1e300 }
                 ^^^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    { "estimated_duration": "long" }
                            ^^^^^^ `estimated_duration` must be a number of seconds, not a string
    { "estimated_duration": -1 }
                            ^^ `estimated_duration` must be a number of seconds from 0 (unknown) to 4294967295
    { "priority": 128 }
                  ^^^ `priority` must be between -128 and 127, but it is 128
    { "priority": -129 }
                  ^^^^ `priority` must be between -128 and 127, but it is -129
    { "priority": 1.5 }
                  ^^^ `priority` must be a whole number, not a fraction
    { "priority": "high" }
                  ^^^^^^ `priority` must be a whole number, not a string
    { "slots": 0 }
               ^ `slots` must be between 1 and 4294967295, but it is 0
    { "slots": -1 }
               ^^ `slots` must be between 1 and 4294967295, but it is -1
    { "slots": 4294967296 }
               ^^^^^^^^^^ `slots` must be between 1 and 4294967295, but it is 4294967296
    { "slots": 2.0 }
               ^^^ `slots` must be a whole number, not a fraction
    { "slots": "2" }
               ^^^ `slots` must be a whole number, not a string
    { "memory_limit": "much" }
                      ^^^^^^ `memory_limit` must be a size such as `512 MiB` or a number of bytes, but it is `much`
    { "memory_limit": -1 }
                      ^^ `memory_limit` must be a size such as `512 MiB` or a number of bytes, but it is `-1`
    { "memory_limit": 1.5 }
                      ^^^ `memory_limit` must be a size such as `512 MiB` or a number of bytes, not a fraction
    { "process_limit": -1 }
                       ^^ `process_limit` must be between 0 and 4294967295, but it is -1
    { "process_limit": "2" }
                       ^^^ `process_limit` must be a whole number, not a string
    "#);
}
