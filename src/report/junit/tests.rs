mod schema;

use super::*;
use crate::executor::Captured;
use crate::report::TestAttempt;
use crate::report::outcome::{Exit, Summary};
use crate::report::samples::*;
use insta::assert_snapshot;

/// The directory of a report, and the path of the report in it.
fn place(name: &str) -> (tempfile::TempDir, Utf8PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(directory.path().join(name)).unwrap();
    (directory, path)
}

fn xml(events: &[Event<'_>]) -> String {
    xml_with(false, events)
}

const OF_FAILED: JunitOutput = JunitOutput {
    of_passed: false,
    of_failed: true,
};

fn xml_with(show_output: bool, events: &[Event<'_>]) -> String {
    let output = JunitOutput {
        of_passed: show_output,
        ..OF_FAILED
    };
    xml_of(output, events)
}

fn xml_of(output: JunitOutput, events: &[Event<'_>]) -> String {
    let (_directory, path) = place("junit.xml");
    let mut junit = Junit::new(path.clone(), output);
    for event in events {
        junit.report(event);
    }
    junit.finish().unwrap();
    let text = fs::read_to_string(path).unwrap();
    Report::deserialize_from_str(&text).unwrap();
    text
}

/// The only test case of the report of one outcome, as a reader gets it.
fn read(outcome: &TestOutcome) -> TestCase {
    let text = xml(&[finished(1, "search", outcome)]);
    let mut report = Report::deserialize_from_str(&text).unwrap();
    report.test_suites.remove(0).test_cases.remove(0)
}

#[test]
fn results_are_in_the_suites_of_their_binaries_in_the_order_of_names() {
    let (passed, failed, ignored, error) = (passed(), failed(), ignored(), error());
    let summary = Summary {
        duration: millis(2500),
        ..Summary::default()
    };
    assert_snapshot!(xml(&[
        finished(1, "z_passes", &passed),
        finished(2, "fails", &failed),
        finished(3, "is_ignored", &ignored),
        finished(4, "cannot_run", &error),
        Event::Finished(&summary),
    ]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="cargo-maelstrom" tests="4" skipped="1" failures="1" errors="1" time="2.500">
        <testsuite name="fd-find::cli" tests="4" skipped="1" errors="1" failures="1" time="1.215">
            <testcase name="cannot_run" classname="fd-find::cli" time="0.000">
                <error message="failed to build the layer `tar = &quot;data.tar&quot;`" type="error">failed to build the layer `tar = &quot;data.tar&quot;`
    no such file</error>
            </testcase>
            <testcase name="fails" classname="fd-find::cli" time="1.203">
                <failure message="exit code 101" type="failed">exit code 101

    thread &apos;search&apos; panicked at tests/cli.rs:7:5:
    no such file</failure>
                <system-out>running 1 test
    searching
    </system-out>
                <system-err>thread &apos;search&apos; panicked at tests/cli.rs:7:5:
    no such file
    </system-err>
            </testcase>
            <testcase name="is_ignored" classname="fd-find::cli" time="0.000">
                <skipped message="ignored"/>
            </testcase>
            <testcase name="z_passes" classname="fd-find::cli" time="0.012">
                <properties>
                    <property name="cpu-user-seconds" value="0.008"/>
                    <property name="cpu-system-seconds" value="0.003"/>
                    <property name="max-rss" value="4194304"/>
                </properties>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn output_of_tests_that_passed_is_there_if_it_is_shown() {
    let passed = passed();
    let events = [finished(1, "passes", &passed)];
    assert!(!xml(&events).contains("running 1 test"));
    assert!(
        xml_with(true, &events).contains("<system-out>running 1 test\nsearching\n</system-out>")
    );
}

#[test]
fn output_of_failed_attempts_is_left_out_with_that_of_failed_tests() {
    let attempt = |number| TestAttempt { number, of: 3 };
    let flaky = TestOutcome {
        earlier: vec![failed()],
        attempt: attempt(2),
        ..passed()
    };
    let fails = TestOutcome {
        earlier: vec![failed()],
        attempt: attempt(2),
        ..failed()
    };
    let events = [finished(1, "flaky", &flaky), finished(2, "fails", &fails)];
    let with_output = xml(&events);
    assert_eq!(with_output.matches("<system-err>").count(), 3);
    let without = xml_of(
        JunitOutput {
            of_passed: false,
            of_failed: false,
        },
        &events,
    );
    assert!(!without.contains("<system-err>"), "{without}");
    assert!(without.contains("<flakyFailure "), "{without}");
    assert!(without.contains("<rerunFailure "), "{without}");
}

#[test]
fn each_repetition_is_a_case() {
    let (passed, failed) = (passed(), failed());
    let text = xml(&[repeated(10, "a", &passed), repeated(2, "a", &failed)]);
    let places = ["name=\"a [2/5]\"", "name=\"a [10/5]\""].map(|name| text.find(name));
    assert!(places[0] < places[1] && places[0].is_some(), "{text}");
}

#[test]
fn each_need_is_a_property_and_so_is_the_resource_usage() {
    let outcome = TestOutcome {
        needs: vec!["git".to_owned(), "$HOME".to_owned()],
        ..passed()
    };
    let properties = read(&outcome).properties.into_iter();
    let properties: Vec<_> = properties
        .map(|property| format!("{} {}", &*property.name, &*property.value))
        .collect();
    let expected = [
        "needs git",
        "needs $HOME",
        "cpu-user-seconds 0.008",
        "cpu-system-seconds 0.003",
        "max-rss 4194304",
    ];
    assert_eq!(properties, expected);
}

#[test]
fn a_list_that_could_not_be_had_is_an_error() {
    let failed = Event::ListingFailed {
        binary: BINARY,
        message: "its tests could not be listed\n`cli --list` ended with exit code 1",
    };
    assert_snapshot!(xml(&[failed]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="cargo-maelstrom" tests="1" skipped="0" failures="0" errors="1">
        <testsuite name="fd-find::cli" tests="1" skipped="0" errors="1" failures="0" time="0.000">
            <testcase name="(list of tests)" classname="fd-find::cli">
                <error message="its tests could not be listed" type="error">its tests could not be listed
    `cli --list` ended with exit code 1</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_failure_is_described_by_its_panic_and_hints() {
    let stderr =
        b"first\nthread 'a' (7) panicked at a.rs:1:1:\nleft\nnote: run with `RUST_BACKTRACE=1`\n\
        \nthread 'b' panicked at b.rs:1:1:\nright < 1\nstack backtrace:\n  0: main\n";
    let outcome = TestOutcome {
        stderr: Captured::from(&stderr[..]),
        ..hinted()
    };
    let TestCaseStatus::NonSuccess {
        message,
        ty,
        description,
        ..
    } = read(&outcome).status
    else {
        panic!("it failed");
    };
    assert_eq!(message.as_deref(), Some("exit code 101"));
    assert_eq!(ty.as_deref(), Some("failed"));
    assert_snapshot!(description.unwrap().as_str(), @r#"
    exit code 101

    thread 'b' panicked at b.rs:1:1:
    right < 1

    hint: the test looked for `git`, which is not in its container; to add it:
    [[directives]]
    added_layers = [{ programs = ["git"] }]

    note: the test wrote to the source tree; its container discarded these files: snapshots/a.new, snapshots/b.new, snapshots/c.new, snapshots/d.new, snapshots/e.new, snapshots/f.new, snapshots/g.new
    "#);
}

#[test]
fn a_timeout_is_a_failure() {
    let text = xml(&[finished(1, "server", &timed_out())]);
    assert!(
        text.contains(r#"<failure message="timed out after 60s" type="timed-out">"#),
        "{text}"
    );
}

#[test]
fn text_that_xml_cannot_hold_is_shown_otherwise() {
    let output = "<a>\t&\x1b[31mred\x1b[0m \0\x07\u{fffe}\u{85}]]>\r\n".as_bytes();
    let outcome = TestOutcome {
        stdout: Captured::from([output, b"caf\xe9"].concat().as_slice()),
        ..TestOutcome::new(TestStatus::Failed(Exit::Code(1)), millis(5))
    };
    let case = read(&outcome);
    assert_eq!(
        case.system_out.unwrap().as_str(),
        "<a>     &red ␀␇\u{fffd}\u{fffd}]]>\ncaf\u{fffd}"
    );
}

#[test]
fn a_test_with_any_name_is_reported() {
    let passed = passed();
    let text = xml(&[finished(1, "a<\"&'\0>\x1b[1m", &passed)]);
    let report = Report::deserialize_from_str(&text).unwrap();
    assert_eq!(
        report.test_suites[0].test_cases[0].name.as_str(),
        "a<\"&'␀>"
    );
}

#[test]
fn missing_directories_are_created() {
    let (_directory, path) = place("a/b/junit.xml");
    Junit::new(path.clone(), OF_FAILED).finish().unwrap();
    assert!(path.is_file());
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_with_its_path() {
    let (directory, path) = place("file/junit.xml");
    fs::write(directory.path().join("file"), "").unwrap();
    let error = Junit::new(path.clone(), OF_FAILED).finish().unwrap_err();
    assert_eq!(error.to_string(), format!("failed to write `{path}`"));
}
