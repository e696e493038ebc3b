//! Retries of calls that failed for a temporary reason.

use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::resource_name::random;
use std::time::Duration;
use tokio::time::Instant;

/// How long a call is retried before it counts as failed.
pub const RETRY_BUDGET: Duration = Duration::from_secs(60);

/// Exponential backoff with jitter: each wait is shortened by a random part, so that clients that
/// failed at the same time do not retry at the same time.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    /// The next wait: a random duration between half of the current limit and the whole limit.
    pub fn wait(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.longest);
        let share = (random() >> 40) as f64 / f64::from(1 << 24);
        full.mul_f64(0.5 + share / 2.0)
    }
}

impl Default for Backoff {
    /// Waits grow from 0.1 to 5 seconds.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

/// The attempts at one call and their retry budget.
#[derive(Debug)]
pub struct Retry<'a> {
    engine: &'a Engine,
    operation: &'static str,
    backoff: Backoff,
    since: Instant,
}

impl<'a> Retry<'a> {
    /// `operation` completes "failed to …".
    pub(super) fn new(engine: &'a Engine, operation: &'static str) -> Self {
        Self {
            engine,
            operation,
            backoff: Backoff::default(),
            since: Instant::now(),
        }
    }

    /// Called after a failed attempt. Waits until the next attempt is due, or returns the final
    /// error if the problem is not temporary or the retry budget is used up.
    pub async fn after(&mut self, problem: impl Into<Problem>) -> Result<(), EngineError> {
        let problem = problem.into();
        let wait = self.backoff.wait();
        if !problem.is_retryable() || self.since.elapsed() + wait > RETRY_BUDGET {
            return Err(self.engine.error(self.operation, problem));
        }
        tracing::debug!(
            "failed to {}, retrying in {} ms: {problem}",
            self.operation,
            wait.as_millis()
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The call has made progress: resets the budget and the backoff.
    pub fn progressed(&mut self) {
        self.backoff = Backoff::default();
        self.answered();
    }

    /// The engine answered that it needs more time: resets the budget but not the backoff.
    pub fn answered(&mut self) {
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_are_shortened_by_half_at_most() {
        let mut backoff = Backoff::default();
        for full in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let wait = backoff.wait();
            let full = Duration::from_millis(full);
            assert!(full / 2 <= wait && wait <= full, "{wait:?} of {full:?}");
        }
    }
}
