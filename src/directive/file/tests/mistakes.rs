//! Every mistake that a file can have, with the whole of what is said about it.

use super::*;

/// Each text must be refused with the explanation that follows it.
fn assert_refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = Directives::parse("f", text).expect_err(text);
        assert_eq!(format!("\n{error}\n"), *expected, "{text}");
    }
}

#[test]
fn text_that_is_not_toml_is_an_error_where_it_stops_being_so() {
    assert_refused(&[
        (
            "directives = [",
            "
f:1:15: this is not TOML: unclosed array, expected `]`
  |
1 | directives = [
  |               ^
",
        ),
        (
            "a = 1
a = 2",
            "
f:2:1: this is not TOML: duplicate key
  |
2 | a = 2
  | ^
",
        ),
        (
            "[[directives]]
timeout = 99999999999999999999999999999999999999999",
            "
f:2:11: this is not TOML: the number is too large
  |
2 | timeout = 99999999999999999999999999999999999999999
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
        ),
    ]);
}

#[test]
fn unknown_names_of_fields_are_errors_that_suggest_or_list_what_may_stand_there() {
    assert_refused(&[
        (
            "directive = []",
            "
f:1:1: unknown table `directive`; did you mean `directives`?
  |
1 | directive = []
  | ^^^^^^^^^
",
        ),
        (
            "x = 1",
            "
f:1:1: unknown table `x`; it must be one of `containers`, `directives`
  |
1 | x = 1
  | ^
",
        ),
        (
            "[[directives]]
layer = []",
            "
f:2:1: unknown field `layer` of a directive; did you mean `layers`?
  |
2 | layer = []
  | ^^^^^
",
        ),
        (
            "[[directives]]
xyz = 1",
            "
f:2:1: unknown field `xyz` of a directive; it must be one of `filter`, `ignore`, `timeout`, `include_shared_libraries`, `slots`, `retries`, `image`, `parent`, `environment`, `added_environment`, `layers`, `added_layers`, `mounts`, `added_mounts`, `network`, `root_overlay`, `enable_writable_file_system`, `working_directory`, `user`, `group`, `init`, `hostname`
  |
2 | xyz = 1
  | ^^^
",
        ),
        (
            r#"[containers.c]
filter = "all""#,
            r#"
f:2:1: unknown field `filter` of a container; it must be one of `image`, `parent`, `environment`, `added_environment`, `layers`, `added_layers`, `mounts`, `added_mounts`, `network`, `root_overlay`, `enable_writable_file_system`, `working_directory`, `user`, `group`, `init`, `hostname`
  |
2 | filter = "all"
  | ^^^^^^
"#,
        ),
        (
            "[containers.c]
add_layers = []",
            "
f:2:1: unknown field `add_layers` of a container; did you mean `added_layers`?
  |
2 | add_layers = []
  | ^^^^^^^^^^
",
        ),
        (
            r#"[[directives]]
parent = { nam = "default" }"#,
            r#"
f:2:12: unknown field `nam` of `parent`; did you mean `name`?
  |
2 | parent = { nam = "default" }
  |            ^^^
"#,
        ),
        (
            r#"[[directives]]
parent = { name = "default", use = ["layer", "x"] }"#,
            r#"
f:2:37: unknown field to use `layer`; did you mean `layers`?
  |
2 | parent = { name = "default", use = ["layer", "x"] }
  |                                     ^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
parent = { name = "default", use = ["command"] }"#,
            r#"
f:2:37: unknown field to use `command`; it must be one of `environment`, `layers`, `mounts`, `network`, `root_overlay`, `working_directory`, `user`, `group`, `init`, `hostname`
  |
2 | parent = { name = "default", use = ["command"] }
  |                                     ^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
parent = "defualt""#,
            r#"
f:2:10: unknown container `defualt`; did you mean `default`?
  |
2 | parent = "defualt"
  |          ^^^^^^^^^
"#,
        ),
        (
            "[[directives]]
environment = [{ variables = {}, extend = true }]",
            "
f:2:18: unknown field `variables` of an environment element; it must be one of `vars`, `extend`
  |
2 | environment = [{ variables = {}, extend = true }]
  |                  ^^^^^^^^^
",
        ),
        (
            r#"[[directives]]
network = "lo""#,
            r#"
f:2:11: unknown network `lo`; it must be one of `disabled`, `loopback`, `local`
  |
2 | network = "lo"
  |           ^^^^
"#,
        ),
        (
            r#"[[directives]]
root_overlay = "temp""#,
            r#"
f:2:16: unknown root overlay `temp`; did you mean `tmp`?
  |
2 | root_overlay = "temp"
  |                ^^^^^^
"#,
        ),
        (
            "[[directives]]
root_overlay = { lokal = {} }",
            "
f:2:18: unknown root overlay `lokal`; did you mean `local`?
  |
2 | root_overlay = { lokal = {} }
  |                  ^^^^^
",
        ),
        (
            r#"[[directives]]
root_overlay = { local = { upper = "a", word = "b" } }"#,
            r#"
f:2:41: unknown field `word` of `local`; did you mean `work`?
  |
2 | root_overlay = { local = { upper = "a", word = "b" } }
  |                                         ^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "procfs", mount_point = "/proc" }]"#,
            r#"
f:2:26: unknown type of mount `procfs`; it must be one of `bind`, `devices`, `devpts`, `mqueue`, `proc`, `sys`, `tmp`
  |
2 | added_mounts = [{ type = "procfs", mount_point = "/proc" }]
  |                          ^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "proc", mountpoint = "/proc" }]"#,
            r#"
f:2:34: unknown field `mountpoint` of a `proc` mount; did you mean `mount_point`?
  |
2 | added_mounts = [{ type = "proc", mountpoint = "/proc" }]
  |                                  ^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "devices", mount_point = "/dev", devices = [] }]"#,
            r#"
