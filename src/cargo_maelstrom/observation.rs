//! `--observe`: one test is run in its ordinary container, and what it asks for is shown.

use super::SetUpError;
use super::test_run::RunSettings;
use crate::executor::{Outcome, Output};
use crate::observe::Facts;
use crate::process::{Interrupts, error_chain};
use crate::report::{self, Cancellation, Event, Reporter, Summary, TestAttempt, TestId, TestPlace};
use crate::session::Session;
use crate::test_job::{TestCase, TestContainerBuilder, verdict};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The most candidates that an error names.
const MOST_CANDIDATES: usize = 20;

/// The parts of a run that observing a test needs.
pub struct Observer {
    pub running: RunSettings,
    pub containers: Arc<TestContainerBuilder>,
    pub session: Session,
    pub reporter: Rc<RefCell<Box<dyn Reporter>>>,
}

/// The one test that an option runs: the only one, or the only one with exactly this name. `None`:
/// there is none.
pub fn choose(
    listed: &[TestCase],
    option: &'static str,
    name: Option<&str>,
) -> Result<Option<TestCase>, SetUpError> {
    let is_named = |case: &&TestCase| name == Some(&*case.listed.name);
    let mut exact = listed.iter().filter(is_named);
    match (listed, exact.next(), exact.next()) {
        ([], ..) => Ok(None),
        ([only], ..) | (_, Some(only), None) => Ok(Some(only.clone())),
        _ => {
            let names = listed.iter().map(|case| case.name().to_string());
            Err(SetUpError::NotOneTest {
                option,
                count: listed.len(),
                which: match name {
                    Some(name) => format!("have `{name}` in their names"),
                    None => "are selected".to_owned(),
                },
                candidates: candidates(names.collect()),
            })
        }
    }
}

/// The first names in their order, one a line.
fn candidates(mut names: Vec<String>) -> String {
    names.sort();
    let more = names.len().saturating_sub(MOST_CANDIDATES);
    names.truncate(MOST_CANDIDATES);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let lines: Vec<_> = names.iter().map(|name| format!("  {name}")).collect();
    lines.join("\n")
}

impl Observer {
    /// Runs the test. Its result is added to the summary. `None`: the run was interrupted, or the
    /// test was not observed, as its result says.
    pub async fn observe(&self, case: &TestCase, summary: &mut Summary) -> Option<Facts> {
        let started = Instant::now();
        let id = TestId(1);
        let mut interrupts = match Interrupts::watch() {
            Ok(interrupts) => interrupts,
            Err(error) => {
                let outcome = Outcome::error(error_chain(&error));
                self.finished(id, case, outcome, summary);
                return None;
            }
        };
        self.report(&Event::Queued {
            case: case.name(),
            repetitions: 1,
        });
        let run = self.run(id, case);
        tokio::pin!(run);
        let mut ticks = tokio::time::interval(report::TICK);
        let (outcome, facts) = loop {
            tokio::select! {
                biased;
                reason = interrupts.next() => {
                    self.containers.builder.layers.cancel();
                    let reason = Cancellation::from(reason);
                    self.report(&Event::Cancelled(reason));
                    summary.cancelled = Some(reason);
                    summary.not_run += 1;
                    return None;
                }
                ended = &mut run => break ended,
                _ = ticks.tick() => self.reporter.borrow_mut().tick(),
            }
        };
        self.finished(id, case, outcome, summary);
        summary.duration += started.elapsed();
        if let Some(facts) = &facts {
            self.report(&Event::Observed {
                case: case.name(),
                facts,
            });
        }
        facts
    }

    async fn run(&self, id: TestId, case: &TestCase) -> (Outcome, Option<Facts>) {
        let (spec, binary) = (case.spec.clone(), case.binary.clone());
        let builder = self.containers.clone();
        let building = tokio::task::spawn_blocking(move || builder.container(&spec, &binary));
        let container = match building.await {
            Ok(Ok(container)) => container,
            Ok(Err(error)) => return (Outcome::error(error_chain(&error)), None),
            Err(error) => return (Outcome::error(error_chain(&error)), None),
        };
        let job = self.running.job(case, Arc::new(container));
        let start = async {
            self.report(&Event::TestStarted {
                id,
                case: case.name(),
                repeat: None,
                attempt: TestAttempt::ONLY,
                place: TestPlace::Slots(&[0]),
            });
            Some(0)
        };
        let local = &self.session.executors.local;
        let observed = local.observe(&job, self.output(), start).await;
        observed.unwrap_or_else(|| unreachable!("the test gets a slot"))
    }

    fn output(&self) -> Output {
        let limit = self.running.inline_limit;
        if !self.running.no_capture {
            return Output::Capture { limit };
        }
        let reporter = self.reporter.clone();
        Output::Stream {
            limit,
            sink: Rc::new(move |_, bytes| reporter.borrow_mut().report(&Event::Output(bytes))),
        }
    }

    fn finished(&self, id: TestId, case: &TestCase, outcome: Outcome, summary: &mut Summary) {
        for warning in self.containers.take_warnings() {
            self.report(&Event::Warning(&warning));
        }
        let outcome = verdict::judge(outcome, &self.running.rules(case));
        summary.tally.add(&outcome);
        self.report(&Event::TestFinished {
            id,
            case: case.name(),
            repeat: None,
            outcome: &outcome,
        });
    }

    fn report(&self, event: &Event<'_>) {
        self.reporter.borrow_mut().report(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_candidates_in_their_order_are_named() {
        let names = |count: usize| (10..10 + count).rev().map(|number| number.to_string());
        let few = candidates(names(2).collect());
        assert_eq!(few, "  10\n  11");
        let many = candidates(names(MOST_CANDIDATES + 3).collect());
        assert!(many.starts_with("  10\n  11\n"), "{many}");
        assert!(many.ends_with("\n  29\n  and 3 more"), "{many}");
        assert_eq!(many.lines().count(), MOST_CANDIDATES + 1);
    }
}
