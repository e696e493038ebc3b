use super::bounds::TestTimes;
use super::chain::{ChainStep, chain};
use super::findings::{Finding, Lasting, Segment, findings};
use super::timeline::{Timeline, TimelineRow};
use super::*;
use crate::report::event::{BatchNumber, Repeat, TestAttempt, TestId, TestPlace};
use crate::report::outcome::{Summary, TestOutcome, TestStatus};
use crate::report::samples::*;
use serde_json::json;
use std::time::Duration;

/// A run whose events are at given milliseconds.
struct Run {
    begin: Instant,
    recording: RunRecording,
}

impl Run {
    /// A run of a build that takes 100 ms. Its tests are listed at 120 ms.
    fn new() -> Self {
        let mut run = Self {
            begin: Instant::now(),
            recording: RunRecording::default(),
        };
        run.at(0, &Event::RunStarted);
        run.at(0, &Event::BuildStarted);
        run.at(90, &Event::Built(BINARY));
        let duration = millis(100);
        let success = true;
        run.at(100, &Event::BuildFinished { success, duration });
        run.at(110, &Event::ListingStarted(BINARY));
        let (binary, count) = (BINARY, 7);
        run.at(120, &Event::Listed { binary, count });
        run
    }

    fn at(&mut self, time: u64, event: &Event<'_>) {
        self.recording.add(self.begin + millis(time), event);
    }

    fn queued(&mut self, time: u64, name: &str) {
        let (case, repetitions) = (case(name), 1);
        self.at(time, &Event::Queued { case, repetitions });
    }

    fn started_in(&mut self, time: u64, id: u64, name: &str, attempt: u32, place: TestPlace<'_>) {
        let attempt = TestAttempt {
            number: attempt,
            of: 3,
        };
        let event = Event::TestStarted {
            id: TestId(id),
            case: case(name),
            repeat: None,
            attempt,
            place,
        };
        self.at(time, &event);
    }

    /// A test that runs from one time to another, all of it in its program.
    fn ran(&mut self, id: u64, name: &str, slots: &[usize], from: u64, to: u64) {
        self.queued(120, name);
        self.started_in(from, id, name, 1, TestPlace::Slots(slots));
        self.at(to, &finished(id, name, &passed_in(to - from)));
    }

    fn end(&mut self, time: u64) {
        let summary = Summary {
            duration: millis(time),
            ..Summary::default()
        };
        self.at(time, &Event::Finished(&summary));
    }

    fn timeline(&self, slots: usize) -> Timeline {
        Timeline::of(&self.recording, Some(slots))
    }

    fn findings(&self, slots: usize) -> Vec<String> {
        let timeline = self.timeline(slots);
        let times = TestTimes::of(&self.recording, &timeline);
        let found = findings(
            &self.recording,
            &timeline,
            &times,
            &PastDurations::default(),
        );
        found.iter().map(|finding| self.sentence(finding)).collect()
    }

    fn sentence(&self, finding: &Finding) -> String {
        let word = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Test(index) => format!("`{}`", self.recording.tests[*index].name),
            Segment::Code(code) => format!("`{code}`"),
        };
        let text: String = finding.text.iter().map(word).collect();
        format!("{}: {text}", finding.about).replace('\u{a0}', " ")
    }

    fn data(&self, slots: usize) -> serde_json::Value {
        page::data(&self.recording, &settings(slots))
    }
}

fn settings(slots: usize) -> TimingsSettings {
    TimingsSettings {
        file: "timings.html".into(),
        project: "<fd> & {{data}}".to_owned(),
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        slots,
        on_engine: false,
        past: PastDurations::default(),
    }
}

fn passed_in(duration: u64) -> TestOutcome {
    TestOutcome::new(TestStatus::Passed, millis(duration))
}

/// Bars as text: the test, its rows, and from when to when.
fn bars(run: &Run, timeline: &Timeline) -> Vec<String> {
    let text = |bar: &timeline::TimelineBar| {
        let name = &run.recording.tests[bar.test].name;
        let look = if bar.is_look { " look" } else { "" };
        let (start, end) = (bar.start.as_millis(), bar.end.as_millis());
        format!("{name}{look} {:?} {start}-{end}", bar.rows)
    };
    timeline.bars.iter().map(text).collect()
}

