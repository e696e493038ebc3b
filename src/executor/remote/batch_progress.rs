//! The jobs of a batch that have ended, and those to run again after a runner died.
//!
//! A job that ran when its runner died may have killed it. It is run once more in a batch of its
//! own, and if that runner dies too, the job is an error. The other jobs are run again together.

use super::record::BatchEnd;
use crate::executor::Outcome;
use std::collections::VecDeque;

/// The number of runners that may die before they have started any job. The jobs are errors then.
const RUNNERS: u32 = 3;

/// The outcomes of a batch so far. Jobs are named by their index in the batch.
#[derive(Debug)]
pub struct BatchProgress {
    outcomes: Vec<Option<Outcome>>,
    waiting: VecDeque<Attempt>,
}

/// The jobs for one runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub jobs: Vec<usize>,
    /// The number of runners that died with these jobs before they had started any.
    in_vain: u32,
    /// The one job ran when an earlier runner died.
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

    /// The jobs to run next. `None` if every job has its outcome.
    pub fn take(&mut self) -> Option<Attempt> {
        let next = self.waiting.pop_front();
        next.filter(|attempt| !attempt.jobs.is_empty())
    }

    /// Records the result of an attempt. `how` describes the end of its runner, for messages about
    /// jobs without an outcome. In `ending`, jobs are named by their index in the attempt.
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
                    format!("the runner of this job died: {how}")
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
            let message = format!("{RUNNERS} runners ended before they started this job: {how}");
            self.fail(&again, &message);
        } else if !again.is_empty() {
            self.waiting.push_back(Attempt {
                jobs: again,
                in_vain,
                suspect: attempt.suspect,
            });
        }
    }

    /// Makes the jobs without an outcome errors.
    pub fn fail(&mut self, jobs: &[usize], message: &str) {
        for &job in jobs {
            self.outcomes[job].get_or_insert_with(|| Outcome::error(message.to_owned()));
        }
    }

    /// The outcomes, when no job is left to run.
    pub fn outcomes(self) -> Vec<Outcome> {
        let lost = || Outcome::error("the runner ended without reporting this job".to_owned());
        let outcomes = self.outcomes.into_iter();
        outcomes.map(|o| o.unwrap_or_else(lost)).collect()
    }
}

#[cfg(test)]
mod tests;
