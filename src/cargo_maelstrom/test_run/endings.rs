//! The results of tasks, cancellation, and the end of the run.

use super::looking::{LookFindings, PendingLook};
use super::{EndedWork, SAVE_EVERY, TestRun};
use crate::cargo::Build;
use crate::directive;
use crate::executor::{Outcome, SavedOutputs};
use crate::process;
use crate::report::{self, Cancellation, Event, Repeat, TestId, TestOutcome, TestStatus};
use crate::session::{BUG, Tasks};
use crate::test_job::verdict;
use crate::test_job::{self, TestCase};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

impl TestRun {
    pub(super) fn work_ended(&mut self, ended: EndedWork) {
        self.leave_group(&ended);
        match ended {
            EndedWork::List { binary, outcome } => match outcome {
                Some(Ok(listed)) => self.listed(&binary, listed),
                Some(Err(message)) => self.listing_failed(&binary, &message),
                None => {}
            },
            EndedWork::Test {
                id,
                case,
                repeat,
                outcome,
                saved,
            } => match outcome {
                Some(outcome) => self.ran(id, &case, repeat, *outcome, saved),
                None => self.started_tests.ended(id),
            },
            EndedWork::Batch {
                tests,
                container,
                repeat,
                outcomes,
            } => {
                let mut outcomes = outcomes.into_iter().flatten();
                for (id, case) in tests {
                    self.remote_tests.remove(&id);
                    if let Some((outcome, saved)) = outcomes.next() {
                        self.pass_on_output(&outcome);
                        match (saved, self.parts.looks.clone()) {
                            (None, Some(looks)) => {
                                let pending = PendingLook {
                                    case,
                                    repeat,
                                    first: outcome,
                                    group_slot: None,
                                };
                                self.start_look(&looks, id, pending, container.clone());
                            }
                            (saved, _) => {
                                self.ran(id, &case, repeat, outcome, saved.unwrap_or_default());
                            }
                        }
                    } else {
                        self.started_tests.ended(id);
                    }
                }
            }
            EndedWork::Look { id, looked, saved } => self.look_ended(id, Some(*looked), saved),
        }
    }

    /// Handles the outcome of a test that is not looked at.
    pub(super) fn ran(
        &mut self,
        id: TestId,
        case: &TestCase,
        repeat: Option<Repeat>,
        outcome: Outcome,
        saved: SavedOutputs,
    ) {
        let found = self.known_of(case, outcome.is_success());
        self.ended_with(id, case, repeat, outcome, saved, found);
    }

    /// Handles the final outcome of a test.
    pub(super) fn ended_with(
        &mut self,
        id: TestId,
        case: &TestCase,
        repeat: Option<Repeat>,
        outcome: Outcome,
        saved: SavedOutputs,
        found: LookFindings,
    ) {
        self.started_tests.ended(id);
        if let Some(looks) = &self.parts.looks {
            // A task that panics in a second look leaves its test there.
            looks.pending.borrow_mut().remove(&id);
        }
        let rules = self.parts.running.rules(case);
        self.report_problems(case, &saved);
        let mut verdict = verdict::judge(outcome, &rules);
        verdict::add_outputs(&mut verdict, &saved);
        if verdict.status == TestStatus::Passed && !found.needs.is_empty() {
            self.helped.insert(case.id());
        }
        if let Some(looks) = &self.parts.looks {
            verdict.needs = found.needs.names(&looks.second_look.places.workspace);
        }
        verdict.hints.extend(found.notes);
        verdict.attempt = self.next_attempt(case, repeat);
        self.copied.extend(saved.source_files);
        self.copied.extend(saved.other_files);
        self.removed.extend(saved.removed_files);
        if self.may_retry(&verdict) {
            return self.retry(id, case, repeat, verdict);
        }
        self.add_attempts(case, repeat, &mut verdict);
        if verdict.cached {
            self.parts.history.confirm(case.id(), verdict.duration);
        } else if !matches!(verdict.status, TestStatus::Error { .. }) {
            let passed = verdict.status == TestStatus::Passed;
            self.parts
                .history
                .record(case.id(), verdict.duration, passed);
        }
        self.finished(id, case, repeat, &verdict);
    }

