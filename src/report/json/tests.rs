use super::*;
use crate::report::outcome::{Cancellation, Tally};
use crate::report::samples::*;
use insta::assert_snapshot;
use std::io;
use std::sync::{Arc, Mutex};

/// Records each write.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn json(events: &[Event<'_>]) -> String {
    json_with(false, events)
}

fn json_with(show_output: bool, events: &[Event<'_>]) -> String {
    let writes = Writes::default();
    let mut json = Json::new(writes.clone(), show_output);
    for event in events {
        json.report(event);
    }
    let writes = writes.0.lock().unwrap();
    for line in writes.iter() {
        let (last, content) = line.split_last().unwrap();
        assert!(*last == b'\n' && !content.contains(&b'\n'));
        serde_json::from_slice::<serde_json::Value>(line).unwrap();
    }
    String::from_utf8(writes.concat()).unwrap()
}

#[test]
fn a_run_starts_with_the_version_of_the_format() {
    let line = json(&[Event::RunStarted]);
    let line = line.replace(env!("CARGO_PKG_VERSION"), "X");
    assert_snapshot!(line, @r#"{"type":"run","event":"started","version":1,"program":"cargo-maelstrom","program_version":"X"}"#);
}

#[test]
fn the_build_starts_and_finishes() {
    let finished = Event::BuildFinished {
        success: true,
        duration: millis(1_234),
    };
    assert_snapshot!(json(&[Event::BuildStarted, finished]), @r#"
    {"type":"build","event":"started"}
    {"type":"build","event":"finished","success":true,"seconds":1.234}
    "#);
}

#[test]
fn a_binary_is_listed_or_an_error() {
    let listed = Event::Listed {
        binary: BINARY,
        count: 12,
    };
    let failed = Event::ListingFailed {
        binary: BINARY,
        message: "`cli --list` ended with exit code 1",
    };
    assert_snapshot!(json(&[Event::ListingStarted(BINARY), listed, failed]), @r#"
    {"type":"binary","event":"listed","package":"fd-find","target":{"kind":"test","name":"cli"},"count":12}
    {"type":"binary","event":"error","package":"fd-find","target":{"kind":"test","name":"cli"},"message":"`cli --list` ended with exit code 1"}
    "#);
}

#[test]
fn a_test_starts_may_be_slow_and_passes() {
    let slow = Event::Slow {
        case: case("search"),
        repeat: None,
        elapsed: Duration::from_secs(60),
    };
    let outcome = TestOutcome::new(TestStatus::Passed, millis(12));
    let events = [started(1, "search"), slow, finished(1, "search", &outcome)];
    assert_snapshot!(json(&events), @r#"
    {"type":"test","event":"started","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search"}
    {"type":"test","event":"slow","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","seconds":60.0}
    {"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"passed","seconds":0.012}
    "#);
}

#[test]
fn a_failed_test_carries_exit_code_and_output() {
    assert_snapshot!(json(&[finished(1, "search", &failed())]), @r#"{"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"failed","seconds":1.203,"exit_code":101,"message":"exit code 101","stdout":"\nrunning 1 test\nsearching\n","stderr":"thread 'search' panicked at tests/cli.rs:7:5:\nno such file"}"#);
}

#[test]
fn a_signal_has_a_number_and_a_name() {
    assert_snapshot!(json(&[finished(1, "search", &aborted())]), @r#"{"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"failed","seconds":0.04,"signal":6,"signal_name":"SIGABRT","message":"signal SIGABRT","usage":{"user_seconds":0.02,"system_seconds":0.01,"max_rss":12582912}}"#);
}

#[test]
fn timed_out_ignored_and_error_are_distinguished() {
    let (late, skipped, unable) = (timed_out(), ignored(), error());
    let events = [
        finished(1, "a", &late),
        finished(2, "b", &skipped),
        finished(3, "c", &unable),
    ];
    assert_snapshot!(json(&events), @r#"
    {"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"a","status":"timed-out","seconds":60.003,"message":"timed out after 60s","stderr":"waiting for the server","usage":{"user_seconds":0.02,"system_seconds":0.01,"max_rss":12582912}}
    {"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"b","status":"ignored","seconds":0.0}
    {"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"c","status":"error","seconds":0.0,"message":"failed to build the layer `tar = \"data.tar\"`\nno such file"}
    "#);
}

#[test]
fn truncated_output_says_how_much_is_missing() {
    assert_snapshot!(json(&[finished(1, "search", &truncated())]), @r#"{"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"failed","seconds":0.3,"exit_code":1,"message":"exit code 1","stdout":"line 1\nline 2\nli\n[... 1234567 bytes left out ...]\nne 99998\nline 99999\n","stdout_omitted":1234567}"#);
}

#[test]
fn output_that_is_not_utf8_is_still_json() {
    assert_snapshot!(json(&[finished(1, "search", &binary_output())]), @r#"{"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"failed","seconds":0.005,"exit_code":1,"message":"exit code 1","stdout":"caf� \u0000 \u001b[31mred \u001b[2Jand \u001b[1"}"#);
}

#[test]
fn hints_and_written_files_are_lists() {
    assert_snapshot!(json(&[finished(1, "search", &hinted())]), @r#"{"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"failed","seconds":0.007,"exit_code":101,"message":"exit code 101","stderr":"git: not found\n","hints":["the test looked for `git`, which is not in its container; to add it:\n[[directives]]\nadded_layers = [{ programs = [\"git\"] }]"],"written":["snapshots/a.new","snapshots/b.new","snapshots/c.new","snapshots/d.new","snapshots/e.new","snapshots/f.new","snapshots/g.new"],"outputs":["snapshots/cli.snap.new"]}"#);
}

#[test]
fn repetitions_are_numbered_and_show_output_shows_that_of_passed_tests() {
    assert_snapshot!(json_with(true, &[repeated(2, "search", &passed())]), @r#"{"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"passed","seconds":0.012,"repeat":2,"stdout":"running 1 test\nsearching\n","usage":{"user_seconds":0.008,"system_seconds":0.003,"max_rss":4194304}}"#);
}

#[test]
fn a_cached_result_has_passed_and_is_cached() {
    let outcome = cached();
    assert_snapshot!(json(&[finished(1, "search", &outcome)]), @r#"{"type":"test","event":"finished","package":"fd-find","target":{"kind":"test","name":"cli"},"name":"search","status":"passed","cached":true,"seconds":0.012,"usage":{"user_seconds":0.008,"system_seconds":0.003,"max_rss":4194304}}"#);
}

#[test]
fn messages_have_the_form_of_events() {
    assert_snapshot!(json(&[Event::Warning("a \"glob\" matched nothing")]), @r#"
    {"type":"message","event":"warning","message":"a \"glob\" matched nothing"}
    "#);
}

#[test]
fn a_run_finishes_with_counts() {
    let summary = Summary {
        tally: Tally {
            passed: 5,
            flaky: 0,
            leaky: 0,
            cached: 0,
            failed: 4,
            timed_out: 3,
            errors: 2,
            ignored: 1,
        },
        duration: millis(2_500),
        cancelled: Some(Cancellation::Failures(4)),
        not_run: 7,
        notes: vec!["doctests were not run".to_owned()],
    };
    let events = [
        Event::Cancelled(Cancellation::Failures(4)),
        Event::Finished(&summary),
    ];
    assert_snapshot!(json(&events), @r#"
    {"type":"run","event":"cancelled","reason":"failures","message":"stopped after 4 failures"}
    {"type":"message","event":"note","message":"doctests were not run"}
    {"type":"run","event":"finished","passed":5,"cached":0,"flaky":0,"leaky":0,"failed":4,"timed_out":3,"errors":2,"ignored":1,"not_run":7,"cancelled":"failures","seconds":2.5}
    "#);
    assert_snapshot!(json(&[Event::Finished(&Summary::default())]), @r#"{"type":"run","event":"finished","passed":0,"cached":0,"flaky":0,"leaky":0,"failed":0,"timed_out":0,"errors":0,"ignored":0,"not_run":0,"seconds":0.0}"#);
}

#[test]
fn events_for_people_are_left_out() {
    let events = [
        Event::CargoLine("   Compiling x"),
        queued(3),
        Event::Packing {
            what: "x",
            bytes: 1,
        },
        Event::Packed,
    ];
    assert_eq!(json(&events), "");
}

/// A writer that always fails with this kind of error.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_no_error_but_a_full_disk_is() {
    for (kind, is_error) in [
        (io::ErrorKind::BrokenPipe, false),
        (io::ErrorKind::StorageFull, true),
    ] {
        let mut json = Json::new(Broken(kind), false);
        json.report(&Event::RunStarted);
        json.report(&Event::BuildStarted);
        assert_eq!(json.finish().is_err(), is_error);
    }
}
