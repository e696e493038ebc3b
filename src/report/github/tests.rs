use super::*;
use crate::executor::Captured;
use crate::filter::TargetKind;
use crate::report::TestAttempt;
use crate::report::narrator::{Detail, Narrator};
use crate::report::outcome::{Exit, Summary, Tally, TestStatus};
use crate::report::plain::Plain;
use crate::report::samples::{
    BINARY, case, error, failed, finished, ignored, millis, passed, repeated, started, timed_out,
};
use crate::report::terminal::Paint;
use insta::assert_snapshot;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A stream that several reporters write to.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A repository with the workspace in the directory `rust`.
fn repository() -> tempfile::TempDir {
    let repository = tempfile::tempdir().unwrap();
    let write = |path: &str| {
        let path = repository.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    };
    write("rust/tests/cli.rs");
    write("rust/crates/a b/src/lib.rs");
    repository
}

fn settings(repository: &Path) -> GithubSettings {
    let root = repository.to_str().unwrap().to_owned();
    let variable = |name: &str| {
        Some(match name {
            "GITHUB_ACTIONS" => "true".to_owned(),
            "GITHUB_WORKSPACE" => root.clone(),
            "GITHUB_STEP_SUMMARY" => format!("{root}/summary.md"),
            "GITHUB_SERVER_URL" => "https://github.com".to_owned(),
            "GITHUB_REPOSITORY" => "owner/name".to_owned(),
            "GITHUB_SHA" => "1a2b".to_owned(),
            _ => return None,
        })
    };
    GithubSettings::of_step(repository.join("rust/crates"), variable).unwrap()
}

