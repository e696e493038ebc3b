use super::*;
use crate::cargo::{
    CargoOptions, TargetInfo,
    tests::{package, workspace},
};

/// The lines of a real build, directories renamed: package `my-app` with a build
/// script, a program, an integration test, and a dependency outside the workspace;
/// package `sys`, which `my-app` depends on; package `other`, which it does not.
const MESSAGES: &str = include_str!("tests/messages.jsonl");

const LOCK: &str = r#"
[[package]]
name = "my-app"
version = "1.2.3-rc.1"
dependencies = [
 "outside",
 "sys",
]

[[package]]
name = "other"
version = "0.1.0"

[[package]]
name = "outside"
version = "0.1.0"

[[package]]
name = "sys"
version = "0.1.0"
"#;

fn assembler() -> Assembler {
    let mut app = package("app", "1.2.3-rc.1");
    app.name = "my-app".to_owned();
    app.id = "path+file:///ws/app#my-app@1.2.3-rc.1".to_owned();
    app.targets = vec![program("my-app", &[]), program("unbuilt", &["extra"])];
    let workspace = workspace(vec![
        app,
        package("sys", "0.1.0"),
        package("other", "0.1.0"),
    ]);
    let invocation = Invocation::new(CargoOptions::default()).unwrap();
    let mut assembler = Assembler::new(invocation, Arc::new(workspace));
    assembler.lockfile = Some(Lockfile::parse(LOCK));
    assembler.inherited_library_path = vec!["/inherited".into(), "/sysroot/lib".into()];
    assembler
}

fn program(name: &str, required_features: &[&str]) -> TargetInfo {
    TargetInfo {
        kind: TargetKind::Binary,
        name: name.to_owned(),
        src_path: "/ws/app/src/main.rs".into(),
        harness: true,
        doctest: false,
        test: true,
        bench: true,
        required_features: required_features.iter().map(ToString::to_string).collect(),
    }
}

fn binaries(assembler: &mut Assembler, messages: &str) -> Vec<TestBinary> {
    messages
        .lines()
        .flat_map(|line| match assembler.on_message(line).unwrap() {
            MessageEffect::Built { binaries, .. } | MessageEffect::Ended { binaries } => binaries,
            _ => Vec::new(),
        })
        .collect()
}

fn all() -> Vec<TestBinary> {
    binaries(&mut assembler(), MESSAGES)
}

fn of(kind: TargetKind, target: &str) -> TestBinary {
    all()
        .into_iter()
        .find(|binary| binary.kind == kind && binary.target == target)
        .unwrap()
}

#[test]
fn every_test_binary_is_found_once() {
    let twice = format!("{MESSAGES}{MESSAGES}");
    let found: Vec<_> = binaries(&mut assembler(), &twice)
        .iter()
        .map(|binary| format!("{} {}/{}", binary.package.name, binary.kind, binary.target))
        .collect();
    assert_eq!(
        found,
        [
            "sys lib/sys",
            "my-app bin/my-app",
            "my-app example/ex",
            "my-app test/it",
            "my-app bench/be",
            "my-app lib/my_app",
            "other proc-macro/mac",
        ]
    );
}

#[test]
fn programs_are_for_integration_tests_and_benchmarks() {
    let path = Utf8PathBuf::from("/ws/target/debug/my-app");
    for (kind, name) in [(TargetKind::Test, "it"), (TargetKind::Benchmark, "be")] {
        let binary = of(kind, name);
        assert_eq!(
            binary.programs,
            [("my-app".to_owned(), path.clone())].into()
        );
        for spelling in ["CARGO_BIN_EXE_my-app", "CARGO_BIN_EXE_my_app"] {
            assert_eq!(binary.environment[spelling], path.as_str());
        }
    }
    assert!(of(TargetKind::Library, "my_app").programs.is_empty());
    let environment = of(TargetKind::Binary, "my-app").environment;
    assert!(!environment.contains_key("CARGO_BIN_EXE_my-app"));
}

