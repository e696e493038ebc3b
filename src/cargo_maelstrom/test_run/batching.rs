//! Batches of tests for the engine.

use super::grouping::GroupPlace;
use super::{EndedWork, TestBatch, TestRun};
use crate::executor::remote::ReuseResults;
use crate::executor::{Container, Outcome, SavedOutputs};
use crate::report::{BatchNumber, Event, TestId, TestPlace};
use crate::schedule::Rank;
use crate::schedule::batches;
use crate::session::SlotRequest;
use crate::store::Digest;
use crate::test_job::{TestCase, TestOutputs};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long an engine may look for a worker before a warning is shown.
const LONG_WAIT: Duration = Duration::from_secs(15);

/// Whether all batches at the engine wait for a worker.
#[derive(Clone, Copy, Default)]
pub(super) enum WorkerWait {
    #[default]
    No,
    Since(Instant),
    Reported,
}

impl TestRun {
    /// Divides the tests that are in no batch yet, and starts batches.
    pub(super) fn start_batches(&mut self) {
        let mut groups: Vec<(Arc<Container>, Vec<TestCase>)> = Vec::new();
        let group = |cases: &[TestCase]| cases.first().and_then(|case| case.spec.group.clone());
        for (case, container) in std::mem::take(&mut self.unbatched) {
            let joins = |(other, cases): &(Arc<Container>, Vec<TestCase>)| {
                Arc::ptr_eq(other, &container) && group(cases) == case.spec.group
            };
            match groups.last_mut() {
                Some(last) if joins(last) => last.1.push(case),
                _ => match groups.iter_mut().find(|other| joins(other)) {
                    Some((_, cases)) => cases.push(case),
                    None => groups.push((container, vec![case])),
                },
            }
        }
        for (container, cases) in groups {
            self.divide(&container, cases);
        }
        while let Some(batch) = self.remote.next() {
            if let Some((batch, place)) = self.admit_batch(batch) {
                self.start_batch(batch, place);
            }
        }
    }

    /// Queues the tests of one binary that share a container, in batches.
    fn divide(&mut self, container: &Arc<Container>, cases: Vec<TestCase>) {
        // Batches are remembered by the names of their tests. Documentation tests of a macro may
        // have the same name, and then come into batches of their own.
        let mut names = HashSet::new();
        let (cases, same): (Vec<_>, Vec<_>) =
            (cases.into_iter()).partition(|case| names.insert(case.listed.name.clone()));
        if !same.is_empty() {
            self.divide(container, same);
        }
        let Some(first) = cases.first() else { return };
        let estimates: BTreeMap<String, Option<Duration>> = cases
            .iter()
            .map(|case| (case.listed.name.clone(), self.rank(case).estimate))
            .collect();
        let partition = batches::divide_as_before(
            &self.parts.session.store,
            &key(first, container),
            Digest::of(format!("{container:?}").as_bytes()),
            &estimates,
            self.parts.batch_target,
            self.parts.running.cache_results.reads(),
        );
        let mut cases: HashMap<String, TestCase> = cases
            .into_iter()
            .map(|case| (case.listed.name.clone(), case))
            .collect();
        for names in partition {
            let cases: Vec<_> = names.iter().filter_map(|name| cases.remove(name)).collect();
            let rank = self.rank_of_batch(&cases);
            for repeat in self.repeats() {
                let batch = TestBatch {
                    cases: cases.clone(),
                    container: container.clone(),
                    repeat,
                    rank,
                };
                self.remote.push(rank, batch);
            }
        }
    }

    fn rank_of_batch(&self, cases: &[TestCase]) -> Rank {
        let ranks: Vec<_> = cases.iter().map(|case| self.rank(case)).collect();
        Rank {
            priority: 0,
            suspect: ranks.iter().any(|rank| rank.suspect),
            estimate: ranks.iter().map(|rank| rank.estimate).sum(),
        }
    }

