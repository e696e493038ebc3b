//! Division by durations: the longest test first, to the part with the least work; then tests move
//! from the part with the most work to others, as long as that makes it shorter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The shortest time that counts for a test, in microseconds: making its container takes about as
/// long.
const SHORTEST: u64 = 1000;

/// The most times that tests are moved.
const MOVES: usize = 1000;

/// The part of each test, from 1. A test without an estimate counts as the median of the others.
pub fn divide(estimates: &[Option<Duration>], of: u32) -> Vec<u32> {
    let weights = weights(estimates);
    // Further parts would be empty.
    let of = weights.len().min(of as usize);
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&test| (Reverse(weights[test]), test));
    let mut parts = Parts {
        weights: &weights,
        tests: vec![Vec::new(); of],
        loads: vec![0; of],
    };
    let mut free: BinaryHeap<_> = (0..of).map(|part| Reverse((0_u64, part))).collect();
    for test in order {
        if let Some(mut least) = free.peek_mut() {
            let Reverse((load, part)) = &mut *least;
            *load += weights[test];
            parts.tests[*part].push(test);
            parts.loads[*part] = *load;
        }
    }
    parts.improve();
    let mut result = vec![1; weights.len()];
    for (part, tests) in (1..).zip(&parts.tests) {
        for &test in tests {
            result[test] = part;
        }
    }
    result
}

fn weights(estimates: &[Option<Duration>]) -> Vec<u64> {
    let weight = |estimate: &Duration| {
        u64::try_from(estimate.as_micros())
            .unwrap_or(u64::MAX >> 20)
            .clamp(SHORTEST, u64::MAX >> 20)
    };
    let mut known: Vec<u64> = estimates.iter().flatten().map(weight).collect();
    known.sort_unstable();
    let median = known.get(known.len() / 2).copied().unwrap_or(SHORTEST);
    let weights = estimates.iter().map(|estimate| estimate.as_ref());
    weights
        .map(|estimate| estimate.map_or(median, weight))
        .collect()
}

/// The tests of each part, the heaviest first, and the sums of their weights.
struct Parts<'a> {
    weights: &'a [u64],
    tests: Vec<Vec<usize>>,
    loads: Vec<u64>,
}

/// A change that makes the heaviest part lighter: `gives` goes to `to`, and `takes` comes from
/// there. Both are places in the lists of tests.
struct Change {
    to: usize,
    gives: usize,
    takes: Option<usize>,
    /// The load of the heavier of the two parts afterwards.
    load: u64,
}

impl Parts<'_> {
    fn improve(&mut self) {
        for _ in 0..MOVES {
            let heaviest = (0..self.loads.len()).max_by_key(|&part| (self.loads[part], part));
            let Some(from) = heaviest else { return };
            let others = (0..self.loads.len()).filter(|&part| part != from);
            let best = others
                .filter_map(|to| self.best_change(from, to))
                .min_by_key(|change| (change.load, change.to));
            let Some(change) = best else { return };
            self.apply(from, &change);
        }
    }

    /// The change between two parts that leaves the least to the heavier of them. `None`: each would
    /// leave as much as before.
    fn best_change(&self, from: usize, to: usize) -> Option<Change> {
        let gap = self.loads[from] - self.loads[to];
        let mut best: Option<Change> = None;
        let mut consider = |gives: usize, takes: Option<usize>, moved: u64| {
            if moved == 0 || moved >= gap {
                return;
            }
            let load = (self.loads[from] - moved).max(self.loads[to] + moved);
            if best.as_ref().is_none_or(|best| load < best.load) {
                best = Some(Change {
                    to,
                    gives,
                    takes,
                    load,
                });
            }
        };
        let weight = |test: usize| self.weights[test];
        // Both lists are sorted, so the partners of one test follow those of the test before.
        let mut partner = 0;
        let theirs = &self.tests[to];
        for (gives, &test) in self.tests[from].iter().enumerate() {
            consider(gives, None, weight(test));
            // The difference of the weights should be half the gap.
            let wanted = weight(test).saturating_sub(gap / 2);
            while partner < theirs.len() && weight(theirs[partner]) > wanted {
                partner += 1;
            }
            for takes in [partner.wrapping_sub(1), partner] {
                if let Some(&other) = theirs.get(takes) {
                    let moved = weight(test).saturating_sub(weight(other));
                    consider(gives, Some(takes), moved);
                }
            }
        }
        best
    }

    fn apply(&mut self, from: usize, change: &Change) {
        let given = self.tests[from].remove(change.gives);
        let taken = change
            .takes
            .map(|place| self.tests[change.to].remove(place));
        self.insert(change.to, given);
        self.loads[from] -= self.weights[given];
        self.loads[change.to] += self.weights[given];
        if let Some(taken) = taken {
            self.insert(from, taken);
            self.loads[change.to] -= self.weights[taken];
            self.loads[from] += self.weights[taken];
        }
    }

    fn insert(&mut self, part: usize, test: usize) {
        let key = |test: usize| (Reverse(self.weights[test]), test);
        let place = self.tests[part].partition_point(|&other| key(other) < key(test));
        self.tests[part].insert(place, test);
    }
}
