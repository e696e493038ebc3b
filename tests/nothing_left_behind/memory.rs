//! What a client and its launchers take of the machine's memory.

use crate::host::{status_value, wait_until};
use crate::need::needs_containers;
use crate::project::Project;
use std::fs;
use std::time::Duration;

const TESTS: usize = 10_000;

/// In KiB.
const CLIENT: u64 = 64 << 10;
const LAUNCHER: u64 = 4 << 10;

#[test]
fn a_client_of_ten_thousand_tests_takes_less_than_64_mib() {
    needs_containers!();
    let project = Project::empty();
    write_crate_of_many_tests(&project);
    let run = project.start(&[]).finish();
    run.assert_all_passed(TESTS);
    println!("the client's peak: {} KiB", run.peak);
    assert!((1..CLIENT).contains(&run.peak), "{} KiB", run.peak);
}

/// Its harness lists and runs as libtest's does, without the minute that ten
/// thousand real tests take to compile.
fn write_crate_of_many_tests(project: &Project) {
    let root = project.root();
    fs::write(
        root.join("Cargo.toml"),
        "[package]\nname = \"many\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\ntest = false\n[[test]]\nname = \"many\"\nharness = false\n[workspace]\n",
    )
    .unwrap();
    fs::create_dir(root.join("src")).unwrap();
    fs::create_dir(root.join("tests")).unwrap();
    fs::write(root.join("src/lib.rs"), "").unwrap();
    let harness = format!(
        r#"fn main() {{
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--list") && !has("--ignored") {{
        let lines: String = (0..{TESTS})
            .map(|number| format!("a_module_with_a_name::of_some_length::test_{{number}}: test\n"))
            .collect();
        print!("{{lines}}");
    }}
}}
"#
    );
    fs::write(root.join("tests/many.rs"), harness).unwrap();
}

/// Whether the process is in a pid namespace below ours, as launchers are and
/// their starters are not.
fn is_namespaced(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.is_some_and(|ids| ids.split_whitespace().count() > 1)
}

#[test]
fn a_launcher_takes_less_than_4_mib() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let test = "tests::waits_and_ignores_signals";
    let mut client = project.start(&["--", "--exact", "tests::passes", test]);
    client.wait_for_start_of(test);
    let peaks = wait_until("a test in its container", Duration::from_secs(60), || {
        let processes = project.processes();
        let running = processes.iter().any(|process| process.is_test(test));
        let launchers = processes.iter().filter(|process| process.is_launcher());
        let peaks: Vec<_> = launchers
            .filter_map(|process| {
                let value = |name| status_value(process.id, name);
                Some((
                    is_namespaced(process.id),
                    value("VmHWM")?,
                    value("RssAnon")?,
                ))
            })
            .collect();
        running.then_some(peaks)
    });
    client.kill();
    for (namespaced, whole, own) in &peaks {
        let what = if *namespaced { "launcher" } else { "starter" };
        println!("{what}: {whole} KiB at most, of which {own} KiB are its own");
        // Most is the program itself, which all share, which the starter brought to
        // life, and which is several times larger without optimization. The addresses in its
        // data, which the loader has written, count as the process's own.
        let (limit, own_limit) = if cfg!(debug_assertions) {
            (5 * LAUNCHER, LAUNCHER * 3 / 4)
        } else {
            (LAUNCHER, LAUNCHER / 2)
        };
        assert!(*own < own_limit, "{peaks:?}");
        assert!(!namespaced || *whole < limit, "{peaks:?}");
    }
    assert!(
        peaks.iter().any(|(namespaced, ..)| *namespaced),
        "{peaks:?}"
    );
    project.assert_nothing_is_left();
}
