//! Second looks at failed tests, and the needs that are known from earlier ones.

use super::grouping::GroupPlace;
use super::{EndedWork, TestRun};
use crate::cargo::TestBinary;
use crate::cargo_maelstrom::second_look::{Looked, SecondLook};
use crate::directive::TestSpec;
use crate::executor::{Container, Outcome, SavedOutputs, Status};
use crate::needs::{KnownNeeds, Needs, NeedsRecord, absent_needs};
use crate::report::{Event, Repeat, TestId};
use crate::schedule::CaseId;
use crate::session::SlotRequest;
use crate::spec::RootOverlay;
use crate::store::Digest;
use crate::test_job::{TestCase, TestOutputs, explanations};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A test that is longer is looked at only if nothing is known of it, or if needs are learned.
const LONG: Duration = Duration::from_secs(10);

/// Decides which failed tests are looked at, and knows what was found.
pub struct Looks {
    pub second_look: SecondLook,
    pub known: RefCell<KnownNeeds>,
    /// The key of each binary's content, by its address. The binaries are held by the run.
    binaries: RefCell<HashMap<*const TestBinary, String>>,
    /// Specifications with needs, by the address of the specification without. Tests with the same
    /// needs share one, and so a container. The directives hold all specifications as long as the
    /// run lasts, so no address is used again.
    specs: RefCell<HashMap<(*const TestSpec, Needs), Arc<TestSpec>>>,
    /// The failed tests whose second look has not ended.
    pub pending: RefCell<HashMap<TestId, PendingLook>>,
    /// This machine does not allow second looks.
    are_impossible: Cell<bool>,
    /// Changes when programs are installed or removed.
    installed: OnceCell<String>,
}

/// What is known of a test that has ended, from the second look at it or an earlier one.
#[derive(Default)]
pub struct LookFindings {
    /// The needs with which it ran.
    pub needs: Needs,
    /// The hints about its failure, a paragraph each.
    pub notes: Vec<String>,
}

/// A failed test whose second look has not ended.
pub struct PendingLook {
    pub case: TestCase,
    pub repeat: Option<Repeat>,
    pub first: Outcome,
    /// The number of the test in its group.
    pub group_slot: Option<u32>,
}

impl Looks {
    pub fn new(second_look: SecondLook, known: KnownNeeds) -> Self {
        Self {
            second_look,
            known: RefCell::new(known),
            binaries: RefCell::default(),
            specs: RefCell::default(),
            pending: RefCell::default(),
            are_impossible: Cell::new(false),
            installed: OnceCell::new(),
        }
    }

    /// Remembers the key of a binary's content.
    pub fn add_binary(&self, binary: &Arc<TestBinary>, key: &str) {
        let mut binaries = self.binaries.borrow_mut();
        binaries.insert(Arc::as_ptr(binary), key.to_owned());
    }

    /// The known needs of a test, and its specification with them.
    pub fn with_needs(&self, case: CaseId, spec: Arc<TestSpec>) -> (Needs, Arc<TestSpec>) {
        let known = self.known.borrow();
        let Some(record) = known.get(&case).filter(|record| !record.needs.is_empty()) else {
            return (Needs::default(), spec);
        };
        let needs = absent_needs(&record.needs, &spec, &self.second_look.places);
        if needs.is_empty() {
            return (needs, spec);
        }
        let key = (Arc::as_ptr(&spec), needs.clone());
        let mut specs = self.specs.borrow_mut();
        let with_needs = specs.entry(key).or_insert_with(|| {
            let mut spec = TestSpec::clone(&spec);
            needs.add_to(&mut spec);
            Arc::new(spec)
        });
        (needs, with_needs.clone())
    }

    /// Whether a second look at a test can tell more than its outcome.
    pub fn wants(&self, case: &TestCase, container: &Container, outcome: &Outcome) -> bool {
        let has_failed = match outcome.status {
            Status::Exited(code) => code != 0,
            Status::Signaled(_) => true,
            Status::TimedOut
            | Status::OutOfMemory { .. }
            | Status::NotStarted(_)
            | Status::Error(_) => false,
        };
        let image = case.spec.container.image.as_ref();
        // The files of this machine do not fit those of an image.
        let is_of_image = image.is_some_and(|image| image.layers);
        let keeps_changes = matches!(container.root_overlay, RootOverlay::Local { .. });
        if !has_failed || is_of_image || keeps_changes || self.are_impossible.get() {
            return false;
        }
        // What learning proposes is not remembered.
        if self.second_look.running.learning {
            return true;
        }
        let known = self.known.borrow();
        match known.get(&case.id()) {
            Some(record) if record.in_vain && record.binary == self.key(case) => false,
            Some(_) => outcome.duration <= LONG,
            None => true,
        }
    }

    /// Looks at a pending test on this slot, and copies the outputs of the run that counts.
    pub(super) async fn look(
        &self,
        id: TestId,
        container: &Arc<Container>,
        slot: usize,
        outputs: &TestOutputs,
    ) -> EndedWork {
        let (case, first, group_slot) = {
            let pending = self.pending.borrow();
            let test = pending.get(&id).expect("the test is pending");
            (test.case.clone(), test.first.clone(), test.group_slot)
        };
        let looking = self
            .second_look
            .at(&case, container, &first, slot, group_slot);
        let mut looked = looking.await;
        let written = match &mut looked {
            Looked::Proven { outcome, .. } => outcome.outputs.take(),
            _ => first.outputs,
        };
        let saved = outputs.save(written, &case.name()).await;
        EndedWork::Look {
            id,
            looked: Box::new(looked),
            saved,
        }
    }