f:2:37: unknown field `mount_point` of a `devices` mount; it must be one of `type`, `devices`
  |
2 | added_mounts = [{ type = "devices", mount_point = "/dev", devices = [] }]
  |                                     ^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "bind", mount_point = "/x", source = "/y" }]"#,
            r#"
f:2:54: unknown field `source` of a `bind` mount; it must be one of `type`, `mount_point`, `local_path`, `read_only`
  |
2 | added_mounts = [{ type = "bind", mount_point = "/x", source = "/y" }]
  |                                                      ^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "devices", devices = ["nul"] }]"#,
            r#"
f:2:48: unknown device `nul`; did you mean `null`?
  |
2 | added_mounts = [{ type = "devices", devices = ["nul"] }]
  |                                                ^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ stub = ["/x"] }]"#,
            r#"
f:2:19: unknown kind of layer `stub`; did you mean `stubs`?
  |
2 | added_layers = [{ stub = ["/x"] }]
  |                   ^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ directory = "/x" }]"#,
            r#"
f:2:19: unknown kind of layer `directory`; it must be one of `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`
  |
2 | added_layers = [{ directory = "/x" }]
  |                   ^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ paths = ["/x"], strip = "/" }]"#,
            r#"
f:2:35: unknown field `strip` of a layer; it must be one of `follow_symlinks`, `canonicalize`, `strip_prefix`, `prepend_prefix`
  |
2 | added_layers = [{ paths = ["/x"], strip = "/" }]
  |                                   ^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ tar = "x.tar", strip_prefix = "/" }]"#,
            r#"
f:2:34: a `tar` layer has no field `strip_prefix`; drop it
  |
2 | added_layers = [{ tar = "x.tar", strip_prefix = "/" }]
  |                                  ^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ symlinks = [{ from = "/x", target = "/y" }] }]"#,
            r#"
f:2:33: unknown field `from` of a symlink; it must be one of `link`, `target`
  |
2 | added_layers = [{ symlinks = [{ from = "/x", target = "/y" }] }]
  |                                 ^^^^
