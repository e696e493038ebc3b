//! The room as a whole, against the real Cargo; and packages for the other tests.

use super::*;
use camino::{Utf8Path, Utf8PathBuf};
use std::{collections::BTreeMap, fs, io::Read as _, os::unix::fs::PermissionsExt as _, sync::Arc};

/// A member of `/ws`, in a directory of its name, without targets.
pub(crate) fn package(name: &str, version: &str) -> Package {
    let directory = Utf8PathBuf::from("/ws").join(name);
    Package {
        name: name.to_owned(),
        version: version.parse().unwrap(),
        id: format!("path+file://{directory}#{version}"),
        manifest_path: directory.join("Cargo.toml"),
        directory,
        environment: [("CARGO_PKG_NAME".to_owned(), name.to_owned())].into(),
        features: BTreeMap::new(),
        dependencies: Vec::new(),
        targets: Vec::new(),
    }
}

/// The workspace `/ws`, all of it selected by default.
pub(crate) fn workspace(packages: Vec<Package>) -> Workspace {
    Workspace {
        root: "/ws".into(),
        target_directory: "/ws/target".into(),
        separate_target: None,
        build_directory: None,
        default_members: packages.iter().map(|package| package.id.clone()).collect(),
        packages: packages.into_iter().map(Arc::new).collect(),
        toolchain: Toolchain {
            sysroot: "/sysroot".into(),
            host: "host-triple".to_owned(),
            cargo: "/sysroot/bin/cargo".into(),
            rustc: "/sysroot/bin/rustc".into(),
        },
        configuration: Configuration::default(),
    }
}

/// A program that prints its environment, as a test and as a program.
const PRINT: &str = "fn print() { for (k, v) in std::env::vars() { println!(\"\\n{k}={v}\"); } }\n";