/// The log of these events, and the summary.
fn report(events: &[Event<'_>], has_groups: bool) -> (String, String) {
    let repository = repository();
    let log = Shared::default();
    let detail = if has_groups {
        Detail::Everything
    } else {
        Detail::Failures
    };
    let plain = Plain::new(Narrator::new(Paint::new(false), detail, false), log.clone());
    let settings = settings(repository.path());
    let mut github = Github::new(Box::new(plain), log.clone(), settings, has_groups);
    for event in events {
        github.report(event);
    }
    github.finish().unwrap();
    let summary = fs::read_to_string(repository.path().join("summary.md"));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (log, summary.unwrap_or_default())
}

fn end(tally: Tally) -> Summary {
    Summary {
        tally,
        duration: millis(12_300),
        ..Summary::default()
    }
}

fn panicking(stderr: &str) -> TestOutcome {
    TestOutcome {
        stderr: Captured::from(stderr.as_bytes()),
        ..failed()
    }
}

#[test]
fn only_steps_of_github_actions_are_reported() {
    let of = |value: Option<&str>| {
        GithubSettings::of_step("/".into(), |name| {
            value
                .filter(|_| name == "GITHUB_ACTIONS")
                .map(str::to_owned)
        })
    };
    assert!(of(None).is_none());
    assert!(of(Some("false")).is_none());
    assert!(of(Some("true")).unwrap().summary.is_none());
}

#[test]
fn a_log_has_groups_and_annotations() {
    let (passed, failed, ignored) = (passed(), failed(), ignored());
    let tally = Tally {
        passed: 2,
        failed: 1,
        ignored: 1,
        ..Tally::default()
    };
    let end = end(tally);
    let (log, summary) = report(
        &[
            Event::RunStarted,
            Event::BuildStarted,
            Event::CargoLine("   Compiling fd-find v10.0.0"),
            Event::BuildFinished {
                success: true,
                duration: Duration::from_secs(1),
            },
            finished(1, "first", &passed),
            finished(2, "left_out", &ignored),
            finished(3, "search", &failed),
            finished(4, "last", &passed),
            Event::Finished(&end),
        ],
        true,
    );
    assert_snapshot!(log, @"
    ::group::Build
       Compiling fd-find v10.0.0
    ::endgroup::
    ::group::Tests
    PASS    [   0.012s] fd-find test/cli first
    IGNORED [        -] fd-find test/cli left_out
    ::endgroup::
    FAIL    [   1.203s] fd-find test/cli search (exit code 101)
    --- stdout ---
    searching
    --- stderr ---
    thread 'search' panicked at tests/cli.rs:7:5:
    no such file

    ::error file=rust/tests/cli.rs,line=7,col=5,title=fd-find test/cli search%3A exit code 101::thread 'search' panicked at tests/cli.rs:7:5:%0Ano such file
    ::group::Tests
    PASS    [   0.012s] fd-find test/cli last
    ::endgroup::

    Ran 3 tests in 12.3s
        2 passed
        1 failed
        1 ignored

    Failures:
        FAIL    fd-find test/cli search (exit code 101)
    ");
    assert_snapshot!(summary, @r#"
    ### ❌ 1 of 3 tests failed

    2 passed · 1 failed · 1 ignored · in 12.3s

    <details><summary><code>fd-find test/cli search</code> (exit code 101, 1.20s) <a href="https://github.com/owner/name/blob/1a2b/rust/tests/cli.rs#L7">rust/tests/cli.rs:7</a></summary>

    ```text
    --- stdout ---
    searching
    --- stderr ---
    thread 'search' panicked at tests/cli.rs:7:5:
    no such file
    ```

    </details>

    <details><summary>Slowest tests</summary>

    | time | test |
    |---:|---|
    | 1.20s | <code>fd-find test/cli search</code> |

    </details>
    "#);
}

#[test]
fn a_quiet_log_has_annotations_only() {
    let (passed, failed) = (passed(), failed());
    let (log, _) = report(
        &[
            finished(1, "first", &passed),
            finished(2, "search", &failed),
        ],
        false,
    );
    assert!(!log.contains("group"), "{log}");
    assert_eq!(log.matches("::error ").count(), 1, "{log}");
}

#[test]
fn errors_of_a_build_are_shown_outside_its_group() {
    let end = Summary {
        cancelled: Some(Cancellation::BuildFailed),
        ..end(Tally::default())
    };
    let (log, summary) = report(
        &[
            Event::CargoLine("   Compiling fd-find v10.0.0"),
            Event::CargoLine("error[E0425]: cannot find value `x`"),
            Event::CargoLine("  --> tests/cli.rs:1:20"),
            Event::Cancelled(Cancellation::BuildFailed),
            Event::Finished(&end),
        ],
        true,
    );
    assert_snapshot!(log, @r#"
    ::group::Build
       Compiling fd-find v10.0.0
    error[E0425]: cannot find value `x`
      --> tests/cli.rs:1:20
    ::endgroup::
    error[E0425]: cannot find value `x`
      --> tests/cli.rs:1:20
    ::error file=rust/tests/cli.rs,line=1,col=20,title=the build failed::error[E0425]: cannot find value `x`
    No tests were run: the build failed
    "#);
    assert_snapshot!(summary, @r#"
    ### ❌ No result: the build failed

    in 12.3s · the build failed
    "#);
}

#[test]
fn the_error_of_a_build_is_found_after_many_other_lines() {
    let warning = "warning: unused variable".repeat(100);
    let lines = MOST_KEPT / warning.len() + 1;
    let mut events: Vec<_> = (0..lines).map(|_| Event::CargoLine(&warning)).collect();
    events.extend([
        Event::CargoLine("error[E0425]: cannot find value `x`"),
        Event::Cancelled(Cancellation::BuildFailed),
    ]);
    let (log, _) = report(&events, true);
    assert!(
        log.contains("::error title=the build failed::error[E0425]: cannot find value `x`\n"),
        "the log has {} bytes",
        log.len()
    );
}

#[test]
fn a_place_is_the_first_one_in_the_repository() {
    let repository = repository();
    let sources = settings(repository.path()).sources;
    let absolute = repository.path().join("rust/tests/cli.rs");
    let absolute = absolute.to_str().unwrap();
    for (stderr, expected) in [
        (
            "thread 'a' panicked at tests/cli.rs:7:5:\nno",
            Some(("rust/tests/cli.rs", 7)),
        ),
        (
            &*format!("thread 'a' panicked at {absolute}:8:5:\nno"),
            Some(("rust/tests/cli.rs", 8)),
        ),
        (
            "thread 'a' panicked at /rustc/1/lib.rs:1:2:\nno\nstack backtrace:\n   0: x\n             \
             at ./crates/a b/src/lib.rs:9:1\n",
            Some(("rust/crates/a b/src/lib.rs", 9)),
        ),
        ("thread 'a' panicked at ../../outside.rs:1:2:\nno", None),
        ("thread 'a' panicked at src/missing.rs:1:2:\nno", None),
        ("no panic", None),
    ] {
        let place = sources.place_of(&case("search"), stderr);
        let found = place
            .as_ref()
            .map(|place| (place.file.as_str(), place.line));
        assert_eq!(found, expected, "{stderr}");
    }
    let place = FoundPlace {
        file: "rust/crates/a b/src/lib.rs".to_owned(),
        line: 9,
        column: 1,
    };
    let link = "https://github.com/owner/name/blob/1a2b/rust/crates/a%20b/src/lib.rs#L9";
    assert_eq!(sources.link(&place).as_deref(), Some(link));
}

#[test]
fn a_documentation_test_is_at_the_line_in_its_name() {
    let repository = repository();
    let sources = settings(repository.path()).sources;
    let place = |name| {
        let case = TestCaseName {
            kind: TargetKind::Doctest,
            ..case(name)
        };
        // The executable of the test may still have its source file.
        let place = sources.place_of(&case, "thread 'a' panicked at tests/cli.rs:7:5:\nno");
        place.map(|place| (place.file, place.line))
    };
    let expected = ("rust/crates/a b/src/lib.rs".to_owned(), 12);
    assert_eq!(
        place("crates/a b/src/lib.rs - two::A<T> (line 12)"),
        Some(expected.clone())
    );
    let compile_only = "crates/a b/src/lib.rs - two (line 12) - compile fail";
    assert_eq!(place(compile_only), Some(expected));
    assert_eq!(place("missing.rs - two (line 12)"), None);
    assert_eq!(place("unusual"), None);
}

#[test]
fn flaky_tests_are_warnings() {
    let outcome = TestOutcome {
        earlier: vec![failed()],
        attempt: TestAttempt { number: 2, of: 3 },
        ..passed()
    };
    let end = end(Tally {
        passed: 1,
        flaky: 1,
        ..Tally::default()
    });
    let events = [finished(1, "search", &outcome), Event::Finished(&end)];
    let (log, summary) = report(&events, true);
    assert_snapshot!(log, @r#"
    ::group::Tests
    FLAKY   [   0.012s] fd-find test/cli search (passed at attempt 2 of 3)
    ::warning file=rust/tests/cli.rs,line=7,col=5,title=fd-find test/cli search is flaky%3A passed at attempt 2 of 3::thread 'search' panicked at tests/cli.rs:7:5:%0Ano such file
    ::endgroup::

    Ran 1 test in 12.3s
        1 passed, 1 of them flaky

    Flaky:
        FLAKY   fd-find test/cli search (passed at attempt 2 of 3)
    "#);
    assert_snapshot!(summary, @r#"
    ### ✅ 1 test passed

    1 passed · 1 of them flaky · in 12.3s

    <details><summary>1 flaky test</summary>

    | test | failed first with |
    |---|---|
    | <code>fd-find test/cli search</code> | <code>exit code 101</code> |

    </details>
    "#);
}

#[test]
fn a_flaky_repetition_has_its_number_and_a_failed_attempt_one_line() {
    let outcome = TestOutcome {
        earlier: vec![error()],
        attempt: TestAttempt { number: 2, of: 3 },
        ..passed()
    };
    let end = end(Tally {
        passed: 1,
        flaky: 1,
        ..Tally::default()
    });
    let (log, summary) = report(
        &[repeated(2, "search", &outcome), Event::Finished(&end)],
        true,
    );
    let title = "title=[2/5] fd-find test/cli search is flaky%3A passed at attempt 2 of 3::";
    assert!(log.contains(title), "{log}");
    let row = "| <code>[2/5] fd-find test/cli search</code> | <code>failed to build the layer `tar \
               = \"data.tar\"`</code> |";
    assert!(summary.contains(row), "{summary}");
}

#[test]
fn a_summary_counts_leaky_tests() {
    let end = end(Tally {
        passed: 3,
        flaky: 1,
        leaky: 2,
        ..Tally::default()
    });
    let (_, summary) = report(&[Event::Finished(&end)], true);
    assert!(
        summary.contains("3 passed · 1 of them flaky · 2 of them leaky · in 12.3s"),
        "{summary}"
    );
}

#[test]
fn text_is_escaped() {
    let place = FoundPlace {
        file: "a,b:c.rs".to_owned(),
        line: 1,
        column: 2,
    };
    let line = annotation(
        Level::Error,
        "50%: no",
        Some(&place),
        "one, two: 100%\n::error::three",
    );
    assert_eq!(
        line,
        "::error file=a%2Cb%3Ac.rs,line=1,col=2,title=50%25%3A no::one, two: 100%25%0A::error::three\n"
    );
}

#[test]
fn output_of_tests_cannot_change_the_summary() {
    let outcome = panicking("```\n</details> <script>\n````\n");
    let end = end(Tally {
        failed: 1,
        ..Tally::default()
    });
    let (_, summary) = report(
        &[finished(1, "a<b>|c", &outcome), Event::Finished(&end)],
        true,
    );
    assert_snapshot!(summary, @"
    ### ❌ 1 of 1 tests failed

    1 failed · in 12.3s

    <details><summary><code>fd-find test/cli a&lt;b&gt;|c</code> (exit code 101, 1.20s)</summary>

    `````text
    --- stdout ---
    searching
    --- stderr ---
    ```
    </details> <script>
    ````
    `````

    </details>

    <details><summary>Slowest tests</summary>

    | time | test |
    |---:|---|
    | 1.20s | <code>fd-find test/cli a&lt;b&gt;&#124;c</code> |

    </details>
    ");
}

#[test]
fn a_summary_has_a_limited_size() {
    let output = format!(
        "{}\nthread 'a' panicked at tests/cli.rs:7:5:\nno\n",
        "x\n".repeat(20_000)
    );
    let outcome = panicking(&format!("{output}{}", "y\n".repeat(20_000)));
    let events = (0..100).map(|id| finished(id, "search", &outcome));
    let end = end(Tally {
        failed: 100,
        ..Tally::default()
    });
    let events: Vec<_> = events.chain([Event::Finished(&end)]).collect();
    let (log, summary) = report(&events, true);
    assert_eq!(log.matches("\n::error ").count(), MOST_ANNOTATIONS);
    assert!(summary.len() < 500_000, "{}", summary.len());
    assert!(
        summary.contains("80 further failures: see the log"),
        "{summary}"
    );
    assert!(
        summary.contains("panicked at tests/cli.rs:7:5:"),
        "{summary}"
    );
}

#[test]
fn the_summary_lists_slow_tests_needs_and_other_kinds_of_failures() {
    let (timed_out, error) = (timed_out(), error());
    let needy = TestOutcome {
        needs: vec!["git".to_owned(), "/usr/lib/git-core/".to_owned()],
        ..passed()
    };
    let slow = TestOutcome::new(TestStatus::Passed, millis(2_500));
    let signalled = TestOutcome::new(TestStatus::Failed(Exit::Signal(6)), millis(40));
    let end = Summary {
        notes: vec!["1 test needed something of this machine".to_owned()],
        ..end(Tally {
            passed: 2,
            failed: 1,
            timed_out: 1,
            errors: 2,
            ..Tally::default()
        })
    };
    let (_, summary) = report(
        &[
            finished(1, "server", &timed_out),
            finished(2, "layers", &error),
            finished(3, "version", &needy),
            finished(4, "slow", &slow),
            finished(5, "aborts", &signalled),
            Event::ListingFailed {
                binary: BINARY,
                message: "`cli --list` ended with exit code 1",
            },
            Event::Finished(&end),
        ],
        true,
    );
    assert_snapshot!(summary, @r#"
    ### ❌ 4 of 6 tests failed

    2 passed · 1 failed · 1 timed out · 2 errors · in 12.3s

    <details><summary><code>fd-find test/cli server</code> (timed out after 60s, 1m 00s)</summary>

    ```text
    --- stderr ---
    waiting for the server
    ```

    </details>

    <details><summary><code>fd-find test/cli layers</code> (failed to build the layer `tar = "data.tar"`)</summary>

    ```text
    failed to build the layer `tar = "data.tar"`
    no such file
    ```

    </details>

    - <code>fd-find test/cli aborts</code> (signal SIGABRT, 0.04s)

    <details><summary><code>fd-find test/cli</code> (its tests could not be listed)</summary>

    ```text
    `cli --list` ended with exit code 1
    ```

    </details>

    <details><summary>Slowest tests</summary>

    | time | test |
    |---:|---|
    | 1m 00s | <code>fd-find test/cli server</code> |
    | 2.50s | <code>fd-find test/cli slow</code> |

    </details>

    <details><summary>1 test needs something of this machine</summary>

    | test | needs |
    |---|---|
    | <code>fd-find test/cli version</code> | <code>git, /usr/lib/git-core/</code> |

    </details>

    1 test needed something of this machine
    "#);
}

#[test]
fn a_run_that_passed_says_so() {
    let passed = passed();
    let end = end(Tally {
        passed: 1,
        ..Tally::default()
    });
    let events = [
        started(1, "first"),
        finished(1, "first", &passed),
        Event::Finished(&end),
    ];
    let (log, summary) = report(&events, true);
    assert!(!log.contains("::error"), "{log}");
    assert_snapshot!(summary, @r#"
    ### ✅ 1 test passed

    1 passed · in 12.3s
    "#);
}
