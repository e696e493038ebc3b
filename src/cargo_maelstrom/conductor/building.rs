//! From what Cargo builds to test cases.

use super::{Prepared, TestRun, Work};
use crate::cargo::{BuildEvent, TestBinary};
use crate::cargo_maelstrom::group::{Group, Ingredients};
use crate::cargo_maelstrom::lister;
use crate::executor::Container;
use crate::listing::{ListedTest, TestListing};
use crate::process::{error_chain, to_stdout};
use crate::report::{self, Cancellation, Event, TestStatus};
use crate::schedule::Rank;
use crate::test_job::{self, TestCase, test_case_name};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl TestRun {
    /// Packs the sources while Cargo builds: they are the same for every test.
    pub(super) fn pack_sources(&mut self) {
        if std::mem::replace(&mut self.packs_sources, true) {
            return;
        }
        let containers = self.parts.containers.clone();
        self.preparing.spawn_blocking(
            move || {
                containers.pack_sources();
                Prepared::Sources
            },
            // The first test that needs them has them packed again, or tells why not.
            |_| Prepared::Sources,
        );
    }

    pub(super) fn build_event(&mut self, event: BuildEvent, started: Instant) {
        tracing::trace!("{event:?}");
        if let BuildEvent::Binary(_) | BuildEvent::Built { .. } | BuildEvent::Compiling(_) = event {
            self.pack_sources();
        }
        match event {
            BuildEvent::Binary(binary) => self.prepare_listing(Arc::new(*binary)),
            BuildEvent::Stderr(line) => self.report(&Event::CargoLine(&line)),
            BuildEvent::Message(line) => to_stdout(format_args!("{line}")),
            BuildEvent::Compiling(_) | BuildEvent::Built { .. } => {}
            BuildEvent::Finished { success, .. } => {
                self.report(&Event::BuildFinished {
                    success,
                    duration: started.elapsed(),
                });
                if !success && self.cancelled.is_none() {
                    self.cancel(Cancellation::BuildFailed);
                }
            }
        }
    }

    /// Whether nothing more is to be started.
    pub(super) fn is_stopping(&self) -> bool {
        self.cancelled.is_some()
    }

    pub(super) fn prepare_listing(&mut self, binary: Arc<TestBinary>) {
        if self.is_stopping() {
            return;
        }
        if !self.parts.selector.may_select(&binary) {
            let considered = &mut self.ending.considered;
            return considered.leave_out(&self.parts.selector, &binary);
        }
        let spec = self.parts.directives.resolve(&test_case_name(&binary, ""));
        self.outstanding.expect_listing(&binary);
        self.prepared_for.push(binary.clone());
        let containers = self.parts.containers.clone();
        let lister = self.parts.lister.clone();
        let of_lost = (binary.clone(), spec.clone());
        self.preparing.spawn_blocking(
            move || {
                let outcome = containers.container(&spec, &binary).and_then(|container| {
                    let layer = containers.binary_layer(&binary)?;
                    Ok(lister.prepare(&binary, layer, container))
                });
                Prepared::ForListing {
                    binary,
                    spec,
                    outcome: outcome.map_err(|error| error_chain(&error)),
                }
            },
            |lost| {
                let (binary, spec) = of_lost;
                Prepared::ForListing {
                    binary,
                    spec,
                    outcome: Err(lost.to_string()),
                }
            },
        );
    }

    pub(super) fn prepared(&mut self, prepared: Prepared) {
        match &prepared {
            Prepared::Sources => tracing::debug!("the sources are packed"),
            Prepared::ForListing { binary, .. } | Prepared::ForTests { binary, .. } => {
                tracing::debug!("a container for {} is ready", binary.path);
                let mut places = self.prepared_for.iter();
                if let Some(place) = places.position(|other| Arc::ptr_eq(other, binary)) {
                    self.prepared_for.remove(place);
                }
            }
        }
        self.tell_warnings();
        if self.preparing.is_empty() {
            self.report(&Event::Packed);
        }
        match prepared {
            Prepared::Sources => {}
            Prepared::ForListing {
                binary,
                spec,
                outcome,
            } => match outcome {
                Err(message) => self.listing_failed(&binary, &message),
                Ok(lister::Prepared {
                    container,
                    key,
                    cached,
                }) => {
                    let container = Arc::new(container);
                    self.containers.insert(
                        Ingredients::new(&spec, &binary),
                        Group::Ready(container.clone()),
                    );
                    match cached {
                        Some(listed) => self.listed(&binary, listed),
                        None if self.is_stopping() => {}
                        None => self.queue_listing(binary, container, key),
                    }
                }
            },
            Prepared::ForTests {
                binary,
                spec,
                outcome,
            } => {
                let group = match outcome {
                    Ok(container) => Group::Ready(Arc::new(container)),
                    Err(message) => Group::Failed(message.into()),
                };
                let key = Ingredients::new(&spec, &binary);
                if let Some(Group::Preparing(cases)) = self.containers.insert(key, group) {
                    for case in cases {
                        self.queue_case(case);
                    }
                }
            }
        }
    }

    pub(super) fn queue_listing(
        &mut self,
        binary: Arc<TestBinary>,
        container: Arc<Container>,
        key: String,
    ) {
        let first = Rank {
            priority: i8::MAX,
            suspect: true,
            estimate: None,
        };
        let work = Work::List {
            binary,
            container,
            key,
        };
        self.queue.push(first, work);
    }

    pub(super) fn listing_failed(&mut self, binary: &TestBinary, message: &str) {
        self.outstanding.listed(binary);
        self.ending.summary.tally.errors += 1;
        self.report(&Event::ListingFailed {
            binary: test_job::test_binary_name(binary),
            message,
        });
        self.stop_after_failures();
    }

    pub(super) fn listed(&mut self, binary: &Arc<TestBinary>, listing: TestListing) {
        let (listed, whole) = match listing {
            TestListing::Cases(listed) => (listed, false),
            TestListing::Whole => (
                vec![ListedTest {
                    name: binary.target.clone(),
                    ignored: false,
                }],
                true,
            ),
        };
        self.outstanding.listed(binary);
        self.report(&Event::Listed {
            binary: test_job::test_binary_name(binary),
            count: listed.len(),
        });
        for test in listed.into_iter().map(Rc::new) {
            let name = test_case_name(binary, &test.name);
            let selector = &self.parts.selector;
            let is_selected = selector.selects(&name, test.ignored);
            let considered = &mut self.ending.considered;
            considered.add(selector, binary, &test, is_selected);
            if !is_selected {
                continue;
            }
            let spec = self.parts.directives.resolve(&name);
            let is_left_out = !selector.runs(test.ignored);
            let ignored = spec.ignore || is_left_out;
            considered.ignored_by_source += u64::from(is_left_out);
            considered.ignored_by_directive += u64::from(spec.ignore && !is_left_out);
            let case = TestCase {
                binary: binary.clone(),
                listed: test.clone(),
                whole,
                spec,
            };
            if self.parts.running.list_only {
                self.ending.listed.push(case);
                continue;
            }
            for repeat in self.repeats() {
                self.outstanding.expect(&case, repeat);
            }
            if ignored {
                self.ignored(&case);
            } else {
                self.queue_case(case);
            }
        }
    }

    pub(super) fn ignored(&mut self, case: &TestCase) {
        for repeat in self.repeats() {
            let id = self.new_id();
            let outcome = report::TestOutcome::new(TestStatus::Ignored, Duration::ZERO);
            self.finished(id, case, repeat, &outcome);
        }
    }
}