    /// What an earlier second look in vain told about the same test.
    fn notes(&self, case: &TestCase) -> Vec<String> {
        let known = self.known.borrow();
        let record = known.get(&case.id());
        let record = record.filter(|record| record.in_vain && record.binary == self.key(case));
        record.map_or_else(Vec::new, |record| record.notes.clone())
    }

    /// A key that changes if the binary of a test, its directives or the installed programs change.
    fn key(&self, case: &TestCase) -> String {
        let binaries = self.binaries.borrow();
        let binary = binaries.get(&Arc::as_ptr(&case.binary));
        let binary = binary.map(String::as_str).unwrap_or_default();
        let installed = self.installed.get_or_init(installed_programs);
        Digest::of(format!("{binary}\n{installed}\n{:?}", case.spec).as_bytes()).to_string()
    }

    fn remember(&self, case: &TestCase, needs: &Needs, in_vain: bool, notes: &[String]) {
        let record = NeedsRecord {
            needs: needs.clone(),
            binary: self.key(case),
            in_vain,
            notes: notes.to_vec(),
        };
        self.known.borrow_mut().set(case.id(), record);
    }
}

/// The state of the directories in the client's `PATH`.
fn installed_programs() -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut state = String::new();
    for directory in std::env::split_paths(&path) {
        if let Ok(metadata) = directory.metadata() {
            let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
            let _ = writeln!(state, "{} {seconds}.{nanoseconds}", directory.display());
        }
    }
    state
}

impl TestRun {
    /// Looks again at a test that failed on an engine, as soon as a slot is free.
    pub(super) fn start_look(
        &mut self,
        looks: &Rc<Looks>,
        id: TestId,
        mut pending: PendingLook,
        container: Arc<Container>,
    ) {
        let (looks, outputs) = (looks.clone(), self.parts.outputs.clone());
        if let Some(group) = &pending.case.spec.group {
            // The look cannot wait, as its test is not reported yet.
            let slots = pending.case.spec.slots;
            let place = GroupPlace {
                group: group.clone(),
                slots,
                number: self.groups.force(group, slots),
            };
            pending.group_slot = self.enter_group(id, Some(place));
        }
        let slots_of_test = pending.case.spec.slots as usize;
        let started_tests = self.started_tests.clone();
        looks.pending.borrow_mut().insert(id, pending);
        self.local.spawn(
            async move |slots: SlotRequest| {
                let slots = slots.take_all(slots_of_test).await;
                started_tests.look(id, &slots);
                looks.look(id, &container, slots[0], &outputs).await
            },
            move |panic| EndedWork::Look {
                id,
                looked: Box::new(Looked::Impossible(panic.to_string())),
                saved: SavedOutputs::default(),
            },
        );
    }

    /// Handles the end of a second look. `None`: it was interrupted.
    pub(super) fn look_ended(&mut self, id: TestId, looked: Option<Looked>, saved: SavedOutputs) {
        let Some(looks) = self.parts.looks.clone() else {
            return;
        };
        let Some(pending) = looks.pending.borrow_mut().remove(&id) else {
            return;
        };
        let PendingLook {
            case,
            repeat,
            first,
            group_slot: _,
        } = pending;
        let mut outcome = first;
        let mut found = LookFindings {
            needs: (*case.needs).clone(),
            notes: Vec::new(),
        };
        match looked {
            None => {}
            Some(Looked::Proven {
                outcome: proven,
                needs,
            }) => {
                outcome = *proven;
                found.needs = found.needs.with(&needs);
                looks.remember(&case, &found.needs, false, &[]);
            }
            Some(Looked::NeedsSecrets(names)) => {
                found.notes.push(explanations::of_secrets(&names));
                looks.remember(&case, &found.needs, true, &found.notes);
            }
            Some(Looked::PassedAgain {
                incomplete,
                withheld,
            }) => {
                found.notes = explanations::of_another_result(&incomplete, &withheld);
                if !withheld.is_empty() {
                    looks.remember(&case, &found.needs, true, &found.notes);
                }
            }
            Some(Looked::Failed {
                facts,
                used,
                stderr,
                in_home,
            }) => {
                let addresses = explanations::addresses(&facts);
                if !addresses.is_empty() {
                    let all = &mut self.ending.learning.addresses;
                    all.entry(case.id()).or_default().extend(addresses);
                }
                found.notes = explanations::of_failure(&facts, &used, &stderr);
                found.notes.extend(explanations::of_home(&in_home));
                looks.remember(&case, &found.needs, true, &found.notes);
            }
            Some(Looked::Unavailable(reason)) => {
                let is_told = looks.are_impossible.replace(true);
                let warning = format!(
                    "failed tests are not run a second time to find out what they need of this \
                     machine: {reason}"
                );
                if !is_told {
                    self.report(&Event::Warning(&warning));
                }
            }
            Some(Looked::Impossible(reason)) => {
                found.notes.push(format!(
                    "it could not be found out whether the test needs something of this machine: \
                     {reason}"
                ));
                looks.remember(&case, &found.needs, true, &found.notes);
            }
        }
        self.ended_with(id, &case, repeat, outcome, saved, found);
    }

    /// Reports failed tests whose second look was interrupted.
    pub(super) fn abandon_looks(&mut self) {
        let Some(looks) = self.parts.looks.clone() else {
            return;
        };
        let ids: Vec<_> = looks.pending.borrow().keys().copied().collect();
        for id in ids {
            self.look_ended(id, None, SavedOutputs::default());
        }
    }

    /// What is known of a test that was not looked at in this run.
    pub(super) fn known_of(&self, case: &TestCase, has_passed: bool) -> LookFindings {
        let notes = match &self.parts.looks {
            Some(looks) if !has_passed => looks.notes(case),
            _ => Vec::new(),
        };
        LookFindings {
            needs: (*case.needs).clone(),
            notes,
        }
    }
}
