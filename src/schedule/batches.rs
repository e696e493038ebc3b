//! Dividing tests into batches for workers, because starting an action takes longer than many tests.
//!
//! The partition of the tests of a binary is kept between runs: as long as a batch stays the same, the
//! engine may have its result. A new partition is made only if the durations of the tests have changed
//! so much that the old one is far off the target.

mod remembered;

pub use remembered::divide_as_before;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The time that a test takes besides its duration: its container is made, and its process started.
pub const OVERHEAD: Duration = Duration::from_millis(3);

/// The number of tests per batch if no duration is known.
const UNKNOWN_TOGETHER: u32 = 8;

/// A partition is far off the target if a batch takes more than this many times the target, or if there
/// are more than this many times as many batches as needed.
const FAR: u32 = 2;

/// If the tests of a binary take at least this many times the target, its last batches are smaller,
/// because other workers are idle until the last batch has ended.
const SMALLER_FROM: u32 = 4;

/// The total duration of the smaller batches, in targets.
const SMALLER_TOTAL: u32 = 2;

/// The target of the smaller batches is this part of the target.
const SMALLER_DIVISOR: u32 = 2;

/// Tests by name, in batches.
pub type Partition = Vec<Vec<String>>;

/// Divides the tests of one binary into batches that take about `target`, the longest batch first.
/// `tests` has the known durations by name. `kept` is the partition of an earlier run, which may have
/// had other tests.
///
/// The result depends only on the arguments.
pub fn divide(
    tests: &BTreeMap<String, Option<Duration>>,
    kept: &Partition,
    target: Duration,
) -> Partition {
    let costs = costs(tests, target);
    let kept = retain_running(kept, &costs);
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
    // Batches start in this order. The sort is stable.
    batches.sort_by_cached_key(|batch| std::cmp::Reverse(total(batch, &costs)));
    batches
}

/// The estimated time of each test. A test without a known duration counts as the median of its binary.
/// Without any known durations, a few tests make a batch.
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

/// The kept batches, without tests that are not run this time, and with each test only once.
fn retain_running(kept: &Partition, costs: &BTreeMap<String, Duration>) -> Partition {
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

/// Packs tests into batches. If the total is long, the shortest tests are in smaller batches.
fn pack<'a>(tests: impl Iterator<Item = (&'a str, Duration)>, target: Duration) -> Partition {
    let mut tests: Vec<_> = tests.collect();
    tests.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let to_share = tests.iter().map(|(_, cost)| *cost);
    let to_share: Duration = to_share.filter(|cost| *cost <= target).sum();
    let mut at_end = Duration::ZERO;
    let end = tests.iter().rev().take_while(|(_, cost)| {
        at_end += *cost;
        to_share >= target * SMALLER_FROM && at_end <= target * SMALLER_TOTAL
    });
    let (most, end) = tests.split_at(tests.len() - end.count());
    let mut batches = first_fit(most, target);
    batches.extend(first_fit(end, target / SMALLER_DIVISOR));
    batches
}

/// Puts each test into the first batch that has room for it, or into a new batch. The longest test is
/// first.
fn first_fit(tests: &[(&str, Duration)], target: Duration) -> Partition {
    let mut batches: Vec<(Duration, Vec<String>)> = Vec::new();
    // The batches before this index have no room for the shortest test.
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
