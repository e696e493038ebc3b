//! What becomes of what a job writes to its root.

use crate::both::{both, both_print, both_refuse, job, jobs, project, tools};
use crate::fixture::Project;
use crate::need::needs_containers;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};

#[test]
fn a_root_is_read_only_unless_it_has_an_overlay() {
    needs_containers!();
    let project = project();
    let write = "{ echo x >/new; } 2>&1; [ -e /new ] || echo refused";
    for (json, toml) in [
        (json!({}), ""),
        (json!({ "root_overlay": "none" }), "root_overlay = 'none'"),
        (
            json!({ "enable_writable_file_system": false }),
            "enable_writable_file_system = false",
        ),
    ] {
        for ended in both(&project, &json, toml, write) {
            let told = ended.stdout.contains("Read-only file system\nrefused\n");
            assert!(told, "{ended:#?}");
        }
    }
}

#[test]
fn changes_to_a_root_of_type_tmp_are_thrown_away() {
    needs_containers!();
    let project = project();
    let write = "ls /data; echo changed >/data/old; rm /data/gone; echo x >/data/new; ls /data";
    for (json, toml) in [
        (json!({ "root_overlay": "tmp" }), "root_overlay = 'tmp'"),
        (
            json!({ "enable_writable_file_system": true }),
            "enable_writable_file_system = true",
        ),
    ] {
        let mut fields = json!({ "added_layers": [{ "stubs": ["/data/{gone,old}"] }] });
        for (name, value) in json.as_object().unwrap() {
            fields[name] = value.clone();
        }
        both_print(
            &project,
            &fields,
            &format!("added_layers = [{{ stubs = ['/data/{{gone,old}}'] }}]\n{toml}"),
            write,
            "gone\nold\nnew\nold\n",
        );
        let job = || job(&fields, write);
        let ended = jobs(&project, &["--slots=1"], &[tools(), job(), job()]);
        assert_eq!(
            ended.stdout,
            "gone\nold\nnew\nold\n".repeat(2),
            "{ended:#?}"
        );
    }
}

#[test]
fn a_root_is_made_writable_in_one_way_only() {
    needs_containers!();
    both_refuse(
        &project(),
        &json!({ "root_overlay": "tmp", "enable_writable_file_system": true }),
        "root_overlay = 'tmp'\nenable_writable_file_system = true",
        "`enable_writable_file_system` and `root_overlay` exclude each other",
    );
}

/// A project with directories for what jobs change, unless overlayfs cannot have them there.
fn project_with_upper() -> Option<Project> {
    let project = project();
    if statfs(&project.root).unwrap().filesystem_type() == OVERLAYFS_SUPER_MAGIC {
        println!("SKIPPED: needs a directory for temporary files that is not in an overlay");
        return None;
    }
    for directory in ["upper", "work"] {
        fs::create_dir(project.root.join(directory)).unwrap();
    }
    Some(project)
}

const LOCAL: &str = r#"
    added_layers = [
        { files = { "/data/old" = "old\n", "/data/gone" = "gone\n", "/data/whole/part" = "" } },
    ]
    root_overlay = { local = { upper = "upper", work = "work" } }
"#;

fn local() -> serde_json::Value {
    json!({
        "added_layers": [
            { "files": { "/data/old": "old\n", "/data/gone": "gone\n", "/data/whole/part": "" } }
        ],
        "root_overlay": { "local": { "upper": "upper", "work": "work" } }
    })
}

#[test]
fn changes_to_a_local_root_can_be_read_in_upper_afterwards() {
    needs_containers!();
    let Some(project) = project_with_upper() else {
        return;
    };
    // The second of the two finds what the first did, and does it again.
    let change = "
        echo created >/data/new
        echo replaced >/data/old
        rm -rf /data/gone /data/whole
        mkdir -p /made/deep
        echo created >/made/deep/file
        ls /data
    ";
    both_print(&project, &local(), LOCAL, change, "new\nold\n");
    let upper = project.root.join("upper");
    let read = |path: &str| fs::read_to_string(upper.join(path)).unwrap();
    assert_eq!(read("data/new"), "created\n");
    assert_eq!(read("data/old"), "replaced\n");
    assert_eq!(read("made/deep/file"), "created\n");
    for gone in ["data/gone", "data/whole"] {
        let metadata = fs::symlink_metadata(upper.join(gone)).unwrap();
        assert!(
            metadata.file_type().is_char_device(),
            "{gone} is a whiteout"
        );
    }
    let entries = fs::read_dir(upper.join("data")).unwrap();
    assert_eq!(entries.count(), 4);
}

#[test]
fn jobs_that_change_one_local_root_see_the_changes_of_the_job_before() {
    needs_containers!();
    let Some(project) = project_with_upper() else {
        return;
    };
    let count = "
        read -r number </data/number 2>/dev/null || number=0
        number=$((number + 1))
        echo $number >/data/number
        echo $number
    ";
    let documents: Vec<_> = std::iter::once(tools())
        .chain(std::iter::repeat_n(job(&local(), count), 10))
        .collect();
    let ended = jobs(&project, &["--slots=4"], &documents);
    assert!(ended.succeeded, "{ended:#?}");
    let expected: Vec<_> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), expected);
    let number = fs::read_to_string(project.root.join("upper/data/number")).unwrap();
    assert_eq!(number, "10\n");
}

#[test]
fn directories_of_a_local_root_may_be_named_by_any_path() {
    needs_containers!();
    let Some(project) = project_with_upper() else {
        return;
    };
    fs::create_dir(project.root.join("inner")).unwrap();
    symlink(project.root.join("inner"), project.root.join("link")).unwrap();
    let count = "echo line >>/data/lines; cat /data/lines";
    let paths = [
        ("upper", "work"),
        ("inner/../upper", "work"),
        ("upper", "./inner/../work"),
        ("link/../upper", "link/../work"),
    ];
    let spelled = |(upper, work)| {
        let mut local = local();
        local["root_overlay"]["local"] = json!({ "upper": upper, "work": work });
        job(&local, count)
    };
    let documents: Vec<_> = std::iter::once(tools())
        .chain(paths.into_iter().cycle().take(8).map(spelled))
        .collect();
    let ended = jobs(&project, &["--slots=4"], &documents);
    assert!(ended.succeeded, "{ended:#?}");
    let lines = fs::read_to_string(project.root.join("upper/data/lines")).unwrap();
    assert_eq!(lines, "line\n".repeat(8));
}

#[test]
fn a_local_root_needs_two_directories_that_are_there() {
    needs_containers!();
    let project = project();
    fs::create_dir_all(project.root.join("kept/inner")).unwrap();
    symlink("kept", project.root.join("link")).unwrap();
    let refused = |upper: &str, work: &str, message: &str| {
        both_refuse(
            &project,
            &json!({ "root_overlay": { "local": { "upper": upper, "work": work } } }),
            &format!("root_overlay = {{ local = {{ upper = '{upper}', work = '{work}' }} }}"),
            message,
        );
    };
    refused(
        "missing",
        "work",
        "missing of `root_overlay` does not exist; create it first",
    );
    refused(
        "same",
        "same",
        "`upper` and `work` must be different directories",
    );
    for (upper, work) in [
        ("kept", "link"),
        ("kept", "kept/../kept"),
        ("kept", "link/inner"),
        ("kept/inner", "kept"),
    ] {
        refused(
            upper,
            work,
            "two directories of which neither contains the other",
        );
    }
}
