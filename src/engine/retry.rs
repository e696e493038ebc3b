//! Trying again what may go better the next time.

use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::name::random;
use std::time::Duration;
use tokio::time::Instant;

/// How long a call is tried again and again before it counts as failed.
pub const RETRY_BUDGET: Duration = Duration::from_secs(60);

/// Waits that double, each cut by a random part so that clients that failed together do not come
/// back together.
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

    /// How long to wait now: between half of what the wait has grown to and all of it.
    pub fn wait(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.longest);
        let share = (random() >> 40) as f64 / f64::from(1 << 24);
        full.mul_f64(0.5 + share / 2.0)
    }
}

impl Default for Backoff {
    /// From a tenth of a second to five.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

/// The attempts at one call.
#[derive(Debug)]
pub struct Retry<'a> {
    engine: &'a Engine,
    doing: &'static str,
    backoff: Backoff,
    since: Instant,
}

impl<'a> Retry<'a> {
    /// `doing` completes "failed to …".
    pub(super) fn new(engine: &'a Engine, doing: &'static str) -> Self {
        Self {
            engine,
            doing,
            backoff: Backoff::default(),
            since: Instant::now(),
        }
    }

    /// After an attempt that failed: waits until it is time for the next, or gives the error that
    /// ends it.
    pub async fn after(&mut self, problem: impl Into<Problem>) -> Result<(), EngineError> {
        let problem = problem.into();
        let wait = self.backoff.wait();
        if !problem.may_pass() || self.since.elapsed() + wait > RETRY_BUDGET {
            return Err(self.engine.error(self.doing, problem));
        }
        tracing::debug!(
            "failed to {}, trying again in {} ms: {problem}",
            self.doing,
            wait.as_millis()
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Part of it worked: the budget and the waits start anew.
    pub fn progressed(&mut self) {
        self.backoff = Backoff::default();
        self.answered();
    }

    /// The engine answered, and that it may need more time is no failure: the budget starts anew.
    /// Waits still grow.
    pub fn answered(&mut self) {
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_are_cut_by_half_at_most() {
        let mut backoff = Backoff::default();
        for full in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let wait = backoff.wait();
            let full = Duration::from_millis(full);
            assert!(full / 2 <= wait && wait <= full, "{wait:?} of {full:?}");
        }
    }
}
