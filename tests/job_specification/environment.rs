//! Environment variables: steps, references to other variables, defaults.

use crate::both::{both_print, both_refuse, project};
use crate::need::needs_containers;
use serde_json::json;

/// Prints the variables that are used here.
const SHOW: &str = r#"for name in FOO BAR BAZ; do eval "echo $name=\${$name-?}"; done"#;

#[test]
fn an_environment_may_be_a_map_of_variables() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "environment": { "FOO": "foo", "BAR": "b a\nr" } }),
        r#"environment = { FOO = "foo", BAR = "b a\nr" }"#,
        &format!("IFS=; {SHOW}"),
        "FOO=foo\nBAR=b a\nr\nBAZ=?\n",
    );
}

#[test]
fn an_environment_may_be_a_list_of_steps_that_extend_or_replace() {
    needs_containers!();
    let project = project();
    for extend in [true, false] {
        let bar = if extend { "bar1" } else { "?" };
        both_print(
            &project,
            &json!({ "environment": [
                { "vars": { "FOO": "foo1", "BAR": "bar1" }, "extend": false },
                { "vars": { "FOO": "foo2" }, "extend": extend }
            ] }),
            &format!(
                r#"environment = [
                    {{ vars = {{ FOO = "foo1", BAR = "bar1" }}, extend = false }},
                    {{ vars = {{ FOO = "foo2" }}, extend = {extend} }},
                ]"#
            ),
            SHOW,
            &format!("FOO=foo2\nBAR={bar}\nBAZ=?\n"),
        );
    }
}

#[test]
fn a_step_of_an_environment_needs_both_its_fields() {
    needs_containers!();
    let project = project();
    both_refuse(
        &project,
        &json!({ "environment": [{ "vars": {} }] }),
        "environment = [{ vars = {} }]",
        "needs the field `extend`",
    );
    both_refuse(
        &project,
        &json!({ "environment": [{ "extend": true }] }),
        "environment = [{ extend = true }]",
        "needs the field `vars`",
    );
}

#[test]
fn a_reference_to_env_is_the_variable_of_whoever_runs_the_job() {
    needs_containers!();
    let project = project();
    both_print(
        &project,
        &json!({ "environment": { "FOO": "<$env{OF_THE_CLIENT}>", "BAR": "$env{UNSET:-none}" } }),
        r#"environment = { FOO = "<$env{OF_THE_CLIENT}>", BAR = "$env{UNSET:-none}" }"#,
        SHOW,
        "FOO=<red>\nBAR=none\nBAZ=?\n",
    );
    both_refuse(
        &project,
        &json!({ "environment": { "FOO": "$env{UNSET}" } }),
        r#"environment = { FOO = "$env{UNSET}" }"#,
        "the client's environment has no variable `UNSET`",
    );
}

#[test]
fn a_reference_to_prev_is_the_variable_before_its_step() {
    needs_containers!();
    let project = project();
    both_print(
        &project,
        &json!({ "environment": [
            { "vars": { "FOO": "1", "BAR": "$prev{FOO:-not yet}" }, "extend": true },
            { "vars": { "FOO": "$prev{FOO}2", "BAZ": "$prev{FOO}" }, "extend": true }
        ] }),
        r#"environment = [
            { vars = { FOO = "1", BAR = "$prev{FOO:-not yet}" }, extend = true },
            { vars = { FOO = "$prev{FOO}2", BAZ = "$prev{FOO}" }, extend = true },
        ]"#,
        SHOW,
        "FOO=12\nBAR=not yet\nBAZ=1\n",
    );
    both_refuse(
        &project,
        &json!({ "environment": { "FOO": "1", "BAR": "$prev{FOO}" } }),
        r#"environment = { FOO = "1", BAR = "$prev{FOO}" }"#,
        "the job's environment so far has no variable `FOO`",
    );
}

#[test]
fn a_reference_may_have_a_default_which_may_be_empty() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "environment": {
            "FOO": "$env{OF_THE_CLIENT:-blue}", "BAR": "[$env{UNSET:-}]", "BAZ": "$prev{X:-:-}"
        } }),
        r#"environment = {
            FOO = "$env{OF_THE_CLIENT:-blue}", BAR = "[$env{UNSET:-}]", BAZ = "$prev{X:-:-}"
        }"#
        .replace('\n', " ")
        .as_str(),
        SHOW,
        "FOO=red\nBAR=[]\nBAZ=:-\n",
    );
}

#[test]
fn a_dollar_is_itself_unless_it_starts_a_reference() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "environment": { "FOO": "$HOME $$", "BAR": "$$env{X}", "BAZ": "${X}" } }),
        r#"environment = { FOO = "$HOME $$", BAR = "$$env{X}", BAZ = "${X}" }"#,
        SHOW,
        "FOO=$HOME $$\nBAR=$env{X}\nBAZ=${X}\n",
    );
}

#[test]
fn steps_variables_and_defaults_work_together() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "environment": [
            { "vars": { "FOO": "foo1", "BAR": "bar1" }, "extend": false },
            { "vars": { "FOO": "foo2", "BAZ": "$env{OF_THE_CLIENT}" }, "extend": true },
            { "vars": { "FOO": "$prev{BAZ}", "BAR": "$prev{BAR}" }, "extend": false }
        ] }),
        r#"environment = [
            { vars = { FOO = "foo1", BAR = "bar1" }, extend = false },
            { vars = { FOO = "foo2", BAZ = "$env{OF_THE_CLIENT}" }, extend = true },
            { vars = { FOO = "$prev{BAZ}", BAR = "$prev{BAR}" }, extend = false },
        ]"#,
        SHOW,
        "FOO=red\nBAR=bar1\nBAZ=?\n",
    );
}

#[test]
fn an_environment_takes_the_place_of_the_inherited_one_and_an_added_one_is_computed_after_it() {
    needs_containers!();
    let project = project();
    both_print(
        &project,
        &json!({ "environment": { "FOO": "foo" } }),
        r#"environment = { FOO = "foo" }"#,
        r#"echo "$FOO"; case $PATH in /usr/bin:/bin) echo inherited; esac"#,
        "foo\n",
    );
    both_print(
        &project,
        &json!({ "added_environment": { "PATH": "/mine:$prev{PATH}" } }),
        r#"added_environment = { PATH = "/mine:$prev{PATH}" }"#,
        r#"echo "$PATH""#,
        "/mine:/usr/bin:/bin\n",
    );
    both_refuse(
        &project,
        &json!({ "environment": {}, "added_environment": {} }),
        "environment = {}\nadded_environment = {}",
        "`environment` and `added_environment` exclude each other",
    );
}

#[test]
fn of_the_clients_variables_a_job_has_only_those_that_its_environment_passes_on() {
    needs_containers!();
    both_print(
        &project(),
        &json!({}),
        "",
        "echo ${OF_THE_CLIENT-none}",
        "none\n",
    );
}