"#,
        ),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_errors_that_say_what_was_expected() {
    assert_refused(&[
        (
            "directives = 1",
            "
f:1:14: `directives` must be a list, not a whole number
  |
1 | directives = 1
  |              ^
",
        ),
        (
            "[directives]
user = 1",
            "
f:1:2: `directives` must be a list; each directive starts with `[[directives]]`
  |
1 | [directives]
  |  ^^^^^^^^^^
",
        ),
        (
            "containers = []",
            "
f:1:14: `containers` must be a table of fields, not a list
  |
1 | containers = []
  |              ^^
",
        ),
        (
            "containers.c = 1",
            "
f:1:16: `c` must be a table of fields, not a whole number
  |
1 | containers.c = 1
  |                ^
",
        ),
        (
            r#"directives = ["x"]"#,
            r#"
f:1:15: each element of `directives` must be a table of fields, not a string
  |
1 | directives = ["x"]
  |               ^^^
"#,
        ),
        (
            "[[directives]]
filter = 1",
            "
f:2:10: `filter` must be a string, not a whole number
  |
2 | filter = 1
  |          ^
",
        ),
        (
            r#"[[directives]]
ignore = "yes""#,
            r#"
f:2:10: `ignore` must be true or false, not a string
  |
2 | ignore = "yes"
  |          ^^^^^
"#,
        ),
        (
            r#"[[directives]]
timeout = "5s""#,
            r#"
f:2:11: `timeout` must be a number of seconds, not a string
  |
2 | timeout = "5s"
  |           ^^^^
"#,
        ),
        (
            "[[directives]]
slots = 1.5",
            "
f:2:9: `slots` must be a whole number, not a fraction
  |
2 | slots = 1.5
  |         ^^^
",
        ),
        (
            "[[directives]]
retries = true",
            "
f:2:11: `retries` must be a whole number, not `true`
  |
2 | retries = true
  |           ^^^^
",
        ),
        (
            "[[directives]]
include_shared_libraries = 1",
            "
f:2:28: `include_shared_libraries` must be true or false, not a whole number
  |
2 | include_shared_libraries = 1
  |                            ^
",
        ),
        (
            "[[directives]]
parent = 1",
            "
f:2:10: `parent` must be the name of a container or `{ name, use }`, not a whole number
  |
2 | parent = 1
  |          ^
",
        ),
        (
            "[[directives]]
parent = { name = 1 }",
            "
f:2:19: `name` must be a string, not a whole number
  |
2 | parent = { name = 1 }
  |                   ^
",
        ),
        (
            r#"[[directives]]
parent = { name = "default", use = "layers" }"#,
            r#"
f:2:36: `use` must be a list, not a string
  |
2 | parent = { name = "default", use = "layers" }
  |                                    ^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
parent = { name = "default", use = [1] }"#,
            r#"
f:2:37: each element of `use` must be a string, not a whole number
  |
2 | parent = { name = "default", use = [1] }
  |                                     ^
"#,
        ),
        (
            r#"[[directives]]
environment = "A=b""#,
            r#"
f:2:15: `environment` must be a table of variables or a list of `{ vars, extend }`, not a string
  |
2 | environment = "A=b"
  |               ^^^^^
"#,
        ),
        (
            "[[directives]]
environment = { A = 1 }",
            "
f:2:21: `A` in `environment` must be a string, not a whole number
  |
2 | environment = { A = 1 }
  |                     ^
",
        ),
        (
            r#"[[directives]]
environment = ["A=b"]"#,
            r#"
f:2:16: each element of `environment` must be a table of fields, not a string
  |
2 | environment = ["A=b"]
  |                ^^^^^
"#,
        ),
        (
            "[[directives]]
environment = [{ vars = [], extend = true }]",
            "
f:2:25: `vars` must be a table of fields, not a list
  |
2 | environment = [{ vars = [], extend = true }]
  |                         ^^
",
        ),
        (
            "[[directives]]
environment = [{ vars = {}, extend = 1 }]",
            "
f:2:38: `extend` must be true or false, not a whole number
  |
2 | environment = [{ vars = {}, extend = 1 }]
  |                                      ^
",
        ),
        (
            r#"[[directives]]
layers = "x.tar""#,
            r#"
f:2:10: `layers` must be a list, not a string
  |
2 | layers = "x.tar"
  |          ^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
layers = ["x.tar"]"#,
            r#"
f:2:11: each element of `layers` must be a table of fields, not a string
  |
2 | layers = ["x.tar"]
  |           ^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
layers = [{ tar = ["x.tar"] }]"#,
            r#"
f:2:19: `tar` must be a string, not a list
  |
2 | layers = [{ tar = ["x.tar"] }]
  |                   ^^^^^^^^^
"#,
        ),
        (
            "[[directives]]
layers = [{ glob = 1 }]",
            "
f:2:20: `glob` must be a string, not a whole number
  |
2 | layers = [{ glob = 1 }]
  |                    ^
",
        ),
        (
            r#"[[directives]]
layers = [{ paths = "x" }]"#,
            r#"
f:2:21: `paths` must be a list, not a string
  |
2 | layers = [{ paths = "x" }]
  |                     ^^^
"#,
        ),
        (
            "[[directives]]
layers = [{ paths = [1979-05-27] }]",
            "
f:2:22: each element of `paths` must be a string, not a date
  |
2 | layers = [{ paths = [1979-05-27] }]
  |                      ^^^^^^^^^^
",
        ),
        (
            "[[directives]]
layers = [{ paths = [], canonicalize = 1 }]",
            "
f:2:40: `canonicalize` must be true or false, not a whole number
  |
2 | layers = [{ paths = [], canonicalize = 1 }]
  |                                        ^
",
        ),
        (
            r#"[[directives]]
layers = [{ symlinks = [["/a", "/b"]] }]"#,
            r#"
f:2:25: each element of `symlinks` must be a table of fields, not a list
  |
2 | layers = [{ symlinks = [["/a", "/b"]] }]
  |                         ^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
layers = [{ files = ["x"] }]"#,
            r#"
f:2:21: `files` must be a table of fields, not a list
  |
2 | layers = [{ files = ["x"] }]
  |                     ^^^^^
"#,
        ),
        (
            r#"[[directives]]
layers = [{ files = { "/x" = 1 } }]"#,
            r#"
f:2:30: `/x` in `files` must be a string, not a whole number
  |
2 | layers = [{ files = { "/x" = 1 } }]
  |                              ^
"#,
        ),
        (
            r#"[[directives]]
layers = [{ programs = "sh" }]"#,
            r#"
f:2:24: `programs` must be a list, not a string
  |
2 | layers = [{ programs = "sh" }]
  |                        ^^^^
"#,
        ),
        (
            r#"[[directives]]
mounts = { type = "proc" }"#,
            r#"
f:2:10: `mounts` must be a list, not a table of fields
  |
2 | mounts = { type = "proc" }
  |          ^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            "[[directives]]
mounts = [1]",
            "
f:2:11: each element of `mounts` must be a table of fields, not a whole number
  |
2 | mounts = [1]
  |           ^
",
        ),
        (
            "[[directives]]
mounts = [{ type = 1 }]",
            "
f:2:20: `type` must be a string, not a whole number
  |
2 | mounts = [{ type = 1 }]
  |                    ^
",
        ),
        (
            r#"[[directives]]
mounts = [{ type = "tmp", mount_point = 1 }]"#,
            r#"
f:2:41: `mount_point` must be a string, not a whole number
  |
2 | mounts = [{ type = "tmp", mount_point = 1 }]
  |                                         ^
"#,
        ),
        (
            r#"[[directives]]
mounts = [{ type = "bind", mount_point = "/x", local_path = "y", read_only = "no" }]"#,
            r#"
f:2:78: `read_only` must be true or false, not a string
  |
2 | mounts = [{ type = "bind", mount_point = "/x", local_path = "y", read_only = "no" }]
  |                                                                              ^^^^
"#,
        ),
        (
            "[[directives]]
network = true",
            "
f:2:11: `network` must be `\"disabled\"`, `\"loopback\"` or `\"local\"`, not `true`
  |
2 | network = true
  |           ^^^^
",
        ),
        (
            "[[directives]]
root_overlay = true",
            r#"
f:2:16: `root_overlay` must be `"none"`, `"tmp"` or `{ local = { upper, work } }`, not `true`
  |
2 | root_overlay = true
  |                ^^^^
"#,
        ),
        (
            r#"[[directives]]
root_overlay = { local = "x" }"#,
            r#"
f:2:26: `local` must be a table of fields, not a string
  |
2 | root_overlay = { local = "x" }
  |                          ^^^
"#,
        ),
        (
            r#"[[directives]]
enable_writable_file_system = "tmp""#,
            r#"
f:2:31: `enable_writable_file_system` must be true or false, not a string
  |
2 | enable_writable_file_system = "tmp"
  |                               ^^^^^
"#,
        ),
        (
            "[[directives]]
working_directory = 1",
            "
f:2:21: `working_directory` must be a string, not a whole number
  |
2 | working_directory = 1
  |                     ^
",
        ),
        (
            r#"[[directives]]
user = "root""#,
            r#"
f:2:8: `user` must be a whole number, not a string
  |
2 | user = "root"
  |        ^^^^^^
"#,
        ),
        (
            "[[directives]]
group = {}",
            "
f:2:9: `group` must be a whole number, not a table of fields
  |
2 | group = {}
  |         ^^
",
        ),
        (
            "[[directives]]
init = 1",
            "
f:2:8: `init` must be true or false, not a whole number
  |
2 | init = 1
  |        ^
",
        ),
        (
            "[[directives]]
hostname = 1",
            "
f:2:12: `hostname` must be a string, not a whole number
  |
2 | hostname = 1
  |            ^
",
        ),
        (
            r#"[[directives]]
devices = "null""#,
            r#"
f:2:11: `devices` must be a list, not a string
  |
2 | devices = "null"
  |           ^^^^^^
"#,
        ),
        (
            r#"[[directives]]
enable_loopback = "yes""#,
            r#"
f:2:19: `enable_loopback` must be true or false, not a string
  |
2 | enable_loopback = "yes"
  |                   ^^^^^
"#,
        ),
    ]);
}