    /// Warns about outputs that were not copied.
    fn report_problems(&self, case: &TestCase, saved: &SavedOutputs) {
        const SHOWN: usize = 5;
        let case = case.name();
        for problem in saved.problems.iter().take(SHOWN) {
            self.report(&Event::Warning(&format!("outputs of {case}: {problem}")));
        }
        let more = saved.problems.len().saturating_sub(SHOWN);
        if more > 0 {
            let warning = format!("outputs of {case}: {more} more problems of this kind");
            self.report(&Event::Warning(&warning));
        }
    }

    /// The line of the summary about tests that needed something of this machine.
    pub(super) fn note_of_needs(&self) -> Option<String> {
        let tests = match self.helped.len() {
            0 => return None,
            1 => "1 test".to_owned(),
            count => format!("{count} tests"),
        };
        (!self.parts.running.learning).then(|| {
            format!(
                "{tests} needed something of this machine; `cargo maelstrom --learn` writes it to \
                 {}",
                directive::FILE_NAME
            )
        })
    }

    /// The line of the summary about failures of tests that got nothing of this machine.
    pub(super) fn note_of_hermetic(&self) -> Option<String> {
        let is_meant = self.parts.looks.is_none() && self.ending.summary.tally.failed > 0;
        if is_meant && self.parts.archived.is_some() {
            return Some(
                "tests of an archive get what was packed with them only; what tests need of a machine \
                 is packed if it was found out before, by a run on the machine that makes the archive"
                    .to_owned(),
            );
        }
        is_meant.then(|| {
            "with `--hermetic`, tests get their containers only; `cargo maelstrom --observe TEST` \
             shows what a test asks for"
                .to_owned()
        })
    }

    /// The lines of the summary about the files that were copied or removed for tests.
    pub(super) fn notes_of_outputs(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.copied.is_empty() {
            let files = count_of(self.copied.len(), "wrote");
            let names = some_paths(&self.copied);
            notes.push(format!("{files} copied out of their containers:\n{names}"));
        }
        if !self.removed.is_empty() {
            let files = count_of(self.removed.len(), "removed");
            let names = some_paths(&self.removed);
            notes.push(format!("{files} removed from the source tree:\n{names}"));
        }
        notes
    }

    pub(super) fn finished(
        &mut self,
        id: TestId,
        case: &TestCase,
        repeat: Option<Repeat>,
        outcome: &report::TestOutcome,
    ) {
        if !self.outstanding.settle(case, repeat) {
            let case = case.name();
            let warning = format!("internal error: {case} ended twice; {BUG}");
            self.report(&Event::Warning(&warning));
            self.ending.summary.tally.errors += 1;
            return;
        }
        if let TestStatus::Error { .. } = outcome.status {
            self.parts.history.record_not_run(case.id());
        }
        self.ending.summary.tally.add(outcome);
        if outcome.status.is_failure() {
            self.ending.failed.push(case.name().to_string());
        }
        self.report(&Event::TestFinished {
            id,
            case: case.name(),
            repeat,
            outcome,
        });
        self.stop_after_failures();
    }

    pub(super) fn stop_after_failures(&mut self) {
        let failures = self.ending.summary.tally.failures();
        let limit = self.parts.running.stop_after;
        let is_running = self.cancelled.is_none() && !self.parts.running.list_only;
        if is_running && limit.is_some_and(|limit| failures >= limit) {
            self.cancel(Cancellation::Failures(failures));
            self.is_aborting = self.parts.running.stop_immediately;
        }
    }

    /// Starts no further tests. Batches that no worker has started are cancelled.
    pub(super) fn cancel(&mut self, reason: Cancellation) {
        self.cancelled = Some(reason);
        self.started_tests.stop();
        self.drop_waiting();
        self.report(&Event::Cancelled(reason));
    }

    /// Drops the tests that wait.
    pub(super) fn drop_waiting(&mut self) {
        self.local.clear();
        self.remote.clear();
        self.unbatched.clear();
        self.maybe_known.clear();
        self.groups.clear();
        self.delays = Tasks::default();
        self.compiling.abort_all();
    }

