use super::*;
use crate::report::outcome::Cancellation;
use crate::report::samples::*;
use insta::assert_snapshot;

const WIDE: ScreenSize = ScreenSize {
    width: 100,
    height: 24,
};

struct Show {
    start: Instant,
    board: Board,
}

impl Show {
    fn new() -> Self {
        let start = Instant::now();
        let board = Board::new(start);
        Self { start, board }
    }

    fn update(&mut self, at: u64, events: &[Event<'_>]) {
        for event in events {
            self.board.update(self.start + millis(at), event);
        }
    }

    fn lines(&self, at: u64, size: ScreenSize) -> String {
        let now = self.start + millis(at);
        self.board.lines(now, Paint::new(false), size).join("\n")
    }
}

#[test]
fn nothing_is_shown_before_anything_happens() {
    assert_eq!(Show::new().lines(0, WIDE), "");
}

#[test]
fn building_listing_and_packing_have_a_line_each() {
    let mut show = Show::new();
    let other = TestBinaryName {
        target: "other",
        ..BINARY
    };
    show.update(0, &[Event::BuildStarted]);
    assert_snapshot!(show.lines(0, WIDE), @r#"⠋   Building"#);
    let events = [
        Event::CargoLine("   \x1b[1mCompiling\x1b[0m serde v1.0.228"),
        Event::CargoLine("warning: unused import"),
        Event::ListingStarted(BINARY),
        Event::ListingStarted(other),
        Event::Packing {
            what: "target/debug/deps/cli",
            bytes: 24 << 20,
        },
    ];
    show.update(100, &events);
    assert_snapshot!(show.lines(300, WIDE), @r#"
    ⠸  Compiling serde v1.0.228
    ⠸    Listing fd-find test/cli and 1 more
    ⠸    Packing target/debug/deps/cli (24.0 MiB so far)
    "#);
    let command = Event::RunningCommand {
        layer: "the `command` layer `make`",
    };
    show.update(300, &[command]);
    assert_snapshot!(show.lines(300, WIDE), @r#"
    ⠸  Compiling serde v1.0.228
    ⠸    Listing fd-find test/cli and 1 more
    ⠸    Running the `command` layer `make`
    "#);
    let events = [
        Event::Listed {
            binary: BINARY,
            count: 4,
        },
        Event::Packed,
        Event::BuildFinished {
            success: true,
            duration: millis(400),
        },
    ];
    show.update(400, &events);
    assert_snapshot!(show.lines(400, WIDE), @r#"⠼    Listing fd-find test/other"#);
}

#[test]
fn uploads_downloads_and_packing_share_a_line() {
    let mut show = Show::new();
    let (done, total) = (3 << 20, 20 << 20);
    show.update(0, &[Event::Uploading { done, total }]);
    assert_snapshot!(show.lines(0, WIDE), @"⠋  Uploading to the engine (3.0 MiB of 20.0 MiB)");
    let image = "docker://r/a\x1b[2J:1";
    show.update(0, &[Event::Downloading { image, done, total }]);
    assert_snapshot!(show.lines(0, WIDE), @"⠋ Downloading docker://r/a:1 (3.0 MiB of 20.0 MiB)");
    show.update(0, &[Event::Packed]);
    assert_snapshot!(show.lines(0, WIDE), @"");
}

/// Four tests running since 0, 400, 800 and 1200 ms, some finished, some waiting.
fn running_tests() -> Show {
    let mut show = Show::new();
    let (good, bad, skipped, unable) = (passed(), failed(), ignored(), error());
    show.update(0, &[queued(1_234), started(1, "one")]);
    show.update(
        400,
        &[started(
            2,
            "two::with_a_long_name_that_says_what_is_tested_in_detail",
        )],
    );
    show.update(800, &[started(3, "three"), started(4, "four")]);
    show.update(
        900,
        &[finished(4, "four", &good), finished(5, "five", &skipped)],
    );
    show.update(1000, &[started(6, "six"), finished(6, "six", &bad)]);
    show.update(1200, &[finished(7, "seven", &unable), started(8, "eight")]);
    show
}

#[test]
fn a_bar_counts_and_the_longest_running_tests_are_named() {
    assert_snapshot!(running_tests().lines(1_500, WIDE), @r#"
    ⠴    Testing [>                             ] 3/1,234: 1 passed, 2 failed, 4 running, 1,227 queued
           1.50s fd-find test/cli one
           1.10s fd-find test/cli two::with_a_long_name_that_says_what_is_tested_in_detail
           0.70s fd-find test/cli three
    "#);
}

#[test]
fn tests_that_need_not_run_are_done_without_having_been_started() {
    let mut show = Show::new();
    let (known, good) = (cached(), passed());
    show.update(0, &[queued(4), finished(1, "one", &known)]);
    show.update(1, &[finished(2, "two", &known), started(3, "three")]);
    show.update(2, &[finished(3, "three", &good)]);
    assert_snapshot!(show.lines(10, WIDE), @r#"⠋    Testing [=====================>      ] 3/4: 3 passed (2 cached), 0 failed, 0 running, 1 queued"#);
}

#[test]
fn a_narrow_terminal_gets_no_bar_and_short_names() {
    let size = ScreenSize {
        width: 50,
        height: 24,
    };
    assert_snapshot!(running_tests().lines(1_500, size), @r#"
    ⠴    Testing 3/1,234: 1 passed, 2 failed, 4 running, 1,227 queued
           1.50s fd-find test/cli one
           1.10s two::with_a_long_name_that_says_what_is_tested_in_detail
           0.70s fd-find test/cli three
    "#);
}

#[test]
fn a_low_terminal_keeps_a_line_for_what_goes_by() {
    let shown = |height| {
        let size = ScreenSize { width: 100, height };
        running_tests().lines(1_500, size).lines().count()
    };
    assert_eq!([0, 1, 2, 3, 4, 5].map(shown), [0, 0, 1, 2, 3, 4]);
}

#[test]
fn a_cancelled_run_is_stopping_and_a_finished_one_shows_nothing() {
    let mut show = running_tests();
    show.update(1_500, &[Event::Cancelled(Cancellation::Interrupted)]);
    assert_snapshot!(show.lines(1_500, ScreenSize { width: 60, height: 3 }), @r#"
    ⠴   Stopping 3/1,234: 1 passed, 2 failed, 4 running, 1,227 queued
           1.50s fd-find test/cli one
    "#);
    show.update(
        1_600,
        &[Event::Finished(&crate::report::Summary::default())],
    );
    assert_eq!(show.lines(1_600, WIDE), "");
}

#[test]
fn the_bar_is_full_only_at_the_end() {
    assert_eq!(bar(0, 10, 10), ">         ");
    assert_eq!(bar(5, 10, 10), "=====>    ");
    assert_eq!(bar(9, 10, 10), "=========>");
    assert_eq!(bar(10, 10, 10), "==========");
    assert_eq!(bar(0, 0, 3), ">  ");
}

#[test]
fn every_test_is_either_waiting_or_running_or_done() {
    let mut show = Show::new();
    let (good, unable) = (passed(), error());
    show.update(0, &[queued(3), started(1, "a"), finished(1, "a", &good)]);
    show.update(1, &[finished(2, "b", &unable), started(3, "c")]);
    let board = &show.board;
    assert_eq!(
        (board.waiting, board.running.len(), board.total()),
        (0, 1, 3)
    );
}
