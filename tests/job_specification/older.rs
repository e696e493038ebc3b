//! Older spellings: each means what a newer one says, with a warning.

use crate::both::{Ended, both, both_refuse, job, jobs, project, test, tools};
use crate::fixture::Project;
use crate::need::needs_containers;
use serde_json::{Value, json};

/// Asserts that a script prints this, and that the warning is given once in each form.
#[track_caller]
fn prints_with_warning(json: &Value, toml: &str, script: &str, expected: &str, warning: &str) {
    for ended in both(&project(), json, toml, script) {
        assert!(ended.succeeded, "{ended:#?}");
        assert_eq!(ended.stdout, expected, "{ended:#?}");
        let warnings = ended.stderr.matches("older spelling").count();
        assert!(
            warnings == 1 && ended.stderr.contains(warning),
            "{ended:#?}"
        );
    }
}

#[test]
fn a_list_of_devices_is_an_older_spelling_of_a_devices_mount() {
    needs_containers!();
    prints_with_warning(
        &json!({
            "added_layers": [{ "stubs": ["/dev/{full,zero}"] }],
            "devices": ["full", "zero"]
        }),
        r#"
            added_layers = [{ stubs = ["/dev/{full,zero}"] }]
            devices = ["full", "zero"]
        "#,
        "stat -c '%n %F' /dev/full /dev/null /dev/zero",
        "/dev/full character special file\n\
         /dev/null character special file\n\
         /dev/zero character special file\n",
        "`devices` is an older spelling; write a mount",
    );
}

#[test]
fn enable_loopback_is_an_older_spelling_of_the_network_loopback() {
    needs_containers!();
    let connect = "exec bash -c '( exec 3<>/dev/tcp/127.0.0.1/9 ) 2>&1 | {
        read -r line; echo ${line##*: }; }'";
    for (enable, expected) in [
        (true, "Connection refused\n"),
        (false, "Network is unreachable\n"),
    ] {
        prints_with_warning(
            &json!({ "added_layers": [{ "programs": ["bash"] }], "enable_loopback": enable }),
            &format!("added_layers = [{{ programs = ['bash'] }}]\nenable_loopback = {enable}"),
            connect,
            expected,
            "`enable_loopback` is an older spelling; write `network`",
        );
    }
    both_refuse(
        &project(),
        &json!({ "enable_loopback": true, "network": "loopback" }),
        "enable_loopback = true\nnetwork = 'loopback'",
        "`enable_loopback` and `network` exclude each other",
    );
}

#[test]
fn fs_type_is_an_older_spelling_of_the_type_of_a_mount() {
    needs_containers!();
    prints_with_warning(
        &json!({
            "added_layers": [{ "stubs": ["/{proc,scratch}/"] }],
            "added_mounts": [
                { "fs_type": "proc", "mount_point": "/proc" },
                { "fs_type": "tmp", "mount_point": "/scratch" }
            ]
        }),
        r#"
            added_layers = [{ stubs = ["/{proc,scratch}/"] }]
            added_mounts = [
                { fs_type = "proc", mount_point = "/proc" },
                { fs_type = "tmp", mount_point = "/scratch" },
            ]
        "#,
        "[ -d /proc/self ] && echo >/scratch/file && echo both",
        "both\n",
        "`fs_type` is an older spelling; write `type`",
    );
    both_refuse(
        &project(),
        &json!({ "mounts": [{ "fs_type": "tmp", "type": "tmp", "mount_point": "/dev" }] }),
        "mounts = [{ fs_type = 'tmp', type = 'tmp', mount_point = '/dev' }]",
        "`type` and `fs_type` exclude each other",
    );
}

#[test]
fn a_name_and_a_tag_are_an_older_spelling_of_an_image_in_a_registry() {
    needs_containers!();
    // There is no registry at this port.
    let ended = both_in(
        &project(),
        &json!({ "image": { "name": "localhost:9/tools", "tag": "v1", "use": ["layers"] } }),
        "image = { name = 'localhost:9/tools', tag = 'v1', use = ['layers'] }",
    );
    for ended in ended {
        assert!(!ended.succeeded, "{ended:#?}");
        let warning = "an image as `name` and `tag` is an older spelling; write one `name`";
        assert_eq!(ended.stderr.matches(warning).count(), 1, "{ended:#?}");
        let error = "cannot get the image `docker://localhost:9/tools:v1`";
        assert!(ended.stderr.contains(error), "{ended:#?}");
    }
}

/// Runs a job and a test with these fields and without a parent.
fn both_in(project: &Project, json: &Value, toml: &str) -> [Ended; 2] {
    let mut job = json.clone();
    job["program"] = "/bin/sh".into();
    project.directives(&format!("[[directives]]\n{toml}\n"));
    [jobs(project, &[], &[job]), test(project, "")]
}

#[test]
fn an_older_spelling_is_warned_of_once_however_many_jobs_use_it() {
    needs_containers!();
    let job = || job(&json!({ "enable_loopback": false }), "echo runs");
    let ended = jobs(&project(), &[], &[tools(), job(), job(), job()]);
    assert_eq!(ended.stdout, "runs\n".repeat(3), "{ended:#?}");
    let place = ended.stderr.matches("warning: <stdin>:2:").count();
    assert_eq!(
        (place, ended.stderr.matches("warning").count()),
        (1, 1),
        "{ended:#?}"
    );
}
