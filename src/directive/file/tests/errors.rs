//! The errors in a file, with their messages.

use super::*;
use crate::spec::explained_on_two_lines;

/// The error of each file.
fn file_errors(files: &[&str]) -> String {
    let error = |text: &&str| {
        let error = Directives::parse("f", text).expect_err(text);
        explained_on_two_lines(&error.to_string())
    };
    files.iter().map(error).collect::<Vec<_>>().join("\n")
}

/// The error of each line, as the only field of a directive.
fn field_errors(fields: &str) -> String {
    let files = fields
        .trim()
        .lines()
        .map(|field| format!("[[directives]]\n{field}"));
    let files: Vec<_> = files.collect();
    file_errors(&files.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn text_that_is_not_toml_is_an_error_with_its_position() {
    insta::assert_snapshot!(file_errors(&[
        "directives = [",
        "a = 1
a = 2",
    ]), @"
    directives = [
                  ^ this is not TOML: unclosed array, expected `]`
    a = 2
    ^ this is not TOML: duplicate key
    ");
    insta::assert_snapshot!(field_errors("
timeout = 99999999999999999999999999999999999999999
"), @"
    timeout = 99999999999999999999999999999999999999999
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this is not TOML: the number is too large
    ");
}

#[test]
fn unknown_fields_are_errors_with_suggestions() {
    insta::assert_snapshot!(file_errors(&[
        "directive = []",
        "x = 1",
        r#"[containers.c]
filter = "all""#,
        "[containers.c]
add_layers = []",
    ]), @r#"
    directive = []
    ^^^^^^^^^ unknown table `directive`; did you mean `directives`?
    x = 1
    ^ unknown table `x`; it must be one of `containers`, `directives`, `groups`, `profile`
    filter = "all"
    ^^^^^^ unknown field `filter` of a container; it must be one of `image`, `parent`, `environment`, `added_environment`, `layers`, `added_layers`, `mounts`, `added_mounts`, `outputs`, `added_outputs`, `network`, `root_overlay`, `enable_writable_file_system`, `working_directory`, `user`, `group`, `init`, `hostname`
    add_layers = []
    ^^^^^^^^^^ unknown field `add_layers` of a container; did you mean `added_layers`?
    "#);
    insta::assert_snapshot!(field_errors(r#"
layer = []
xyz = 1
parent = { nam = "default" }
parent = { name = "default", use = ["layer", "x"] }
parent = { name = "default", use = ["command"] }
parent = "defualt"
environment = [{ variables = {}, extend = true }]
network = "lo"
root_overlay = "temp"
root_overlay = { lokal = {} }
root_overlay = { local = { upper = "a", word = "b" } }
added_mounts = [{ type = "procfs", mount_point = "/proc" }]
added_mounts = [{ type = "proc", mountpoint = "/proc" }]
added_mounts = [{ type = "devices", mount_point = "/dev", devices = [] }]
added_mounts = [{ type = "bind", mount_point = "/x", source = "/y" }]
added_mounts = [{ type = "devices", devices = ["nul"] }]
added_layers = [{ stub = ["/x"] }]
added_layers = [{ directory = "/x" }]
added_layers = [{ paths = ["/x"], strip = "/" }]
added_layers = [{ tar = "x.tar", strip_prefix = "/" }]
added_layers = [{ symlinks = [{ from = "/x", target = "/y" }] }]
"#), @r#"
    layer = []
    ^^^^^ unknown field `layer` of a directive; did you mean `layers`?
    xyz = 1
    ^^^ unknown field `xyz` of a directive; it must be one of `filter`, `ignore`, `timeout`, `memory_limit`, `process_limit`, `include_shared_libraries`, `slots`, `retries`, `flaky_result`, `slow_timeout`, `leak_timeout`, `pass_environment`, `image`, `parent`, `environment`, `added_environment`, `layers`, `added_layers`, `mounts`, `added_mounts`, `outputs`, `added_outputs`, `network`, `root_overlay`, `enable_writable_file_system`, `working_directory`, `user`, `group`, `init`, `hostname`
    parent = { nam = "default" }
               ^^^ unknown field `nam` of `parent`; did you mean `name`?
    parent = { name = "default", use = ["layer", "x"] }
                                        ^^^^^^^ unknown inheritable field `layer`; did you mean `layers`?
    parent = { name = "default", use = ["command"] }
                                        ^^^^^^^^^ unknown inheritable field `command`; it must be one of `environment`, `layers`, `mounts`, `outputs`, `network`, `root_overlay`, `working_directory`, `user`, `group`, `init`, `hostname`
    parent = "defualt"
             ^^^^^^^^^ unknown container `defualt`; did you mean `default`?
    environment = [{ variables = {}, extend = true }]
                     ^^^^^^^^^ unknown field `variables` of an environment step; it must be one of `vars`, `extend`
    network = "lo"
              ^^^^ unknown network `lo`; it must be one of `disabled`, `loopback`, `local`
    root_overlay = "temp"
                   ^^^^^^ unknown root overlay `temp`; did you mean `tmp`?
    root_overlay = { lokal = {} }
                     ^^^^^ unknown root overlay `lokal`; did you mean `local`?
    root_overlay = { local = { upper = "a", word = "b" } }
                                            ^^^^ unknown field `word` of `local`; did you mean `work`?
    added_mounts = [{ type = "procfs", mount_point = "/proc" }]
                             ^^^^^^^^ unknown type of mount `procfs`; it must be one of `bind`, `cache`, `devices`, `devpts`, `mqueue`, `proc`, `sys`, `tmp`
    added_mounts = [{ type = "proc", mountpoint = "/proc" }]
                                     ^^^^^^^^^^ unknown field `mountpoint` of a `proc` mount; did you mean `mount_point`?
    added_mounts = [{ type = "devices", mount_point = "/dev", devices = [] }]
                                        ^^^^^^^^^^^ unknown field `mount_point` of a `devices` mount; it must be one of `type`, `devices`
    added_mounts = [{ type = "bind", mount_point = "/x", source = "/y" }]
                                                         ^^^^^^ unknown field `source` of a `bind` mount; it must be one of `type`, `mount_point`, `local_path`, `read_only`, `discard_changes`
    added_mounts = [{ type = "devices", devices = ["nul"] }]
                                                   ^^^^^ unknown device `nul`; did you mean `null`?
    added_layers = [{ stub = ["/x"] }]
                      ^^^^ unknown kind of layer `stub`; did you mean `stubs`?
    added_layers = [{ directory = "/x" }]
                      ^^^^^^^^^ unknown kind of layer `directory`; it must be one of `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`, `base`
    added_layers = [{ paths = ["/x"], strip = "/" }]
                                      ^^^^^ unknown field `strip` of a layer; it must be one of `follow_symlinks`, `canonicalize`, `strip_prefix`, `prepend_prefix`
    added_layers = [{ tar = "x.tar", strip_prefix = "/" }]
                                     ^^^^^^^^^^^^ a `tar` layer has no field `strip_prefix`; drop it
    added_layers = [{ symlinks = [{ from = "/x", target = "/y" }] }]
                                    ^^^^ unknown field `from` of a symlink; it must be one of `link`, `target`
    "#);
}

#[test]
fn values_of_the_wrong_type_are_errors_with_the_expected_type() {
    insta::assert_snapshot!(file_errors(&[
        "directives = 1",
        "[directives]
user = 1",
        "containers = []",
        "containers.c = 1",
        r#"directives = ["x"]"#,
    ]), @r#"
    directives = 1
                 ^ `directives` must be a list, not a whole number
    [directives]
     ^^^^^^^^^^ `directives` must be a list; each directive starts with `[[directives]]`
    containers = []
                 ^^ `containers` must be a table of fields, not a list
    containers.c = 1
                   ^ `c` must be a table of fields, not a whole number
    directives = ["x"]
                  ^^^ each element of `directives` must be a table of fields, not a string
    "#);
    insta::assert_snapshot!(field_errors(r#"
filter = 1
ignore = "yes"
timeout = "5s"
slots = 1.5
retries = true
include_shared_libraries = 1
parent = 1
parent = { name = 1 }
parent = { name = "default", use = "layers" }
parent = { name = "default", use = [1] }
environment = "A=b"
environment = { A = 1 }
environment = ["A=b"]
environment = [{ vars = [], extend = true }]
environment = [{ vars = {}, extend = 1 }]
layers = "x.tar"
layers = ["x.tar"]
layers = [{ tar = ["x.tar"] }]
layers = [{ glob = 1 }]
layers = [{ paths = "x" }]
layers = [{ paths = [1979-05-27] }]
layers = [{ paths = [], canonicalize = 1 }]
layers = [{ symlinks = [["/a", "/b"]] }]
layers = [{ files = ["x"] }]
layers = [{ files = { "/x" = 1 } }]
layers = [{ programs = "sh" }]
mounts = { type = "proc" }
mounts = [1]
mounts = [{ type = 1 }]
mounts = [{ type = "tmp", mount_point = 1 }]
mounts = [{ type = "bind", mount_point = "/x", local_path = "y", read_only = "no" }]
network = true
root_overlay = true
root_overlay = { local = "x" }
enable_writable_file_system = "tmp"
working_directory = 1
user = "root"
group = {}
init = 1
hostname = 1
devices = "null"
enable_loopback = "yes"
"#), @r#"
    filter = 1
             ^ `filter` must be a string, not a whole number
    ignore = "yes"
             ^^^^^ `ignore` must be true or false, not a string
    timeout = "5s"
              ^^^^ `timeout` must be a number of seconds, not a string
    slots = 1.5
            ^^^ `slots` must be a whole number, not a fraction
    retries = true
              ^^^^ `retries` must be a whole number or a table of fields, not `true`
    include_shared_libraries = 1
                               ^ `include_shared_libraries` must be true or false, not a whole number
    parent = 1
             ^ `parent` must be the name of a container or `{ name, use }`, not a whole number
    parent = { name = 1 }
                      ^ `name` must be a string, not a whole number
    parent = { name = "default", use = "layers" }
                                       ^^^^^^^^ `use` must be a list, not a string
    parent = { name = "default", use = [1] }
                                        ^ each element of `use` must be a string, not a whole number
    environment = "A=b"
                  ^^^^^ `environment` must be a table of variables or a list of `{ vars, extend }`, not a string
    environment = { A = 1 }
                        ^ `A` in `environment` must be a string, not a whole number
    environment = ["A=b"]
                   ^^^^^ each element of `environment` must be a table of fields, not a string
    environment = [{ vars = [], extend = true }]
                            ^^ `vars` must be a table of fields, not a list
    environment = [{ vars = {}, extend = 1 }]
                                         ^ `extend` must be true or false, not a whole number
    layers = "x.tar"
             ^^^^^^^ `layers` must be a list, not a string
    layers = ["x.tar"]
              ^^^^^^^ each element of `layers` must be a table of fields, not a string
    layers = [{ tar = ["x.tar"] }]
                      ^^^^^^^^^ `tar` must be a string, not a list
    layers = [{ glob = 1 }]
                       ^ `glob` must be a string, not a whole number
    layers = [{ paths = "x" }]
                        ^^^ `paths` must be a list, not a string
    layers = [{ paths = [1979-05-27] }]
                         ^^^^^^^^^^ each element of `paths` must be a string, not a date
    layers = [{ paths = [], canonicalize = 1 }]
                                           ^ `canonicalize` must be true or false, not a whole number
    layers = [{ symlinks = [["/a", "/b"]] }]
                            ^^^^^^^^^^^^ each element of `symlinks` must be a table of fields, not a list
    layers = [{ files = ["x"] }]
                        ^^^^^ `files` must be a table of fields, not a list
    layers = [{ files = { "/x" = 1 } }]
                                 ^ `/x` in `files` must be a string, not a whole number
    layers = [{ programs = "sh" }]
                           ^^^^ `programs` must be a list, not a string
    mounts = { type = "proc" }
             ^^^^^^^^^^^^^^^^^ `mounts` must be a list, not a table of fields
    mounts = [1]
              ^ each element of `mounts` must be a table of fields, not a whole number
    mounts = [{ type = 1 }]
                       ^ `type` must be a string, not a whole number
    mounts = [{ type = "tmp", mount_point = 1 }]
                                            ^ `mount_point` must be a string, not a whole number
    mounts = [{ type = "bind", mount_point = "/x", local_path = "y", read_only = "no" }]
                                                                                 ^^^^ `read_only` must be true or false, not a string
    network = true
              ^^^^ `network` must be `"disabled"`, `"loopback"` or `"local"`, not `true`
    root_overlay = true
                   ^^^^ `root_overlay` must be `"none"`, `"tmp"` or `{ local = { upper, work } }`, not `true`
    root_overlay = { local = "x" }
                             ^^^ `local` must be a table of fields, not a string
    enable_writable_file_system = "tmp"
                                  ^^^^^ `enable_writable_file_system` must be true or false, not a string
    working_directory = 1
                        ^ `working_directory` must be a string, not a whole number
    user = "root"
           ^^^^^^ `user` must be a whole number, not a string
    group = {}
            ^^ `group` must be a whole number, not a table of fields
    init = 1
           ^ `init` must be true or false, not a whole number
    hostname = 1
               ^ `hostname` must be a string, not a whole number
    devices = "null"
              ^^^^^^ `devices` must be a list, not a string
    enable_loopback = "yes"
                      ^^^^^ `enable_loopback` must be true or false, not a string
    "#);
}

#[test]
fn values_out_of_range_are_errors() {
    insta::assert_snapshot!(field_errors(r#"
timeout = -1
timeout = -0.5
timeout = nan
timeout = inf
slots = 0
retries = -1
user = 4294967295
group = -1
hostname = ""
hostname = "my host"
parent = { name = "default", use = [] }
environment = { "A=B" = "" }
environment = { "" = "" }
environment = { A = "\u0000" }
environment = { A = "$env{A" }
added_layers = [{ tar = "" }]
added_layers = [{ paths = ["a\u0000"] }]
added_layers = [{ programs = [""] }]
timeout = 4294967296
timeout = 1e300
"#), @r#"
    timeout = -1
              ^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    timeout = -0.5
              ^^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    timeout = nan
              ^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    timeout = inf
              ^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    slots = 0
            ^ `slots` must be between 1 and 4294967295, but it is 0
    retries = -1
              ^^ `retries` must be between 0 and 4294967295, but it is -1
    user = 4294967295
           ^^^^^^^^^^ `user` must be between 0 and 4294967294, but it is 4294967295
    group = -1
            ^^ `group` must be between 0 and 4294967294, but it is -1
    hostname = ""
               ^^ `hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is ``
    hostname = "my host"
               ^^^^^^^^^ `hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is `my host`
    parent = { name = "default", use = [] }
                                       ^^ `use` must not be empty
    environment = { "A=B" = "" }
                    ^^^^^ `A=B` cannot be the name of an environment variable: it must be non-empty, without `=` and NUL
    environment = { "" = "" }
                    ^^ `` cannot be the name of an environment variable: it must be non-empty, without `=` and NUL
    environment = { A = "\u0000" }
                        ^^^^^^^^ `A` in `environment` must be a string without NUL characters
    environment = { A = "$env{A" }
                        ^^^^^^^^ bad value for the environment variable `A`: `$env{` has no closing `}`; for the plain text write `$$env{`
    added_layers = [{ tar = "" }]
                            ^^ `tar` must not be empty
    added_layers = [{ paths = ["a\u0000"] }]
                               ^^^^^^^^^ each element of `paths` must be a string without NUL characters
    added_layers = [{ programs = [""] }]
                                  ^^ each element of `programs` must not be empty
    timeout = 4294967296
              ^^^^^^^^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    timeout = 1e300
              ^^^^^ `timeout` must be a number of seconds from 0 (no limit) to 4294967295
    "#);
}

#[test]
fn malformed_references_in_variables_are_errors() {
    insta::assert_snapshot!(file_errors(&[
        r#"[containers.c]
environment = { A = "$prev{}" }"#,
    ]), @r#"
    environment = { A = "$prev{}" }
                        ^^^^^^^^^ bad value for the environment variable `A`: `$prev{}` names no variable; for the plain text write `$$prev{}`
    "#);
    insta::assert_snapshot!(field_errors(r#"
environment = [{ vars = { A = "$env{A:-$env{B}}" }, extend = true }]
"#), @r#"
    environment = [{ vars = { A = "$env{A:-$env{B}}" }, extend = true }]
                                  ^^^^^^^^^^^^^^^^^^ bad value for the environment variable `A`: the default in `$env{A:-...}` holds a reference; defaults are plain text
    "#);
}

#[test]
fn missing_fields_are_errors_that_name_them() {
    insta::assert_snapshot!(field_errors(r#"
parent = { use = ["user"] }
environment = [{ vars = {} }]
environment = [{ extend = true }]
layers = [{}]
layers = [{ canonicalize = true }]
layers = [{ symlinks = [{ link = "/x" }] }]
layers = [{ symlinks = [{ target = "/x" }] }]
mounts = [{ mount_point = "/x" }]
mounts = [{ type = "tmp" }]
mounts = [{ type = "bind", mount_point = "/x" }]
mounts = [{ type = "devices" }]
root_overlay = {}
root_overlay = { local = { upper = "x" } }
root_overlay = { local = { work = "x" } }
"#), @r#"
    parent = { use = ["user"] }
             ^^^^^^^^^^^^^^^^^^ `parent` needs the field `name`
    environment = [{ vars = {} }]
                   ^^^^^^^^^^^^^ each element of `environment` needs the field `extend`
    environment = [{ extend = true }]
                   ^^^^^^^^^^^^^^^^^ each element of `environment` needs the field `vars`
    layers = [{}]
              ^^ a layer needs one of the fields `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`, `base`
    layers = [{ canonicalize = true }]
              ^^^^^^^^^^^^^^^^^^^^^^^ a layer needs one of the fields `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`, `base`
    layers = [{ symlinks = [{ link = "/x" }] }]
                            ^^^^^^^^^^^^^^^ each element of `symlinks` needs the field `target`
    layers = [{ symlinks = [{ target = "/x" }] }]
                            ^^^^^^^^^^^^^^^^^ each element of `symlinks` needs the field `link`
    mounts = [{ mount_point = "/x" }]
              ^^^^^^^^^^^^^^^^^^^^^^ each element of `mounts` needs the field `type`
    mounts = [{ type = "tmp" }]
              ^^^^^^^^^^^^^^^^ a `tmp` mount needs the field `mount_point`
    mounts = [{ type = "bind", mount_point = "/x" }]
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a `bind` mount needs the field `local_path`
    mounts = [{ type = "devices" }]
              ^^^^^^^^^^^^^^^^^^^^ a `devices` mount needs the field `devices`
    root_overlay = {}
                   ^^ `root_overlay` needs the field `local`
    root_overlay = { local = { upper = "x" } }
                             ^^^^^^^^^^^^^^^ `local` needs the field `work`
    root_overlay = { local = { work = "x" } }
                             ^^^^^^^^^^^^^^ `local` needs the field `upper`
    "#);
}

#[test]
fn fields_that_exclude_each_other_are_errors_with_a_remedy() {
    insta::assert_snapshot!(file_errors(&[
        "[[directives]]
layers = []
added_layers = []",
        r#"[containers.c]
parent = "default"
added_environment = {}
environment = {}"#,
        "[containers.c]
added_mounts = []",
        r#"[containers.c]
parent = { name = "default", use = ["layers"] }
added_mounts = []"#,
        r#"[[directives]]
parent = { name = "default", use = ["layers"] }
added_environment = {}"#,
        r#"[containers.c]
parent = { name = "default", use = ["layers"] }
layers = []"#,
        r#"[[directives]]
parent = { name = "default", use = ["user"] }
user = 1"#,
        r#"[[directives]]
root_overlay = "tmp"
enable_writable_file_system = true"#,
        r#"[[directives]]
enable_writable_file_system = false
root_overlay = "tmp""#,
        r#"[[directives]]
network = "local"
enable_loopback = true"#,
        r#"[[directives]]
network = "local"
added_mounts = [{ type = "sys", mount_point = "/sys" }]"#,
    ]), @r#"
    added_layers = []
    ^^^^^^^^^^^^ `layers` and `added_layers` exclude each other: the first replaces the inherited elements, the second adds to them; keep one of them
    environment = {}
    ^^^^^^^^^^^ `environment` and `added_environment` exclude each other: the first replaces the inherited elements, the second adds to them; keep one of them
    added_mounts = []
    ^^^^^^^^^^^^ `added_mounts` has nothing to add to; name a `parent` with `mounts`, or write `mounts`
    added_mounts = []
    ^^^^^^^^^^^^ `added_mounts` has nothing to add to, because the parent's `use` leaves out `mounts`; name it in `use`, or write `mounts`
    added_environment = {}
    ^^^^^^^^^^^^^^^^^ `added_environment` has nothing to add to, because the parent's `use` leaves out `environment`; name it in `use`, or write `environment`
    layers = []
    ^^^^^^ `layers` is set here and also taken from the parent; write `added_layers` to add to it, or a `use` without `layers`
    user = 1
    ^^^^ `user` is set here and also taken from the parent; remove it here or from `use`
    enable_writable_file_system = true
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^ `enable_writable_file_system` and `root_overlay` exclude each other; keep `root_overlay` (`"tmp"` has the effect of `enable_writable_file_system = true`)
    root_overlay = "tmp"
    ^^^^^^^^^^^^ `enable_writable_file_system` and `root_overlay` exclude each other; keep `root_overlay` (`"tmp"` has the effect of `enable_writable_file_system = true`)
    enable_loopback = true
    ^^^^^^^^^^^^^^^ `enable_loopback` and `network` exclude each other; keep `network`
    network = "local"
    ^^^^^^^ a `sys` mount and the network `local` exclude each other: Linux lets a job mount sysfs only in a network namespace of its own; drop the mount, or choose another network
    "#);
    insta::assert_snapshot!(field_errors(r#"
mounts = [{ type = "proc", fs_type = "proc", mount_point = "/proc" }]
layers = [{ tar = "x.tar", glob = "*" }]
layers = [{ shared_library_dependencies = [], shared-library-dependencies = [] }]
"#), @r#"
    mounts = [{ type = "proc", fs_type = "proc", mount_point = "/proc" }]
                               ^^^^^^^ `type` and `fs_type` exclude each other; keep `type`
    layers = [{ tar = "x.tar", glob = "*" }]
                               ^^^^ a layer is one of `tar` and `glob`, not both; make it two layers
    layers = [{ shared_library_dependencies = [], shared-library-dependencies = [] }]
                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^ a layer is one of `shared_library_dependencies` and `shared-library-dependencies`, not both; make it two layers
    "#);
}

#[test]
fn repeated_names_are_errors() {
    insta::assert_snapshot!(field_errors(r#"
parent = { name = "default", use = ["user", "user"] }
devices = ["null", "null"]
layers = [{ files = { "/a/b" = "", "/a//b" = "" } }]
"#), @r#"
    parent = { name = "default", use = ["user", "user"] }
                                                ^^^^^^ the inheritable field `user` is given twice; drop one of them
    devices = ["null", "null"]
                       ^^^^^^ the device `null` is given twice; drop one of them
    layers = [{ files = { "/a/b" = "", "/a//b" = "" } }]
                                       ^^^^^^^ the file `/a//b` is given twice; drop one of them
    "#);
}

#[test]
fn images_are_checked() {
    insta::assert_snapshot!(file_errors(&[
        r#"[containers.c]
image = { name = "docker://debian", use = ["layers"] }
layers = []"#,
        r#"[[directives]]
image = "docker://debian"
added_mounts = []"#,
        r#"[containers.c]
image = "docker://debian"
parent = "empty""#,
    ]), @r#"
    layers = []
    ^^^^^^ `layers` is set here and also taken from the image; write `added_layers` to add to it, or a `use` without `layers`
    added_mounts = []
    ^^^^^^^^^^^^ `added_mounts` has nothing to add to, because images have no `mounts`; write `mounts`
    image = "docker://debian"
    ^^^^^ `image` and `parent` exclude each other: a container starts from one of them; keep one
    "#);
    insta::assert_snapshot!(field_errors(r#"
image = "debian"
"#), @r#"
    image = "debian"
            ^^^^^^^^ an image reference is a transport and a location: `docker://NAME`, `oci:PATH`, `oci-archive:PATH` or `docker-archive:PATH`
    "#);
}

#[test]
fn options_of_command_layers_are_checked() {
    insta::assert_snapshot!(field_errors(r#"
added_layers = [{ command = "make", mounts = [{ type = "tmp", mount_point = "/" }] }]
added_layers = [{ environment = { A = "a" } }]
"#), @r#"
    added_layers = [{ command = "make", mounts = [{ type = "tmp", mount_point = "/" }] }]
                                                                                ^^^ `mount_point` must not be `/`; the root comes from the layers
    added_layers = [{ environment = { A = "a" } }]
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ only a layer with the field `command` can have `environment`; add the command that makes the layer
    "#);
}

#[test]
fn bad_paths_are_errors_with_the_requirement() {
    insta::assert_snapshot!(field_errors(r#"
working_directory = "src"
working_directory = "/a/../b"
added_mounts = [{ type = "tmp", mount_point = "tmp" }]
added_mounts = [{ type = "tmp", mount_point = "/" }]
added_mounts = [{ type = "tmp", mount_point = "//./" }]
added_mounts = [{ type = "bind", mount_point = "/x", local_path = "" }]
root_overlay = { local = { upper = "x", work = "x/" } }
added_layers = [{ stubs = ["dev/null"] }]
added_layers = [{ stubs = ["{/a,/b}/../c"] }]
added_layers = [{ symlinks = [{ link = "x", target = "/y" }] }]
added_layers = [{ files = { "etc/x" = "" } }]
added_layers = [{ tar = "<build_dir>/x.tar" }]
added_layers = [{ tar = "<home>/x.tar" }]
added_layers = [{ glob = "<target-dir/x" }]
added_layers = [{ glob = "a[" }]
"#), @r#"
    working_directory = "src"
                        ^^^^^ `working_directory` must be an absolute path in the container, but `src` is not; start it with `/`
    working_directory = "/a/../b"
                        ^^^^^^^^^ `working_directory` must not contain `..`, but `/a/../b` does; write the path without it
    added_mounts = [{ type = "tmp", mount_point = "tmp" }]
                                                  ^^^^^ `mount_point` must be an absolute path in the container, but `tmp` is not; start it with `/`
    added_mounts = [{ type = "tmp", mount_point = "/" }]
                                                  ^^^ `mount_point` must not be `/`; the root comes from the layers
    added_mounts = [{ type = "tmp", mount_point = "//./" }]
                                                  ^^^^^^ `mount_point` must not be `/`; the root comes from the layers
    added_mounts = [{ type = "bind", mount_point = "/x", local_path = "" }]
                                                                      ^^ `local_path` must not be empty
    root_overlay = { local = { upper = "x", work = "x/" } }
                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `upper` and `work` must be different directories on one file system
    added_layers = [{ stubs = ["dev/null"] }]
                               ^^^^^^^^^^ each element of `stubs` must be an absolute path in the container, but `dev/null` is not; start it with `/`
    added_layers = [{ stubs = ["{/a,/b}/../c"] }]
                               ^^^^^^^^^^^^^^ each element of `stubs` must not contain `..`, but `{/a,/b}/../c` does; write the path without it
    added_layers = [{ symlinks = [{ link = "x", target = "/y" }] }]
                                           ^^^ `link` must be an absolute path in the container, but `x` is not; start it with `/`
    added_layers = [{ files = { "etc/x" = "" } }]
                                ^^^^^^^ each key in `files` must be an absolute path in the container, but `etc/x` is not; start it with `/`
    added_layers = [{ tar = "<build_dir>/x.tar" }]
                            ^^^^^^^^^^^^^^^^^^^ unknown placeholder `<build_dir>` (a plain `<` is written `<<`); did you mean `build-dir`?
    added_layers = [{ tar = "<home>/x.tar" }]
                            ^^^^^^^^^^^^^^ unknown placeholder `<home>` (a plain `<` is written `<<`); it must be one of `build-dir`, `workspace-dir`, `package-dir`, `target-dir`, `home-dir`
    added_layers = [{ glob = "<target-dir/x" }]
                             ^^^^^^^^^^^^^^^ `<` starts a placeholder that has no closing `>`; a plain `<` is written `<<`
    added_layers = [{ glob = "a[" }]
                             ^^^^ bad glob pattern: unclosed character class; missing ']'
    "#);
}

#[test]
fn a_bad_pattern_is_an_error_that_shows_the_pattern() {
    let pattern = "nonsense.equals(x)";
    let text = format!("[[directives]]\nfilter = \"{pattern}\"");
    let actual = Directives::parse("f", &text).unwrap_err().to_string();
    let error = pattern.parse::<Pattern>().unwrap_err().to_string();
    let (message, drawing) = error.split_once('\n').unwrap();
    let drawing = drawing.replace('\n', "\n  ");
    assert_eq!(
        actual,
        format!(
            "f:2:10: bad pattern: {message}\n  |\n2 | filter = \"{pattern}\"\n  |          \
             ^^^^^^^^^^^^^^^^^^^^\n  {drawing}"
        )
    );
}

#[test]
fn an_unreadable_file_is_an_error_that_names_it() {
    let error = Directives::load("/nonexistent/maelstrom-test.toml".into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to read the test directives from `/nonexistent/maelstrom-test.toml`: \
         No such file or directory (os error 2)"
    );
}

#[test]
fn invalid_utf_8_is_an_error_at_its_first_byte() {
    let bytes = b"[[directives]]\nfilter = \"\xc3\xa4\xe4\"".to_vec();
    assert_eq!(
        Directives::decode("f", bytes).unwrap_err().to_string(),
        "f:2:12: this is not UTF-8: the byte 0xe4 is not part of a character; save the text as UTF-8\n  \
         |\n2 | filter = \"\u{e4}\u{fffd}\"\n  |            ^"
    );
}

#[test]
fn a_byte_order_mark_at_the_start_is_skipped() {
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
fn deep_nesting_is_an_error() {
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
fn errors_are_found_in_the_order_of_the_file() {
    let error = Directives::parse("f", "[[directives]]\nzzz = 1\nbbb = 2\naaa = 3").unwrap_err();
    assert!(error.to_string().starts_with("f:2:1: unknown field `zzz`"));
}
