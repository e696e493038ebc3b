use super::*;
use crate::executor::Captured;
use crate::report::Summary;
use crate::report::event::TestId;
use crate::report::outcome::{Tally, TestOutcome};
use crate::report::samples::*;
use insta::assert_snapshot;

fn tell(detail: Detail, events: &[Event<'_>]) -> String {
    let mut narrator = Narrator::new(Paint::new(false), detail, false);
    tell_with(&mut narrator, events)
}

fn tell_with(narrator: &mut Narrator, events: &[Event<'_>]) -> String {
    let text: Vec<u8> = events
        .iter()
        .flat_map(|event| narrator.text_of(event))
        .collect();
    String::from_utf8(text).unwrap()
}

fn simple(event: Event<'_>) -> String {
    tell(Detail::Everything, &[event])
}

#[test]
fn a_passed_test_is_a_line() {
    assert_snapshot!(simple(finished(1, "search::by_name", &passed())), @r#"PASS    [   0.012s] fd-find test/cli search::by_name"#);
}

#[test]
fn a_failed_test_shows_both_streams() {
    assert_snapshot!(simple(finished(1, "search", &failed())), @"
    FAIL    [   1.203s] fd-find test/cli search (exit code 101)
    --- stdout ---
    searching
    --- stderr ---
    thread 'search' panicked at tests/cli.rs:7:5:
    no such file
    ");
}

#[test]
fn a_signal_is_named_and_the_resource_usage_is_shown() {
    assert_snapshot!(simple(finished(1, "search", &aborted())), @r#"
    FAIL    [   0.040s] fd-find test/cli search (signal SIGABRT)
        used 0.03s of CPU time and at most 12.0 MiB of memory
    "#);
}

#[test]
fn a_signal_without_a_name_is_a_number() {
    let outcome = TestOutcome::new(TestStatus::Failed(Exit::Signal(40)), millis(1));
    assert_snapshot!(simple(finished(1, "search", &outcome)), @r#"FAIL    [   0.001s] fd-find test/cli search (signal 40)"#);
}

#[test]
fn a_timeout_says_after_how_long_and_shows_the_partial_output() {
    assert_snapshot!(simple(finished(1, "search", &timed_out())), @r#"
    TIMEOUT [  60.003s] fd-find test/cli search (timed out after 60s)
        used 0.03s of CPU time and at most 12.0 MiB of memory
    --- stderr ---
    waiting for the server
    "#);
}

#[test]
fn an_ignored_test_is_a_line_without_a_time() {
    assert_snapshot!(simple(finished(1, "search", &ignored())), @r#"IGNORED [        -] fd-find test/cli search"#);
}

#[test]
fn an_error_shows_its_whole_message() {
    assert_snapshot!(simple(finished(1, "search", &error())), @r#"
    ERROR   [        -] fd-find test/cli search
        failed to build the layer `tar = "data.tar"`
        no such file
    "#);
}

#[test]
fn truncated_output_says_how_much_is_missing_where() {
    assert_snapshot!(simple(finished(1, "search", &truncated())), @r#"
    FAIL    [   0.300s] fd-find test/cli search (exit code 1)
    --- stdout ---
    line 1
    line 2
    li
    [... 1,234,567 bytes left out ...]
    ne 99998
    line 99999
    "#);
}

#[test]
fn binary_output_is_made_readable() {
    assert_snapshot!(simple(finished(1, "search", &binary_output())), @r#"
    FAIL    [   0.005s] fd-find test/cli search (exit code 1)
    --- stdout ---
    caf� ␀ red and
    "#);
}

#[test]
fn hints_and_written_files_follow_the_output_of_a_failed_test() {
    assert_snapshot!(simple(finished(1, "search", &hinted())), @r#"
    FAIL    [   0.007s] fd-find test/cli search (exit code 101)
    --- stderr ---
    git: not found
    note: the test wrote to the source tree; its container discarded these files: snapshots/a.new, snapshots/b.new, snapshots/c.new, snapshots/d.new, snapshots/e.new and 2 more
    note: these files of the test were copied out of its container: snapshots/cli.snap.new
    hint: the test looked for `git`, which is not in its container; to add it:
          [[directives]]
          added_layers = [{ programs = ["git"] }]
    "#);
}

#[test]
fn a_repetition_is_numbered() {
    let (good, bad) = (passed(), aborted());
    let summary = Summary::default();
    let events = [
        repeated(1, "search", &good),
        repeated(2, "search", &bad),
        Event::Finished(&summary),
    ];
    assert_snapshot!(tell(Detail::Everything, &events), @r#"
    PASS    [   0.012s] [1/5] fd-find test/cli search
    FAIL    [   0.040s] [2/5] fd-find test/cli search (signal SIGABRT)
        used 0.03s of CPU time and at most 12.0 MiB of memory

    No tests to run

    Failures:
        FAIL    [2/5] fd-find test/cli search (signal SIGABRT)
    "#);
}

#[test]
fn a_slow_test_is_reported_while_it_runs() {
    let event = Event::Slow {
        case: case("search"),
        repeat: None,
        elapsed: millis(60_001),
    };
    assert_snapshot!(simple(event), @r#"SLOW    [  60.001s] fd-find test/cli search (still running)"#);
}

#[test]
fn a_binary_that_cannot_be_listed_is_an_error() {
    let summary = Summary {
        tally: Tally {
            errors: 1,
            ..Tally::default()
        },
        ..Summary::default()
    };
    let failed = Event::ListingFailed {
        binary: BINARY,
        message: "`cli --list` ended with exit code 1\nusage: cli FILE",
    };
    assert_snapshot!(tell(Detail::Everything, &[failed, Event::Finished(&summary)]), @r#"
    ERROR   [        -] fd-find test/cli: its tests could not be listed
        `cli --list` ended with exit code 1
        usage: cli FILE

    Ran 1 test in 0.00s
        1 error

    Failures:
        ERROR   fd-find test/cli: its tests could not be listed
    "#);
}

#[test]
fn an_error_of_many_tests_is_shown_once_with_their_number_and_the_first_names() {
    let (shared, own) = (error(), aborted());
    let names: Vec<_> = (0..1_200).map(|number| format!("n::{number:04}")).collect();
    let mut summary = Summary {
        duration: millis(61_000),
        ..Summary::default()
    };
    let mut events = Vec::new();
    for name in names.iter().rev() {
        summary.tally.add(&shared);
        events.push(finished(1, name, &shared));
    }
    summary.tally.add(&own);
    events.extend([finished(1, "a", &own), Event::Finished(&summary)]);
    let quiet = tell(Detail::Failures, &events);
    assert_eq!(tell(Detail::Notable, &events), quiet);
    assert_eq!(tell(Detail::Everything, &events), quiet);
    assert_snapshot!(quiet, @r#"
    ERROR   [        -] fd-find test/cli n::1199
        failed to build the layer `tar = "data.tar"`
        no such file

    ERROR   [        -] fd-find test/cli n::1198 (the same error: see the summary)
    FAIL    [   0.040s] fd-find test/cli a (signal SIGABRT)
        used 0.03s of CPU time and at most 12.0 MiB of memory

    Ran 1,201 tests in 1m 01s
            1 failed
        1,200 errors

    Failures:
        ERROR   1,200 tests: failed to build the layer `tar = "data.tar"` …
                fd-find test/cli n::0000
                fd-find test/cli n::0001
                fd-find test/cli n::0002
                fd-find test/cli n::0003
                fd-find test/cli n::0004
                and 1,195 more
        FAIL    fd-find test/cli a (signal SIGABRT)
    "#);
}

#[test]
fn different_errors_have_entries_in_the_order_of_their_numbers_of_tests() {
    let of = |message: &str| {
        let message = message.to_owned();
        TestOutcome::new(TestStatus::Error { message }, millis(0))
    };
    let (two, three, one) = (of("two"), of("three"), of("one"));
    let hint = TestOutcome {
        hints: vec!["try this".to_owned()],
        ..of("two")
    };
    let listing = |message| Event::ListingFailed {
        binary: BINARY,
        message,
    };
    let summary = Summary::default();
    let events = [
        finished(1, "a", &two),
        finished(1, "b", &three),
        listing("three"),
        repeated(1, "c", &three),
        finished(1, "d", &two),
        finished(1, "e", &one),
        finished(1, "f", &hint),
        Event::Finished(&summary),
    ];
    assert_snapshot!(tell(Detail::Failures, &events), @r#"
    ERROR   [        -] fd-find test/cli a
        two

    ERROR   [        -] fd-find test/cli b
        three

    ERROR   [        -] fd-find test/cli: its tests could not be listed (the same error: see the summary)
    ERROR   [        -] fd-find test/cli d (the same error: see the summary)
    ERROR   [        -] fd-find test/cli e
        one

    ERROR   [        -] fd-find test/cli f
        two
    hint: try this

    No tests to run

    Failures:
        ERROR   2 tests and 1 test binary: three
                fd-find test/cli: its tests could not be listed
                fd-find test/cli b
                [1/5] fd-find test/cli c
        ERROR   2 tests: two
                fd-find test/cli a
                fd-find test/cli d
        ERROR   fd-find test/cli e
        ERROR   fd-find test/cli f
    "#);
}

#[test]
fn show_output_shows_what_passed_tests_wrote() {
    let outcome = passed();
    for detail in [Detail::Everything, Detail::Notable, Detail::Failures] {
        let mut narrator = Narrator::new(Paint::new(false), detail, true);
        let text = tell_with(&mut narrator, &[finished(1, "search", &outcome)]);
        assert!(text.contains("--- stdout ---\nsearching\n"));
    }
    let mut narrator = Narrator::new(Paint::new(false), Detail::Everything, true);
    assert_snapshot!(tell_with(&mut narrator, &[finished(1, "search", &outcome)]), @"
    PASS    [   0.012s] fd-find test/cli search
    --- stdout ---
    searching
    ");
}

/// What is said about a test that passes after it was slow, one that fails and one that is ignored.
fn shown(shown: ShownTests, cancelled: Option<Cancellation>) -> String {
    let (passed, failed) = (passed(), failed());
    let ignored = TestOutcome::new(TestStatus::Ignored, Duration::ZERO);
    let mut summary = Summary {
        cancelled,
        ..Summary::default()
    };
    for outcome in [&passed, &passed, &failed, &ignored] {
        summary.tally.add(outcome);
    }
    let events = [
        slow("b::slow"),
        finished(1, "b::slow", &passed),
        finished(2, "c::fails", &failed),
        finished(3, "d::ignored", &ignored),
        finished(4, "a::passes", &passed),
        Event::Finished(&summary),
    ];
    let narrator = Narrator::new(Paint::new(false), Detail::Failures, false);
    tell_with(&mut narrator.showing(shown), &events)
}

fn slow(name: &str) -> Event<'_> {
    Event::Slow {
        case: case(name),
        repeat: None,
        elapsed: millis(60_001),
    }
}

/// Nothing but the counts.
const NOTHING: ShownTests = ShownTests {
    status_level: StatusLevel::None,
    final_status_level: FinalStatusLevel::None,
    success_output: OutputTime::Never,
    failure_output: OutputTime::Never,
};

#[test]
fn each_status_level_adds_tests_to_those_of_the_level_before() {
    let lines = |status_level| {
        let text = shown(
            ShownTests {
                status_level,
                ..NOTHING
            },
            None,
        );
        let lines = text
            .lines()
            .take_while(|line| !line.is_empty() && !line.starts_with("Ran"));
        let label = |line: &str| line.split(' ').next().unwrap().to_owned();
        lines.map(label).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(lines(StatusLevel::None), "");
    assert_eq!(lines(StatusLevel::Fail), "FAIL");
    assert_eq!(lines(StatusLevel::Retry), "FAIL");
    assert_eq!(lines(StatusLevel::Slow), "SLOW PASS FAIL");
    assert_eq!(lines(StatusLevel::Leak), "SLOW PASS FAIL");
    assert_eq!(lines(StatusLevel::Pass), "SLOW PASS FAIL PASS");
    assert_eq!(lines(StatusLevel::Skip), "SLOW PASS FAIL IGNORED PASS");
    assert_eq!(lines(StatusLevel::All), "SLOW PASS FAIL IGNORED PASS");
}

#[test]
fn each_final_status_level_adds_a_list_to_the_summary() {
    let summary = |final_status_level| {
        let shown = shown(
            ShownTests {
                final_status_level,
                ..NOTHING
            },
            None,
        );
        let lists = shown.split_once("ignored\n").unwrap().1;
        lists.trim_start().to_owned()
    };
    assert_eq!(summary(FinalStatusLevel::None), "");
    let failures = "Failures:\n    FAIL    fd-find test/cli c::fails (exit code 101)\n";
    assert_eq!(summary(FinalStatusLevel::Fail), failures);
    assert_eq!(summary(FinalStatusLevel::Flaky), failures);
    let slow = format!("{failures}\nSlow:\n    PASS    fd-find test/cli b::slow\n");
    assert_eq!(summary(FinalStatusLevel::Slow), slow);
    let skip = format!("{slow}\nNot run:\n    IGNORED fd-find test/cli d::ignored\n");
    assert_eq!(summary(FinalStatusLevel::Skip), skip);
    let pass = format!("{skip}\nPassed:\n    PASS    fd-find test/cli a::passes\n");
    assert_eq!(summary(FinalStatusLevel::All), pass);
}

#[test]
fn outputs_are_shown_when_a_test_ends_or_at_the_end_or_both() {
    let output = "--- stderr ---\nthread 'search'";
    let places = |failure_output, cancelled| {
        let text = shown(
            ShownTests {
                failure_output,
                status_level: StatusLevel::All,
                ..NOTHING
            },
            cancelled,
        );
        let (during, after) = text.split_once("IGNORED").unwrap();
        (during.contains(output), after.contains(output))
    };
    assert_eq!(places(OutputTime::Immediate, None), (true, false));
    assert_eq!(places(OutputTime::ImmediateFinal, None), (true, true));
    assert_eq!(places(OutputTime::Final, None), (false, true));
    assert_eq!(places(OutputTime::Never, None), (false, false));
    let interrupted = Some(Cancellation::Interrupted);
    assert_eq!(places(OutputTime::Final, interrupted), (false, false));
    let terminated = Some(Cancellation::Terminated);
    assert_eq!(places(OutputTime::Final, terminated), (false, true));
    assert_eq!(
        places(OutputTime::ImmediateFinal, terminated),
        (true, false)
    );
}

#[test]
fn final_outputs_stand_before_the_summary_in_the_order_of_names() {
    let settings = ShownTests {
        success_output: OutputTime::Final,
        failure_output: OutputTime::Final,
        ..NOTHING
    };
    assert_snapshot!(shown(settings, None), @"
    PASS    [   0.012s] fd-find test/cli a::passes
    --- stdout ---
    searching

    PASS    [   0.012s] fd-find test/cli b::slow
    --- stdout ---
    searching

    FAIL    [   1.203s] fd-find test/cli c::fails (exit code 101)
    --- stdout ---
    searching
    --- stderr ---
    thread 'search' panicked at tests/cli.rs:7:5:
    no such file

    Ran 3 tests in 0.00s
        2 passed
        1 failed
        1 ignored
    ");
}

#[test]
fn output_without_a_status_level_has_its_line() {
    let settings = ShownTests {
        failure_output: OutputTime::Immediate,
        ..NOTHING
    };
    assert!(shown(settings, None).starts_with("FAIL    [   1.203s] fd-find test/cli c::fails"));
}

#[test]
fn the_summary_counts_and_names_failures_and_ends_with_notes() {
    let outcomes = [timed_out(), failed(), error()];
    let summary = Summary {
        tally: Tally {
            passed: 9_990,
            flaky: 0,
            leaky: 0,
            cached: 0,
            failed: 12,
            timed_out: 1,
            errors: 2,
            ignored: 3,
        },
        duration: millis(5_012),
        notes: vec!["doctests were not run; `cargo maelstrom --doc` runs them".to_owned()],
        ..Summary::default()
    };
    let mut narrator = Narrator::new(Paint::new(false), Detail::Notable, false);
    for (name, outcome) in ["c::waits", "b::fails", "a::errs"].iter().zip(&outcomes) {
        narrator.text_of(&finished(1, name, outcome));
    }
    assert_snapshot!(tell_with(&mut narrator, &[Event::Finished(&summary)]), @r#"
    Ran 10,005 tests in 5.01s
        9,990 passed
           12 failed
            1 timed out
            2 errors
            3 ignored

    Failures:
        ERROR   fd-find test/cli a::errs
        FAIL    fd-find test/cli b::fails (exit code 101)
        TIMEOUT fd-find test/cli c::waits (timed out after 60s)

    note: doctests were not run; `cargo maelstrom --doc` runs them
    "#);
}

#[test]
fn a_cached_result_has_its_own_label_and_counts_as_passed() {
    let outcome = cached();
    assert_snapshot!(simple(finished(1, "search", &outcome)), @r#"CACHED  [   0.012s] fd-find test/cli search"#);
    let mut tally = Tally::default();
    for outcome in [cached(), cached(), passed(), failed()] {
        tally.add(&outcome);
    }
    let summary = Summary {
        tally,
        duration: millis(10),
        ..Summary::default()
    };
    assert_snapshot!(tell(Detail::Failures, &[Event::Finished(&summary)]), @r#"
    Ran 2 tests in 0.01s
        3 passed, 2 of them cached
        1 failed
    "#);
}

#[test]
fn a_cancelled_run_says_why_and_how_much_is_missing() {
    let summary = Summary {
        tally: Tally {
            passed: 1,
            ..Tally::default()
        },
        duration: millis(10),
        cancelled: Some(Cancellation::Interrupted),
        not_run: 1_200,
        ..Summary::default()
    };
    let events = [
        Event::Cancelled(Cancellation::Interrupted),
        Event::Finished(&summary),
    ];
    assert_snapshot!(tell(Detail::Everything, &events), @r#"
    Cancelling: interrupted by Ctrl-C (press it again to exit at once)

    Ran 1 test in 0.01s
            1 passed
        1,200 not run
    Cancelled: interrupted by Ctrl-C
    "#);
}

#[test]
fn a_build_that_failed_before_any_test_ran_gets_one_line() {
    let summary = Summary {
        tally: Tally {
            ignored: 1,
            ..Tally::default()
        },
        cancelled: Some(Cancellation::BuildFailed),
        not_run: 3,
        ..Summary::default()
    };
    let skipped = ignored();
    let events = [
        finished(1, "skipped", &skipped),
        Event::CargoLine("error: could not compile `fd-find`"),
        Event::Cancelled(Cancellation::BuildFailed),
        Event::Finished(&summary),
    ];
    assert_snapshot!(tell(Detail::Failures, &events), @r#"
    error: could not compile `fd-find`
    No tests were run: the build failed
    "#);
}

#[test]
fn a_build_that_failed_while_a_test_ran_cancels_the_run() {
    let summary = Summary {
        tally: Tally {
            passed: 1,
            ..Tally::default()
        },
        cancelled: Some(Cancellation::BuildFailed),
        not_run: 3,
        ..Summary::default()
    };
    let good = passed();
    let events = [
        started(1, "search"),
        Event::CargoLine("error: could not compile `fd-find`"),
        Event::Cancelled(Cancellation::BuildFailed),
        finished(1, "search", &good),
        Event::Finished(&summary),
    ];
    assert_snapshot!(tell(Detail::Everything, &events), @r#"
    error: could not compile `fd-find`
    Cancelling: the build failed
    PASS    [   0.012s] fd-find test/cli search

    Ran 1 test in 0.00s
        1 passed
        3 not run
    Cancelled: the build failed
    "#);
}

#[test]
fn each_reason_of_a_cancellation_has_a_message() {
    let reasons = [
        Cancellation::Interrupted,
        Cancellation::Terminated,
        Cancellation::Failures(1),
        Cancellation::Failures(2),
        Cancellation::BuildFailed,
    ];
    let test = [started(1, "search")];
    let events = [&test[..], &reasons.map(Event::Cancelled)].concat();
    assert_snapshot!(tell(Detail::Failures, &events), @r#"
    Cancelling: interrupted by Ctrl-C (press it again to exit at once)
    Cancelling: terminated by SIGTERM
    Cancelling: stopped after 1 failure
    Cancelling: stopped after 2 failures
    Cancelling: the build failed
    "#);
}

#[test]
fn an_empty_run_says_so() {
    let summary = Summary::default();
    assert_snapshot!(tell(Detail::Failures, &[Event::Finished(&summary)]), @r#"No tests to run"#);
}

#[test]
fn quiet_shows_only_failures_warnings_and_the_summary() {
    let (good, bad, skipped) = (passed(), aborted(), ignored());
    let summary = Summary {
        tally: Tally {
            passed: 1,
            failed: 1,
            ignored: 1,
            ..Tally::default()
        },
        duration: millis(100),
        ..Summary::default()
    };
    let events = [
        Event::RunStarted,
        Event::CargoLine("   Compiling fd-find v1.0.0"),
        Event::CargoLine("warning: unused import"),
        Event::CargoLine("    Finished `test` profile in 1.2s"),
        Event::Warning("a glob matched nothing"),
        finished(1, "a", &good),
        finished(2, "b", &skipped),
        Event::Slow {
            case: case("c"),
            repeat: None,
            elapsed: millis(60_000),
        },
        finished(3, "c", &bad),
        Event::Finished(&summary),
    ];
    assert_snapshot!(tell(Detail::Failures, &events), @r#"
    warning: unused import
    warning: a glob matched nothing
    FAIL    [   0.040s] fd-find test/cli c (signal SIGABRT)
        used 0.03s of CPU time and at most 12.0 MiB of memory

    Ran 2 tests in 0.10s
        1 passed
        1 failed
        1 ignored

    Failures:
        FAIL    fd-find test/cli c (signal SIGABRT)
    "#);
}

#[test]
fn progress_that_is_drawn_is_not_written() {
    let (good, skipped) = (passed(), ignored());
    let events = [
        Event::CargoLine("   Compiling fd-find v1.0.0"),
        Event::CargoLine("warning: unused import"),
        Event::CargoLine("    Finished `test` profile in 1.2s"),
        finished(1, "a", &good),
        finished(2, "b", &skipped),
    ];
    assert_snapshot!(tell(Detail::Notable, &events), @r#"
    warning: unused import
        Finished `test` profile in 1.2s
    "#);
}

#[test]
fn without_a_terminal_lines_of_cargo_are_unchanged() {
    let lines = [
        "   Compiling a",
        "\x1b[1mwarning\x1b[0m: b",
        "",
        "    Finished c",
    ];
    let text = tell(Detail::Everything, &lines.map(Event::CargoLine));
    assert_eq!(text, lines.map(|line| format!("{line}\n")).concat());
}

#[test]
fn streamed_output_is_passed_on_and_never_shares_a_line_with_a_result() {
    let outcome = passed();
    let output = Event::Output;
    let events = [
        output(b"one\ntw"),
        output(b""),
        started(2, "b"),
        output(b"o"),
        finished(1, "a", &outcome),
        output(b"three\n"),
        finished(2, "b", &outcome),
    ];
    let mut narrator = Narrator::new(Paint::new(false), Detail::Everything, false);
    assert_snapshot!(tell_with(&mut narrator, &events), @r#"
    one
    two
    PASS    [   0.012s] fd-find test/cli a
    three
    PASS    [   0.012s] fd-find test/cli b
    "#);
}

#[test]
fn colours_end_with_the_text_that_they_colour() {
    let outcome = TestOutcome {
        stderr: Captured::from("\x1b[31mred for ever".as_bytes()),
        ..failed()
    };
    let mut narrator = Narrator::new(Paint::new(true), Detail::Everything, false);
    let text = tell_with(&mut narrator, &[finished(1, "search", &outcome)]);
    assert_snapshot!(text.replace('\x1b', "ESC"), @"
    ESC[31mESC[1mFAIL   ESC[0m [   1.203s] ESC[36mfd-findESC[0m ESC[2mtest/cliESC[0m ESC[1msearchESC[0m (exit code 101)
    ESC[2m--- stdout ---ESC[0m
    searching
    ESC[2m--- stderr ---ESC[0m
    ESC[31mred for everESC[0m
    ");
}

#[test]
fn a_name_with_control_characters_moves_no_cursor() {
    let event = Event::TestFinished {
        id: TestId(1),
        case: case("a\x1b[2Jb\x07"),
        repeat: None,
        outcome: &passed(),
    };
    assert_snapshot!(simple(event), @r#"PASS    [   0.012s] fd-find test/cli ab␇"#);
}