#[test]
fn tests_have_bars_on_their_slots_and_free_slots_have_rows() {
    let mut run = Run::new();
    run.ran(1, "a", &[0], 130, 200);
    run.ran(2, "wide", &[0, 2], 200, 260);
    run.end(300);
    let timeline = run.timeline(4);
    assert_eq!(timeline.rows, [0, 1, 2, 3].map(TimelineRow::Slot));
    assert_eq!(
        bars(&run, &timeline),
        ["a [0] 130-200", "wide [0, 2] 200-260"]
    );
}

#[test]
fn a_test_that_is_looked_at_has_a_bar_for_its_run_and_one_for_the_look() {
    let mut run = Run::new();
    run.queued(120, "needs git");
    run.started_in(130, 1, "needs git", 1, TestPlace::Slots(&[1]));
    let (id, slots) = (TestId(1), &[1][..]);
    run.at(140, &Event::LookStarted { id, slots });
    run.at(190, &finished(1, "needs git", &passed_in(12)));
    let timeline = run.timeline(2);
    assert_eq!(
        bars(&run, &timeline),
        ["needs git [1] 130-140", "needs git look [1] 140-190"]
    );
    // The test passed in the look, so its first run has failed.
    let data = run.data(2);
    let statuses: Vec<_> = data["bars"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bar| &bar["status"])
        .collect();
    assert_eq!(statuses, ["failed", "look"]);
}

#[test]
fn looks_that_helped_are_told_from_those_in_vain() {
    let looked = |outcome: TestOutcome| {
        let mut run = Run::new();
        run.queued(120, "a");
        run.started_in(130, 1, "a", 1, TestPlace::Slots(&[0]));
        let (id, slots) = (TestId(1), &[0][..]);
        run.at(140, &Event::LookStarted { id, slots });
        run.at(190, &finished(1, "a", &outcome));
        run.end(1000);
        run.findings(1).pop().unwrap()
    };
    let helped = TestOutcome {
        needs: vec!["git".to_owned()],
        ..passed()
    };
    assert_eq!(
        looked(helped),
        "Second looks: 1 second look took 50 ms of slot time. What was found is remembered for the next \
         run; `cargo maelstrom --learn` writes it to `maelstrom-test.toml` for other machines."
    );
    assert_eq!(
        looked(failed()),
        "Second looks: 1 second look took 50 ms of slot time, and found nothing with which the tests \
         pass. A test is not looked at again until it changes."
    );
}

#[test]
fn attempts_are_bars_of_one_test() {
    let mut run = Run::new();
    run.queued(120, "flaky");
    let attempt = |number| TestAttempt { number, of: 3 };
    let first = TestOutcome {
        attempt: attempt(1),
        ..failed()
    };
    run.started_in(130, 1, "flaky", 1, TestPlace::Slots(&[0]));
    let (id, case, outcome, delay) = (TestId(1), case("flaky"), &first, millis(50));
    let repeat: Option<Repeat> = None;
    run.at(
        140,
        &Event::AttemptFailed {
            id,
            case,
            repeat,
            outcome,
            delay,
        },
    );
    run.started_in(195, 2, "flaky", 2, TestPlace::Slots(&[1]));
    let last = TestOutcome {
        attempt: attempt(2),
        earlier: vec![first.clone()],
        ..passed_in(9)
    };
    run.at(205, &finished(2, "flaky", &last));
    let timeline = run.timeline(2);
    assert_eq!(
        bars(&run, &timeline),
        ["flaky [0] 130-140", "flaky [1] 195-205"]
    );
    let data = run.data(2);
    assert_eq!(data["tests"].as_array().unwrap().len(), 1);
    let test = &data["tests"][0];
    assert_eq!(
        (&test["attempt"], &test["attempts"], &test["flaky"]),
        (&json!(2), &json!(3), &json!(true))
    );
    // The second attempt was ready after the delay.
    assert_eq!(data["bars"][1]["ready"], 0.19);
}

