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
        let slots = case.spec.slots;
        if self.groups.take(&group, slots) {
            return Some(work);
        }
        let (rank, work) = (self.rank(case), GroupedWork::Test(work));
        self.groups.wait(&group, slots, rank, work);
        None
    }

    /// As [`Self::admit`].
    pub(super) fn admit_batch(&mut self, batch: TestBatch) -> Option<TestBatch> {
        let Some(group) = batch.group().cloned() else {
            return Some(batch);
        };
        if self.groups.take(&group, 1) {
            return Some(batch);
        }
        let (rank, work) = (batch.rank, GroupedWork::Batch(batch));
        self.groups.wait(&group, 1, rank, work);
        None
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
