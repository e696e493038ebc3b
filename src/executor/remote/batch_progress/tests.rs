use super::*;
use crate::executor::Status;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn passed() -> Outcome {
    Outcome {
        status: Status::Exited(0),
        ..Outcome::error(String::new())
    }
}

fn ending(ended: &[usize], running: &[usize]) -> BatchEnd {
    BatchEnd {
        ended: ended.iter().map(|place| (*place, passed())).collect(),
        running: running.iter().copied().collect(),
        ..BatchEnd::default()
    }
}

fn statuses(ledger: BatchProgress) -> Vec<Status> {
    ledger.outcomes().into_iter().map(|o| o.status).collect()
}

#[test]
fn a_batch_that_ends_well_is_run_once() {
    let mut ledger = BatchProgress::new(2);
    let attempt = ledger.take().unwrap();
    assert_eq!(attempt.jobs, [0, 1]);
    ledger.ended(&attempt, ending(&[0, 1], &[]), "");
    assert_eq!(ledger.take(), None);
    assert_eq!(statuses(ledger), [Status::Exited(0), Status::Exited(0)]);
}

#[test]
fn when_a_runner_dies_the_job_it_ran_is_run_alone_and_the_others_together() {
    let mut ledger = BatchProgress::new(4);
    let attempt = ledger.take().unwrap();
    ledger.ended(&attempt, ending(&[0], &[1]), "signal 9");
    let (alone, others) = (ledger.take().unwrap(), ledger.take().unwrap());
    assert_eq!(
        (alone.jobs.as_slice(), others.jobs.as_slice()),
        (&[1][..], &[2, 3][..])
    );
    ledger.ended(&others, ending(&[0, 1], &[]), "");
    ledger.ended(&alone, ending(&[], &[0]), "signal 9");
    assert_eq!(ledger.take(), None);
    let died = "the runner died twice while running this job; the last time: signal 9";
    let passed = Status::Exited(0);
    assert_eq!(
        statuses(ledger),
        [
            passed.clone(),
            Status::Error(died.to_owned()),
            passed.clone(),
            passed
        ]
    );
}

#[test]
fn jobs_that_no_runner_starts_are_errors_after_three() {
    let mut ledger = BatchProgress::new(2);
    for _ in 0..3 {
        let attempt = ledger.take().unwrap();
        ledger.ended(&attempt, ending(&[], &[]), "exit code 127");
    }
    assert_eq!(ledger.take(), None);
    let message = "3 runners ended before they started this job: exit code 127";
    assert_eq!(statuses(ledger)[1], Status::Error(message.to_owned()));
}

#[test]
fn a_worker_that_can_run_nothing_is_not_asked_again() {
    let mut ledger = BatchProgress::new(2);
    let attempt = ledger.take().unwrap();
    let unable = BatchEnd {
        unable: Some("no namespaces".to_owned()),
        ..BatchEnd::default()
    };
    ledger.ended(&attempt, unable, "exit code 2");
    assert_eq!(ledger.take(), None);
    assert_eq!(
        statuses(ledger)[0],
        Status::Error("no namespaces".to_owned())
    );
}

proptest! {
    /// Whatever runners do, every job has one outcome in the end, and none that ended is
    /// run again.
    #[test]
    fn each_job_ends_exactly_once(
        jobs in 1usize..20,
        deaths in prop::collection::vec((0usize..20, any::<bool>()), 0..60),
    ) {
        let mut ledger = BatchProgress::new(jobs);
        let mut ended: BTreeSet<usize> = BTreeSet::new();
        let mut deaths = deaths.into_iter();
        let mut attempts = 0;
        while let Some(attempt) = ledger.take() {
            attempts += 1;
            prop_assert!(attempts <= 3 * jobs * 4);
            let (done, running) = deaths.next().unwrap_or((usize::MAX, false));
            let done = done.min(attempt.jobs.len());
            for job in &attempt.jobs {
                prop_assert!(!ended.contains(job));
            }
            ended.extend(&attempt.jobs[..done]);
            let places: Vec<_> = (0..done).collect();
            let running: Vec<_> = (done..attempt.jobs.len()).take(usize::from(running)).collect();
            ledger.ended(&attempt, ending(&places, &running), "died");
        }
        let outcomes = ledger.outcomes();
        prop_assert_eq!(outcomes.len(), jobs);
        for (job, outcome) in outcomes.iter().enumerate() {
            let has_ended = outcome.status == Status::Exited(0);
            prop_assert_eq!(has_ended, ended.contains(&job));
        }
    }
}
