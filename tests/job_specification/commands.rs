//! `command` layers. What commands do in all their ways is in `tests/command_layers.rs`.

use crate::both::{both_print, both_refuse, project};
use crate::need::needs_containers;
use serde_json::json;

#[test]
fn a_command_layer_has_the_changes_of_its_command_to_the_layers_below() {
    needs_containers!();
    let project = project();
    both_print(
        &project,
        &json!({ "added_layers": [
            { "files": { "/made/gone": "", "/made/kept": "kept\n" } },
            { "command": "rm /made/gone && echo $0 >/made/new" },
            { "command": ["sh", "-c", "echo $0 >>/made/new", "with words"] },
        ] }),
        "added_layers = [
            { files = { '/made/gone' = '', '/made/kept' = \"kept\\n\" } },
            { command = 'rm /made/gone && echo $0 >/made/new' },
            { command = ['sh', '-c', 'echo $0 >>/made/new', 'with words'] },
        ]",
        "ls /made && cat /made/new",
        "kept\nnew\n/bin/sh\nwith words\n",
    );
}

#[test]
fn a_command_runs_in_the_environment_and_with_the_mounts_of_its_layer() {
    needs_containers!();
    let project = project();
    project.write("given", "given\n");
    both_print(
        &project,
        &json!({ "added_layers": [
            { "stubs": ["/given", "/there/"] },
            {
                "command": "echo $A $PWD $(cat /given) >said",
                "environment": { "A": "$env{BAR}" },
                "mounts": [{ "type": "bind", "mount_point": "/given", "local_path": "given" }],
                "network": "loopback",
                "working_directory": "/there",
            },
        ] }),
        "added_layers = [
            { stubs = ['/given', '/there/'] },
            { command = 'echo $A $PWD $(cat /given) >said', environment = { A = '$env{BAR}' }, \
              mounts = [{ type = 'bind', mount_point = '/given', local_path = 'given' }], \
              network = 'loopback', working_directory = '/there' },
        ]",
        "cat /there/said /given",
        "bar /there given\n",
    );
}

#[test]
fn a_command_that_fails_is_an_error_with_its_output() {
    needs_containers!();
    both_refuse(
        &project(),
        &json!({ "added_layers": [{ "command": "echo no luck; exit 7" }] }),
        "added_layers = [{ command = 'echo no luck; exit 7' }]",
        "the command failed with exit code 7; its output:",
    );
}

#[test]
fn a_command_runs_as_the_user_and_group_of_its_layer() {
    needs_containers!();
    let command = "umask 077; mkdir /data; stat -c '%u %g' /data >/ids";
    both_print(
        &project(),
        &json!({ "added_layers": [{ "command": command, "user": 70, "group": 71 }] }),
        &format!("added_layers = [{{ command = \"{command}\", user = 70, group = 71 }}]"),
        "cat /ids; stat -c %a /data",
        "70 71\n700\n",
    );
}

#[test]
fn a_command_without_sources_does_not_see_the_layers_of_sources() {
    needs_containers!();
    let project = project();
    project.write("tree/file", "");
    let tree = project.root.join("tree");
    let tree = tree.to_str().unwrap();
    let command = format!("rm /gone; if ls {tree} 2>/dev/null; then echo seen; fi >/said");
    both_print(
        &project,
        &json!({ "added_layers": [
            { "source": "tree" },
            { "files": { "/gone": "" } },
            { "command": command, "without_sources": true },
        ] }),
        &format!(
            "added_layers = [
                {{ source = 'tree' }},
                {{ files = {{ '/gone' = '' }} }},
                {{ command = '{command}', without_sources = true }},
            ]"
        ),
        &format!("cat /said; ls {tree}; ls /gone 2>/dev/null || echo gone"),
        "file\ngone\n",
    );
}