#[test]
fn values_out_of_range_are_errors() {
    assert_refused(&[
        (
            "[[directives]]
timeout = -1",
            "
f:2:11: `timeout` must be a number of seconds from 0 (no limit) to 4294967295
  |
2 | timeout = -1
  |           ^^
",
        ),
        (
            "[[directives]]
timeout = -0.5",
            "
f:2:11: `timeout` must be a number of seconds from 0 (no limit) to 4294967295
  |
2 | timeout = -0.5
  |           ^^^^
",
        ),
        (
            "[[directives]]
timeout = nan",
            "
f:2:11: `timeout` must be a number of seconds from 0 (no limit) to 4294967295
  |
2 | timeout = nan
  |           ^^^
",
        ),
        (
            "[[directives]]
timeout = inf",
            "
f:2:11: `timeout` must be a number of seconds from 0 (no limit) to 4294967295
  |
2 | timeout = inf
  |           ^^^
",
        ),
        (
            "[[directives]]
slots = 0",
            "
f:2:9: `slots` must be between 1 and 4294967295, but it is 0
  |
2 | slots = 0
  |         ^
",
        ),
        (
            "[[directives]]
retries = -1",
            "
f:2:11: `retries` must be between 0 and 4294967295, but it is -1
  |
2 | retries = -1
  |           ^^
",
        ),
        (
            "[[directives]]
user = 4294967295",
            "
f:2:8: `user` must be between 0 and 4294967294, but it is 4294967295
  |
2 | user = 4294967295
  |        ^^^^^^^^^^
",
        ),
        (
            "[[directives]]
group = -1",
            "
f:2:9: `group` must be between 0 and 4294967294, but it is -1
  |
2 | group = -1
  |         ^^
",
        ),
        (
            r#"[[directives]]
hostname = """#,
            r#"
f:2:12: `hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is ``
  |
2 | hostname = ""
  |            ^^
"#,
        ),
        (
            r#"[[directives]]
hostname = "my host""#,
            r#"
f:2:12: `hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is `my host`
  |
2 | hostname = "my host"
  |            ^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
parent = { name = "default", use = [] }"#,
            r#"
f:2:36: `use` must not be empty
  |
2 | parent = { name = "default", use = [] }
  |                                    ^^
"#,
        ),
        (
            r#"[[directives]]
environment = { "A=B" = "" }"#,
            r#"
f:2:17: `A=B` cannot be the name of an environment variable: it must be non-empty, without `=` and NUL
  |
2 | environment = { "A=B" = "" }
  |                 ^^^^^
"#,
        ),
        (
            r#"[[directives]]
environment = { "" = "" }"#,
            r#"
f:2:17: `` cannot be the name of an environment variable: it must be non-empty, without `=` and NUL
  |
2 | environment = { "" = "" }
  |                 ^^
"#,
        ),
        (
            r#"[[directives]]
environment = { A = "\u0000" }"#,
            r#"
f:2:21: `A` in `environment` must be a string without NUL characters
  |
2 | environment = { A = "\u0000" }
  |                     ^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
environment = { A = "$env{A" }"#,
            r#"
f:2:21: bad value for the environment variable `A`: `$env{` has no closing `}`; for the plain text write `$$env{`
  |
2 | environment = { A = "$env{A" }
  |                     ^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ tar = "" }]"#,
            r#"
f:2:25: `tar` must not be empty
  |
2 | added_layers = [{ tar = "" }]
  |                         ^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ paths = ["a\u0000"] }]"#,
            r#"
f:2:28: each element of `paths` must be a string without NUL characters
  |
2 | added_layers = [{ paths = ["a\u0000"] }]
  |                            ^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ programs = [""] }]"#,
            r#"
f:2:31: each element of `programs` must not be empty
  |
2 | added_layers = [{ programs = [""] }]
  |                               ^^
"#,
        ),
        (
            "[[directives]]
timeout = 4294967296",
            "
f:2:11: `timeout` must be a number of seconds from 0 (no limit) to 4294967295
  |
2 | timeout = 4294967296
  |           ^^^^^^^^^^
",
        ),
        (
            "[[directives]]
timeout = 1e300",
            "
f:2:11: `timeout` must be a number of seconds from 0 (no limit) to 4294967295
  |
2 | timeout = 1e300
  |           ^^^^^
",
        ),
    ]);
}

#[test]
fn references_in_variables_are_understood_or_errors() {
    assert_refused(&[
        (
            r#"[containers.c]
environment = { A = "$prev{}" }"#,
            r#"
f:2:21: bad value for the environment variable `A`: `$prev{}` names no variable; for the plain text write `$$prev{}`
  |
2 | environment = { A = "$prev{}" }
  |                     ^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
environment = [{ vars = { A = "$env{A:-$env{B}}" }, extend = true }]"#,
            r#"
f:2:31: bad value for the environment variable `A`: the default in `$env{A:-...}` holds a reference; defaults are plain text
  |
2 | environment = [{ vars = { A = "$env{A:-$env{B}}" }, extend = true }]
  |                               ^^^^^^^^^^^^^^^^^^
"#,
        ),
    ]);
}

#[test]
fn missing_fields_are_errors_that_name_them() {
    assert_refused(&[
        (
            r#"[[directives]]
parent = { use = ["user"] }"#,
            r#"
f:2:10: `parent` needs the field `name`
  |
2 | parent = { use = ["user"] }
  |          ^^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            "[[directives]]
environment = [{ vars = {} }]",
            "
f:2:16: each element of `environment` needs the field `extend`
  |
2 | environment = [{ vars = {} }]
  |                ^^^^^^^^^^^^^
",
        ),
        (
            "[[directives]]
environment = [{ extend = true }]",
            "
f:2:16: each element of `environment` needs the field `vars`
  |
2 | environment = [{ extend = true }]
  |                ^^^^^^^^^^^^^^^^^
",
        ),
        (
            "[[directives]]
layers = [{}]",
            "
f:2:11: a layer needs one of the fields `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`
  |
2 | layers = [{}]
  |           ^^
",
        ),
        (
            "[[directives]]
layers = [{ canonicalize = true }]",
            "
f:2:11: a layer needs one of the fields `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`
  |
2 | layers = [{ canonicalize = true }]
  |           ^^^^^^^^^^^^^^^^^^^^^^^
",
        ),
        (
            r#"[[directives]]
layers = [{ symlinks = [{ link = "/x" }] }]"#,
            r#"
f:2:25: each element of `symlinks` needs the field `target`
  |
2 | layers = [{ symlinks = [{ link = "/x" }] }]
  |                         ^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
layers = [{ symlinks = [{ target = "/x" }] }]"#,
            r#"
f:2:25: each element of `symlinks` needs the field `link`
  |
2 | layers = [{ symlinks = [{ target = "/x" }] }]
  |                         ^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
mounts = [{ mount_point = "/x" }]"#,
            r#"
f:2:11: each element of `mounts` needs the field `type`
  |
2 | mounts = [{ mount_point = "/x" }]
  |           ^^^^^^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
mounts = [{ type = "tmp" }]"#,
            r#"
f:2:11: a `tmp` mount needs the field `mount_point`
  |
2 | mounts = [{ type = "tmp" }]
  |           ^^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
mounts = [{ type = "bind", mount_point = "/x" }]"#,
            r#"
f:2:11: a `bind` mount needs the field `local_path`
  |
2 | mounts = [{ type = "bind", mount_point = "/x" }]
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
mounts = [{ type = "devices" }]"#,
            r#"
f:2:11: a `devices` mount needs the field `devices`
  |
2 | mounts = [{ type = "devices" }]
  |           ^^^^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            "[[directives]]
root_overlay = {}",
            "
f:2:16: `root_overlay` needs the field `local`
  |
2 | root_overlay = {}
  |                ^^
",
        ),
        (
            r#"[[directives]]
root_overlay = { local = { upper = "x" } }"#,
            r#"
f:2:26: `local` needs the field `work`
  |
2 | root_overlay = { local = { upper = "x" } }
  |                          ^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
root_overlay = { local = { work = "x" } }"#,
            r#"
f:2:26: `local` needs the field `upper`
  |
2 | root_overlay = { local = { work = "x" } }
  |                          ^^^^^^^^^^^^^^
"#,
        ),
    ]);
}

#[test]
fn fields_that_exclude_each_other_are_errors_that_say_which_to_keep() {
    assert_refused(&[
        (
            "[[directives]]
layers = []
added_layers = []",
            "
f:3:1: `layers` and `added_layers` exclude each other: the one replaces what came before, the other adds to it; keep one of them
  |
3 | added_layers = []
  | ^^^^^^^^^^^^
",
        ),
        (
            r#"[containers.c]
parent = "default"
added_environment = {}
environment = {}"#,
            "
f:4:1: `environment` and `added_environment` exclude each other: the one replaces what came before, the other adds to it; keep one of them
  |
4 | environment = {}
  | ^^^^^^^^^^^
",
        ),
        (
            "[containers.c]
added_mounts = []",
            "
f:2:1: `added_mounts` has nothing to add to; name a `parent` that gives `mounts`, or write `mounts`
  |
2 | added_mounts = []
  | ^^^^^^^^^^^^
",
        ),
        (
            r#"[containers.c]
parent = { name = "default", use = ["layers"] }
added_mounts = []"#,
            "
f:3:1: `added_mounts` has nothing to add to, because the parent's `use` leaves out `mounts`; name it in `use`, or write `mounts`
  |
3 | added_mounts = []
  | ^^^^^^^^^^^^
",
        ),
        (
            r#"[[directives]]
parent = { name = "default", use = ["layers"] }
added_environment = {}"#,
            "
f:3:1: `added_environment` has nothing to add to, because the parent's `use` leaves out `environment`; name it in `use`, or write `environment`
  |
3 | added_environment = {}
  | ^^^^^^^^^^^^^^^^^
",
        ),
        (
            r#"[containers.c]
parent = { name = "default", use = ["layers"] }
layers = []"#,
            "
f:3:1: `layers` is set here and also taken from the parent; write `added_layers` to add to that, or leave it out of a `use`
  |
3 | layers = []
  | ^^^^^^
",
        ),
        (
            r#"[[directives]]
parent = { name = "default", use = ["user"] }
user = 1"#,
            "
f:3:1: `user` is set here and also taken from the parent; drop it from one of the two
  |
3 | user = 1
  | ^^^^
",
        ),
        (
            r#"[[directives]]
root_overlay = "tmp"
enable_writable_file_system = true"#,
            r#"
f:3:1: `enable_writable_file_system` and `root_overlay` exclude each other; keep `root_overlay` (`"tmp"` means the same as `enable_writable_file_system = true`)
  |
3 | enable_writable_file_system = true
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
enable_writable_file_system = false
root_overlay = "tmp""#,
            r#"
f:3:1: `enable_writable_file_system` and `root_overlay` exclude each other; keep `root_overlay` (`"tmp"` means the same as `enable_writable_file_system = true`)
  |
3 | root_overlay = "tmp"
  | ^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
network = "local"
enable_loopback = true"#,
            "
f:3:1: `enable_loopback` and `network` exclude each other; keep `network`
  |
3 | enable_loopback = true
  | ^^^^^^^^^^^^^^^
",
        ),
        (
            r#"[[directives]]
mounts = [{ type = "proc", fs_type = "proc", mount_point = "/proc" }]"#,
            r#"
f:2:28: `type` and `fs_type` exclude each other; keep `type`
  |
2 | mounts = [{ type = "proc", fs_type = "proc", mount_point = "/proc" }]
  |                            ^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
layers = [{ tar = "x.tar", glob = "*" }]"#,
            r#"
f:2:28: a layer is one of `tar` and `glob`, not both; make it two layers
  |
2 | layers = [{ tar = "x.tar", glob = "*" }]
  |                            ^^^^
"#,
        ),
        (
            "[[directives]]
layers = [{ shared_library_dependencies = [], shared-library-dependencies = [] }]",
            "
f:2:47: a layer is one of `shared_library_dependencies` and `shared-library-dependencies`, not both; make it two layers
  |
2 | layers = [{ shared_library_dependencies = [], shared-library-dependencies = [] }]
  |                                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
        ),
        (
            r#"[[directives]]
network = "local"
added_mounts = [{ type = "sys", mount_point = "/sys" }]"#,
            r#"
f:2:1: a `sys` mount and the network `local` exclude each other: Linux lets a job mount sysfs only in a network namespace of its own; drop the mount, or choose another network
  |
2 | network = "local"
  | ^^^^^^^
"#,
        ),
    ]);
}

#[test]
fn things_given_twice_are_errors() {
    assert_refused(&[
        (
            r#"[[directives]]
parent = { name = "default", use = ["user", "user"] }"#,
            r#"
f:2:45: the field `user` is given twice; drop one of them
  |
2 | parent = { name = "default", use = ["user", "user"] }
  |                                             ^^^^^^
"#,
        ),
        (
            r#"[[directives]]
devices = ["null", "null"]"#,
            r#"
f:2:20: the device `null` is given twice; drop one of them
  |
2 | devices = ["null", "null"]
  |                    ^^^^^^
"#,
        ),
        (
            r#"[[directives]]
layers = [{ files = { "/a/b" = "", "/a//b" = "" } }]"#,
            r#"
f:2:36: the file `/a//b` is given twice; drop one of them
  |
2 | layers = [{ files = { "/a/b" = "", "/a//b" = "" } }]
  |                                    ^^^^^^^
"#,
        ),
    ]);
}

#[test]
fn images_are_checked() {
    assert_refused(&[
        (
            r#"[[directives]]
image = "debian""#,
            r#"
f:2:9: an image is named by a transport and a place: `docker://NAME`, `oci:PATH`, `oci-archive:PATH` or `docker-archive:PATH`
  |
2 | image = "debian"
  |         ^^^^^^^^
"#,
        ),
        (
            r#"[containers.c]
image = { name = "docker://debian", use = ["layers"] }
layers = []"#,
            r"
f:3:1: `layers` is set here and also taken from the image; write `added_layers` to add to that, or leave it out of a `use`
  |
3 | layers = []
  | ^^^^^^
",
        ),
        (
            r#"[[directives]]
image = "docker://debian"
added_mounts = []"#,
            r"
f:3:1: `added_mounts` has nothing to add to, because images have no `mounts`; write `mounts`
  |
3 | added_mounts = []
  | ^^^^^^^^^^^^
",
        ),
        (
            r#"[containers.c]
image = "docker://debian"
parent = "empty""#,
            r#"
f:2:1: `image` and `parent` exclude each other: a container starts from one thing; keep one of them
  |
2 | image = "docker://debian"
  | ^^^^^
"#,
        ),
    ]);
}

#[test]
fn options_of_command_layers_are_checked() {
    assert_refused(&[
        (
            r#"[[directives]]
added_layers = [{ command = "make", mounts = [{ type = "tmp", mount_point = "/" }] }]"#,
            r#"
f:2:77: `mount_point` must not be `/`; the root comes from the layers
  |
2 | added_layers = [{ command = "make", mounts = [{ type = "tmp", mount_point = "/" }] }]
  |                                                                             ^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ environment = { A = "a" } }]"#,
            r#"
f:2:17: `environment` is for layers with a `command`, which this one lacks; add the command that makes the layer
  |
2 | added_layers = [{ environment = { A = "a" } }]
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
        ),
    ]);
}

#[test]
fn bad_paths_are_errors_that_say_what_they_must_be() {
    assert_refused(&[
        (
            r#"[[directives]]
working_directory = "src""#,
            r#"
f:2:21: `working_directory` must be an absolute path in the container, but `src` is not; start it with `/`
  |
2 | working_directory = "src"
  |                     ^^^^^
"#,
        ),
        (
            r#"[[directives]]
working_directory = "/a/../b""#,
            r#"
f:2:21: `working_directory` must not contain `..`, but `/a/../b` does; write the path it leads to
  |
2 | working_directory = "/a/../b"
  |                     ^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "tmp", mount_point = "tmp" }]"#,
            r#"
f:2:47: `mount_point` must be an absolute path in the container, but `tmp` is not; start it with `/`
  |
2 | added_mounts = [{ type = "tmp", mount_point = "tmp" }]
  |                                               ^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "tmp", mount_point = "/" }]"#,
            r#"
f:2:47: `mount_point` must not be `/`; the root comes from the layers
  |
2 | added_mounts = [{ type = "tmp", mount_point = "/" }]
  |                                               ^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "tmp", mount_point = "//./" }]"#,
            r#"
f:2:47: `mount_point` must not be `/`; the root comes from the layers
  |
2 | added_mounts = [{ type = "tmp", mount_point = "//./" }]
  |                                               ^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_mounts = [{ type = "bind", mount_point = "/x", local_path = "" }]"#,
            r#"
f:2:67: `local_path` must not be empty
  |
2 | added_mounts = [{ type = "bind", mount_point = "/x", local_path = "" }]
  |                                                                   ^^
"#,
        ),
        (
            r#"[[directives]]
root_overlay = { local = { upper = "x", work = "x/" } }"#,
            r#"
f:2:26: `upper` and `work` must be different directories on one file system
  |
2 | root_overlay = { local = { upper = "x", work = "x/" } }
  |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ stubs = ["dev/null"] }]"#,
            r#"
f:2:28: each element of `stubs` must be an absolute path in the container, but `dev/null` is not; start it with `/`
  |
2 | added_layers = [{ stubs = ["dev/null"] }]
  |                            ^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ stubs = ["{/a,/b}/../c"] }]"#,
            r#"
f:2:28: each element of `stubs` must not contain `..`, but `{/a,/b}/../c` does; write the path it leads to
  |
2 | added_layers = [{ stubs = ["{/a,/b}/../c"] }]
  |                            ^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ symlinks = [{ link = "x", target = "/y" }] }]"#,
            r#"
f:2:40: `link` must be an absolute path in the container, but `x` is not; start it with `/`
  |
2 | added_layers = [{ symlinks = [{ link = "x", target = "/y" }] }]
  |                                        ^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ files = { "etc/x" = "" } }]"#,
            r#"
f:2:29: each key in `files` must be an absolute path in the container, but `etc/x` is not; start it with `/`
  |
2 | added_layers = [{ files = { "etc/x" = "" } }]
  |                             ^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ tar = "<build_dir>/x.tar" }]"#,
            r#"
f:2:25: unknown placeholder `<build_dir>` (a plain `<` is written `<<`); did you mean `build-dir`?
  |
2 | added_layers = [{ tar = "<build_dir>/x.tar" }]
  |                         ^^^^^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ tar = "<home>/x.tar" }]"#,
            r#"
f:2:25: unknown placeholder `<home>` (a plain `<` is written `<<`); it must be one of `build-dir`, `workspace-dir`, `package-dir`, `target-dir`, `home-dir`
  |
2 | added_layers = [{ tar = "<home>/x.tar" }]
  |                         ^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ glob = "<target-dir/x" }]"#,
            r#"
f:2:26: a placeholder is opened by `<` and not closed; a plain `<` is written `<<`
  |
2 | added_layers = [{ glob = "<target-dir/x" }]
  |                          ^^^^^^^^^^^^^^^
"#,
        ),
        (
            r#"[[directives]]
added_layers = [{ glob = "a[" }]"#,
            r#"
f:2:26: bad glob pattern: unclosed character class; missing ']'
  |
2 | added_layers = [{ glob = "a[" }]
  |                          ^^^^
"#,
        ),
    ]);
}

#[test]
fn a_bad_pattern_is_an_error_that_shows_the_pattern() {
    let pattern = "nonsense.equals(x)";
    let text = format!("[[directives]]\nfilter = \"{pattern}\"");
    let told = Directives::parse("f", &text).unwrap_err().to_string();
    let error = pattern.parse::<Pattern>().unwrap_err().to_string();
    let (message, drawing) = error.split_once('\n').unwrap();
    let drawing = drawing.replace('\n', "\n  ");
    assert_eq!(
        told,
        format!(
            "f:2:10: bad pattern: {message}\n  |\n2 | filter = \"{pattern}\"\n  |          \
             ^^^^^^^^^^^^^^^^^^^^\n  {drawing}"
        )
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let error = Directives::load("/nonexistent/maelstrom-test.toml".into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to read the test directives from `/nonexistent/maelstrom-test.toml`: \
         No such file or directory (os error 2)"
    );
}

#[test]
fn bytes_that_are_no_text_are_an_error_where_they_start() {
    let bytes = b"[[directives]]\nfilter = \"\xc3\xa4\xe4\"".to_vec();
    assert_eq!(
        Directives::decode("f", bytes).unwrap_err().to_string(),
        "f:2:12: this is not UTF-8: the byte 0xe4 is not part of a character; save the text as UTF-8\n  \
         |\n2 | filter = \"\u{e4}\u{fffd}\"\n  |            ^"
    );
}

#[test]
fn a_byte_order_mark_at_the_start_is_no_mistake() {
    let bytes = "\u{feff}directives = 1".into();
    let error = Directives::decode("f", bytes).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("f:1:14: `directives` must be"),
        "{error}"
    );
}

#[test]
fn values_that_are_deep_in_each_other_are_an_error() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!(
            "directives = {}{}",
            open.repeat(10_000),
            close.repeat(10_000)
        );
        let error = Directives::parse("f", &text).unwrap_err().to_string();
        let message = "this is not TOML: cannot recurse further; max recursion depth met\n";
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn mistakes_are_found_in_the_order_of_the_file() {
    let error = Directives::parse("f", "[[directives]]\nzzz = 1\nbbb = 2\naaa = 3").unwrap_err();
    assert!(error.to_string().starts_with("f:2:1: unknown field `zzz`"));
}