/// Writes a workspace with one of each kind of target, a build script, Cargo
/// configuration, and a path dependency outside.
fn write_project(root: &Utf8Path) {
    let test = format!("{PRINT}#[test] fn envs() {{ print() }}\n");
    let program = format!("fn main() {{}}\n{test}");
    let files: &[(&str, &str)] = &[
        (
            "ws/Cargo.toml",
            "[workspace]\nmembers = ['app', 'mac']\nresolver = '2'\n",
        ),
        (
            "ws/.cargo/config.toml",
            "[env]\nPLAIN = 'p'\nREL = { value = 'here', relative = true }\nCARGO_PKG_NAME = 'no'\n",
        ),
        (
            "ws/app/Cargo.toml",
            "[package]\nname = 'my-app'\nversion = '1.2.3-rc.1'\nedition = '2021'\n\
             authors = ['A', 'B']\nrust-version = '1.70'\nreadme = 'R.md'\n\
             [dependencies]\noutside = { path = '../../outside' }\nmac = { path = '../mac' }\n\
             [[test]]\nname = 'plain'\nharness = false\n",
        ),
        (
            "ws/app/build.rs",
            "fn main() {\n\
             println!(\"cargo:rustc-env=FROM_SCRIPT=yes\");\n\
             let out = std::env::var(\"OUT_DIR\").unwrap();\n\
             println!(\"cargo:rustc-link-search=native={out}/libs\");\n\
             println!(\"cargo:rustc-link-search=/usr/lib/elsewhere\");\n}\n",
        ),
        ("ws/app/src/lib.rs", &test),
        ("ws/app/src/main.rs", &program),
        ("ws/app/tests/it.rs", &test),
        ("ws/app/tests/plain.rs", "fn main() {}\n"),
        ("ws/app/examples/ex.rs", &program),
        ("ws/app/benches/be.rs", &test),
        (
            "ws/mac/Cargo.toml",
            "[package]\nname = 'mac'\nversion = '0.1.0'\nedition = '2021'\n[lib]\nproc-macro = true\n",
        ),
        ("ws/mac/src/lib.rs", &test),
        (
            "outside/Cargo.toml",
            "[package]\nname = 'outside'\nversion = '0.1.0'\nedition = '2021'\n[lib]\nharness = false\n",
        ),
        (
            "outside/src/lib.rs",
            "pub fn o() {}\n#[cfg(test)] fn main() {}\n",
        ),
    ];
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

struct Project {
    _directory: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Project {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        let root = Utf8PathBuf::from_path_buf(root).unwrap();
        write_project(&root);
        Self {
            _directory: directory,
            root,
        }
    }

    fn invocation(&self, directory: &str, arguments: &[&str]) -> Invocation {
        let target = self.root.join("target");
        let arguments =
            arguments
                .iter()
                .copied()
                .chain(["--offline", "--target-dir", target.as_str()]);
        let mut invocation = Invocation::new(CargoOptions::parse(arguments)).unwrap();
        invocation.directory = self.root.join(directory).into();
        invocation
    }

    async fn build(&self, directory: &str, arguments: &[&str]) -> (Vec<TestBinary>, bool, String) {
        let invocation = self.invocation(directory, arguments);
        let started = start_build(&invocation, Stderr::Piped).unwrap();
        let workspace = metadata(&invocation).await.unwrap();
        let mut build = started.stream(workspace.into());
        let (mut binaries, mut text) = (Vec::new(), String::new());
        while let Some(event) = build.next().await {
            match event.unwrap() {
                BuildEvent::Binary(binary) => binaries.push(*binary),
                BuildEvent::Stderr(line) => text = format!("{text}{line}\n"),
                BuildEvent::Finished { success, .. } => return (binaries, success, text),
                _ => {}
            }
        }
        panic!("the stream ended without an end");
    }
}

fn run_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// What one test prints of its environment under `cargo test` itself.
fn environment_under_cargo(project: &Project, arguments: &[&str]) -> BTreeMap<String, String> {
    let invocation = project.invocation("ws", &[]);
    let output = std::process::Command::new(&invocation.cargo)
        .current_dir(&invocation.directory)
        .args(["test", "--offline", "--target-dir"])
        .arg(project.root.join("target"))
        .args(arguments)
        .args(["--", "--nocapture"])
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn assert_as_under_cargo(project: &Project, binary: &TestBinary, arguments: &[&str]) {
    let cargos = environment_under_cargo(project, arguments);
    let inherited = |name: &str| std::env::var_os(name).is_some();
    for (name, value) in &cargos {
        let known_only_here = name.starts_with("CARGO_PKG_") || name == "CARGO" || !inherited(name);
        // Set for Cargo by rustup, or by a shell for its child.
        let foreign = ["RUST_RECURSION_COUNT", "CARGO_HOME", "LD_LIBRARY_PATH", "_"]
            .contains(&name.as_str())
            || name.starts_with("RUSTUP_");
        if known_only_here && !foreign {
            assert_eq!(binary.environment.get(name), Some(value), "{name}");
        }
    }
    for (name, value) in &binary.environment {
        if name != "CARGO_BIN_EXE_my_app" {
            assert_eq!(cargos.get(name), Some(value), "{name} is not Cargo's");
        }
    }
    let ours: Vec<_> = binary
        .library_path
        .iter()
        .map(|path| path.as_str())
        .collect();
    let cargos: Vec<_> = cargos["LD_LIBRARY_PATH"].split(':').collect();
    assert!(ours.starts_with(&cargos), "{ours:?} {cargos:?}");
}

#[test]
fn a_real_build_gives_every_test_binary_what_cargo_gives_it() {
    let project = Project::new();
    run_time().block_on(async {
        let (binaries, success, text) =
            project.build("ws", &["--workspace", "--all-targets"]).await;
        assert!(success, "{text}");
        assert!(text.contains("Compiling my-app"), "{text}");
        let mut names: Vec<_> = binaries
            .iter()
            .map(|binary| format!("{} {}/{}", binary.package.name, binary.kind, binary.target))
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "mac proc-macro/mac",
                "my-app bench/be",
                "my-app bin/my-app",
                "my-app example/ex",
                "my-app lib/my_app",
                "my-app test/it",
                "my-app test/plain",
            ]
        );
        for binary in &binaries {
            assert!(binary.path.is_file());
            assert_eq!(binary.harness, binary.target != "plain");
            assert_eq!(binary.build_dir, project.root.join("target/debug"));
            assert_eq!(binary.runner, None);
            if binary.package.name == "my-app" {
                assert_eq!(binary.outside_sources, [project.root.join("outside")]);
                assert!(
                    binary
                        .out_dir
                        .as_ref()
                        .is_some_and(|out_dir| out_dir.is_dir())
                );
            }
        }
        let of = |target: &str| {
            binaries
                .iter()
                .find(|binary| binary.target == target)
                .unwrap()
        };
        assert_as_under_cargo(&project, of("it"), &["--test", "it"]);
        assert_as_under_cargo(&project, of("my_app"), &["--lib", "-p", "my-app"]);
        assert_as_under_cargo(&project, of("mac"), &["-p", "mac"]);

        let selected = metadata(&project.invocation("ws", &[]))
            .await
            .unwrap()
            .selected_targets(&CargoOptions::parse(["--workspace", "--all-targets"]))
            .unwrap();
        let mut selected: Vec<_> = selected
            .iter()
            .map(|one| {
                format!(
                    "{} {}/{}",
                    one.package.name, one.target.kind, one.target.name
                )
            })
            .collect();
        selected.sort();
        assert_eq!(selected, names, "what is listed is what is built");

        outside_of_the_workspace(&project).await;
        a_runner_is_seen(&project).await;
    });
}

