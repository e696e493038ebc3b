//! Runs that end while rustdoc compiles documentation tests.

use crate::client::Client;
use crate::need::needs_containers;
use crate::project::Project;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// The command of the compiler that a rustdoc has started.
const COMPILER: &str = "sleep 3600";

/// A workspace whose rustdoc never ends when it compiles tests.
fn project() -> Project {
    let project = Project::empty();
    let write = |name: &str, text: &str| {
        let path = project.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"endless\"\nedition = \"2024\"\n[workspace]\n",
    );
    write(
        "src/lib.rs",
        "//! ```\n//! ```\n\n#[test]\nfn passes() {}\n\n#[test]\nfn fails() {\n    \
         while !std::path::Path::new(\"/started/seen\").exists() {}\n    panic!();\n}\n",
    );
    write(
        "rustdoc.sh",
        &format!(
            "#!/bin/sh\ncase \" $* \" in\n*' --test '*)\n  touch \"$TMPDIR/unfinished\"\n  \
             {COMPILER} &\n  wait ;;\n*) exec rustdoc \"$@\" ;;\nesac\n"
        ),
    );
    let rustdoc = project.root().join("rustdoc.sh");
    fs::set_permissions(rustdoc, fs::Permissions::from_mode(0o755)).unwrap();
    write(
        "maelstrom-test.toml",
        &format!(
            "[[directives]]\nadded_layers = [{{ stubs = [\"/started/\"] }}]\nadded_mounts = [{{ type \
             = \"bind\", mount_point = \"/started\", local_path = \"{}\" }}]\n",
            project.root().join("started").display()
        ),
    );
    fs::create_dir(project.root().join("started")).unwrap();
    project
}

/// Starts a run of these tests, and waits until rustdoc compiles.
fn start(project: &Project, words: &[&str]) -> Client {
    let mut command = project.json(words);
    command.env("RUSTDOC", project.root().join("rustdoc.sh"));
    let mut client = Client::start(&mut command);
    project.wait_for_process(&mut client, "the compiler", |process| {
        process.command.contains(COMPILER)
    });
    // Until now the test that fails has waited.
    fs::write(project.root().join("started/seen"), "").unwrap();
    client
}

fn assert_nothing_is_left(project: &Project) {
    project.assert_nothing_is_left();
    let executables = project.root().join("target/maelstrom/doctests");
    let of_library = executables.join("endless-endless");
    let left: Vec<_> = fs::read_dir(of_library)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn sigterm_ends_rustdoc() {
    needs_containers!();
    let project = project();
    for cached in ["--cache-results=off", "--cache-results=auto"] {
        let client = start(&project, &[cached, "passes"]);
        client.signal(Signal::SIGTERM);
        let run = client.finish();
        assert_eq!(run.status.code(), Some(130), "{run}");
        assert_nothing_is_left(&project);
    }
}

#[test]
fn a_failure_ends_rustdoc_if_the_run_stops_after_it() {
    needs_containers!();
    let project = project();
    let run = start(&project, &["--stop-after=1", "--hermetic"]).finish();
    assert_eq!(run.status.code(), Some(100), "{run}");
    assert_nothing_is_left(&project);
}

#[test]
fn a_killed_client_takes_rustdoc_along() {
    needs_containers!();
    let project = project();
    start(&project, &["--doc"]).kill();
    project.assert_nothing_is_left();
}
