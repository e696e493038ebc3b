//! Layers and mounts.

use super::job_errors;

#[test]
fn a_layer_has_one_kind() {
    insta::assert_snapshot!(job_errors(r#"
{ "layers": null }
{ "layers": {} }
{ "layers": ["x.tar"] }
{ "layers": [{}] }
{ "layers": [{ "canonicalize": true }] }
{ "layers": [{ "stub": [] }] }
{ "layers": [{ "directory": "/x" }] }
{ "layers": [{ "tar": "x", "glob": "*" }] }
{ "layers": [{ "shared_library_dependencies": [], "shared-library-dependencies": [] }] }
"#), @r#"
    { "layers": null }
                ^^^^ `layers` must be a list, not null
    { "layers": {} }
                ^^ `layers` must be a list, not a table of fields
    { "layers": ["x.tar"] }
                 ^^^^^^^ each element of `layers` must be a table of fields, not a string
    { "layers": [{}] }
                 ^^ a layer needs one of the fields `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`, `base`
    { "layers": [{ "canonicalize": true }] }
                 ^^^^^^^^^^^^^^^^^^^^^^^^ a layer needs one of the fields `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`, `base`
    { "layers": [{ "stub": [] }] }
                   ^^^^^^ unknown kind of layer `stub`; did you mean `stubs`?
    { "layers": [{ "directory": "/x" }] }
                   ^^^^^^^^^^^ unknown kind of layer `directory`; it must be one of `tar`, `glob`, `paths`, `stubs`, `symlinks`, `shared_library_dependencies`, `files`, `programs`, `source`, `command`, `base`
    { "layers": [{ "tar": "x", "glob": "*" }] }
                               ^^^^^^ a layer is one of `tar` and `glob`, not both; make it two layers
    { "layers": [{ "shared_library_dependencies": [], "shared-library-dependencies": [] }] }
                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a layer is one of `shared_library_dependencies` and `shared-library-dependencies`, not both; make it two layers
    "#);
}

#[test]
fn layers_have_no_options_of_other_kinds() {
    insta::assert_snapshot!(job_errors(r#"
{ "layers": [{ "tar": "x", "strip_prefix": "/" }] }
{ "layers": [{ "stubs": [], "prepend_prefix": "/" }] }
{ "layers": [{ "symlinks": [], "canonicalize": true }] }
{ "layers": [{ "files": {}, "follow_symlinks": true }] }
{ "layers": [{ "programs": [], "strip_prefix": "/" }] }
{ "layers": [{ "source": ".", "strip_prefix": "/" }] }
{ "layers": [{ "paths": [], "strip": "/" }] }
{ "layers": [{ "paths": [], "strip_prefix": 1 }] }
{ "layers": [{ "glob": "*", "follow_symlinks": "yes" }] }
"#), @r#"
    { "layers": [{ "tar": "x", "strip_prefix": "/" }] }
                               ^^^^^^^^^^^^^^ a `tar` layer has no field `strip_prefix`; drop it
    { "layers": [{ "stubs": [], "prepend_prefix": "/" }] }
                                ^^^^^^^^^^^^^^^^ a `stubs` layer has no field `prepend_prefix`; drop it
    { "layers": [{ "symlinks": [], "canonicalize": true }] }
                                   ^^^^^^^^^^^^^^ a `symlinks` layer has no field `canonicalize`; drop it
    { "layers": [{ "files": {}, "follow_symlinks": true }] }
                                ^^^^^^^^^^^^^^^^^ a `files` layer has no field `follow_symlinks`; drop it
    { "layers": [{ "programs": [], "strip_prefix": "/" }] }
                                   ^^^^^^^^^^^^^^ a `programs` layer has no field `strip_prefix`; drop it
    { "layers": [{ "source": ".", "strip_prefix": "/" }] }
                                  ^^^^^^^^^^^^^^ a `source` layer has no field `strip_prefix`; drop it
    { "layers": [{ "paths": [], "strip": "/" }] }
                                ^^^^^^^ unknown field `strip` of a layer; it must be one of `follow_symlinks`, `canonicalize`, `strip_prefix`, `prepend_prefix`
    { "layers": [{ "paths": [], "strip_prefix": 1 }] }
                                                ^ `strip_prefix` must be a string, not a whole number
    { "layers": [{ "glob": "*", "follow_symlinks": "yes" }] }
                                                   ^^^^^ `follow_symlinks` must be true or false, not a string
    "#);
}

#[test]
fn a_command_is_text_or_words_and_has_options_of_its_own() {
    insta::assert_snapshot!(job_errors(r#"
{ "layers": [{ "command": "" }] }
{ "layers": [{ "command": [] }] }
{ "layers": [{ "command": [""] }] }
{ "layers": [{ "command": ["echo", 1] }] }
{ "layers": [{ "command": true }] }
{ "layers": [{ "command": "make", "strip_prefix": "/" }] }
{ "layers": [{ "command": "make", "net": "local" }] }
{ "layers": [{ "command": "make", "working_directory": "src" }] }
{ "layers": [{ "command": "make", "mounts": [{ "type": "sys", "mount_point": "/sys" }], "network": "local" }] }
{ "layers": [{ "network": "local" }] }
"#), @r#"
    { "layers": [{ "command": "" }] }
                              ^^ `command` must not be empty
    { "layers": [{ "command": [] }] }
                              ^^ `command` must not be empty
    { "layers": [{ "command": [""] }] }
                               ^^ each element of `command` must not be empty
    { "layers": [{ "command": ["echo", 1] }] }
                                       ^ each element of `command` must be a string, not a whole number
    { "layers": [{ "command": true }] }
                              ^^^^ `command` must be text for a shell, or a list of words, not `true`
    { "layers": [{ "command": "make", "strip_prefix": "/" }] }
                                      ^^^^^^^^^^^^^^ a `command` layer has no field `strip_prefix`; drop it
    { "layers": [{ "command": "make", "net": "local" }] }
                                      ^^^^^ unknown field `net` of a `command` layer; it must be one of `environment`, `mounts`, `network`, `working_directory`, `user`, `group`, `without_sources`
    { "layers": [{ "command": "make", "working_directory": "src" }] }
                                                           ^^^^^ `working_directory` must be an absolute path in the container, but `src` is not; start it with `/`
    { "layers": [{ "command": "make", "mounts": [{ "type": "sys", "mount_point": "/sys" }], "network": "local" }] }
                                                                                                       ^^^^^^^ a `sys` mount and the network `local` exclude each other: Linux lets a job mount sysfs only in a network namespace of its own; drop the mount, or choose another network
    { "layers": [{ "network": "local" }] }
                 ^^^^^^^^^^^^^^^^^^^^^^ only a layer with the field `command` can have `network`; add the command that makes the layer
    "#);
}

#[test]
fn paths_and_patterns_in_layers_are_checked() {
    insta::assert_snapshot!(job_errors(r#"
{ "layers": [{ "tar": "" }] }
{ "layers": [{ "tar": ["x.tar"] }] }
{ "layers": [{ "tar": "<build_dir>/x" }] }
{ "layers": [{ "tar": "<home>/x" }] }
{ "layers": [{ "glob": "<home-dir/x" }] }
{ "layers": [{ "glob": "a[" }] }
{ "layers": [{ "glob": null }] }
{ "layers": [{ "paths": "x" }] }
{ "layers": [{ "paths": ["x", null] }] }
{ "layers": [{ "paths": ["\u0000"] }] }
{ "layers": [{ "shared_library_dependencies": "x" }] }
{ "layers": [{ "programs": "sh" }] }
{ "layers": [{ "programs": [""] }] }
{ "layers": [{ "source": 1 }] }
"#), @r#"
    { "layers": [{ "tar": "" }] }
                          ^^ `tar` must not be empty
    { "layers": [{ "tar": ["x.tar"] }] }
                          ^^^^^^^^^ `tar` must be a string, not a list
    { "layers": [{ "tar": "<build_dir>/x" }] }
                          ^^^^^^^^^^^^^^^ unknown placeholder `<build_dir>` (a plain `<` is written `<<`); did you mean `build-dir`?
    { "layers": [{ "tar": "<home>/x" }] }
                          ^^^^^^^^^^ unknown placeholder `<home>` (a plain `<` is written `<<`); it must be one of `build-dir`, `workspace-dir`, `package-dir`, `target-dir`, `home-dir`
    { "layers": [{ "glob": "<home-dir/x" }] }
                           ^^^^^^^^^^^^^ `<` starts a placeholder that has no closing `>`; a plain `<` is written `<<`
    { "layers": [{ "glob": "a[" }] }
                           ^^^^ bad glob pattern: unclosed character class; missing ']'
    { "layers": [{ "glob": null }] }
                           ^^^^ `glob` must be a string, not null
    { "layers": [{ "paths": "x" }] }
                            ^^^ `paths` must be a list, not a string
    { "layers": [{ "paths": ["x", null] }] }
                                  ^^^^ each element of `paths` must be a string, not null
    { "layers": [{ "paths": ["\u0000"] }] }
                             ^^^^^^^^ each element of `paths` must be a string without NUL characters
    { "layers": [{ "shared_library_dependencies": "x" }] }
                                                  ^^^ `shared_library_dependencies` must be a list, not a string
    { "layers": [{ "programs": "sh" }] }
                               ^^^^ `programs` must be a list, not a string
    { "layers": [{ "programs": [""] }] }
                                ^^ each element of `programs` must not be empty
    { "layers": [{ "source": 1 }] }
                             ^ `source` must be a string, not a whole number
    "#);
}

#[test]
fn paths_that_a_layer_creates_are_absolute() {
    insta::assert_snapshot!(job_errors(r#"
{ "layers": [{ "stubs": ["dev/null"] }] }
{ "layers": [{ "stubs": ["/a/../b"] }] }
{ "layers": [{ "symlinks": [["/a", "/b"]] }] }
{ "layers": [{ "symlinks": [{ "link": "/a" }] }] }
{ "layers": [{ "symlinks": [{ "target": "/a" }] }] }
{ "layers": [{ "symlinks": [{ "link": "a", "target": "/b" }] }] }
{ "layers": [{ "symlinks": [{ "link": "/a", "target": "" }] }] }
{ "layers": [{ "symlinks": [{ "from": "/a", "target": "/b" }] }] }
{ "layers": [{ "files": ["x"] }] }
{ "layers": [{ "files": { "x": "" } }] }
{ "layers": [{ "files": { "/x": 1 } }] }
{ "layers": [{ "files": { "/a/b": "", "/a//b": "" } }] }
"#), @r#"
    { "layers": [{ "stubs": ["dev/null"] }] }
                             ^^^^^^^^^^ each element of `stubs` must be an absolute path in the container, but `dev/null` is not; start it with `/`
    { "layers": [{ "stubs": ["/a/../b"] }] }
                             ^^^^^^^^^ each element of `stubs` must not contain `..`, but `/a/../b` does; write the path without it
    { "layers": [{ "symlinks": [["/a", "/b"]] }] }
                                ^^^^^^^^^^^^ each element of `symlinks` must be a table of fields, not a list
    { "layers": [{ "symlinks": [{ "link": "/a" }] }] }
                                ^^^^^^^^^^^^^^^^ each element of `symlinks` needs the field `target`
    { "layers": [{ "symlinks": [{ "target": "/a" }] }] }
                                ^^^^^^^^^^^^^^^^^^ each element of `symlinks` needs the field `link`
    { "layers": [{ "symlinks": [{ "link": "a", "target": "/b" }] }] }
                                          ^^^ `link` must be an absolute path in the container, but `a` is not; start it with `/`
    { "layers": [{ "symlinks": [{ "link": "/a", "target": "" }] }] }
                                                          ^^ `target` must not be empty
    { "layers": [{ "symlinks": [{ "from": "/a", "target": "/b" }] }] }
                                  ^^^^^^ unknown field `from` of a symlink; it must be one of `link`, `target`
    { "layers": [{ "files": ["x"] }] }
                            ^^^^^ `files` must be a table of fields, not a list
    { "layers": [{ "files": { "x": "" } }] }
                              ^^^ each key in `files` must be an absolute path in the container, but `x` is not; start it with `/`
    { "layers": [{ "files": { "/x": 1 } }] }
                                    ^ `/x` in `files` must be a string, not a whole number
    { "layers": [{ "files": { "/a/b": "", "/a//b": "" } }] }
                                          ^^^^^^^ the file `/a//b` is given twice; drop one of them
    "#);
}

#[test]
fn a_mount_has_a_type_and_the_fields_of_that_type() {
    insta::assert_snapshot!(job_errors(r#"
{ "mounts": null }
{ "mounts": {} }
{ "mounts": ["proc"] }
{ "mounts": [{}] }
{ "mounts": [{ "type": null }] }
{ "mounts": [{ "type": "procfs" }] }
{ "mounts": [{ "type": "proc", "fs_type": "proc" }] }
{ "mounts": [{ "type": "proc" }] }
{ "mounts": [{ "type": "proc", "mountpoint": "/proc" }] }
{ "mounts": [{ "type": "bind", "mount_point": "/x" }] }
{ "mounts": [{ "type": "bind", "local_path": "x" }] }
{ "mounts": [{ "type": "bind", "mount_point": "/x", "local_path": "" }] }
{ "mounts": [{ "type": "bind", "mount_point": "/x", "source": "/y" }] }
{ "mounts": [{ "type": "bind", "mount_point": "/x", "local_path": "y", "read_only": 1 }] }
{ "mounts": [{ "type": "sys", "mount_point": "/x", "read_only": true }] }
"#), @r#"
    { "mounts": null }
                ^^^^ `mounts` must be a list, not null
    { "mounts": {} }
                ^^ `mounts` must be a list, not a table of fields
    { "mounts": ["proc"] }
                 ^^^^^^ each element of `mounts` must be a table of fields, not a string
    { "mounts": [{}] }
                 ^^ each element of `mounts` needs the field `type`
    { "mounts": [{ "type": null }] }
                           ^^^^ `type` must be a string, not null
    { "mounts": [{ "type": "procfs" }] }
                           ^^^^^^^^ unknown type of mount `procfs`; it must be one of `bind`, `cache`, `devices`, `devpts`, `mqueue`, `proc`, `sys`, `tmp`
    { "mounts": [{ "type": "proc", "fs_type": "proc" }] }
                                   ^^^^^^^^^ `type` and `fs_type` exclude each other; keep `type`
    { "mounts": [{ "type": "proc" }] }
                 ^^^^^^^^^^^^^^^^^^ a `proc` mount needs the field `mount_point`
    { "mounts": [{ "type": "proc", "mountpoint": "/proc" }] }
                                   ^^^^^^^^^^^^ unknown field `mountpoint` of a `proc` mount; did you mean `mount_point`?
    { "mounts": [{ "type": "bind", "mount_point": "/x" }] }
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a `bind` mount needs the field `local_path`
    { "mounts": [{ "type": "bind", "local_path": "x" }] }
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a `bind` mount needs the field `mount_point`
    { "mounts": [{ "type": "bind", "mount_point": "/x", "local_path": "" }] }
                                                                      ^^ `local_path` must not be empty
    { "mounts": [{ "type": "bind", "mount_point": "/x", "source": "/y" }] }
                                                        ^^^^^^^^ unknown field `source` of a `bind` mount; it must be one of `type`, `mount_point`, `local_path`, `read_only`, `discard_changes`
    { "mounts": [{ "type": "bind", "mount_point": "/x", "local_path": "y", "read_only": 1 }] }
                                                                                        ^ `read_only` must be true or false, not a whole number
    { "mounts": [{ "type": "sys", "mount_point": "/x", "read_only": true }] }
                                                       ^^^^^^^^^^^ unknown field `read_only` of a `sys` mount; it must be one of `type`, `mount_point`
    "#);
}

#[test]
fn a_mount_point_is_absolute_and_not_the_root() {
    insta::assert_snapshot!(job_errors(r#"
{ "mounts": [{ "type": "tmp", "mount_point": "tmp" }] }
{ "mounts": [{ "type": "tmp", "mount_point": "" }] }
{ "mounts": [{ "type": "tmp", "mount_point": "/" }] }
{ "mounts": [{ "type": "tmp", "mount_point": "//./" }] }
{ "mounts": [{ "type": "tmp", "mount_point": "/a/.." }] }
{ "mounts": [{ "type": "tmp", "mount_point": null }] }
{ "mounts": [{ "type": "tmp", "mount_point": "<home>" }] }
"#), @r#"
    { "mounts": [{ "type": "tmp", "mount_point": "tmp" }] }
                                                 ^^^^^ `mount_point` must be an absolute path in the container, but `tmp` is not; start it with `/`
    { "mounts": [{ "type": "tmp", "mount_point": "" }] }
                                                 ^^ `mount_point` must not be empty
    { "mounts": [{ "type": "tmp", "mount_point": "/" }] }
                                                 ^^^ `mount_point` must not be `/`; the root comes from the layers
    { "mounts": [{ "type": "tmp", "mount_point": "//./" }] }
                                                 ^^^^^^ `mount_point` must not be `/`; the root comes from the layers
    { "mounts": [{ "type": "tmp", "mount_point": "/a/.." }] }
                                                 ^^^^^^^ `mount_point` must not contain `..`, but `/a/..` does; write the path without it
    { "mounts": [{ "type": "tmp", "mount_point": null }] }
                                                 ^^^^ `mount_point` must be a string, not null
    { "mounts": [{ "type": "tmp", "mount_point": "<home>" }] }
                                                 ^^^^^^^^ unknown placeholder `<home>` (a plain `<` is written `<<`); it must be one of `build-dir`, `workspace-dir`, `package-dir`, `target-dir`, `home-dir`
    "#);
}

#[test]
fn a_mount_of_devices_names_each_once() {
    insta::assert_snapshot!(job_errors(r#"
{ "mounts": [{ "type": "devices" }] }
{ "mounts": [{ "type": "devices", "devices": [1] }] }
{ "mounts": [{ "type": "devices", "devices": ["nul"] }] }
{ "mounts": [{ "type": "devices", "devices": ["sda"] }] }
{ "mounts": [{ "type": "devices", "devices": ["null", "null"] }] }
{ "mounts": [{ "type": "devices", "devices": [], "mount_point": "/dev" }] }
"#), @r#"
    { "mounts": [{ "type": "devices" }] }
                 ^^^^^^^^^^^^^^^^^^^^^ a `devices` mount needs the field `devices`
    { "mounts": [{ "type": "devices", "devices": [1] }] }
                                                  ^ each element of `devices` must be a string, not a whole number
    { "mounts": [{ "type": "devices", "devices": ["nul"] }] }
                                                  ^^^^^ unknown device `nul`; did you mean `null`?
    { "mounts": [{ "type": "devices", "devices": ["sda"] }] }
                                                  ^^^^^ unknown device `sda`; it must be one of `full`, `fuse`, `null`, `random`, `shm`, `tty`, `urandom`, `zero`
    { "mounts": [{ "type": "devices", "devices": ["null", "null"] }] }
                                                          ^^^^^^ the device `null` is given twice; drop one of them
    { "mounts": [{ "type": "devices", "devices": [], "mount_point": "/dev" }] }
                                                     ^^^^^^^^^^^^^ unknown field `mount_point` of a `devices` mount; it must be one of `type`, `devices`
    "#);
}
