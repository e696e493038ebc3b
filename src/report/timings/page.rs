//! The page: its data as JSON, and the HTML file that holds the data, the style and the script.

use super::TimingsSettings;
use super::bounds::{TestTimes, program_time};
use super::chain::{ChainStep, chain};
use super::findings::{Finding, findings, total};
use super::recording::{RecordedBinary, RecordedTest, RunRecording};
use super::timeline::{Timeline, TimelineBar, TimelineRow};
use crate::report::json::seconds;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::UNIX_EPOCH;

/// The parts of the script, in their order.
const SCRIPT: &str = concat!(
    include_str!("page/format.js"),
    include_str!("page/timeline.js"),
    include_str!("page/details.js"),
    include_str!("page/table.js"),
    include_str!("page/page.js"),
);

/// The file as text.
pub fn html(recording: &RunRecording, settings: &TimingsSettings) -> String {
    let title = escaped_text(&settings.project);
    let page = include_str!("page/page.html")
        .replace("{{title}}", &title)
        .replacen("{{style}}", include_str!("page/page.css").trim_end(), 1);
    // The data come last: names of tests may have any text.
    let data = embedded(&data(recording, settings));
    let page = page.replacen("{{script}}", SCRIPT.trim_end(), 1);
    page.replacen("{{data}}", &data, 1)
}

/// JSON in an HTML file. The browser ends the script at `</script`, whatever JSON means by it.
fn embedded(data: &Value) -> String {
    let text = data.to_string();
    let mut embedded = String::with_capacity(text.len());
    for c in text.chars() {
        // These occur in strings only.
        match c {
            '<' => embedded.push_str("\\u003c"),
            '>' => embedded.push_str("\\u003e"),
            '&' => embedded.push_str("\\u0026"),
            c => embedded.push(c),
        }
    }
    embedded
}

fn escaped_text(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let text = text.replace('>', "&gt;");
    // No place for something else begins there.
    text.replace('{', "&#123;")
}

/// The data that the script reads.
pub fn data(recording: &RunRecording, settings: &TimingsSettings) -> Value {
    let slots = (!settings.on_engine).then_some(settings.slots);
    let timeline = Timeline::of(recording, slots);
    let times = TestTimes::of(recording, &timeline);
    let started = settings.started.duration_since(UNIX_EPOCH);
    let rows = timeline.rows.iter().map(|row| match row {
        TimelineRow::Slot(number) => json!({ "kind": "slot", "number": number }),
        TimelineRow::Engine(number) => json!({ "kind": "engine", "number": number }),
    });
    let tests = recording.tests.iter();
    let tests = tests.map(|test| test_data(test, settings));
    let bars = timeline.bars.iter();
    let data = PageData {
        project: &settings.project,
        program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
        started: started.unwrap_or_default().as_millis() as u64,
        seconds: seconds(total(recording)),
        end: seconds(recording.end),
        counts: recording.summary.as_ref().map(|summary| {
            let tally = summary.tally;
            json!({
                "passed": tally.passed, "cached": tally.cached, "flaky": tally.flaky,
                "leaky": tally.leaky, "failed": tally.failed, "timed_out": tally.timed_out,
                "errors": tally.errors, "ignored": tally.ignored, "not_run": summary.not_run,
            })
        }),
        cancelled: recording
            .summary
            .as_ref()
            .and_then(|summary| Some(summary.cancelled?.to_string())),
        divided: recording.divided.as_deref(),
        build: recording.build.map(|build| {
            json!({
                "start": seconds(build.start), "end": seconds(build.end.unwrap_or(recording.end)),
                "seconds": seconds(build.seconds), "success": build.success,
            })
        }),
        times: times_data(&times),
        findings: findings(recording, &timeline, &times, &settings.past),
        chain: chain(recording, &timeline)
            .into_iter()
            .map(|step| ChainData {
                step: step.step,
                start: seconds(step.start),
                end: seconds(step.end),
            })
            .collect(),
        rows: rows.collect(),
        binaries: recording.binaries.iter().map(binary_data).collect(),
        bars: bars.map(|bar| bar_data(recording, bar)).collect(),
        tests: tests.collect(),
    };
    serde_json::to_value(data).unwrap_or_default()
}

