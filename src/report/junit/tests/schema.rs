//! The report, and the schema by which the xunit plugin of Jenkins checks reports: `junit-10.xsd`.

use super::{OF_FAILED, xml_of};
use crate::executor::Captured;
use crate::report::event::{Event, TestAttempt};
use crate::report::outcome::{DividedRun, Exit, Summary, TestOutcome, TestStatus};
use crate::report::samples::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Xml};
use std::collections::BTreeSet;

/// What the schema allows in an element.
struct Element {
    name: &'static str,
    children: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const fn element(
    name: &'static str,
    children: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> Element {
    Element {
        name,
        children,
        required,
        optional,
    }
}

const RESULTS_AND_OUTPUT: &[&str] = &[
    "skipped",
    "error",
    "failure",
    "rerunFailure",
    "rerunError",
    "flakyFailure",
    "flakyError",
    "system-out",
    "system-err",
];
const CONTENT_OF_SUITE: &[&str] = &["properties", "testcase", "system-out", "system-err"];
const COUNTS: &[&str] = &["name", "tests", "failures", "errors"];
const REASON: &[&str] = &["type", "message"];
/// In this order.
const OUTPUT: &[&str] = &["system-out", "system-err"];

const SCHEMA: [Element; 14] = [
    element(
        "testsuites",
        &["testsuite"],
        &[],
        &["name", "tests", "failures", "errors", "time"],
    ),
    element("testsuite", CONTENT_OF_SUITE, COUNTS, &["skipped", "time"]),
    element(
        "testcase",
        RESULTS_AND_OUTPUT,
        &["name"],
        &["classname", "time"],
    ),
    element("properties", &["property"], &[], &[]),
    element("property", &[], &["name", "value"], &[]),
    element("skipped", &[], &[], REASON),
    element("error", &[], &[], REASON),
    element("failure", &[], &[], REASON),
    element("rerunFailure", OUTPUT, &["type"], &["message"]),
    element("rerunError", OUTPUT, &["type"], &["message"]),
    element("flakyFailure", OUTPUT, &["type"], &["message"]),
    element("flakyError", OUTPUT, &["type"], &["message"]),
    element("system-out", &[], &[], &[]),
    element("system-err", &[], &[], &[]),
];

/// What the schema does not allow in this report.
fn deviations(report: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut reader = Reader::from_str(report);
    // The open elements, each with its children so far.
    let mut open: Vec<(String, Vec<String>)> = Vec::new();
    loop {
        let event = reader.read_event().unwrap();
        if let Xml::Start(tag) | Xml::Empty(tag) = &event {
            let name = text(tag.name().as_ref());
            check_attributes(&name, tag, &mut found);
            if let Some((parent, children)) = open.last_mut() {
                children.push(name.clone());
                check_child(parent, children, &mut found);
            }
            if matches!(event, Xml::Start(_)) {
                open.push((name, Vec::new()));
            }
        }
        match event {
            Xml::End(_) => drop(open.pop()),
            Xml::Eof => return found,
            _ => {}
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn rules_of(name: &str) -> &'static Element {
    let rules = SCHEMA.iter().find(|element| element.name == name);
    rules.unwrap_or_else(|| panic!("the schema has no element {name}"))
}

fn check_attributes(name: &str, tag: &BytesStart<'_>, found: &mut BTreeSet<String>) {
    let rules = rules_of(name);
    let mut missing: BTreeSet<&str> = rules.required.iter().copied().collect();
    for attribute in tag.attributes() {
        let attribute = attribute.unwrap();
        let key = text(attribute.key.as_ref());
        let is_required = missing.remove(key.as_str());
        if !is_required && !rules.optional.contains(&key.as_str()) {
            found.insert(format!("{name} has the attribute {key}"));
        }
        if key == "time" {
            // At most three digits follow the point.
            let time = text(&attribute.value);
            let (seconds, fraction) = time.split_once('.').unwrap_or((&time, ""));
            let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            assert!(
                are_digits(seconds) && are_digits(fraction) && fraction.len() <= 3,
                "{time}"
            );
        }
    }
    for key in missing {
        found.insert(format!("{name} lacks the attribute {key}"));
    }
}

/// Checks the last child.
fn check_child(parent: &str, children: &[String], found: &mut BTreeSet<String>) {
    let rules = rules_of(parent);
    let Some((last, earlier)) = children.split_last() else {
        return;
    };
    if !rules.children.contains(&last.as_str()) {
        found.insert(format!("{parent} has the element {last}"));
    }
    let must_precede = |other: &String| other == last || other == OUTPUT[1];
    if rules.children == OUTPUT && earlier.iter().any(must_precede) {
        found.insert(format!("{parent} has {last} after {earlier:?}"));
    }
}

/// A report with every kind of result.
fn report() -> String {
    let attempt = TestAttempt { number: 2, of: 3 };
    let with_output = |outcome: TestOutcome| TestOutcome {
        stdout: Captured::from(&b"out\n"[..]),
        stderr: Captured::from(&b"err\n"[..]),
        ..outcome
    };
    let after = |earlier: TestOutcome, last: TestOutcome| TestOutcome {
        earlier: vec![with_output(earlier)],
        attempt,
        ..last
    };
    let outcomes = [
        passed(),
        failed(),
        ignored(),
        error(),
        timed_out(),
        aborted(),
        hinted(),
        binary_output(),
        after(failed(), passed()),
        after(error(), passed()),
        after(failed(), with_output(failed())),
        after(failed(), with_output(error())),
        TestOutcome::new(TestStatus::Leaked, millis(5)),
        after(
            failed(),
            TestOutcome::new(TestStatus::Flaky(attempt), millis(1_234_567)),
        ),
        TestOutcome {
            needs: vec!["git".to_owned()],
            ..TestOutcome::new(TestStatus::Failed(Exit::Code(1)), millis(0))
        },
    ];
    let divided = DividedRun {
        partition: "hash:1/2".to_owned(),
        digest: "9e9804993095ebc5".to_owned(),
        tests: 1,
        of: 2,
    };
    let summary = Summary {
        duration: millis(3_600_000),
        ..Summary::default()
    };
    let mut events = vec![Event::Divided(&divided)];
    let of_tests = outcomes.iter().enumerate();
    events.extend(of_tests.map(|(number, outcome)| finished(number as u64, "test", outcome)));
    events.push(Event::ListingFailed {
        binary: BINARY,
        message: "its tests could not be listed",
    });
    events.push(Event::Finished(&summary));
    let mut output = OF_FAILED;
    output.of_passed = true;
    xml_of(output, &events)
}

#[test]
fn reports_differ_from_the_schema_only_in_what_the_book_says() {
    let report = report();
    for element in SCHEMA {
        assert!(report.contains(&format!("<{}", element.name)), "{report}");
    }
    let expected = [
        "flakyError has the attribute time",
        "flakyFailure has the attribute time",
        "rerunError has the attribute time",
        "rerunFailure has the attribute time",
        "testcase has the element properties",
        "testsuites has the attribute skipped",
    ];
    let found = deviations(&report);
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, expected);
}
