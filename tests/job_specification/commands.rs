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