    /// Handles the tests without a reported result, when there are no tasks. In a cancelled run they
    /// were not run. In another run each is an internal error.
    pub(super) fn settle_outstanding(&mut self) {
        let lost = format!("internal error: the test was never reported; {BUG}");
        if self.cancelled.is_none() {
            for binary in self.outstanding.take_binaries() {
                self.listing_failed(&binary, &lost);
            }
            for (case, repeat) in self.outstanding.sorted_tests() {
                let id = self.new_id();
                let message = lost.clone();
                let outcome =
                    report::TestOutcome::new(TestStatus::Error { message }, Duration::ZERO);
                self.finished(id, &case, repeat, &outcome);
            }
        }
        self.settle_retries();
        for (case, _) in self.outstanding.sorted_tests() {
            self.parts.history.record_not_run(case.id());
        }
        self.ending.summary.not_run = self.outstanding.tests() as u64;
    }

    /// Handles Ctrl-C, SIGTERM or the end of a run by `--watch`: kills the running tests. After a
    /// signal, the next one ends the process.
    pub(super) async fn interrupt(&mut self, reason: Cancellation, build: Option<&mut Build>) {
        if !matches!(reason, Cancellation::Superseded | Cancellation::Quit) {
            process::end_at_next();
        }
        self.cancel(reason);
        self.abort(build).await;
    }

    /// Kills the build and everything that runs, after the run was cancelled.
    pub(super) async fn abort(&mut self, build: Option<&mut Build>) {
        if let Some(build) = build {
            build.kill();
        }
        self.looking_up = Tasks::default();
        self.compiling = Tasks::default();
        let mut ended = self.local.abort().await;
        ended.extend(self.remote.abort().await);
        for ended in ended {
            self.work_ended(ended);
        }
        self.abandon_looks();
        self.containers.detach();
        self.packing.detach_all();
        self.parts.containers.builder.layers.cancel();
    }

    /// Handles the end of the time for all tests together. Tests on this machine are stopped by their
    /// launchers; those on an engine are cancelled.
    pub(super) async fn time_is_up(&mut self) {
        let limit = self.parts.running.global_timeout.unwrap_or_default();
        self.cancel(Cancellation::TimedOut(limit));
        for ended in self.remote.abort().await {
            self.work_ended(ended);
        }
        for (id, case, repeat, after) in self.started_tests.running() {
            if !self.remote_tests.contains(&id) {
                continue;
            }
            self.started_tests.ended(id);
            let mut outcome = TestOutcome::new(TestStatus::TimedOut { after }, after);
            self.add_attempts(&case, repeat, &mut outcome);
            self.finished(id, &case, repeat, &outcome);
        }
    }

    pub(super) fn tick(&mut self) {
        self.started_tests.report_slow();
        self.report_upload();
        self.report_worker_wait();
        let layers = &self.parts.containers.builder.layers;
        if let Some(download) = layers.download() {
            self.report(&Event::Downloading {
                image: &download.name,
                done: download.done,
                total: download.total,
            });
        } else if let Some(layer) = layers.running_command() {
            self.report(&Event::RunningCommand { layer: &layer });
        } else if let Some(container) = self.containers.oldest() {
            self.report(&Event::Packing {
                what: &test_job::test_binary_name(&container.binary).to_string(),
                bytes: layers.store().bytes_read(),
            });
        }
        if self.saved.elapsed() >= SAVE_EVERY {
            self.saved = Instant::now();
            self.save_history();
        }
        self.parts.reporter.borrow_mut().tick();
    }

    /// Starts to save the history, unless a save is in progress.
    fn save_history(&mut self) {
        if self.saving.is_empty() {
            let save = self.parts.history.begin_save();
            // An error is reported at the end of the run.
            self.saving
                .spawn_blocking(move || save.carry_out().ok(), |_| None);
        }
    }

    pub(super) fn report_warnings(&self) {
        for warning in self.parts.containers.take_warnings() {
            self.report(&Event::Warning(&warning));
        }
    }
}

/// The subject and auxiliary verb of a sentence about files. `verb`: what tests did to them.
fn count_of(count: usize, verb: &str) -> String {
    match count {
        1 => format!("1 file that tests {verb} was"),
        count => format!("{count} files that tests {verb} were"),
    }
}

/// The first paths, one a line.
fn some_paths(paths: &BTreeSet<PathBuf>) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> = (paths.iter().take(SHOWN))
        .map(|path| path.display().to_string())
        .collect();
    let more = paths.len() - names.len();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join("\n")
}
