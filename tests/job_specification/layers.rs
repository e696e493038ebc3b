//! The kinds of layers: each adds its files to a container.

use crate::both::{both, both_print, both_refuse, project};
use crate::need::needs_containers;
use serde_json::json;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes an archive with a note and a link to it.
fn write_archive(to: impl Write) {
    let mut archive = tar::Builder::new(to);
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_size(5);
    archive
        .append_data(&mut header, "packed/note", &b"note\n"[..])
        .unwrap();
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive
        .append_link(&mut link, "packed/link", "note")
        .unwrap();
    archive.finish().unwrap();
}

#[test]
fn a_tar_layer_has_the_files_of_the_archive_compressed_or_not() {
    needs_containers!();
    let project = project();
    let create = |name: &str| File::create(project.root.join(name)).unwrap();
    write_archive(create("a.tar"));
    let gzip = flate2::Compression::default();
    write_archive(flate2::write::GzEncoder::new(create("a.tar.gz"), gzip));
    let zstd = zstd::Encoder::new(create("a.tar.zst"), 0).unwrap();
    write_archive(zstd.auto_finish());
    for name in ["a.tar", "a.tar.gz", "a.tar.zst"] {
        both_print(
            &project,
            &json!({ "added_layers": [{ "tar": name }] }),
            &format!("added_layers = [{{ tar = '{name}' }}]"),
            "stat -c %a /packed/note; readlink /packed/link; cat /packed/link",
            "640\nnote\nnote\n",
        );
    }
}

#[test]
fn a_glob_layer_has_the_files_of_the_project_that_match() {
    needs_containers!();
    let project = project();
    for file in ["data/a.txt", "data/b.json", "data/deep/c.txt"] {
        project.write(file, file);
    }
    both_print(
        &project,
        &json!({ "added_layers": [{ "glob": "data/**/*.txt" }] }),
        r#"added_layers = [{ glob = "data/**/*.txt" }]"#,
        "cd /data; ls -d * */*; cat deep/c.txt",
        "a.txt\ndeep\ndeep/c.txt\ndata/deep/c.txt",
    );
}

#[test]
fn a_paths_layer_has_files_and_symlinks_as_they_are_and_directories_without_content() {
    needs_containers!();
    let project = project();
    project.write("data/file", "text\n");
    project.write("data/directory/below", "");
    symlink("file", project.root.join("data/link")).unwrap();
    both_print(
        &project,
        &json!({ "added_layers": [{ "paths": ["data/file", "data/link", "data/directory"] }] }),
        r#"added_layers = [{ paths = ["data/file", "data/link", "data/directory"] }]"#,
        "cat /data/file; readlink /data/link; ls /data /data/directory",
        "text\nfile\n/data:\ndirectory\nfile\nlink\n\n/data/directory:\n",
    );
    both_refuse(
        &project,
        &json!({ "added_layers": [{ "paths": ["data/missing"] }] }),
        r#"added_layers = [{ paths = ["data/missing"] }]"#,
        "data/missing",
    );
}

#[test]
fn a_stubs_layer_has_empty_files_and_directories_for_every_choice_in_braces() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "added_layers": [{ "stubs": ["/stubs/{a,b/,c{1,2}}", "/deep/er/"] }] }),
        r#"added_layers = [{ stubs = ["/stubs/{a,b/,c{1,2}}", "/deep/er/"] }]"#,
        "ls -p /stubs /deep; cat /stubs/*[!b]",
        "/deep:\ner/\n\n/stubs:\na\nb/\nc1\nc2\n",
    );
}

#[test]
fn a_symlinks_layer_has_links_wherever_they_lead() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "added_layers": [
            { "files": { "/data/file": "text\n" } },
            { "symlinks": [
                { "link": "/absolute", "target": "/data/file" },
                { "link": "/links/relative", "target": "../data/file" },
                { "link": "/dangling", "target": "nowhere" }
            ] }
        ] }),
        r#"
            added_layers = [
                { files = { "/data/file" = "text\n" } },
                { symlinks = [
                    { link = "/absolute", target = "/data/file" },
                    { link = "/links/relative", target = "../data/file" },
                    { link = "/dangling", target = "nowhere" },
                ] },
            ]
        "#,
        "cat /absolute /links/relative; readlink /absolute /links/relative /dangling",
        "text\ntext\n/data/file\n../data/file\nnowhere\n",
    );
}

#[test]
fn a_files_layer_has_files_with_the_text_that_is_written_there() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "added_layers": [{ "files": { "/etc/motd": "hello\n\"you\"\n", "/empty": "" } }] }),
        r#"added_layers = [{ files = { "/etc/motd" = "hello\n\"you\"\n", "/empty" = "" } }]"#,
        "cat /etc/motd /empty",
        "hello\n\"you\"\n",
    );
}

#[test]
fn a_programs_layer_has_programs_with_all_they_need_to_run() {
    needs_containers!();
    let project = project();
    let own = project.root.join("bin/greet");
    project.write(
        "bin/greet",
        "#!/usr/bin/env bash\necho \"hello from $BASH\"\n",
    );
    fs::set_permissions(&own, Permissions::from_mode(0o755)).unwrap();
    both_print(
        &project,
        &json!({ "added_layers": [{ "programs": ["bin/greet", "bash", "findmnt"] }] }),
        r#"added_layers = [{ programs = ["bin/greet", "bash", "findmnt"] }]"#,
        &format!(
            "{}; bash -c 'echo $((6 * 7))'; findmnt --version >/dev/null && echo runs",
            own.display()
        ),
        "hello from /usr/bin/bash\n42\nruns\n",
    );
    both_refuse(
        &project,
        &json!({ "added_layers": [{ "programs": ["no-such-program"] }] }),
        r#"added_layers = [{ programs = ["no-such-program"] }]"#,
        "no-such-program",
    );
}

