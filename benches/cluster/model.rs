//! A cluster that is only computed: the batches and their order are those of a real run, made
//! by the same code; what an engine and its workers do is reduced to what it costs.
//!
//! - An action takes its worker's slot for a constant time, and for each of its tests as long
//!   as the test takes, and a constant time more.
//! - Of the constant time of an action a part is the engine's, who does one after the other.
//! - A worker that has no files of a binary yet waits for them; an engine sends the files to
//!   one worker after the other.
//! - The client has so many actions in flight at most. The engine starts first what has the
//!   lowest number for its priority, of equals what came first.

use maelstrom::schedule::batches::{self, Partition};
use maelstrom::schedule::{Queue, Rank};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::time::Duration;

/// What things cost besides the tests, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// A run, besides its actions.
    pub run: f64,
    /// An action, besides its tests, to the slot that it takes.
    pub action: f64,
    /// What of it the engine does for one action at a time.
    pub engine: f64,
    /// A test, besides what it does.
    pub test: f64,
    /// A byte that an engine sends to a worker.
    pub byte: f64,
}

/// What is there to run tests on.
#[derive(Clone, Copy, Debug)]
pub struct Machines {
    /// Slots of all workers.
    pub slots: usize,
    /// The client's `--slots`.
    pub in_flight: usize,
    /// What a worker needs of each binary that it has not met, in bytes; 0: it has met all.
    pub bytes: f64,
}

/// The durations of the tests of each binary, in seconds.
pub type Recording = Vec<Vec<f64>>;

/// What a simulated run comes to.
#[derive(Clone, Copy, Debug)]
pub struct Simulated {
    /// In seconds.
    pub wall: f64,
    pub actions: usize,
}

/// A line for each binary: its name, and the durations of its tests in milliseconds.
pub fn recorded(text: &str) -> Recording {
    let binary = |line: &str| {
        let durations = line.split_whitespace().skip(1);
        let seconds = durations.filter_map(|word| word.parse::<f64>().ok());
        seconds.map(|milliseconds| milliseconds / 1e3).collect()
    };
    text.lines().map(binary).collect()
}

/// The recording over and over, until there are so many tests.
pub fn scaled(recording: &Recording, tests: usize) -> Recording {
    let mut left = tests;
    let mut scaled = Recording::new();
    while left > 0 && !recording.iter().all(Vec::is_empty) {
        for binary in recording {
            let some = &binary[..binary.len().min(left)];
            left -= some.len();
            scaled.push(some.to_vec());
        }
    }
    scaled.retain(|binary| !binary.is_empty());
    scaled
}

/// How long the tests take on so many slots, the longest first, at no other cost.
pub fn best(recording: &Recording, slots: usize) -> f64 {
    let mut queue = Queue::default();
    for seconds in recording.iter().flatten() {
        queue.push(rank(*seconds), *seconds);
    }
    let mut ends = BinaryHeap::from(vec![Reverse(Moment(0.0)); slots]);
    let mut last = 0.0_f64;
    while let (Some(seconds), Some(Reverse(Moment(free)))) = (queue.pop(), ends.pop()) {
        last = last.max(free + seconds);
        ends.push(Reverse(Moment(free + seconds)));
    }
    last
}

/// A run of tests whose durations are known.
pub fn simulate(
    recording: &Recording,
    target: Duration,
    costs: &Costs,
    machines: &Machines,
) -> Simulated {
    let mut queue = Queue::default();
    for (number, binary) in recording.iter().enumerate() {
        for (rank, action) in divide(number, binary, target, costs) {
            queue.push(rank, (rank.for_engines(), action));
        }
    }
    let count = queue.len();
    let mut actions = Vec::with_capacity(count);
    let mut engine = Engine {
        costs: *costs,
        bytes: machines.bytes,
        free: 0.0,
        sending: 0.0,
        waiting: BinaryHeap::new(),
        idle: (0..machines.slots).rev().collect(),
        known: vec![HashSet::new(); machines.slots],
        working: BinaryHeap::new(),
    };
    let mut submit = |engine: &mut Engine, actions: &mut Vec<Action>| {
        if let Some((priority, action)) = queue.pop() {
            engine.waiting.push(Reverse((priority, actions.len())));
            actions.push(action);
        }
    };
    for _ in 0..machines.in_flight {
        submit(&mut engine, &mut actions);
    }
    let mut now = 0.0;
    loop {
        engine.assign(now, &actions);
        let Some(Reverse((Moment(end), slot))) = engine.working.pop() else {
            break;
        };
        now = end;
        engine.idle.push(slot);
        submit(&mut engine, &mut actions);
    }
    Simulated {
        wall: costs.run + now,
        actions: count,
    }
}

/// What is of interest of an action.
#[derive(Clone, Copy, Debug)]
struct Action {
    binary: usize,
    /// How long its runner takes, in seconds.
    seconds: f64,
}

/// Seconds since the first action was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

struct Engine {
    costs: Costs,
    bytes: f64,
    /// When it is done with what it has to do for actions.
    free: f64,
    /// When it has sent what it has to send.
    sending: f64,
    /// Priorities and numbers of actions: of equals the first comes first.
    waiting: BinaryHeap<Reverse<(i32, usize)>>,
    idle: Vec<usize>,
    /// The binaries whose files a slot has.
    known: Vec<HashSet<usize>>,
    /// When which slot is free again.
    working: BinaryHeap<Reverse<(Moment, usize)>>,
}

impl Engine {
    /// Gives what waits to slots that are idle.
    fn assign(&mut self, now: f64, actions: &[Action]) {
        while !self.waiting.is_empty()
            && let Some(slot) = self.idle.pop()
            && let Some(Reverse((_, number))) = self.waiting.pop()
        {
            let action = actions[number];
            self.free = self.free.max(now) + self.costs.engine;
            let mut start = self.free + self.costs.action - self.costs.engine;
            if self.bytes > 0.0 && self.known[slot].insert(action.binary) {
                self.sending = self.sending.max(start) + self.bytes * self.costs.byte;
                start = self.sending;
            }
            let end = Moment(start + action.seconds);
            self.working.push(Reverse((end, slot)));
        }
    }
}

/// The actions of a binary.
fn divide(
    number: usize,
    durations: &[f64],
    target: Duration,
    costs: &Costs,
) -> Vec<(Rank, Action)> {
    let name = |index: usize| format!("{index:06}");
    let known: BTreeMap<_, _> = durations
        .iter()
        .enumerate()
        .map(|(index, seconds)| (name(index), Some(Duration::from_secs_f64(*seconds))))
        .collect();
    let partition = batches::divide(&known, &Partition::new(), target);
    let action = |batch: Vec<String>| {
        let seconds = |name: &String| known[name].unwrap_or_default().as_secs_f64();
        let seconds: f64 = batch.iter().map(seconds).sum();
        let action = Action {
            binary: number,
            seconds: seconds + batch.len() as f64 * costs.test,
        };
        (rank(seconds), action)
    };
    partition.into_iter().map(action).collect()
}

fn rank(seconds: f64) -> Rank {
    Rank {
        estimate: Some(Duration::from_secs_f64(seconds)),
        ..Rank::default()
    }
}
