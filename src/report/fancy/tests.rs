use super::*;
use crate::report::narrator::Detail;
use crate::report::outcome::{Summary, TestOutcome, TestStatus};
use crate::report::samples::*;
use crate::report::terminal::{InMemoryTerm, ScreenSize};
use insta::assert_snapshot;

fn fancy(width: u16, height: u16) -> (InMemoryTerm, Fancy) {
    let terminal = InMemoryTerm::new(height, width);
    let size = ScreenSize {
        width: width.into(),
        height: height.into(),
    };
    let paint = Paint::new(false);
    let narrator = Narrator::new(paint, Detail::Notable, false);
    let screen = Screen::in_memory(&terminal, size);
    (terminal, Fancy::new(narrator, paint, screen))
}

#[test]
fn failures_scroll_by_above_the_bar_and_the_summary_replaces_it() {
    let (terminal, mut fancy) = fancy(80, 20);
    let (good, bad) = (passed(), aborted());
    let mut now = Instant::now();
    for event in [
        queued(3),
        started(1, "quick"),
        finished(1, "quick", &good),
        started(2, "broken"),
        finished(2, "broken", &bad),
        started(3, "long"),
    ] {
        now += DRAW_INTERVAL;
        fancy.report_at(now, &event);
    }
    now += Duration::from_secs(2);
    fancy.tick_at(now);
    assert_snapshot!(terminal.contents(), @r#"
    FAIL    [   0.040s] fd-find test/cli broken (signal SIGABRT)
        used 0.03s of CPU time and at most 12.0 MiB of memory

    ⠼    Testing [============>      ] 2/3: 1 passed, 1 failed, 1 running, 0 queued
           2.00s fd-find test/cli long
    "#);
    let summary = Summary {
        tally: crate::report::Tally {
            passed: 2,
            failed: 1,
            ..Default::default()
        },
        duration: Duration::from_secs(2),
        ..Summary::default()
    };
    fancy.report_at(now, &finished(3, "long", &good));
    fancy.report_at(now, &Event::Finished(&summary));
    fancy.finish().unwrap();
    assert_snapshot!(terminal.contents(), @r#"
    FAIL    [   0.040s] fd-find test/cli broken (signal SIGABRT)
        used 0.03s of CPU time and at most 12.0 MiB of memory

    Ran 3 tests in 2.00s
        2 passed
        1 failed

    Failures:
        FAIL    fd-find test/cli broken (signal SIGABRT)
    "#);
}

#[test]
fn an_error_of_a_thousand_tests_fits_on_a_screen() {
    let (terminal, mut fancy) = fancy(80, 24);
    let now = Instant::now();
    let message = "failed to execute an action at grpc://engine.example:50051/main: could not \
                   connect (Connection refused (os error 111)); check that the engine is running \
                   and that `remote` names it";
    let outcome = TestOutcome::new(
        TestStatus::Error {
            message: message.to_owned(),
        },
        Duration::ZERO,
    );
    let mut summary = Summary::default();
    fancy.report_at(now, &queued(1000));
    for number in 0..1000 {
        summary.tally.add(&outcome);
        let name = format!("number_{number:03}");
        fancy.report_at(now, &finished(number, &name, &outcome));
    }
    fancy.report_at(now, &Event::Finished(&summary));
    fancy.finish().unwrap();
    assert_snapshot!(terminal.contents(), @"
    ERROR   [        -] fd-find test/cli number_000
        failed to execute an action at grpc://engine.example:50051/main: could not c
    onnect (Connection refused (os error 111)); check that the engine is running and
     that `remote` names it

    ERROR   [        -] fd-find test/cli number_001 (the same error: see the summary
    )

    Ran 1,000 tests in 0.00s
        1,000 errors

    Failures:
        ERROR   1,000 tests: failed to execute an action at grpc://engine.example:50
    051/main: could not connect (Connection refused (os error 111)); check that the
    engine is running and that `remote` names it
                fd-find test/cli number_000
                fd-find test/cli number_001
                fd-find test/cli number_002
                fd-find test/cli number_003
                fd-find test/cli number_004
                and 995 more
    ");
}

#[test]
fn ten_thousand_quick_tests_are_drawn_a_few_times() {
    let (terminal, mut fancy) = fancy(80, 20);
    let (good, bad) = (passed(), failed());
    let start = Instant::now();
    let mut drawn = Vec::new();
    fancy.report_at(start, &queued(10_000));
    for number in 0..10_000 {
        let now = start + Duration::from_micros(100 * number);
        let outcome = if number % 100 == 0 { &bad } else { &good };
        fancy.report_at(now, &started(number, "a"));
        fancy.report_at(now, &finished(number, "a", outcome));
        drawn.extend(fancy.drawn);
        drawn.dedup();
    }
    assert!(drawn.len() <= 13, "drawn {} times in a second", drawn.len());
    drop(fancy);
    assert!(terminal.contents().contains("FAIL"));
}

#[test]
fn waiting_text_is_limited() {
    let (_terminal, mut fancy) = fancy(80, 20);
    let now = Instant::now();
    let mut outcome = failed();
    outcome.stdout.head = vec![b'x'; 2 * WAITING_LIMIT];
    for number in 0..3 {
        fancy.report_at(now, &finished(number, "a", &outcome));
        assert!(fancy.waiting.len() <= WAITING_LIMIT);
    }
}

#[test]
fn waiting_text_is_shown_even_if_the_run_ends_early() {
    let (terminal, mut fancy) = fancy(80, 20);
    let now = Instant::now();
    fancy.report_at(now, &queued(2));
    fancy.report_at(now, &Event::Warning("the disk is full"));
    drop(fancy);
    assert_eq!(terminal.contents(), "warning: the disk is full");
}

#[test]
fn a_footer_is_below_the_progress_and_takes_its_room_from_it() {
    let (terminal, fancy) = fancy(80, 4);
    let footer = Footer::default();
    let mut fancy = fancy.with_footer(footer.clone());
    footer.set(vec!["one".to_owned(), "two".to_owned()]);
    let mut now = Instant::now();
    for id in 1..=3 {
        fancy.report_at(now, &queued(1));
        fancy.report_at(now, &started(id, "long"));
    }
    now += Duration::from_secs(2);
    fancy.tick_at(now);
    assert_snapshot!(terminal.contents(), @r"
    ⠋    Testing [>                  ] 0/3: 0 passed, 0 failed, 3 running, 0 queued
    one
    two
    ");
    footer.set(Vec::new());
    fancy.report_at(now, &Event::Finished(&Summary::default()));
    fancy.finish().unwrap();
    assert!(!terminal.contents().contains("two"));
}
