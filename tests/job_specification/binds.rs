//! The `bind` and `cache` mounts: files of this machine, and how far a job may go with them.

use crate::both::{both_print, both_refuse, job, jobs, project, tools};
use crate::need::needs_containers;
use serde_json::json;
use std::fs;

#[test]
fn a_bind_mount_is_a_directory_of_this_machine_that_can_be_written() {
    needs_containers!();
    let project = project();
    project.write("shared/in", "from outside\n");
    both_print(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/bound/"] }],
            "added_mounts": [{ "type": "bind", "mount_point": "/bound", "local_path": "shared" }]
        }),
        r#"
            added_layers = [{ stubs = ["/bound/"] }]
            added_mounts = [{ type = "bind", mount_point = "/bound", local_path = "shared" }]
        "#,
        "cat /bound/in; echo from inside >>/bound/out",
        "from outside\n",
    );
    let written = fs::read_to_string(project.root.join("shared/out")).unwrap();
    assert_eq!(written, "from inside\nfrom inside\n", "once for each job");
}

#[test]
fn a_bind_mount_may_be_a_single_file() {
    needs_containers!();
    let project = project();
    project.write("output", "");
    both_print(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/output"] }],
            "added_mounts": [{
                "type": "bind", "mount_point": "/output", "local_path": "output",
                "read_only": false
            }]
        }),
        r#"
            added_layers = [{ stubs = ["/output"] }]
            added_mounts = [
                { type = "bind", mount_point = "/output", local_path = "output", read_only = false },
            ]
        "#,
        "echo foo >>/output",
        "",
    );
    let written = fs::read_to_string(project.root.join("output")).unwrap();
    assert_eq!(written, "foo\nfoo\n", "once for each job");
}

#[test]
fn a_bind_mount_of_a_missing_path_is_refused() {
    needs_containers!();
    both_refuse(
        &project(),
        &json!({
            "added_layers": [{ "stubs": ["/bound/"] }],
            "added_mounts": [{ "type": "bind", "mount_point": "/bound", "local_path": "missing" }]
        }),
        r#"
            added_layers = [{ stubs = ["/bound/"] }]
            added_mounts = [{ type = "bind", mount_point = "/bound", local_path = "missing" }]
        "#,
        "missing",
    );
}

/// Tries to get past a read-only mount at `/bound`, and tells of each way that leads there.
/// Besides, of what shows that a way that led there would be told: `/free` can be written,
/// and user 0 can mount.
const BREAK_OUT: &str = r#"
    try() {
        "$@" 2>/dev/null && echo "possible: $*"
    }
    write() {
        ( echo changed >"$1" ) 2>/dev/null && echo "written $2: $1"
    }
    write /free 'as is right'
    write /bound/file 'at once'
    write /bound/new 'at once'
    write /proc/self/root/bound/file 'at once'
    write /proc/1/root/bound/file 'at once'
    try rm -f /bound/file
    try mount -o remount,rw /bound
    try mount -o remount,bind,rw /bound
    write /bound/file 'after a remount'
    try umount /bound
    try umount -l /bound
    write /bound/file 'after umount'
    try mount --bind /bound /again
    try mount -o remount,bind,rw /again
    write /again/file 'through a second bind'
    try mount --rbind / /again
    try mount -o remount,bind,rw /again/bound
    write /again/bound/file 'through a bind of the root'
    echo "tried as $(id -u)"
"#;

