//! The queue of jobs, by rank.

use crate::spec::JobSpec;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The rank of a job in the queue: its fields are compared in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rank {
    /// Higher runs earlier.
    pub priority: i8,
    /// A test that never ran or failed the last time. Runs before tests that passed.
    pub suspect: bool,
    /// Longer jobs run earlier, so that no long job runs alone at the end. An unknown duration counts
    /// as the longest.
    pub estimate: Option<Duration>,
}

impl Rank {
    /// The priority for an engine, which starts jobs with lower numbers first: between -1000 and 0
    /// for a job of the default priority. So jobs of other clients wait only for jobs that are ranked
    /// higher.
    pub fn for_engines(&self) -> i32 {
        const LONGEST: u128 = 500;
        let tenths = self.estimate.map(|estimate| estimate.as_millis() / 100);
        let length = tenths.map_or(LONGEST, |tenths| tenths.min(LONGEST)) as i32;
        let suspect = if self.suspect { 500 } else { 0 };
        -(i32::from(self.priority) * 1000 + suspect + length)
    }
}

impl From<&JobSpec> for Rank {
    fn from(spec: &JobSpec) -> Self {
        Self {
            priority: spec.priority,
            suspect: false,
            estimate: spec.estimated_duration,
        }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = |rank: &Self| rank.estimate.unwrap_or(Duration::MAX);
        (self.priority, self.suspect, length(self)).cmp(&(
            other.priority,
            other.suspect,
            length(other),
        ))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Jobs that wait, highest rank first.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: BinaryHeap<QueuedJob<T>>,
    pushed: u64,
}

#[derive(Debug)]
struct QueuedJob<T> {
    rank: Rank,
    /// The order of jobs with the same rank.
    number: u64,
    job: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            waiting: BinaryHeap::new(),
            pushed: 0,
        }
    }
}

impl<T> Queue<T> {
    pub fn push(&mut self, rank: Rank, job: T) {
        self.waiting.push(QueuedJob {
            rank,
            number: self.pushed,
            job,
        });
        self.pushed += 1;
    }

    /// Takes out the job that is next.
    pub fn pop(&mut self) -> Option<T> {
        self.waiting.pop().map(|next| next.job)
    }

    /// Takes out the next job if the predicate is true for it.
    pub fn pop_if(&mut self, predicate: impl FnOnce(&T) -> bool) -> Option<T> {
        let next = self.waiting.peek()?;
        if predicate(&next.job) {
            return self.pop();
        }
        None
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Drops all jobs.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

impl<T> Ord for QueuedJob<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank
            .cmp(&other.rank)
            .then(other.number.cmp(&self.number))
    }
}

impl<T> PartialOrd for QueuedJob<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for QueuedJob<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for QueuedJob<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(priority: i8, suspect: bool, seconds: Option<u64>) -> Rank {
        Rank {
            priority,
            suspect,
            estimate: seconds.map(Duration::from_secs),
        }
    }

    fn order(queue: &mut Queue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn priority_comes_before_earlier_failures_and_these_before_durations() {
        let mut queue = Queue::default();
        queue.push(rank(0, false, Some(9)), "long");
        queue.push(rank(0, false, Some(1)), "short");
        queue.push(rank(0, true, Some(2)), "failed");
        queue.push(rank(0, true, None), "new");
        queue.push(rank(1, false, Some(1)), "urgent");
        assert_eq!(
            order(&mut queue),
            ["urgent", "new", "failed", "long", "short"]
        );
    }

    #[test]
    fn priorities_for_engines_have_the_same_order() {
        let ranks = [
            rank(1, false, Some(1)),
            rank(0, true, None),
            rank(0, true, Some(2)),
            rank(0, false, None),
            rank(0, false, Some(9)),
            rank(0, false, Some(1)),
            rank(-1, true, None),
        ];
        let numbers = ranks.map(|rank| rank.for_engines());
        assert_eq!(numbers, [-1010, -1000, -520, -500, -90, -10, 0]);
        assert!(ranks.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn the_next_job_is_taken_only_if_the_predicate_is_true() {
        let mut queue = Queue::default();
        queue.push(rank(0, false, Some(2)), "long");
        queue.push(rank(0, false, Some(1)), "short");
        assert_eq!(queue.pop_if(|job| *job == "short"), None);
        assert_eq!(queue.pop_if(|job| *job == "long"), Some("long"));
        assert_eq!(order(&mut queue), ["short"]);
    }

    #[test]
    fn jobs_of_the_same_rank_run_in_the_order_they_came() {
        let mut queue = Queue::default();
        for job in ["a", "b", "c"] {
            queue.push(rank(0, false, Some(1)), job);
        }
        assert_eq!(order(&mut queue), ["a", "b", "c"]);
    }
}