async fn outside_of_the_workspace(project: &Project) {
    let (binaries, success, text) = project.build("ws", &["-p", "outside"]).await;
    assert!(success, "{text}");
    let [binary] = binaries.as_slice() else {
        panic!("one binary: {binaries:?}")
    };
    assert!(!binary.harness);
    assert_eq!(binary.environment["CARGO_PKG_NAME"], "outside");
    assert_eq!(binary.outside_sources, [project.root.join("outside")]);
}

async fn a_runner_is_seen(project: &Project) {
    let arguments = [
        "--test=it",
        "--config",
        "target.'cfg(unix)'.runner='./run fast'",
    ];
    let (binaries, ..) = project.build("ws/app", &arguments).await;
    let runner = project.root.join("ws/app/./run").into_string();
    assert_eq!(binaries[0].runner, Some(vec![runner, "fast".to_owned()]));
}

#[test]
fn cargo_selects_by_the_directory_it_is_called_in() {
    let project = Project::new();
    run_time().block_on(async {
        for (directory, names) in [
            ("ws", vec!["my-app", "mac"]),
            ("ws/app/src", vec!["my-app"]),
        ] {
            let workspace = metadata(&project.invocation(directory, &[])).await.unwrap();
            let selected = workspace.selected(&CargoOptions::default()).unwrap();
            let selected: Vec<_> = selected
                .iter()
                .map(|package| package.name.as_str())
                .collect();
            assert_eq!(selected, names, "in {directory}");
            assert_eq!(workspace.target_directory, project.root.join("target"));
            assert!(workspace.toolchain.sysroot.join("lib/rustlib").is_dir());
        }
    });
}

#[test]
fn a_failing_build_ends_with_what_cargo_says() {
    let project = Project::new();
    fs::write(project.root.join("ws/mac/src/lib.rs"), "fn f( {\n").unwrap();
    run_time().block_on(async {
        let (binaries, success, text) = project.build("ws", &["-p", "mac"]).await;
        assert!(binaries.is_empty() && !success);
        assert!(text.contains("unclosed delimiter"), "{text}");
    });
}

#[test]
fn a_broken_manifest_is_explained_in_cargos_words() {
    let project = Project::new();
    fs::write(project.root.join("ws/mac/Cargo.toml"), "[package\n").unwrap();
    let error = run_time()
        .block_on(metadata(&project.invocation("ws", &[])))
        .unwrap_err();
    assert!(matches!(error, CargoError::Cargo { .. }));
    assert!(error.to_string().starts_with("unclosed table"), "{error}");
}

/// A stand-in for Cargo.
fn script(project: &Project, text: &str) -> Invocation {
    let path = project.root.join("cargo.sh");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut invocation = project.invocation("ws", &[]);
    invocation.cargo = path.into();
    invocation
}

#[test]
fn killing_the_build_ends_what_cargo_started() {
    let project = Project::new();
    // The grandchild holds the pipe, and would say so if it lived on.
    let fifo = project.root.join("fifo");
    let invocation = script(
        &project,
        &format!(
            "mkfifo {fifo}; sh -c 'echo ready; exec 3>{fifo}; sleep 20; echo alive >&3' & wait"
        ),
    );
    run_time().block_on(async {
        let started = start_build(&invocation, Stderr::Piped).unwrap();
        let mut build = started.stream(workspace(vec![]).into());
        let ready = build.next().await.unwrap().unwrap();
        assert!(matches!(ready, BuildEvent::Message(_)), "{ready:?}");
        let mut holder = fs::File::open(&fifo).unwrap();
        build.kill();
        let mut said = String::new();
        holder.read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
        let end = build.next().await.unwrap().unwrap();
        assert!(
            matches!(
                end,
                BuildEvent::Finished {
                    success: false,
                    code: None
                }
            ),
            "{end:?}"
        );
        assert!(build.next().await.is_none());
    });
}

#[test]
fn a_pipe_that_others_hold_does_not_delay_the_end_for_ever() {
    let project = Project::new();
    let fifo = project.root.join("fifo");
    let invocation = script(
        &project,
        &format!("mkfifo {fifo}; cat {fifo} >/dev/null & echo last; exit 3"),
    );
    run_time().block_on(async {
        let started = start_build(&invocation, Stderr::Piped).unwrap();
        let mut build = started.stream(workspace(vec![]).into());
        let first = build.next().await.unwrap().unwrap();
        assert!(matches!(first, BuildEvent::Message(line) if line == "last"));
        let end = build.next().await.unwrap().unwrap();
        assert!(matches!(
            end,
            BuildEvent::Finished {
                success: false,
                code: Some(3)
            }
        ));
        // Lets the holder end.
        fs::write(&fifo, "").unwrap();
    });
}

#[test]
fn a_cargo_that_is_not_there_is_named() {
    let project = Project::new();
    let mut invocation = project.invocation("ws", &[]);
    invocation.cargo = "/no/such/cargo".into();
    let error = start_build(&invocation, Stderr::Inherited).err().unwrap();
    assert!(error.to_string().contains("/no/such/cargo"));
}