#[test]
fn a_read_only_bind_mount_cannot_be_lifted_or_written_through_even_by_user_0() {
    needs_containers!();
    let project = project();
    project
        .write("shared/file", "as it was\n")
        .write("free", "");
    let free = "written as is right: /free\n";
    let mounts = "possible: mount --bind /bound /again\npossible: mount --rbind / /again\n";
    for (user, allowed) in [(0, mounts), (1000, "")] {
        both_print(
            &project,
            &json!({
                "added_layers": [
                    { "programs": ["mount", "umount", "unshare"] },
                    { "stubs": ["/{bound,again,proc}/", "/free"] },
                    { "files": { "/break-out": BREAK_OUT } }
                ],
                "added_mounts": [
                    { "type": "proc", "mount_point": "/proc" },
                    { "type": "bind", "mount_point": "/free", "local_path": "free" },
                    {
                        "type": "bind", "mount_point": "/bound", "local_path": "shared",
                        "read_only": true
                    }
                ],
                "user": user
            }),
            &format!(
                r#"
                    added_layers = [
                        {{ programs = ["mount", "umount", "unshare"] }},
                        {{ stubs = ["/{{bound,again,proc}}/", "/free"] }},
                        {{ files = {{ "/break-out" = """{}""" }} }},
                    ]
                    added_mounts = [
                        {{ type = "proc", mount_point = "/proc" }},
                        {{ type = "bind", mount_point = "/free", local_path = "free" }},
                        {{ type = "bind", mount_point = "/bound", local_path = "shared", read_only = true }},
                    ]
                    user = {user}
                "#,
                BREAK_OUT.replace('"', r#"\""#)
            ),
            "sh /break-out && unshare --user --map-root-user --mount sh /break-out; cat /bound/file",
            &format!("{free}{allowed}tried as {user}\n{free}{mounts}tried as 0\nas it was\n"),
        );
    }
    let entries = fs::read_dir(project.root.join("shared")).unwrap();
    assert_eq!(entries.count(), 1);
    let file = fs::read_to_string(project.root.join("shared/file")).unwrap();
    assert_eq!(file, "as it was\n");
}

#[test]
fn changes_to_a_bind_mount_that_discards_them_are_thrown_away() {
    needs_containers!();
    let project = project();
    project.write("shared/kept/file", "as it was\n");
    both_print(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/bound/"] }],
            "added_mounts": [{
                "type": "bind", "mount_point": "/bound", "local_path": "shared",
                "discard_changes": true
            }]
        }),
        r#"
            added_layers = [{ stubs = ["/bound/"] }]
            added_mounts = [{ type = "bind", mount_point = "/bound", local_path = "shared", discard_changes = true }]
        "#,
        "cat /bound/kept/file; echo changed >/bound/kept/file; echo new >/bound/kept/new; \
         cat /bound/kept/*; rm -r /bound/kept; ls /bound; echo gone",
        "as it was\nchanged\nnew\ngone\n",
    );
    let kept = fs::read_dir(project.root.join("shared/kept")).unwrap();
    assert_eq!(kept.count(), 1);
    let file = fs::read_to_string(project.root.join("shared/kept/file")).unwrap();
    assert_eq!(file, "as it was\n");
    both_refuse(
        &project,
        &json!({ "added_mounts": [{
            "type": "bind", "mount_point": "/bound", "local_path": "shared",
            "read_only": true, "discard_changes": true
        }] }),
        r#"added_mounts = [{ type = "bind", mount_point = "/bound", local_path = "shared", read_only = true, discard_changes = true }]"#,
        "a mount is either `read_only` or has `discard_changes`",
    );
}

#[test]
fn a_cache_mount_keeps_the_files_of_a_job_for_later_ones() {
    needs_containers!();
    let project = project();
    let mount = json!({
        "added_layers": [{ "stubs": ["/kept/"] }],
        "added_mounts": [{ "type": "cache", "mount_point": "/kept", "name": "counter" }]
    });
    let directive = r#"
        added_layers = [{ stubs = ["/kept/"] }]
        added_mounts = [{ type = "cache", mount_point = "/kept", name = "counter" }]
    "#;
    let count = "echo x >>/kept/count; cat /kept/count";
    for expected in ["x\n", "x\nx\n"] {
        // The two programs have a cache each.
        both_print(&project, &mount, directive, count, expected);
    }
    let other = json!({
        "added_layers": [{ "stubs": ["/kept/"] }],
        "added_mounts": [{ "type": "cache", "mount_point": "/kept", "name": "other" }]
    });
    let ended = jobs(&project, &[], &[tools(), job(&other, "ls /kept")]);
    assert!(ended.succeeded && ended.stdout.is_empty(), "{ended:#?}");
}

#[test]
fn one_job_at_a_time_uses_a_cache_mount() {
    needs_containers!();
    let mount = json!({
        "added_layers": [{ "stubs": ["/kept/"] }],
        "added_mounts": [{ "type": "cache", "mount_point": "/kept", "name": "alone" }]
    });
    // A second job meanwhile would find the directory.
    let script = "mkdir /kept/busy && (n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); done) &&
        rm -r /kept/busy && echo alone";
    let mut documents = vec![tools()];
    documents.extend((0..6).map(|_| job(&mount, script)));
    let ended = jobs(&project(), &["--slots=3"], &documents);
    assert!(ended.succeeded, "{ended:#?}");
    assert_eq!(ended.stdout, "alone\n".repeat(6));
}

#[test]
fn the_name_of_a_cache_mount_is_no_path() {
    needs_containers!();
    both_refuse(
        &project(),
        &json!({ "added_mounts": [{ "type": "cache", "mount_point": "/tmp", "name": "../x" }] }),
        r#"added_mounts = [{ type = "cache", mount_point = "/tmp", name = "../x" }]"#,
        "the name of a cache has 1 to 100 letters, digits, `-`, `_` and `.`",
    );
}
