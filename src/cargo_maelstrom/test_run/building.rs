//! From the events of the build to the test cases.

use super::{ContainerUse, LearningTests, TestRun, Work};
use crate::cargo::{BuildEvent, TestBinary};
use crate::cargo_maelstrom::ingredients::Ingredients;
use crate::cargo_maelstrom::lister::ListingLookup;
use crate::doctest::{Doctest, DoctestEnd};
use crate::executor::Container;
use crate::listing::{ListedTest, TestListing};
use crate::needs::Needs;
use crate::process::to_stdout;
use crate::report::{self, Cancellation, Event, TestStatus};
use crate::schedule::Rank;
use crate::session::PreparedContainer;
use crate::test_job::{self, TestCase, test_case_name};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl TestRun {
    /// Starts to pack the sources, which are the same for every test, while Cargo builds.
    pub(super) fn pack_shared_layers(&mut self) {
        if std::mem::replace(&mut self.packs_sources, true) {
            return;
        }
        let containers = self.parts.containers.clone();
        // After a panic the first test that needs the sources packs them, or reports the error.
        self.packing
            .spawn_blocking(move || containers.pack_shared_layers(), |_| ());
    }

    pub(super) fn build_event(&mut self, event: BuildEvent, started: Instant) {
        tracing::trace!("{event:?}");
        if let BuildEvent::Binary(_) | BuildEvent::Progress = event {
            self.pack_shared_layers();
        }
        match event {
            BuildEvent::Binary(binary) => self.prepare_listing(Arc::new(*binary)),
            BuildEvent::Stderr(line) => self.report(&Event::CargoLine(&line)),
            BuildEvent::Message(line) => {
                if !self.is_recording() {
                    to_stdout(format_args!("{line}"));
                }
            }
            BuildEvent::Progress => {}
            // Everything was built before.
            BuildEvent::Finished { success: true, .. } if self.is_recording() => {}
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

    /// Whether no further tests may start.
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
        self.report(&Event::Built(test_job::test_binary_name(&binary)));
        let containers = self.parts.containers.clone();
        let lister = self.parts.lister.clone();
        let key = Ingredients {
            spec: spec.clone(),
            binary: binary.clone(),
        };
        let prepared =
            (self.containers).request(key, ContainerUse::List(binary.clone()), move || {
                let container = containers.container(&spec, &binary)?;
                let layer = containers.binary_layer(&binary)?;
                let lookup = lister.look_up(&binary, layer, &container);
                Ok((container, Some(lookup)))
            });
        if let Some(prepared) = prepared {
            self.container_prepared(prepared);
        }
    }

    /// Whether containers are being prepared, or sources packed.
    pub(super) fn is_preparing(&self) -> bool {
        !self.containers.is_empty() || !self.packing.is_empty()
    }

    pub(super) fn preparation_ended(&mut self) {
        self.report_warnings();
        if !self.is_preparing() {
            self.report(&Event::Packed);
        }
    }

    pub(super) fn container_prepared(
        &mut self,
        prepared: PreparedContainer<ContainerUse, Option<ListingLookup>>,
    ) {
        let PreparedContainer {
            container,
            jobs,
            mut note,
        } = prepared;
        for user in jobs {
            match (user, &container) {
                (ContainerUse::List(binary), Ok(container)) => {
                    let Some(lookup) = note.take() else { continue };
                    if let Some(looks) = &self.parts.looks {
                        looks.add_binary(&binary, &lookup.key);
                    }
                    match lookup.cached {
                        Some(listing) => self.listed(&binary, listing),
                        None if self.is_stopping() => {}
                        None => self.queue_listing(binary, container.clone(), lookup.key),
                    }
                }
                (ContainerUse::List(binary), Err(message)) => {
                    self.listing_failed(&binary, message);
                }
                (ContainerUse::Test(case), Ok(container)) => self.queue_repeats(&case, container),
                (ContainerUse::Retry(case, repeat), Ok(container)) => {
                    self.enqueue_retry(case, container.clone(), repeat);
                }
                (ContainerUse::Retry(case, repeat), Err(message)) => {
                    let message = message.to_string();
                    self.could_not_retry(&case, repeat, message);
                }
                (ContainerUse::Test(case), Err(_)) if !case.needs.is_empty() => {
                    self.queue_without_needs(case);
                }
                (ContainerUse::Test(case), Err(message)) => {
                    let message = message.to_string();
                    self.not_run(&case, &TestStatus::Error { message });
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
        self.local.push(first, work);
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
        let listed = listed.into_iter().map(|test| (test, None)).collect();
        self.add_cases(binary, listed, whole);
    }

    /// Selects among the listed tests of a binary. Documentation tests come with how they end.
    pub(super) fn add_cases(
        &mut self,
        binary: &Arc<TestBinary>,
        listed: Vec<(ListedTest, Option<Rc<Doctest>>)>,
        whole: bool,
    ) {
        self.outstanding.listed(binary);
        self.report(&Event::Listed {
            binary: test_job::test_binary_name(binary),
            count: listed.len(),
        });
        let names = listed.iter().map(|(test, _)| test.name.as_str());
        self.ending.names.add(binary, names);
        for (test, doctest) in listed {
            self.select(binary, Rc::new(test), whole, None, doctest);
        }
    }

    /// Admits a listed test to the run if it is selected. `archived`: the place of its container in
    /// the archive. `doctest`: how a documentation test ends.
    pub(super) fn select(
        &mut self,
        binary: &Arc<TestBinary>,
        test: Rc<ListedTest>,
        whole: bool,
        archived: Option<usize>,
        doctest: Option<Rc<Doctest>>,
    ) {
        let name = test_case_name(binary, &test.name);
        let selector = &self.parts.selector;
        let is_selected = selector.selects(&name, test.ignored);
        let considered = &mut self.ending.considered;
        considered.add(selector, binary, &test, is_selected);
        let id = || test_job::case_id(binary, &test.name);
        let is_left_out =
            is_selected && self.parts.running.failed_only && !self.parts.history.needs_rerun(&id());
        considered.not_failed += u64::from(is_left_out);
        let is_selected = is_selected && !is_left_out;
        if !is_selected && !self.parts.running.learning {
            return;
        }
        let mut spec = self.parts.directives.resolve(&name);
        let mut needs = Needs::default();
        if let Some(looks) = &self.parts.looks {
            (needs, spec) = looks.with_needs(id(), spec);
        }
        let runs = !spec.ignore && selector.runs(test.ignored);
        let case = TestCase {
            binary: binary.clone(),
            listed: test,
            whole,
            spec,
            needs: Rc::new(needs),
            archived,
            doctest,
        };
        if is_selected {
            self.accept(case, runs);
        } else {
            self.ending.learning.others.push(case);
        }
    }

    /// Runs a test of this run, or reports it as ignored.
    pub(super) fn take(&mut self, case: TestCase, runs: bool) {
        let is_left_out = !self.parts.selector.runs(case.listed.ignored);
        let considered = &mut self.ending.considered;
        considered.ignored_by_source += u64::from(is_left_out);
        considered.ignored_by_directive += u64::from(!runs && !is_left_out);
        if self.parts.running.list_only {
            if self.is_listed(&case) {
                self.ending.listed.push(case);
            }
            return;
        }
        for repeat in self.repeats() {
            self.outstanding.expect(&case, repeat);
        }
        if self.parts.running.learning {
            let LearningTests { ran, others, .. } = &mut self.ending.learning;
            if runs { ran } else { others }.push(case.clone());
        }
        match case.doctest.as_ref().map(|doctest| doctest.end.clone()) {
            _ if !runs => self.not_run(&case, &TestStatus::Ignored),
            None | Some(DoctestEnd::Executable { .. }) => self.queue_case(case),
            Some(DoctestEnd::Failed(printed)) => self.end_of_compiled(&case, Some(&printed)),
            Some(DoctestEnd::Passed) => self.end_of_compiled(&case, None),
            Some(DoctestEnd::Ignored | DoctestEnd::Unknown) => {
                self.not_run(&case, &TestStatus::Ignored);
            }
        }
    }

    /// Reports each repetition of a test that is not run.
    pub(super) fn not_run(&mut self, case: &TestCase, status: &TestStatus) {
        let outcome = report::TestOutcome::new(status.clone(), Duration::ZERO);
        self.ended_unqueued(case, &outcome);
    }

    /// Reports each repetition of a test for which nothing is run.
    pub(super) fn ended_unqueued(&mut self, case: &TestCase, outcome: &report::TestOutcome) {
        for repeat in self.repeats() {
            let id = self.new_id();
            self.finished(id, case, repeat, outcome);
        }
    }
}
