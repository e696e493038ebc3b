//! Tests of groups, of which only some run at once.
//!
//! A test waits for a slot of its group before it waits for a slot of an executor. So a slot is never
//! idle while a test of another group, or of none, could use it. On an engine, a batch has tests of
//! one group only, and occupies one slot of it, as its tests run one after the other.

use super::{EndedWork, GroupedWork, TestBatch, TestRun, Work};

impl TestRun {
    /// Takes the slots of a test's group. `None`: the test waits for them.
    pub(super) fn admit(&mut self, work: Work) -> Option<Work> {
        let Work::Test { case, .. } = &work else {
            return Some(work);
        };
        let Some(group) = case.spec.group.clone() else {
            return Some(work);
        };
        let (rank, slots) = (self.rank(case), case.spec.slots);
        match self
            .groups
            .admit(&group, slots, rank, GroupedWork::Test(work))
        {
            Some(GroupedWork::Test(work)) => Some(work),
            Some(GroupedWork::Batch(_)) | None => None,
        }
    }

    /// As [`Self::admit`].
    pub(super) fn admit_batch(&mut self, batch: TestBatch) -> Option<TestBatch> {
        let Some(group) = batch.group().cloned() else {
            return Some(batch);
        };
        let rank = batch.rank;
        match self
            .groups
            .admit(&group, 1, rank, GroupedWork::Batch(batch))
        {
            Some(GroupedWork::Batch(batch)) => Some(batch),
            Some(GroupedWork::Test(_)) | None => None,
        }
    }

    /// Returns the slots of the groups of tests that have ended, and queues tests that wait for them.
    pub(super) fn leave_group(&mut self, ended: &EndedWork) {
        let left = match ended {
            EndedWork::List { .. } => None,
            EndedWork::Test { id, .. } | EndedWork::Look { id, .. } => self.grouped.remove(id),
            EndedWork::Batch { tests, .. } => {
                let group = tests.first().and_then(|(_, case)| case.spec.group.clone());
                group.map(|group| (group, 1))
            }
        };
        let Some((group, slots)) = left else { return };
        for (rank, work) in self.groups.release(&group, slots) {
            match work {
                GroupedWork::Test(work) => self.local.push(rank, work),
                GroupedWork::Batch(batch) => self.remote.push(rank, batch),
            }
        }
    }
}
