//! How often a client requests the execution of an action again.
//!
//! The API requires clients to request an action again if the engine no longer knows its execution
//! or could not begin it. A restarted engine has forgotten all executions. The limits here end the
//! run if an engine only restarts.

use crate::engine::{Backoff, RETRY_BUDGET};
use std::time::{Duration, Instant};

/// The number of lost executions of an action after which the client stops, but not before
/// [`RETRY_BUDGET`] has passed since the first loss: an engine that is being repaired may crash
/// several times in a short time.
const LOSSES: u32 = 5;

/// How many times an action is requested that the engine or its workers fail to execute.
const FAILURES: u32 = 3;

/// Why an execution has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The engine forgot the execution, or ended it without a request to do so.
    Lost,
    /// The engine reports that it lacks a blob of the action.
    Lacks,
    /// The engine or a worker failed. By the API, another request need not help.
    Failed,
}

/// Why an action is not requested again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The number of lost executions, and the time since the first loss.
    Lost {
        times: u32,
        within: Duration,
    },
    /// The engine has all blobs of the action, and reports again that it lacks one.
    Refused,
    Failed,
}

/// The retries of one action.
#[derive(Debug, Default)]
pub struct RetryBudget {
    losses: u32,
    first_loss: Option<Instant>,
    failures: u32,
    /// How often blobs of the action had been sent when the engine last reported a missing blob.
    sent_when_lacking: Option<u64>,
    /// The same, when the engine or a worker last failed.
    sent_when_failed: Option<u64>,
    backoff: Backoff,
}

impl RetryBudget {
    /// Returns the time to wait before the next request, after an execution without a result.
    /// `sent` is how often blobs of the action have been sent so far.
    pub fn after(&mut self, trouble: Trouble, sent: u64, now: Instant) -> Result<Duration, Spent> {
        match trouble {
            Trouble::Lost => self.lost(now),
            Trouble::Lacks => match self.sent_when_lacking.replace(sent) {
                // The missing blobs are sent before the next request.
                None => Ok(Duration::ZERO),
                Some(before) if before == sent => Err(Spent::Refused),
                // The engine lost blobs twice.
                Some(_) => self.lost(now),
            },
            Trouble::Failed => match self.sent_when_failed.replace(sent) {
                // Some engines report a missing blob as another failure.
                Some(before) if before < sent => self.lost(now),
                _ => {
                    self.failures += 1;
                    if self.failures == FAILURES {
                        return Err(Spent::Failed);
                    }
                    Ok(self.backoff.wait())
                }
            },
        }
    }

    fn lost(&mut self, now: Instant) -> Result<Duration, Spent> {
        self.losses += 1;
        let within = now - *self.first_loss.get_or_insert(now);
        if self.losses >= LOSSES && within >= RETRY_BUDGET {
            return Err(Spent::Lost {
                times: self.losses,
                within,
            });
        }
        Ok(self.backoff.wait())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn losses_are_borne_for_a_minute_and_five_of_them_however_long_that_takes() {
        let start = Instant::now();
        let mut quick = RetryBudget::default();
        let lost = (0..).find_map(|n| quick.after(Trouble::Lost, 0, start + n * 5 * SECOND).err());
        let spent = Spent::Lost {
            times: 13,
            within: 60 * SECOND,
        };
        assert_eq!(lost, Some(spent));
        let mut slow = RetryBudget::default();
        let lost = (0..).find_map(|n| slow.after(Trouble::Lost, 0, start + n * 100 * SECOND).err());
        let spent = Spent::Lost {
            times: 5,
            within: 400 * SECOND,
        };
        assert_eq!(lost, Some(spent));
    }

    #[test]
    fn an_engine_that_lacks_nothing_that_could_be_sent_is_asked_once_more() {
        let (mut budget, now) = (RetryBudget::default(), Instant::now());
        assert_eq!(budget.after(Trouble::Lacks, 7, now), Ok(Duration::ZERO));
        assert_eq!(budget.after(Trouble::Lacks, 7, now), Err(Spent::Refused));
    }

    #[test]
    fn blobs_that_are_lost_again_and_again_are_losses() {
        let (mut budget, start) = (RetryBudget::default(), Instant::now());
        for trouble in [Trouble::Lacks, Trouble::Failed] {
            for n in 0..12 {
                let now = start + n * 5 * SECOND;
                assert!(budget.after(trouble, n.into(), now).is_ok(), "{n}");
            }
        }
        let spent = budget.after(Trouble::Lacks, 100, start + 100 * SECOND);
        assert!(matches!(spent, Err(Spent::Lost { .. })), "{spent:?}");
    }

    #[test]
    fn an_engine_that_fails_is_asked_three_times() {
        let (mut budget, now) = (RetryBudget::default(), Instant::now());
        for _ in 0..2 {
            assert!(budget.after(Trouble::Failed, 1, now).is_ok());
        }
        assert_eq!(budget.after(Trouble::Failed, 1, now), Err(Spent::Failed));
    }
}
