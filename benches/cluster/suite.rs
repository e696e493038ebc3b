//! Tests that sleep, and what their runs took.

use crate::fixture::{Project, Run};
use regex::Regex;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A workspace of one crate, whose tests sleep.
pub struct Suite {
    project: Project,
    durations: Vec<Duration>,
}

/// A run of all or some of the tests.
pub struct Ran {
    /// From the start of the client to its end, in seconds.
    pub wall: f64,
    pub actions: Vec<Action>,
    /// Bytes that the client sent to the engine.
    pub sent: u64,
}

/// What an action took, in milliseconds.
pub struct Action {
    pub staged: f64,
    pub ran: f64,
    pub uploaded: f64,
}

impl Suite {
    /// Tests that sleep so long each.
    pub fn new(durations: Vec<Duration>) -> Self {
        let mut source = "fn sleep(micros: u64) {
            std::thread::sleep(std::time::Duration::from_micros(micros));
        }\n"
        .to_owned();
        for (number, duration) in durations.iter().enumerate() {
            let micros = duration.as_micros();
            // Writing to a string does not fail.
            let _ = writeln!(source, "#[test] fn t{number:04}() {{ sleep({micros}); }}");
        }
        let project = Project::own("plain");
        project.write("src/lib.rs", &source);
        Self { project, durations }
    }

    /// So many tests, of 10 ms to 3 s: half of them of less than 45 ms.
    pub fn mixed(count: usize) -> Self {
        let duration = |number| {
            let share = (number as f64 + 0.5) / count as f64;
            Duration::from_secs_f64(0.01 * 300_f64.powf(share * share))
        };
        Self::new((0..count).map(duration).collect())
    }

    /// Runs the tests whose names contain `filter`.
    pub fn run(&self, engine: &[String], filter: &str, more: &[&str]) -> Ran {
        let engine: Vec<&str> = engine.iter().map(String::as_str).collect();
        let quiet = ["--ui=quiet", "--log-level=debug", "--message-format=json"];
        let arguments = [&quiet[..], &engine, more, &[filter]].concat();
        let mut command = self.project.command(&arguments);
        let started = Instant::now();
        let run = Run::of(&mut command, &self.project);
        let wall = started.elapsed().as_secs_f64();
        assert_eq!(run.code, Some(0), "{run}");
        Ran {
            wall,
            actions: actions(&run.stderr),
            sent: sent(&run.stderr),
        }
    }

    /// How long each test sleeps.
    pub fn seconds(&self) -> Vec<f64> {
        self.durations.iter().map(Duration::as_secs_f64).collect()
    }
}

fn actions(log: &str) -> Vec<Action> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        let line = r"an action took .*: staged ([\d.]+) ms, ran ([\d.]+) ms, uploaded ([\d.]+) ms";
        Regex::new(line).expect("it is well-formed")
    });
    let action = |found: regex::Captures<'_>| {
        let (_, numbers) = found.extract::<3>();
        let [staged, ran, uploaded] = numbers.map(|number| number.parse().unwrap_or_default());
        Action {
            staged,
            ran,
            uploaded,
        }
    };
    LINE.captures_iter(log).map(action).collect()
}

fn sent(log: &str) -> u64 {
    let line = log.lines().find(|line| line.contains("were sent"));
    let words = line.unwrap_or_default().split_whitespace();
    let number = words.skip_while(|word| *word != "INFO").nth(1);
    number.and_then(|n| n.parse().ok()).unwrap_or_default()
}