/// The times of the tests. `null` if none ran.
fn times_data(times: &TestTimes) -> Value {
    let Some((longest, duration)) = times.longest else {
        return Value::Null;
    };
    json!({
        "start": seconds(times.start),
        "end": seconds(times.end),
        "slots": times.slots,
        "ideal": seconds(times.ideal()),
        "longest": longest,
        "longest_seconds": seconds(duration),
        "work": seconds(times.work),
        "overhead": seconds(times.overhead),
        "looks": seconds(times.looks),
        "unready": seconds(times.unready),
        "blocked": seconds(times.blocked),
        "left": seconds(times.left),
    })
}

fn binary_data(binary: &RecordedBinary) -> Value {
    without_null(json!({
        "package": binary.package,
        "kind": binary.kind,
        "target": binary.target,
        "built": binary.built.map(seconds),
        "listing": binary.listing.map(seconds),
        "listed": binary.listed.map(seconds),
        "count": binary.count,
        "error": binary.error,
    }))
}

fn bar_data(recording: &RunRecording, bar: &TimelineBar) -> Value {
    let attempt = &recording.tests[bar.test].attempts[bar.attempt];
    let status = match (bar.is_look, attempt.status) {
        (true, _) => "look",
        (false, "") => "unfinished",
        // The first run of a test that passed with its needs.
        (false, "passed") if attempt.look.is_some() => "failed",
        (false, status) => status,
    };
    without_null(json!({
        "test": bar.test,
        "attempt": attempt.number,
        "rows": bar.rows,
        "start": seconds(bar.start),
        "end": seconds(bar.end),
        "program": (!bar.is_look).then(|| seconds(program_time(recording, bar))),
        "ready": attempt.ready.filter(|_| !bar.is_look).map(seconds),
        "status": status,
    }))
}

/// The fields that the JSON events have too have the same names and values.
fn test_data(test: &RecordedTest, settings: &TimingsSettings) -> Value {
    let past = settings.past.of(test.case);
    let past: Vec<_> = past.into_iter().map(seconds).collect();
    let result = test.result.as_ref();
    let attempt = result.and_then(|result| result.attempt.if_several());
    let usage = result.and_then(|result| result.usage).map(|usage| {
        json!({
            "user_seconds": seconds(usage.user),
            "system_seconds": seconds(usage.system),
            "max_rss": usage.max_resident,
        })
    });
    without_null(json!({
        "binary": test.binary,
        "name": test.name,
        "repeat": test.repeat.map(|repeat| repeat.number),
        "status": result.map_or("unfinished", |result| result.status),
        "seconds": result.map(|result| seconds(result.seconds)),
        "attempt": attempt.map(|attempt| attempt.number),
        "attempts": attempt.map(|attempt| attempt.of),
        "cached": result.filter(|result| result.cached).map(|_| true),
        "flaky": result.filter(|result| result.flaky).map(|_| true),
        "leaked": result.filter(|result| result.leaked).map(|_| true),
        "usage": usage,
        "needs": result.map(|result| &result.needs).filter(|needs| !needs.is_empty()),
        "reason": result.and_then(|result| result.reason.as_deref()),
        "past": (!past.is_empty()).then_some(past),
    }))
}

/// Removes the fields without a value.
fn without_null(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

#[derive(Serialize)]
struct PageData<'a> {
    project: &'a str,
    program: &'a str,
    /// In milliseconds since 1970-01-01.
    started: u64,
    seconds: f64,
    end: f64,
    /// `None`: the run ended with an error.
    counts: Option<Value>,
    cancelled: Option<String>,
    divided: Option<&'a str>,
    build: Option<Value>,
    times: Value,
    findings: Vec<Finding>,
    chain: Vec<ChainData>,
    rows: Vec<Value>,
    binaries: Vec<Value>,
    tests: Vec<Value>,
    bars: Vec<Value>,
}

#[derive(Serialize)]
struct ChainData {
    #[serde(flatten)]
    step: ChainStep,
    start: f64,
    end: f64,
}