#[test]
fn tests_of_a_batch_run_one_after_the_other_and_batches_share_rows() {
    let mut run = Run::new();
    let batch = |number| TestPlace::Batch(BatchNumber(number));
    run.started_in(100, 1, "a", 1, batch(1));
    run.started_in(100, 2, "b", 1, batch(1));
    run.started_in(110, 3, "c", 1, batch(3));
    run.at(150, &finished(1, "a", &passed_in(10)));
    run.at(150, &finished(2, "b", &passed_in(20)));
    run.at(150, &finished(3, "c", &passed_in(30)));
    run.started_in(150, 4, "d", 1, batch(4));
    run.at(170, &finished(4, "d", &passed_in(15)));
    let timeline = Timeline::of(&run.recording, None);
    assert_eq!(timeline.rows, [0, 1].map(TimelineRow::Engine));
    assert_eq!(
        bars(&run, &timeline),
        [
            "a [0] 100-110",
            "b [0] 110-130",
            "c [1] 110-140",
            "d [0] 150-165"
        ]
    );
}

#[test]
fn what_did_not_end_lasts_until_the_end_of_the_run() {
    let mut run = Run::new();
    run.queued(120, "hangs");
    run.started_in(130, 1, "hangs", 1, TestPlace::Slots(&[0]));
    run.end(500);
    assert_eq!(bars(&run, &run.timeline(1)), ["hangs [0] 130-500"]);
    let data = run.data(1);
    assert_eq!(data["tests"][0]["status"], "unfinished");
    assert_eq!(data["bars"][0]["status"], "unfinished");
}

#[test]
fn the_time_of_slots_adds_up() {
    let mut run = Run::new();
    // A container, and a program of 50 ms.
    run.queued(120, "a");
    run.started_in(130, 1, "a", 1, TestPlace::Slots(&[0]));
    run.at(190, &finished(1, "a", &passed_in(50)));
    // Ready late, while the other slot was free.
    run.queued(160, "b");
    run.started_in(160, 2, "b", 1, TestPlace::Slots(&[1]));
    run.at(230, &finished(2, "b", &passed_in(70)));
    let timeline = run.timeline(2);
    let times = TestTimes::of(&run.recording, &timeline);
    assert_eq!(times.span(), millis(100));
    assert_eq!((times.work, times.overhead), (millis(120), millis(10)));
    assert_eq!((times.unready, times.left), (millis(30), millis(40)));
    assert_eq!(times.blocked, Duration::ZERO);
    let all = times.work + times.overhead + times.looks + times.unready + times.left;
    assert_eq!(all, times.span() * 2);
    assert_eq!(times.ideal(), millis(70));

    // Ready like the others, but a test of the same group was running.
    run.ran(3, "c", &[0], 210, 240);
    let times = TestTimes::of(&run.recording, &run.timeline(2));
    assert_eq!(times.unready, millis(30));
    assert_eq!((times.blocked, times.left), (millis(20), millis(10)));
}

#[test]
fn the_longest_test_or_all_tests_bound_a_run() {
    let mut run = Run::new();
    run.ran(1, "short", &[0], 130, 140);
    run.ran(2, "long", &[1], 130, 1130);
    run.end(1200);
    assert_eq!(
        run.findings(2)[..2],
        [
            "Longest test: The tests took 1.00 s on 2 slots. They cannot take less than 1.00 s, as \
             `long` takes that long. More slots would not help. Shorter tests in its place would: all \
             tests together are 505 ms for each slot.",
            "Last test: In the last 990 ms, only `long` ran.",
        ]
    );

    let mut run = Run::new();
    for id in 0..8 {
        let start = 130 + id / 2 * 100;
        run.ran(
            id,
            &format!("test {id}"),
            &[id as usize % 2],
            start,
            start + 100,
        );
    }
    run.end(600);
    assert_eq!(
        run.findings(2),
        [
            "All tests: The tests took 400 ms on 2 slots. They cannot take less than 400 ms, as that \
             is the share of each slot of 800 ms of tests. With 4 slots it would be 200 ms.",
            "Build: The build took 100 ms of 600 ms, 17 % of the run.",
        ]
    );
}

