//! Errors in the fields of containers, except layers and mounts.

use super::job_errors;

#[test]
fn fields_that_exclude_each_other_are_errors_with_a_remedy() {
    insta::assert_snapshot!(job_errors(r#"
{ "parent": { "name": "empty", "use": ["layers"] }, "layers": [] }
{ "parent": { "name": "empty", "use": ["mounts"] }, "mounts": [] }
{ "parent": { "name": "empty", "use": ["environment"] }, "environment": {} }
{ "parent": { "name": "empty", "use": ["network"] }, "network": "local" }
{ "parent": { "name": "empty", "use": ["root_overlay"] }, "enable_writable_file_system": true }
{ "parent": { "name": "empty", "use": ["working_directory"] }, "working_directory": "/" }
{ "parent": { "name": "empty", "use": ["user"] }, "user": 1 }
{ "parent": { "name": "empty", "use": ["group"] }, "group": 1 }
{ "parent": { "name": "empty", "use": ["init"] }, "init": true }
{ "parent": { "name": "empty", "use": ["hostname"] }, "hostname": "h" }
{ "parent": { "name": "empty", "use": ["user"] }, "added_layers": [] }
{ "parent": { "name": "empty", "use": ["user"] }, "added_mounts": [] }
{ "parent": { "name": "empty", "use": ["user"] }, "added_environment": {} }
{ "added_layers": [], "program": "x" }
{ "added_mounts": [] }
{ "added_environment": {} }
{ "layers": [], "added_layers": [] }
{ "mounts": [], "added_mounts": [] }
{ "added_environment": {}, "environment": {} }
{ "root_overlay": "tmp", "enable_writable_file_system": true }
{ "enable_writable_file_system": false, "root_overlay": "none" }
{ "network": "local", "enable_loopback": true }
{ "mounts": [{ "type": "sys", "mount_point": "/sys" }], "network": "local", "layers": [], "program": "x" }
"#), @r#"
    { "parent": { "name": "empty", "use": ["layers"] }, "layers": [] }
                                                        ^^^^^^^^ `layers` is set here and also taken from the parent; write `added_layers` to add to it, or a `use` without `layers`
    { "parent": { "name": "empty", "use": ["mounts"] }, "mounts": [] }
                                                        ^^^^^^^^ `mounts` is set here and also taken from the parent; write `added_mounts` to add to it, or a `use` without `mounts`
    { "parent": { "name": "empty", "use": ["environment"] }, "environment": {} }
                                                             ^^^^^^^^^^^^^ `environment` is set here and also taken from the parent; write `added_environment` to add to it, or a `use` without `environment`
    { "parent": { "name": "empty", "use": ["network"] }, "network": "local" }
                                                         ^^^^^^^^^ `network` is set here and also taken from the parent; remove it here or from `use`
    { "parent": { "name": "empty", "use": ["root_overlay"] }, "enable_writable_file_system": true }
                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `root_overlay` is set here and also taken from the parent; remove it here or from `use`
    { "parent": { "name": "empty", "use": ["working_directory"] }, "working_directory": "/" }
                                                                   ^^^^^^^^^^^^^^^^^^^ `working_directory` is set here and also taken from the parent; remove it here or from `use`
    { "parent": { "name": "empty", "use": ["user"] }, "user": 1 }
                                                      ^^^^^^ `user` is set here and also taken from the parent; remove it here or from `use`
    { "parent": { "name": "empty", "use": ["group"] }, "group": 1 }
                                                       ^^^^^^^ `group` is set here and also taken from the parent; remove it here or from `use`
    { "parent": { "name": "empty", "use": ["init"] }, "init": true }
                                                      ^^^^^^ `init` is set here and also taken from the parent; remove it here or from `use`
    { "parent": { "name": "empty", "use": ["hostname"] }, "hostname": "h" }
                                                          ^^^^^^^^^^ `hostname` is set here and also taken from the parent; remove it here or from `use`
    { "parent": { "name": "empty", "use": ["user"] }, "added_layers": [] }
                                                      ^^^^^^^^^^^^^^ `added_layers` has nothing to add to, because the parent's `use` leaves out `layers`; name it in `use`, or write `layers`
    { "parent": { "name": "empty", "use": ["user"] }, "added_mounts": [] }
                                                      ^^^^^^^^^^^^^^ `added_mounts` has nothing to add to, because the parent's `use` leaves out `mounts`; name it in `use`, or write `mounts`
    { "parent": { "name": "empty", "use": ["user"] }, "added_environment": {} }
                                                      ^^^^^^^^^^^^^^^^^^^ `added_environment` has nothing to add to, because the parent's `use` leaves out `environment`; name it in `use`, or write `environment`
    { "added_layers": [], "program": "x" }
      ^^^^^^^^^^^^^^ `added_layers` has nothing to add to; name an `image` or a `parent` with `layers`, or write `layers`
    { "added_mounts": [] }
      ^^^^^^^^^^^^^^ `added_mounts` has nothing to add to; name a `parent` with `mounts`, or write `mounts`
    { "added_environment": {} }
      ^^^^^^^^^^^^^^^^^^^ `added_environment` has nothing to add to; name an `image` or a `parent` with `environment`, or write `environment`
    { "layers": [], "added_layers": [] }
                    ^^^^^^^^^^^^^^ `layers` and `added_layers` exclude each other: the first replaces the inherited elements, the second adds to them; keep one of them
    { "mounts": [], "added_mounts": [] }
                    ^^^^^^^^^^^^^^ `mounts` and `added_mounts` exclude each other: the first replaces the inherited elements, the second adds to them; keep one of them
    { "added_environment": {}, "environment": {} }
                               ^^^^^^^^^^^^^ `environment` and `added_environment` exclude each other: the first replaces the inherited elements, the second adds to them; keep one of them
    { "root_overlay": "tmp", "enable_writable_file_system": true }
                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `enable_writable_file_system` and `root_overlay` exclude each other; keep `root_overlay` (`"tmp"` has the effect of `enable_writable_file_system = true`)
    { "enable_writable_file_system": false, "root_overlay": "none" }
                                            ^^^^^^^^^^^^^^ `enable_writable_file_system` and `root_overlay` exclude each other; keep `root_overlay` (`"tmp"` has the effect of `enable_writable_file_system = true`)
    { "network": "local", "enable_loopback": true }
                          ^^^^^^^^^^^^^^^^^ `enable_loopback` and `network` exclude each other; keep `network`
    { "mounts": [{ "type": "sys", "mount_point": "/sys" }], "network": "local", "layers": [], "program": "x" }
                                                            ^^^^^^^^^ a `sys` mount and the network `local` exclude each other: Linux lets a job mount sysfs only in a network namespace of its own; drop the mount, or choose another network
    "#);
}

#[test]
fn a_parent_is_an_existing_container_with_the_fields_to_use() {
    insta::assert_snapshot!(job_errors(r#"
{ "parent": 1 }
{ "parent": null }
{ "parent": "default", "layers": [], "program": "x" }
{ "parent": "nobody", "layers": [], "program": "x" }
{ "parent": { "use": ["user"] } }
{ "parent": { "name": 1 } }
{ "parent": { "nam": "empty" } }
{ "parent": { "name": "empty", "use": "user" } }
{ "parent": { "name": "empty", "use": [] } }
{ "parent": { "name": "empty", "use": [1] } }
{ "parent": { "name": "empty", "use": ["user", "user"] } }
{ "parent": { "name": "empty", "use": ["root_overlay", "enable_writable_file_system"] } }
{ "parent": { "name": "empty", "use": ["layer"] } }
{ "parent": { "name": "empty", "use": ["timeout"] } }
"#), @r#"
    { "parent": 1 }
                ^ `parent` must be the name of a container or `{ name, use }`, not a whole number
    { "parent": null }
                ^^^^ `parent` must be the name of a container or `{ name, use }`, not null
    { "parent": "default", "layers": [], "program": "x" }
                ^^^^^^^^^ the container `default` is for tests only; define one with another name in `containers`, or name `empty`
    { "parent": "nobody", "layers": [], "program": "x" }
                ^^^^^^^^ unknown container `nobody`; define it in `containers`, or name `empty`
    { "parent": { "use": ["user"] } }
                ^^^^^^^^^^^^^^^^^^^ `parent` needs the field `name`
    { "parent": { "name": 1 } }
                          ^ `name` must be a string, not a whole number
    { "parent": { "nam": "empty" } }
                  ^^^^^ unknown field `nam` of `parent`; did you mean `name`?
    { "parent": { "name": "empty", "use": "user" } }
                                          ^^^^^^ `use` must be a list, not a string
    { "parent": { "name": "empty", "use": [] } }
                                          ^^ `use` must not be empty
    { "parent": { "name": "empty", "use": [1] } }
                                           ^ each element of `use` must be a string, not a whole number
    { "parent": { "name": "empty", "use": ["user", "user"] } }
                                                   ^^^^^^ the inheritable field `user` is given twice; drop one of them
    { "parent": { "name": "empty", "use": ["root_overlay", "enable_writable_file_system"] } }
                                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the inheritable field `enable_writable_file_system` is given twice; drop one of them
    { "parent": { "name": "empty", "use": ["layer"] } }
                                           ^^^^^^^ unknown inheritable field `layer`; did you mean `layers`?
    { "parent": { "name": "empty", "use": ["timeout"] } }
                                           ^^^^^^^^^ unknown inheritable field `timeout`; it must be one of `environment`, `layers`, `mounts`, `outputs`, `network`, `root_overlay`, `working_directory`, `user`, `group`, `init`, `hostname`
    "#);
}

#[test]
fn a_network_is_one_of_three() {
    insta::assert_snapshot!(job_errors(r#"
{ "network": "lo" }
{ "network": true }
{ "network": null }
{ "enable_loopback": "yes" }
"#), @r#"
    { "network": "lo" }
                 ^^^^ unknown network `lo`; it must be one of `disabled`, `loopback`, `local`
    { "network": true }
                 ^^^^ `network` must be `"disabled"`, `"loopback"` or `"local"`, not `true`
    { "network": null }
                 ^^^^ `network` must be `"disabled"`, `"loopback"` or `"local"`, not null
    { "enable_loopback": "yes" }
                         ^^^^^ `enable_loopback` must be true or false, not a string
    "#);
}

#[test]
fn a_root_overlay_is_a_word_or_two_directories() {
    insta::assert_snapshot!(job_errors(r#"
{ "root_overlay": "temp" }
{ "root_overlay": true }
{ "root_overlay": null }
{ "root_overlay": {} }
{ "root_overlay": { "lokal": {} } }
{ "root_overlay": { "tmp": {} } }
{ "root_overlay": { "local": "x" } }
{ "root_overlay": { "local": { "upper": "x" } } }
{ "root_overlay": { "local": { "work": "x" } } }
{ "root_overlay": { "local": { "upper": "", "work": "x" } } }
{ "root_overlay": { "local": { "upper": "x", "word": "y" } } }
{ "root_overlay": { "local": { "upper": "x", "work": "x/" } } }
{ "enable_writable_file_system": "tmp" }
"#), @r#"
    { "root_overlay": "temp" }
                      ^^^^^^ unknown root overlay `temp`; did you mean `tmp`?
    { "root_overlay": true }
                      ^^^^ `root_overlay` must be `"none"`, `"tmp"` or `{ local = { upper, work } }`, not `true`
    { "root_overlay": null }
                      ^^^^ `root_overlay` must be `"none"`, `"tmp"` or `{ local = { upper, work } }`, not null
    { "root_overlay": {} }
                      ^^ `root_overlay` needs the field `local`
    { "root_overlay": { "lokal": {} } }
                        ^^^^^^^ unknown root overlay `lokal`; did you mean `local`?
    { "root_overlay": { "tmp": {} } }
                        ^^^^^ unknown root overlay `tmp`; it must be `local`
    { "root_overlay": { "local": "x" } }
                                 ^^^ `local` must be a table of fields, not a string
    { "root_overlay": { "local": { "upper": "x" } } }
                                 ^^^^^^^^^^^^^^^^ `local` needs the field `work`
    { "root_overlay": { "local": { "work": "x" } } }
                                 ^^^^^^^^^^^^^^^ `local` needs the field `upper`
    { "root_overlay": { "local": { "upper": "", "work": "x" } } }
                                            ^^ `upper` must not be empty
    { "root_overlay": { "local": { "upper": "x", "word": "y" } } }
                                                 ^^^^^^ unknown field `word` of `local`; did you mean `work`?
    { "root_overlay": { "local": { "upper": "x", "work": "x/" } } }
                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `upper` and `work` must be different directories on one file system
    { "enable_writable_file_system": "tmp" }
                                     ^^^^^ `enable_writable_file_system` must be true or false, not a string
    "#);
}

#[test]
fn an_environment_is_a_table_or_a_list_of_steps() {
    insta::assert_snapshot!(job_errors(r#"
{ "environment": "A=b" }
{ "environment": ["A=b"] }
{ "environment": null }
{ "environment": { "A": 1 } }
{ "environment": { "A": null } }
{ "environment": { "": "" } }
{ "environment": { "A=B": "" } }
{ "environment": { "A": "\u0000" } }
{ "environment": { "A": "$env{B" } }
{ "environment": { "A": "$prev{}" } }
{ "environment": { "A": "$env{B:-$prev{C}}" } }
{ "environment": [{ "vars": {} }] }
{ "environment": [{ "extend": true }] }
{ "environment": [{ "vars": [], "extend": true }] }
{ "environment": [{ "vars": {}, "extend": 1 }] }
{ "environment": [{ "variables": {}, "extend": true }] }
{ "environment": [{ "vars": { "A": "$env{" }, "extend": true }] }
"#), @r#"
    { "environment": "A=b" }
                     ^^^^^ `environment` must be a table of variables or a list of `{ vars, extend }`, not a string
    { "environment": ["A=b"] }
                      ^^^^^ each element of `environment` must be a table of fields, not a string
    { "environment": null }
                     ^^^^ `environment` must be a table of variables or a list of `{ vars, extend }`, not null
    { "environment": { "A": 1 } }
                            ^ `A` in `environment` must be a string, not a whole number
    { "environment": { "A": null } }
                            ^^^^ `A` in `environment` must be a string, not null
    { "environment": { "": "" } }
                       ^^ `` cannot be the name of an environment variable: it must be non-empty, without `=` and NUL
    { "environment": { "A=B": "" } }
                       ^^^^^ `A=B` cannot be the name of an environment variable: it must be non-empty, without `=` and NUL
    { "environment": { "A": "\u0000" } }
                            ^^^^^^^^ `A` in `environment` must be a string without NUL characters
    { "environment": { "A": "$env{B" } }
                            ^^^^^^^^ bad value for the environment variable `A`: `$env{` has no closing `}`; for the plain text write `$$env{`
    { "environment": { "A": "$prev{}" } }
                            ^^^^^^^^^ bad value for the environment variable `A`: `$prev{}` names no variable; for the plain text write `$$prev{}`
    { "environment": { "A": "$env{B:-$prev{C}}" } }
                            ^^^^^^^^^^^^^^^^^^^ bad value for the environment variable `A`: the default in `$env{B:-...}` holds a reference; defaults are plain text
    { "environment": [{ "vars": {} }] }
                      ^^^^^^^^^^^^^^ each element of `environment` needs the field `extend`
    { "environment": [{ "extend": true }] }
                      ^^^^^^^^^^^^^^^^^^ each element of `environment` needs the field `vars`
    { "environment": [{ "vars": [], "extend": true }] }
                                ^^ `vars` must be a table of fields, not a list
    { "environment": [{ "vars": {}, "extend": 1 }] }
                                              ^ `extend` must be true or false, not a whole number
    { "environment": [{ "variables": {}, "extend": true }] }
                        ^^^^^^^^^^^ unknown field `variables` of an environment step; it must be one of `vars`, `extend`
    { "environment": [{ "vars": { "A": "$env{" }, "extend": true }] }
                                       ^^^^^^^ bad value for the environment variable `A`: `$env{` has no closing `}`; for the plain text write `$$env{`
    "#);
}

#[test]
fn a_list_of_devices_names_each_once() {
    insta::assert_snapshot!(job_errors(r#"
{ "devices": "null" }
{ "devices": ["nul"] }
{ "devices": ["null", "null"] }
"#), @r#"
    { "devices": "null" }
                 ^^^^^^ `devices` must be a list, not a string
    { "devices": ["nul"] }
                  ^^^^^ unknown device `nul`; did you mean `null`?
    { "devices": ["null", "null"] }
                          ^^^^^^ the device `null` is given twice; drop one of them
    "#);
}

#[test]
fn a_working_directory_is_absolute() {
    insta::assert_snapshot!(job_errors(r#"
{ "working_directory": "" }
{ "working_directory": "src" }
{ "working_directory": "/a/../b" }
{ "working_directory": "/\u0000" }
{ "working_directory": null }
"#), @r#"
    { "working_directory": "" }
                           ^^ `working_directory` must not be empty
    { "working_directory": "src" }
                           ^^^^^ `working_directory` must be an absolute path in the container, but `src` is not; start it with `/`
    { "working_directory": "/a/../b" }
                           ^^^^^^^^^ `working_directory` must not contain `..`, but `/a/../b` does; write the path without it
    { "working_directory": "/\u0000" }
                           ^^^^^^^^^ `working_directory` must be a string without NUL characters
    { "working_directory": null }
                           ^^^^ `working_directory` must be a string, not null
    "#);
}

#[test]
fn users_groups_and_init_are_numbers_and_true_or_false() {
    insta::assert_snapshot!(job_errors(r#"
{ "user": 4294967295 }
{ "user": -1 }
{ "user": "root" }
{ "group": 4294967295 }
{ "group": 0.5 }
{ "group": null }
{ "init": "yes" }
{ "init": null }
"#), @r#"
    { "user": 4294967295 }
              ^^^^^^^^^^ `user` must be between 0 and 4294967294, but it is 4294967295
    { "user": -1 }
              ^^ `user` must be between 0 and 4294967294, but it is -1
    { "user": "root" }
              ^^^^^^ `user` must be a whole number, not a string
    { "group": 4294967295 }
               ^^^^^^^^^^ `group` must be between 0 and 4294967294, but it is 4294967295
    { "group": 0.5 }
               ^^^ `group` must be a whole number, not a fraction
    { "group": null }
               ^^^^ `group` must be a whole number, not null
    { "init": "yes" }
              ^^^^^ `init` must be true or false, not a string
    { "init": null }
              ^^^^ `init` must be true or false, not null
    "#);
}

#[test]
fn a_hostname_is_one_that_linux_accepts() {
    insta::assert_snapshot!(job_errors(r#"
{ "hostname": "" }
{ "hostname": "my host" }
{ "hostname": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
{ "hostname": 1 }
"#), @r#"
    { "hostname": "" }
                  ^^ `hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is ``
    { "hostname": "my host" }
                  ^^^^^^^^^ `hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is `my host`
    { "hostname": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`
    { "hostname": 1 }
                  ^ `hostname` must be a string, not a whole number
    "#);
}

#[test]
fn an_image_is_a_reference_with_the_parts_to_use() {
    insta::assert_snapshot!(job_errors(r#"
{ "image": 1, "program": "x" }
{ "image": "debian:12", "program": "x" }
{ "image": "docker://a b", "program": "x" }
{ "image": { "use": ["layers"] }, "program": "x" }
{ "image": { "name": "oci:x", "use": [] }, "program": "x" }
{ "image": { "name": "oci:x", "use": ["layer"] }, "program": "x" }
{ "image": { "name": "oci:x", "use": ["layers", "layers"] }, "program": "x" }
{ "image": { "name": "oci:x", "uses": ["layers"] }, "program": "x" }
{ "image": "oci:x", "parent": "empty", "program": "x" }
"#), @r#"
    { "image": 1, "program": "x" }
               ^ `image` must be the name of an image or `{ name, use }`, not a whole number
    { "image": "debian:12", "program": "x" }
               ^^^^^^^^^^^ unknown image transport `debian`; use `docker://`, `oci:`, `oci-archive:` or `docker-archive:`
    { "image": "docker://a b", "program": "x" }
               ^^^^^^^^^^^^^^ `a b` is not an image name: write `NAME`, `NAME:TAG`, `NAME@DIGEST` or `HOST/NAME:TAG`, names in lower case
    { "image": { "use": ["layers"] }, "program": "x" }
               ^^^^^^^^^^^^^^^^^^^^^ `image` needs the field `name`
    { "image": { "name": "oci:x", "use": [] }, "program": "x" }
                                         ^^ `use` must not be empty
    { "image": { "name": "oci:x", "use": ["layer"] }, "program": "x" }
                                          ^^^^^^^ unknown part of an image `layer`; did you mean `layers`?
    { "image": { "name": "oci:x", "use": ["layers", "layers"] }, "program": "x" }
                                                    ^^^^^^^^ the part of an image `layers` is given twice; drop one of them
    { "image": { "name": "oci:x", "uses": ["layers"] }, "program": "x" }
                                  ^^^^^^ unknown field `uses` of `image`; did you mean `use`?
    { "image": "oci:x", "parent": "empty", "program": "x" }
      ^^^^^^^ `image` and `parent` exclude each other: a container starts from one of them; keep one
    "#);
}

#[test]
fn a_field_that_is_used_from_an_image_cannot_be_set() {
    insta::assert_snapshot!(job_errors(r#"
{ "image": "oci:x", "layers": [], "program": "x" }
{ "image": "oci:x", "environment": {}, "program": "x" }
{ "image": { "name": "oci:x", "use": ["layers", "working_directory"] }, "working_directory": "/", "program": "x" }
{ "image": { "name": "oci:x", "use": ["environment"] }, "program": "x" }
{ "image": { "name": "oci:x", "use": ["environment"] }, "added_layers": [], "program": "x" }
{ "image": "oci:x", "added_mounts": [], "program": "x" }
"#), @r#"
    { "image": "oci:x", "layers": [], "program": "x" }
                        ^^^^^^^^ `layers` is set here and also taken from the image; write `added_layers` to add to it, or a `use` without `layers`
    { "image": "oci:x", "environment": {}, "program": "x" }
                        ^^^^^^^^^^^^^ `environment` is set here and also taken from the image; write `added_environment` or a list of `{ vars, extend }` to add to it, or a `use` without `environment`
    { "image": { "name": "oci:x", "use": ["layers", "working_directory"] }, "working_directory": "/", "program": "x" }
                                                                            ^^^^^^^^^^^^^^^^^^^ `working_directory` is set here and also taken from the image; remove it here or from `use`
    { "image": { "name": "oci:x", "use": ["environment"] }, "program": "x" }
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a job needs the field `layers`, or an `image` or a `parent` that gives them
    { "image": { "name": "oci:x", "use": ["environment"] }, "added_layers": [], "program": "x" }
                                                            ^^^^^^^^^^^^^^ `added_layers` has nothing to add to, because the image's `use` leaves out `layers`; name it in `use`, or write `layers`
    { "image": "oci:x", "added_mounts": [], "program": "x" }
                        ^^^^^^^^^^^^^^ `added_mounts` has nothing to add to, because images have no `mounts`; write `mounts`
    "#);
}