    fn start_batch(&mut self, batch: TestBatch, place: Option<GroupPlace>) {
        let Some(executor) = self.parts.session.executors.remote.clone() else {
            return;
        };
        self.start_time_limit();
        let (repeat, priority) = (batch.repeat, batch.rank.for_engines());
        let tests: Vec<_> = batch
            .cases
            .into_iter()
            .map(|case| (self.new_id(), case))
            .collect();
        let number = BatchNumber(tests.first().map_or(0, |(id, _)| id.0));
        self.remote_tests.extend(tests.iter().map(|(id, _)| *id));
        let group_slot = place
            .as_ref()
            .and_then(|place| self.group_slot_on_engine(place));
        if let Some((first, _)) = tests.first() {
            self.enter_group(*first, place);
        }
        let attempts = tests
            .iter()
            .map(|(_, case)| self.next_attempt(case, repeat));
        let attempts: Vec<_> = attempts.collect();
        let is_retry = attempts.iter().any(|attempt| attempt.number > 1);
        let jobs: Vec<_> = (tests.iter().zip(&attempts))
            .map(|((_, case), attempt)| {
                let container = batch.container.clone();
                let mut job = (self.parts.running).job_of_attempt(case, container, *attempt);
                job.group_slot = group_slot;
                job
            })
            .collect();
        // The result of an earlier run would not tell whether this test passes now and then.
        let reuse = if is_retry {
            ReuseResults::Never
        } else {
            ReuseResults::AsSet
        };
        let limit = self.parts.running.inline_limit;
        let started_tests = self.started_tests.clone();
        let outputs = self.parts.outputs.clone();
        let (tests_on_panic, container_on_panic) = (tests.clone(), batch.container.clone());
        let (looks, container) = (self.parts.looks.clone(), batch.container);
        let run = async move |slots: SlotRequest| {
            slots.take(1).await;
            let (running, mut is_running) = watch::channel(false);
            let start_all = || {
                let mut tests = tests.iter().zip(&attempts);
                tests.all(|((id, case), attempt)| {
                    let place = TestPlace::Batch(number);
                    started_tests.start(*id, case.clone(), repeat, *attempt, place)
                })
            };
            let started = async {
                // The result holds a lock, and must be dropped.
                let _ = is_running.wait_for(|is_running| *is_running).await;
            };
            let run = executor.run(&jobs, limit, priority, reuse, &running);
            tokio::pin!(run);
            let outcomes = tokio::select! {
                biased;
                outcomes = &mut run => {
                    let are_known = outcomes.iter().all(|outcome| outcome.cached);
                    let counts = if are_known { !started_tests.is_stopping() } else { start_all() };
                    counts.then_some(outcomes)
                }
                () = started => {
                    if start_all() {
                        Some(run.await)
                    } else {
                        None
                    }
                }
                // No worker has started the batch. Dropping it cancels it at the engine.
                () = started_tests.stopped() => None,
            };
            let outcomes = match outcomes {
                Some(outcomes) => {
                    let is_looked_at = |case: &TestCase, outcome: &Outcome| {
                        let looks = looks.as_ref();
                        !is_retry
                            && looks.is_some_and(|looks| looks.wants(case, &container, outcome))
                    };
                    Some(save_outputs(outcomes, &tests, &outputs, is_looked_at).await)
                }
                None => None,
            };
            EndedWork::Batch {
                tests,
                container,
                repeat,
                outcomes,
            }
        };
        self.remote.spawn(run, move |panic| {
            let outcomes = tests_on_panic
                .iter()
                .map(|_| Outcome::error(panic.to_string()))
                .map(|outcome| (outcome, Some(SavedOutputs::default())));
            EndedWork::Batch {
                container: container_on_panic,
                outcomes: Some(outcomes.collect()),
                tests: tests_on_panic,
                repeat,
            }
        });
    }

    /// Reports the output of a test that ran on the engine, if output is shown as it is written.
    pub(super) fn pass_on_output(&self, outcome: &Outcome) {
        if !self.parts.running.no_capture {
            return;
        }
        for captured in [&outcome.stdout, &outcome.stderr] {
            let bytes = captured.shown();
            if !bytes.is_empty() {
                self.report(&Event::Output(&bytes));
            }
        }
    }

    pub(super) fn report_upload(&mut self) {
        let Some(executor) = &self.parts.session.executors.remote else {
            return;
        };
        let (done, total) = (executor.progress().done(), executor.progress().total());
        let uploading = done < total;
        if uploading {
            self.report(&Event::Uploading { done, total });
        } else if self.uploading && !self.is_preparing() {
            self.report(&Event::Packed);
        }
        self.uploading = uploading;
    }

    /// Warns once if no worker has accepted a batch for a long time.
    pub(super) fn report_worker_wait(&mut self) {
        let nothing_runs = self.remote.has_tasks() && self.started_tests.is_empty();
        if !nothing_runs || self.uploading {
            self.worker_wait = WorkerWait::No;
            return;
        }
        match self.worker_wait {
            WorkerWait::No => self.worker_wait = WorkerWait::Since(Instant::now()),
            WorkerWait::Since(start) if start.elapsed() >= LONG_WAIT => {
                self.worker_wait = WorkerWait::Reported;
                self.report(&Event::Warning(&format!(
                    "no worker accepted a job for {} s; check that idle workers match \
                     `remote-platform`",
                    LONG_WAIT.as_secs()
                )));
            }
            WorkerWait::Since(_) | WorkerWait::Reported => {}
        }
    }
}

/// Copies the outputs of the tests of a batch, except those that are looked at.
async fn save_outputs(
    outcomes: Vec<Outcome>,
    tests: &[(TestId, TestCase)],
    outputs: &TestOutputs,
    is_looked_at: impl Fn(&TestCase, &Outcome) -> bool,
) -> Vec<(Outcome, Option<SavedOutputs>)> {
    let mut ended = Vec::new();
    for (mut outcome, (_, case)) in outcomes.into_iter().zip(tests) {
        let mut saved = None;
        if !is_looked_at(case, &outcome) {
            saved = Some(outputs.save(outcome.outputs.take(), &case.name()).await);
        }
        ended.push((outcome, saved));
    }
    ended
}

/// The key of the partition of these tests: their binary, and their container without its files and
/// its environment.
fn key(case: &TestCase, container: &Container) -> String {
    let rest = Container {
        layers: Vec::new(),
        environment: BTreeMap::new(),
        ..container.clone()
    };
    let rest = Digest::of(format!("{rest:?}").as_bytes());
    let view = case.name();
    format!("{} {} {} {rest}", view.package, view.kind, view.target)
}
