//! How often an action is asked for again before it is given up.
//!
//! The API asks clients to execute an action again whose execution the engine no longer knows,
//! or could not begin. An engine that restarts does this to whatever it was executing; one that
//! does nothing but restart must not hold up a run for ever.

use crate::engine::{Backoff, RETRY_BUDGET};
use std::time::{Duration, Instant};

/// So many executions of an action may be lost, whatever time that takes. A quick succession of
/// losses is borne for [`RETRY_BUDGET`] all the same: an engine that is being repaired may crash
/// a few times.
const LOSSES: u32 = 5;

/// How often an action is asked for that the engine or its workers fail to execute.
const FAILURES: u32 = 3;

/// Why an execution came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The engine forgot it, or ended it for reasons of its own.
    Lost,
    /// The engine says that it lacks something of the action.
    Lacks,
    /// The engine or a worker failed; the API does not say that it may go better the next time.
    Failed,
}

/// Why an action is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Its executions were lost so many times in so long.
    Lost {
        times: u32,
        within: Duration,
    },
    /// The engine lacks nothing of it, and refuses it all the same.
    Refused,
    Failed,
}

/// What is left for one action.
#[derive(Debug, Default)]
pub struct RetryBudget {
    losses: u32,
    first_loss: Option<Instant>,
    failures: u32,
    /// How often blobs of the action had been sent when the engine last lacked something.
    sent_when_lacking: Option<u64>,
    /// The same, when it last failed.
    sent_when_failed: Option<u64>,
    backoff: Backoff,
}

impl RetryBudget {
    /// After an execution that came to nothing: how long to wait before the next. `sent` is how
    /// often blobs of the action have been sent so far.
    pub fn after(&mut self, trouble: Trouble, sent: u64, now: Instant) -> Result<Duration, Spent> {
        match trouble {
            Trouble::Lost => self.lost(now),
            Trouble::Lacks => match self.sent_when_lacking.replace(sent) {
                // What it lacks is sent before the next execution.
                None => Ok(Duration::ZERO),
                Some(before) if before == sent => Err(Spent::Refused),
                // It lost blobs twice.
                Some(_) => self.lost(now),
            },
            Trouble::Failed => match self.sent_when_failed.replace(sent) {
                // Some engines fail for the want of a blob, and do not say so.
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
