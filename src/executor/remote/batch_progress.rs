//! Which jobs of a batch have ended, and which are to be run again when a runner dies.
//!
//! A job that was running when its runner died may be what killed it: it is run once more,
//! alone, and if that runner dies too, it is an error. The others are run again together.

use super::record::BatchEnd;
use crate::executor::Outcome;
use std::collections::VecDeque;

/// A runner that dies before it has started any job says nothing about its jobs: they are
/// given to so many before they are errors.
const RUNNERS: u32 = 3;

/// Jobs by their places in the batch.
#[derive(Debug)]
pub struct BatchProgress {
    outcomes: Vec<Option<Outcome>>,
    waiting: VecDeque<Attempt>,
}

/// Jobs to be given to one runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub jobs: Vec<usize>,
    /// How many runners died with them before they had started any.
    in_vain: u32,
    /// It was running when a runner died.
    suspect: bool,
}

impl BatchProgress {
    pub fn new(jobs: usize) -> Self {
        let all = Attempt {
            jobs: (0..jobs).collect(),
            in_vain: 0,
            suspect: false,
        };
        Self {
            outcomes: vec![None; jobs],
            waiting: VecDeque::from([all]),
        }
    }

    /// What is to be run next; `None` when every job has its outcome.
    pub fn take(&mut self) -> Option<Attempt> {
        let next = self.waiting.pop_front();
        next.filter(|attempt| !attempt.jobs.is_empty())
    }

    /// Takes what came of an attempt. `how` tells how its runner ended, for jobs of which
    /// nothing better is known. The records know jobs by their places in the attempt.
    pub fn ended(&mut self, attempt: &Attempt, mut ending: BatchEnd, how: &str) {
        let began = !(ending.ended.is_empty() && ending.running.is_empty());
        let mut again = Vec::new();
        for (place, &job) in attempt.jobs.iter().enumerate() {
            if let Some(outcome) = ending.ended.remove(&place) {
                self.outcomes[job] = Some(outcome);
            } else if let Some(why) = &ending.unable {
                self.outcomes[job] = Some(Outcome::error(why.clone()));
            } else if !ending.running.contains(&place) {
                again.push(job);
            } else if attempt.jobs.len() == 1 {
                let message = if attempt.suspect {
                    format!("the runner died twice while running this job; the last time: {how}")
                } else {
                    format!("its runner died: {how}")
                };
                self.outcomes[job] = Some(Outcome::error(message));
            } else {
                self.waiting.push_back(Attempt {
                    jobs: vec![job],
                    in_vain: 0,
                    suspect: true,
                });
            }
        }
        let in_vain = if began { 0 } else { attempt.in_vain + 1 };
        if in_vain >= RUNNERS {
            let message = format!("{RUNNERS} runners ended before they started it: {how}");
            self.fail(&again, &message);
        } else if !again.is_empty() {
            self.waiting.push_back(Attempt {
                jobs: again,
                in_vain,
                suspect: attempt.suspect,
            });
        }
    }

    /// Makes jobs errors that have no outcome yet.
    pub fn fail(&mut self, jobs: &[usize], message: &str) {
        for &job in jobs {
            self.outcomes[job].get_or_insert_with(|| Outcome::error(message.to_owned()));
        }
    }

    /// The outcomes, when there is nothing more to run.
    pub fn outcomes(self) -> Vec<Outcome> {
        let lost = || Outcome::error("the runner ended without reporting this job".to_owned());
        let outcomes = self.outcomes.into_iter();
        outcomes.map(|o| o.unwrap_or_else(lost)).collect()
    }
}

#[cfg(test)]
mod tests;
