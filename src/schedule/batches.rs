//! Which tests run together where starting costs more than a test takes.
//!
//! A partition is made once for a test binary, and kept: as long as its batches stay the
//! same, an engine that has run one before has its result. It is made anew only when what
//! is known of the tests' durations has left it far behind.

mod remembered;

pub use remembered::divide_as_before;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a test takes besides its own duration: making its container, starting it.
pub const OVERHEAD: Duration = Duration::from_millis(3);

/// How many tests of which nothing is known go together.
const UNKNOWN_TOGETHER: u32 = 8;

/// How many times as long as it should be, or as many as there should be, makes a
/// partition one that is far off.
const FAR: u32 = 2;

/// A binary with batches for so many times the target has smaller ones at its end: workers
/// that have nothing left to do wait for others, for up to the length of a batch.
const LONG_ENOUGH: u32 = 4;

/// How many times the target those at the end hold together.
const END: u32 = 2;

/// How many of them hold what one of the others does.
const SMALLER: u32 = 2;

/// Tests by name, in batches.
pub type Partition = Vec<Vec<String>>;

/// Divides the tests of one binary among batches of about `target`, the longest batch
/// first. `tests` are names and what is known of durations; `kept` is the partition of an
/// earlier run, of these tests or of others too.
///
/// The same arguments give the same batches.
pub fn divide(
    tests: &BTreeMap<String, Option<Duration>>,
    kept: &Partition,
    target: Duration,
) -> Partition {
    let costs = costs(tests, target);
    let kept = of_those_that_run(kept, &costs);
    let in_kept: BTreeSet<&str> = kept.iter().flatten().map(String::as_str).collect();
    let new = costs
        .iter()
        .filter(|(name, _)| !in_kept.contains(name.as_str()));
    let new = pack(new.map(|(name, cost)| (name.as_str(), *cost)), target);
    let mut batches: Partition = kept.into_iter().chain(new).collect();
    if is_far_off(&batches, &costs, target) {
        batches = pack(
            costs.iter().map(|(name, cost)| (name.as_str(), *cost)),
            target,
        );
    }
    // In this order they are to start; the sort keeps the order of equals.
    batches.sort_by_cached_key(|batch| std::cmp::Reverse(total(batch, &costs)));
    batches
}

/// What each test will take. One of which nothing is known takes as long as others of its
/// binary; if nothing is known of any, they go together in small numbers.
fn costs(
    tests: &BTreeMap<String, Option<Duration>>,
    target: Duration,
) -> BTreeMap<String, Duration> {
    let mut known: Vec<Duration> = tests.values().flatten().copied().collect();
    known.sort_unstable();
    let unknown = match known.get(known.len() / 2) {
        Some(median) => *median + OVERHEAD,
        None => target / UNKNOWN_TOGETHER,
    };
    let cost = |known: &Option<Duration>| known.map_or(unknown, |duration| duration + OVERHEAD);
    tests
        .iter()
        .map(|(name, known)| (name.clone(), cost(known)))
        .collect()
}

/// What is left of the batches without the tests that do not run; each test once.
fn of_those_that_run(kept: &Partition, costs: &BTreeMap<String, Duration>) -> Partition {
    let mut seen = BTreeSet::new();
    let mut batches = Vec::new();
    for batch in kept {
        let runs = batch.iter().filter(|name| costs.contains_key(*name));
        let batch: Vec<_> = runs
            .filter(|name| seen.insert(name.as_str()))
            .cloned()
            .collect();
        if !batch.is_empty() {
            batches.push(batch);
        }
    }
    batches
}

fn total(batch: &[String], costs: &BTreeMap<String, Duration>) -> Duration {
    batch.iter().map(|name| costs[name]).sum()
}

fn is_far_off(batches: &Partition, costs: &BTreeMap<String, Duration>, target: Duration) -> bool {
    let too_long = |batch: &Vec<String>| batch.len() > 1 && total(batch, costs) > target * FAR;
    if batches.iter().any(too_long) {
        return true;
    }
    let fresh = pack(
        costs.iter().map(|(name, cost)| (name.as_str(), *cost)),
        target,
    );
    batches.len() > FAR as usize * fresh.len()
}

/// Puts the tests into batches, the shortest into smaller ones if there is much to do.
fn pack<'a>(tests: impl Iterator<Item = (&'a str, Duration)>, target: Duration) -> Partition {
    let mut tests: Vec<_> = tests.collect();
    tests.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let to_share = tests.iter().map(|(_, cost)| *cost);
    let to_share: Duration = to_share.filter(|cost| *cost <= target).sum();
    let mut at_end = Duration::ZERO;
    let end = tests.iter().rev().take_while(|(_, cost)| {
        at_end += *cost;
        to_share >= target * LONG_ENOUGH && at_end <= target * END
    });
    let (most, end) = tests.split_at(tests.len() - end.count());
    let mut batches = first_fit(most, target);
    batches.extend(first_fit(end, target / SMALLER));
    batches
}

/// Puts each test, the longest first, into the first batch that has room for it: into one
/// of its own, if none has.
fn first_fit(tests: &[(&str, Duration)], target: Duration) -> Partition {
    let mut batches: Vec<(Duration, Vec<String>)> = Vec::new();
    // Those before it have no room for the shortest test.
    let mut open = 0;
    let shortest = tests.last().map_or(Duration::ZERO, |(_, cost)| *cost);
    for (name, cost) in tests {
        let room = batches[open..]
            .iter()
            .position(|(total, _)| *total + *cost <= target);
        match room {
            Some(index) => {
                let (total, batch) = &mut batches[open + index];
                *total += *cost;
                batch.push((*name).to_owned());
            }
            None => batches.push((*cost, vec![(*name).to_owned()])),
        }
        while batches
            .get(open)
            .is_some_and(|(total, _)| *total + shortest > target)
        {
            open += 1;
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

#[cfg(test)]
mod tests;