#[test]
fn a_base_layer_has_the_common_files_of_a_machine() {
    needs_containers!();
    let project = project();
    let parts = r#"["utilities", "certificates", "timezones", "system", "terminals", "locales"]"#;
    let parts_in_json: serde_json::Value = serde_json::from_str(parts).unwrap();
    both_print(
        &project,
        &json!({ "added_layers": [{ "base": parts_in_json }] }),
        &format!("added_layers = [{{ base = {parts} }}]"),
        "printf '3\n1\n' | sort | head -n 1; TZ=America/Chicago date -d @0 +%Z; \
         test -s /etc/os-release && echo named; wc -c </etc/machine-id; command -v su || echo none",
        "1\nCST\nnamed\n33\nnone\n",
    );
    both_refuse(
        &project,
        &json!({ "added_layers": [{ "base": ["utility"] }] }),
        r#"added_layers = [{ base = ["utility"] }]"#,
        "unknown part of the base `utility`; did you mean `utilities`?",
    );
}

/// A program of this machine that needs libraries which those in `tools` do not need.
fn findmnt() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|directory| directory.join("findmnt"))
        .find(|program| program.is_file())
        .expect("findmnt is there, as util-linux is")
}

#[test]
fn a_shared_library_dependencies_layer_has_the_libraries_and_not_the_programs() {
    needs_containers!();
    let project = project();
    fs::copy(findmnt(), project.root.join("program")).unwrap();
    let look = "/program --version >/dev/null 2>&1; echo $?";
    let without = both(
        &project,
        &json!({ "added_layers": [{ "paths": ["program"] }] }),
        r#"added_layers = [{ paths = ["program"] }]"#,
        look,
    );
    assert!(
        without.iter().all(|ended| ended.stdout == "127\n"),
        "{without:?}"
    );
    for spelling in ["shared_library_dependencies", "shared-library-dependencies"] {
        both_print(
            &project,
            &json!({ "added_layers": [{ "paths": ["program"] }, { spelling: ["program"] }] }),
            &format!("added_layers = [{{ paths = ['program'] }}, {{ {spelling} = ['program'] }}]"),
            look,
            "0\n",
        );
        both_print(
            &project,
            &json!({ "added_layers": [{ spelling: ["program"] }] }),
            &format!("added_layers = [{{ {spelling} = ['program'] }}]"),
            "[ -e /program ] || echo not there",
            "not there\n",
        );
    }
}

#[test]
fn a_source_layer_has_the_files_that_version_control_does_not_ignore() {
    needs_containers!();
    let project = project();
    project.write(".gitignore", "*.tmp\n");
    for file in ["tree/a", "tree/b.tmp", "tree/deep/c", "tree/.hidden"] {
        project.write(file, "");
    }
    git_init(&project.root);
    both_print(
        &project,
        &json!({ "added_layers": [{ "source": "tree" }] }),
        r#"added_layers = [{ source = "tree" }]"#,
        &format!("cd {}; ls -A . deep", project.root.join("tree").display()),
        ".:\n.hidden\na\ndeep\n\ndeep:\nc\n",
    );
}

fn git_init(directory: &Path) {
    let mut git = Command::new("git");
    let status = git
        .args(["init", "--quiet"])
        .current_dir(directory)
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_later_layer_wins_over_those_before_it() {
    needs_containers!();
    both_print(
        &project(),
        &json!({ "added_layers": [
            { "files": { "/a": "first\n", "/b": "first\n", "/c": "first\n" } },
            { "files": { "/a": "second\n" } },
            { "symlinks": [{ "link": "/b", "target": "a" }] },
            { "stubs": ["/c"] }
        ] }),
        r#"
            added_layers = [
                { files = { "/a" = "first\n", "/b" = "first\n", "/c" = "first\n" } },
                { files = { "/a" = "second\n" } },
                { symlinks = [{ link = "/b", target = "a" }] },
                { stubs = ["/c"] },
            ]
        "#,
        "cat /a /b; [ -s /c ] || echo empty",
        "second\nsecond\nempty\n",
    );
}

#[test]
fn layers_take_the_place_of_those_inherited_and_added_layers_come_on_top() {
    needs_containers!();
    let project = project();
    both_print(
        &project,
        &json!({ "layers": [
            { "programs": ["sh", "cat"] },
            { "files": { "/a": "text\n", "/dev/null": "" } }
        ] }),
        r#"
            layers = [
                { programs = ["sh", "cat"] },
                { files = { "/a" = "text\n", "/dev/null" = "" } },
            ]
        "#,
        "cat /a; ls / 2>/dev/null || echo no ls",
        "text\nno ls\n",
    );
    both_print(
        &project,
        &json!({ "added_layers": [{ "files": { "/a/b": "text\n" } }] }),
        r#"added_layers = [{ files = { "/a/b" = "text\n" } }]"#,
        "cat /a/b; ls /a",
        "text\nb\n",
    );
    both_refuse(
        &project,
        &json!({ "layers": [{ "stubs": ["/a"] }], "added_layers": [{ "stubs": ["/b"] }] }),
        "layers = [{ stubs = ['/a'] }]\nadded_layers = [{ stubs = ['/b'] }]",
        "`layers` and `added_layers` exclude each other",
    );
}