/// The messages without the one that says that the program is there.
fn without_the_program() -> String {
    let lines = MESSAGES
        .lines()
        .filter(|line| !line.contains(r#""executable":"/ws/target/debug/my-app""#));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_integration_test_waits_for_its_programs() {
    let mut assembler = assembler();
    let before: Vec<_> = MESSAGES
        .lines()
        .take_while(|line| !line.contains(r#""executable":"/ws/target/debug/my-app""#))
        .collect();
    assert!(
        before.iter().any(|line| line.contains("deps/it-")),
        "announced before"
    );
    let targets: Vec<_> = binaries(&mut assembler, &before.join("\n"))
        .into_iter()
        .map(|binary| binary.target)
        .collect();
    assert_eq!(targets, ["sys", "my-app", "ex"]);
}

#[test]
fn at_the_end_of_a_build_nothing_waits_any_longer() {
    let messages = without_the_program();
    let found = binaries(&mut assembler(), &messages);
    let it = found.iter().find(|binary| binary.target == "it").unwrap();
    assert!(it.programs.is_empty());

    let failed = messages.replace(r#""success":true"#, r#""success":false"#);
    let found = binaries(&mut assembler(), &failed);
    assert!(!found.iter().any(|binary| binary.target == "it"));
}

#[test]
fn the_build_script_gives_its_directory_and_variables() {
    let binary = of(TargetKind::Library, "my_app");
    let out_dir = "/ws/target/debug/build/my-app-c0d7/out";
    assert_eq!(binary.out_dir.as_deref(), Some(Utf8Path::new(out_dir)));
    assert_eq!(binary.environment["OUT_DIR"], out_dir);
    assert_eq!(binary.environment["FROM_SCRIPT"], "yes");
    assert!(!binary.environment.contains_key("SYS_SCRIPT"));
    assert_eq!(binary.environment["CARGO"], "/sysroot/bin/cargo");
    assert_eq!(binary.environment["CARGO_PKG_NAME"], "app");
    let other = of(TargetKind::ProcMacro, "mac");
    assert_eq!(other.out_dir, None);
    assert!(!other.environment.contains_key("OUT_DIR"));
}

#[test]
fn the_library_path_is_in_cargos_order_and_of_dependencies_only() {
    assert_eq!(
        of(TargetKind::Test, "it").library_path,
        [
            "/ws/target/debug/build/sys-50cb/out",
            "/ws/target/debug/build/my-app-c0d7/out/libs",
            "/ws/target/debug",
            "/ws/target/debug/deps",
            "/sysroot/lib/rustlib/host-triple/lib",
            "/sysroot/lib",
            "/inherited",
        ]
    );
    assert_eq!(
        of(TargetKind::ProcMacro, "mac").library_path[0],
        "/ws/target/debug"
    );
}

#[test]
fn sources_outside_are_those_of_dependencies() {
    assert_eq!(of(TargetKind::Test, "it").outside_sources, ["/outside"]);
    assert!(of(TargetKind::ProcMacro, "mac").outside_sources.is_empty());
}

#[test]
fn the_build_directory_leaves_out_deps_and_examples() {
    for binary in all() {
        assert_eq!(binary.build_dir, "/ws/target/debug", "{}", binary.path);
    }
}

#[test]
fn of_several_script_runs_the_compiler_notes_which_it_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(directory.path()).unwrap().join("it-1");
    fs::write(
        path.with_extension("d"),
        "x: y\n\n# env-dep:OUT_DIR=/ws/target/debug/build/a-1/out\n",
    )
    .unwrap();
    let mut assembler = assembler();
    for out_dir in [
        "debug/build/a-1/out",
        "debug/build/a-2/out",
        "t/debug/build/a-3/out",
    ] {
        let message = format!(
            r#"{{"reason":"build-script-executed","package_id":"a","linked_libs":[],"linked_paths":[],"cfgs":[],"env":[],"out_dir":"/ws/target/{out_dir}"}}"#
        );
        assembler.on_message(&message).unwrap();
    }
    let directories = assembler.directories_of(Utf8Path::new("/ws/target/debug/deps/it-1"));
    let out_dir = |path: &Utf8Path, directories: &ProfileDirectories| {
        assembler
            .script("a", path, directories)
            .unwrap()
            .out_dir
            .clone()
    };
    assert_eq!(
        out_dir(&path, &directories),
        "/ws/target/debug/build/a-1/out"
    );
    let without_notes = Utf8Path::new("/none/it-1");
    assert_eq!(
        out_dir(without_notes, &directories),
        "/ws/target/debug/build/a-2/out"
    );
    let other = assembler.directories_of(Utf8Path::new("/ws/target/t/debug/deps/it-1"));
    assert_eq!(
        out_dir(without_notes, &other),
        "/ws/target/t/debug/build/a-3/out"
    );
}

#[test]
fn lines_that_are_not_messages_are_recognized() {
    let mut assembler = assembler();
    assert_eq!(assembler.on_message("hello").unwrap(), MessageEffect::Other);
    assert_eq!(
        assembler.on_message(r#"{"reason":"timing-info"}"#).unwrap(),
        MessageEffect::Other
    );
    assert_eq!(
        assembler
            .on_message(r#"{"reason":"build-finished","success":true}"#)
            .unwrap(),
        MessageEffect::Ended {
            binaries: Vec::new()
        }
    );
    assert!(
        assembler
            .on_message(r#"{"reason":"compiler-artifact"}"#)
            .is_err()
    );
}