#[test]
fn a_test_that_is_slower_than_usual_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    let mut run = Run::new();
    run.ran(1, "slow today", &[0], 130, 2130);
    run.ran(2, "as usual", &[1], 130, 2130);
    let mut history = crate::schedule::History::load(&path).unwrap();
    history.record(run.recording.tests[0].case, millis(400), true);
    history.record(run.recording.tests[1].case, millis(1900), true);
    history.save().unwrap();
    let past = crate::schedule::History::load(&path).unwrap().past();
    let timeline = run.timeline(2);
    let times = TestTimes::of(&run.recording, &timeline);
    let found = findings(&run.recording, &timeline, &times, &past);
    let slower = found
        .iter()
        .find(|finding| finding.about == "Slower than usual");
    assert_eq!(
        run.sentence(slower.unwrap()),
        "Slower than usual: `slow today` took 2.00 s, and usually takes 400 ms."
    );
    let data = page::data(
        &run.recording,
        &TimingsSettings {
            past,
            ..settings(2)
        },
    );
    assert_eq!(data["tests"][0]["past"], json!([0.4]));
}

#[test]
fn the_chain_goes_from_the_build_to_the_last_test() {
    let mut run = Run::new();
    run.ran(1, "first", &[0], 122, 222);
    run.ran(2, "beside", &[1], 122, 152);
    run.ran(3, "last", &[0], 223, 423);
    run.end(430);
    let steps = chain(&run.recording, &run.timeline(2));
    let times = |step: &chain::TimedStep| (step.start.as_millis(), step.end.as_millis());
    let shown: Vec<_> = steps.iter().map(|step| (&step.step, times(step))).collect();
    let test = |test| ChainStep::Test { test, look: false };
    assert_eq!(
        shown,
        [
            (&ChainStep::Build, (0, 90)),
            (&ChainStep::List { binary: 0 }, (90, 122)),
            (&test(0), (122, 222)),
            (&test(2), (223, 423)),
        ]
    );
}

#[test]
fn short_tests_of_the_chain_are_one_step() {
    let mut run = Run::new();
    for id in 0..50 {
        run.ran(id, &format!("test {id}"), &[0], 130 + id * 2, 132 + id * 2);
    }
    run.ran(50, "last", &[0], 230, 400);
    let steps = chain(&run.recording, &run.timeline(1));
    let steps: Vec<_> = steps.into_iter().map(|step| step.step).collect();
    assert_eq!(steps[steps.len() - 2], ChainStep::Tests { count: 50 });
    assert_eq!(steps.len(), 4, "{steps:?}");
}

#[test]
fn names_do_not_end_the_data_and_the_title() {
    let mut run = Run::new();
    let name = "</script><!-- {{style}} & \u{2028}";
    run.ran(1, name, &[0], 130, 140);
    let html = page::html(&run.recording, &settings(1));
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<!-- "));
    assert!(html.contains("<title>Timings of &lt;fd&gt; &amp; &#123;&#123;data}}</title>"));
    let (_, data) = html.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["tests"][0]["name"], name);
    assert_eq!(data["project"], "<fd> & {{data}}");
    // Nothing is loaded from elsewhere.
    assert!(
        !html.contains("://")
            || html.matches("://").count() == html.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn a_run_without_tests_has_data_too() {
    let mut run = Run::new();
    run.end(130);
    let data = run.data(3);
    assert_eq!(data["tests"], json!([]));
    assert_eq!(data["times"], json!(null));
    assert_eq!(data["seconds"], 0.13);
    assert_eq!(data["rows"].as_array().unwrap().len(), 3);
    assert_eq!(
        run.findings(3),
        ["Build: The build took 100 ms of 130 ms, 77 % of the run."]
    );
    let empty = page::data(&RunRecording::default(), &settings(1));
    assert_eq!(empty["counts"], json!(null));
}

#[test]
fn durations_have_three_digits() {
    let text = |micros| {
        Lasting(Duration::from_micros(micros))
            .to_string()
            .replace('\u{a0}', " ")
    };
    assert_eq!(text(400), "0.4 ms");
    assert_eq!(text(12_345), "12 ms");
    assert_eq!(text(999_600), "1.00 s");
    assert_eq!(text(12_340_000), "12.3 s");
    assert_eq!(text(59_970_000), "1 min 00 s");
    assert_eq!(text(3_725_000_000), "1 h 02 min");
}
