//! Tests of groups, of which only some run at once.
//!
//! A test waits for a slot of its group before it waits for a slot of an executor. So a slot is never
//! idle while a test of another group, or of none, could use it. On an engine, a batch has tests of
//! one group only, and occupies one slot of it, as its tests run one after the other.

use super::{EndedWork, GroupedWork, TestBatch, TestRun, Work};
use crate::config::CacheResults;
use crate::report::TestId;
use crate::schedule::TestGroup;
use std::sync::Arc;

/// What a running test, or the tests of a batch, have of their group.
pub(super) struct GroupPlace {
    pub group: Arc<TestGroup>,
    pub slots: u32,
    pub number: u32,
}

impl TestRun {
    /// Takes the slots of a test's group, if it is in one. `None`: the test waits for them.
    pub(super) fn admit(&mut self, work: Work) -> Option<(Work, Option<GroupPlace>)> {
        let Work::Test { case, .. } = &work else {
            return Some((work, None));
        };
        let Some(group) = case.spec.group.clone() else {
            return Some((work, None));
        };
        let slots = case.spec.slots;
        if let Some(number) = self.groups.take(&group, slots) {
            let place = GroupPlace {
                group,
                slots,
                number,
            };
            return Some((work, Some(place)));
        }
        let (rank, work) = (self.rank(case), GroupedWork::Test(work));
        self.groups.wait(&group, slots, rank, work);
        None
    }

    /// As [`Self::admit`].
    pub(super) fn admit_batch(
        &mut self,
        batch: TestBatch,
    ) -> Option<(TestBatch, Option<GroupPlace>)> {
        let Some(group) = batch.group().cloned() else {
            return Some((batch, None));
        };
        if let Some(number) = self.groups.take(&group, 1) {
            let place = GroupPlace {
                group,
                slots: 1,
                number,
            };
            return Some((batch, Some(place)));
        }
        let (rank, work) = (batch.rank, GroupedWork::Batch(batch));
        self.groups.wait(&group, 1, rank, work);
        None
    }

    /// Remembers what a test has of its group until [`Self::leave_group`]. For a batch, the test is its
    /// first one. Returns the number of the test in its group.
    pub(super) fn enter_group(&mut self, id: TestId, place: Option<GroupPlace>) -> Option<u32> {
        let place = place?;
        let number = place.number;
        self.grouped.insert(id, place);
        Some(number)
    }

    /// The number that the tests of a batch find in their variables. It is part of what an engine
    /// knows their results by, so it must be the same in each run if results are reused.
    pub(super) fn group_slot_on_engine(&self, place: &GroupPlace) -> Option<u32> {
        let is_always_same = place.group.max_slots == 1;
        let reuses_results = self.parts.running.cache_results != CacheResults::Off;
        (is_always_same || !reuses_results).then_some(place.number)
    }

    /// Returns the slots of the groups of tests that have ended, and queues tests that wait for them.
    pub(super) fn leave_group(&mut self, ended: &EndedWork) {
        let left = match ended {
            EndedWork::List { .. } => None,
            EndedWork::Test { id, .. } | EndedWork::Look { id, .. } => self.grouped.remove(id),
            EndedWork::Batch { tests, .. } => {
                let first = tests.first();
                first.and_then(|(id, _)| self.grouped.remove(id))
            }
        };
        let Some(left) = left else { return };
        let freed = self.groups.release(&left.group, left.slots, left.number);
        for (rank, work) in freed {
            match work {
                GroupedWork::Test(work) => self.local.push(rank, work),
                GroupedWork::Batch(batch) => self.remote.push(rank, batch),
            }
        }
    }
}
