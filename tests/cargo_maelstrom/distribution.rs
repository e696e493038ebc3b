//! Tests that need a distribution, in containers that start from an image of one.

use crate::debian;
use crate::debian::needs_images;
use crate::fixture::{Project, Run};
use crate::image::{Layer, TestImage};
use crate::need::needs_containers;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The workspace, with the images where its `maelstrom-test.toml` says that they are.
fn project(images: &Path) -> Project {
    let project = Project::own("debian");
    symlink(images, project.root.join("images")).unwrap();
    debian::share_cache(&project.target);
    project
}

/// `maelstrom-run`, which has unpacked the image already.
fn job(project: &Project, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"));
    command
        .args(["--config-file=-", "--file=job.json", "--one"])
        .arg("--cache-root")
        .arg(debian::cache())
        .args(arguments)
        .current_dir(&project.root);
    Run::of(&mut command, project)
}

const JSON: [&str; 3] = ["--message-format=json", "--ui=quiet", "--show-output"];

/// Every test of the workspace that is not ignored.
const TESTS: [&str; 11] = [
    "a_macro_was_expanded",
    "a_program_of_the_package_runs",
    "a_shell_script_has_pipes_and_a_here_document",
    "a_type_has_a_name",
    "git_keeps_a_history",
    "it_finds_localhost",
    "it_is_that_of_the_distribution",
    "it_knows_the_local_time",
    "python_imports_modules_in_python_and_in_c",
    "python_reads_and_writes_json",
    "the_binary_and_the_sources_are_at_their_own_places",
];

#[test]
fn debian_tests_of_a_shell_git_and_python_pass_with_the_files_of_an_image() {
    needs_containers!();
    let project = project(&needs_images!());
    let listed = project.maelstrom(&["--list"]).exits(0);
    let mut names: Vec<_> = (listed.stdout.lines())
        .filter_map(|line| line.rsplit(' ').next())
        .filter(|name| *name != "this_one_fails")
        .collect();
    names.sort_unstable();
    assert_eq!(names, TESTS, "{listed}");

    let run = project.maelstrom(&JSON).exits(0);
    let statuses = run.statuses();
    for test in TESTS {
        assert_eq!(statuses[test], "passed", "{run}");
    }
    assert_eq!(statuses.len(), TESTS.len() + 1, "{run}");
    assert_eq!(statuses["this_one_fails"], "ignored", "{run}");
    // The test says which C library it has mapped: that of the image, which this machine
    // may have, too, but as another file.
    let libc = &run.finished("it_is_that_of_the_distribution")["stdout"];
    assert!(libc.as_str().unwrap().contains("/libc.so.6\n"), "{run}");

    // An image that was unpacked once is not read again.
    let manifests = project.root.join("images");
    let layers = project.temporary().join("without-layers");
    copy_without_layers(&manifests.join("debian"), &layers.join("debian"));
    fs::remove_file(&manifests).unwrap();
    symlink(&layers, &manifests).unwrap();
    project.maelstrom(&JSON).exits(0);
}

/// Copies an image layout but for what is large.
fn copy_without_layers(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("blobs/sha256")).unwrap();
    for directory in ["", "blobs/sha256"] {
        for entry in fs::read_dir(from.join(directory)).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_file() && metadata.len() < 1 << 20 {
                fs::copy(entry.path(), to.join(directory).join(entry.file_name())).unwrap();
            }
        }
    }
}

#[test]
fn debian_tests_that_share_the_standard_library_find_it() {
    needs_containers!();
    let project = project(&needs_images!());
    let mut command = project.command(&JSON);
    command.env("RUSTFLAGS", "-Cprefer-dynamic");
    let run = Run::of(&mut command, &project).exits(0);
    assert_eq!(run.statuses().len(), TESTS.len() + 1, "{run}");
}

#[test]
fn debian_a_test_becomes_a_job_that_starts_from_the_same_image() {
    needs_containers!();
    let project = project(&needs_images!());
    for (name, code) in [
        ("python_reads_and_writes_json", 0),
        ("a_type_has_a_name", 0),
        ("this_one_fails", 101),
    ] {
        let pattern = format!("name.equals({name})");
        let printed = project.maelstrom(&["--print-spec", &pattern]).exits(0);
        let spec: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
        assert_eq!(spec["image"]["name"], "oci:images/debian", "{printed}");
        assert_eq!(spec["image"]["use"], serde_json::json!(["layers"]));
        assert!(spec["added_layers"].is_array(), "{printed}");
        project.write("job.json", &printed.stdout);
        let ended = job(&project, &[]);
        assert_eq!(ended.code, Some(code), "{name}: {ended}");
        // Its container can be looked around in, the test run by hand.
        let test = spec["program"].as_str().unwrap();
        let script = format!("git --version; {test} --include-ignored {name} >&2; ls /srv");
        let entered = job(&project, &["sh", "-c", &script]).exits(0);
        assert!(entered.stdout.starts_with("git version "), "{entered}");
        let left = entered.stdout.ends_with("\nleft\n");
        assert_eq!(left, code != 0, "{entered}");
    }
}

#[test]
fn debian_a_user_without_power_writes_where_the_image_lets_everybody_write() {
    needs_containers!();
    let images = needs_images!();
    let project = Project::own("shell");
    let run = |user: u32, script: &str| {
        let spec = serde_json::json!({
            "image": format!("oci:{}", images.join("debian").display()),
            "user": user, "group": user, "enable_writable_file_system": true,
            "program": "sh", "arguments": ["-c", script],
        });
        project.write("job.json", &spec.to_string());
        job(&project, &[])
    };
    let modes = "stat -c '%n %a %u %g' /tmp /root /etc/shadow /usr/bin/passwd /etc/passwd \
                 /var/cache/apt/archives/partial";
    let expected = "/tmp 1777 0 0\n/root 700 0 0\n/etc/shadow 640 0 0\n/usr/bin/passwd 755 0 0\n\
                    /etc/passwd 644 0 0\n/var/cache/apt/archives/partial 700 0 0\n";
    assert_eq!(run(0, modes).exits(0).stdout, expected);
    let all = "cat /etc/shadow >/root/copy; echo x >>/etc/passwd; rm -r /var/cache/apt; echo done";
    assert_eq!(run(0, all).exits(0).stdout, "done\n");
    let own = "echo mine >/tmp/file; mkdir /var/tmp/a; stat -c '%n %u %g' /tmp/file /var/tmp/a";
    let written = run(1000, own).exits(0);
    assert_eq!(
        written.stdout,
        "/tmp/file 1000 1000\n/var/tmp/a 1000 1000\n"
    );
}

#[test]
fn debian_an_image_without_libraries_is_named_in_the_hint() {
    needs_containers!();
    let project = Project::own("debian");
    let image = TestImage::new().layer(Layer::new().file("etc/os-release", b"ID=nothing\n"));
    image.write_oci(&project.root.join("images/nothing"), "nothing");
    let run = |lines: &str| {
        project.directives(&format!(
            "[[directives]]\nimage = 'oci:images/nothing'\nmounts = []\n{lines}"
        ));
        project.maelstrom(&["-p", "tools", "--lib"])
    };
    run("").exits(100).says(
        "hint: the container does not contain the test program or its loader; \
         `include_shared_libraries = true` in the directive adds the loader and libraries of this \
         machine",
    );
    run("include_shared_libraries = true").exits(0);
}
