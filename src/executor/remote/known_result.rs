//! The result that an engine has of an earlier execution of an action.

use super::record::BatchEnd;

/// The result that the engine has of an action.
pub enum Known {
    Nothing,
    /// A result that cannot be used: a job failed, or the records are lost.
    Useless,
    Success(BatchEnd),
}

impl Known {
    /// The result by the records of an action with this number of jobs. `all_outputs`: whether
    /// all outputs of the jobs were downloaded.
    pub fn new(mut ending: BatchEnd, jobs: usize, all_outputs: bool) -> Self {
        let outcomes = ending.ended.values_mut();
        let succeeded = outcomes.filter(|outcome| outcome.is_success());
        let succeeded = succeeded.map(|outcome| outcome.cached = true).count();
        if succeeded < jobs || !all_outputs {
            return Self::Useless;
        }
        Self::Success(ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{Outcome, Status};

    fn ending(codes: &[i32]) -> BatchEnd {
        let outcome = |code: &i32| Outcome {
            status: Status::Exited(*code),
            ..Outcome::error(String::new())
        };
        BatchEnd {
            ended: codes.iter().map(outcome).enumerate().collect(),
            ..BatchEnd::default()
        }
    }

    #[test]
    fn a_known_result_counts_only_if_every_job_succeeded() {
        let Known::Success(known) = Known::new(ending(&[0, 0]), 2, true) else {
            panic!("both succeeded");
        };
        assert!(known.ended.values().all(|outcome| outcome.cached));
        for (codes, jobs, all_outputs) in [
            (&[0, 1][..], 2, true),
            (&[1], 1, true),
            (&[0], 2, true),
            (&[], 1, true),
            (&[0], 1, false),
        ] {
            let known = Known::new(ending(codes), jobs, all_outputs);
            assert!(matches!(known, Known::Useless), "{codes:?} of {jobs}");
        }
    }
}
