//! The options of layers that say where files go, and placeholders in paths.

use crate::both::{both_print, project};
use crate::fixture::Project;
use crate::need::needs_containers;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

/// A project with a file, and a link to it through a link to its directory.
fn project_with_links() -> Project {
    let project = project();
    project.write("data/file", "text\n");
    symlink("data", project.root.join("way")).unwrap();
    symlink("file", project.root.join("data/link")).unwrap();
    project
}

/// Asserts what a script prints with a layer of these paths and options.
#[track_caller]
fn paths_print(project: &Project, layer: &Value, toml: &str, script: &str, expected: &str) {
    let json = json!({ "added_layers": [layer] });
    let toml = format!("added_layers = [{toml}]");
    both_print(project, &json, &toml, script, expected);
}

#[test]
fn follow_symlinks_adds_the_target_of_a_link_under_the_name_of_the_link() {
    needs_containers!();
    paths_print(
        &project_with_links(),
        &json!({ "paths": ["data/link"], "follow_symlinks": true }),
        "{ paths = ['data/link'], follow_symlinks = true }",
        "stat -c %F /data/link; cat /data/link",
        "regular file\ntext\n",
    );
}

#[test]
fn canonicalize_adds_a_file_under_the_path_that_it_really_has() {
    needs_containers!();
    let project = project_with_links();
    let real = project.root.canonicalize().unwrap().join("data/file");
    paths_print(
        &project,
        &json!({ "paths": ["data/../way/link"], "canonicalize": true }),
        "{ paths = ['data/../way/link'], canonicalize = true }",
        &format!(
            "cat {}; [ -e /data ] || [ -e /way ] || echo and nowhere else",
            real.display()
        ),
        "text\nand nowhere else\n",
    );
}

#[test]
fn strip_prefix_drops_the_beginning_of_a_path_where_it_is_that() {
    needs_containers!();
    paths_print(
        &project_with_links(),
        &json!({ "paths": ["data/file", "way"], "strip_prefix": "data" }),
        "{ paths = ['data/file', 'way'], strip_prefix = 'data' }",
        "cat /file; readlink /way",
        "text\ndata\n",
    );
}

#[test]
fn prepend_prefix_puts_a_path_in_front() {
    needs_containers!();
    paths_print(
        &project_with_links(),
        &json!({ "paths": ["data/file"], "prepend_prefix": "/some/where" }),
        "{ paths = ['data/file'], prepend_prefix = '/some/where' }",
        "cat /some/where/data/file",
        "text\n",
    );
}

#[test]
fn prefixes_take_effect_in_order_whatever_order_they_are_written_in() {
    needs_containers!();
    let project = project_with_links();
    let root = project.root.canonicalize().unwrap();
    let root = root.to_str().unwrap();
    paths_print(
        &project,
        &json!({
            "prepend_prefix": "/new", "strip_prefix": format!("{root}/data"),
            "canonicalize": true, "paths": ["way/link"]
        }),
        &format!(
            "{{ prepend_prefix = '/new', strip_prefix = '{root}/data', canonicalize = true, \
             paths = ['way/link'] }}"
        ),
        "cat /new/file",
        "text\n",
    );
}

#[test]
fn prefixes_are_for_globs_and_libraries_too() {
    needs_containers!();
    let project = project_with_links();
    paths_print(
        &project,
        &json!({
            "glob": "data/l*", "follow_symlinks": true, "strip_prefix": "data",
            "prepend_prefix": "/globbed"
        }),
        "{ glob = 'data/l*', follow_symlinks = true, strip_prefix = 'data', \
           prepend_prefix = '/globbed' }",
        "stat -c %F /globbed/link",
        "regular file\n",
    );
    paths_print(
        &project,
        &json!({ "shared_library_dependencies": ["/bin/sh"], "prepend_prefix": "/libraries" }),
        "{ shared_library_dependencies = ['/bin/sh'], prepend_prefix = '/libraries' }",
        "cd /libraries; set -- $(ls */*/libc.so.* */*/*/libc.so.* 2>/dev/null); [ $# != 0 ] && echo there",
        "there\n",
    );
}

#[test]
fn placeholders_stand_for_directories_of_the_project() {
    needs_containers!();
    let project = project_with_links();
    let root = project.root.to_str().unwrap();
    both_print(
        &project,
        &json!({ "added_layers": [
            { "paths": ["<workspace-dir>/data/file", "<package-dir>/data/link"] },
            { "stubs": ["<workspace-dir>/stub", "/<<plain>"] },
            { "symlinks": [{ "link": "/to-file", "target": "<package-dir>/data/file" }] }
        ] }),
        r#"
            added_layers = [
                { paths = ["<workspace-dir>/data/file", "<package-dir>/data/link"] },
                { stubs = ["<workspace-dir>/stub", "/<<plain>"] },
                { symlinks = [{ link = "/to-file", target = "<package-dir>/data/file" }] },
            ]
        "#,
        &format!("cd {root}; cat data/link /to-file; ls -d stub '/<plain>'"),
        "text\ntext\n/<plain>\nstub\n",
    );
}
