//! Groups of tests, of which only some run at once.

use super::queue::{Queue, Rank};
use std::collections::{BTreeSet, HashMap};

/// A group of tests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TestGroup {
    pub name: String,
    /// The number of slots that its running tests may occupy together; at least 1.
    pub max_slots: u32,
}

/// The slots of the groups, and the jobs that wait for one. A job that waits here occupies no slot of
/// an executor, so tests outside of the group can use them.
#[derive(Debug)]
pub struct Groups<J> {
    groups: HashMap<String, GroupState<J>>,
}

#[derive(Debug)]
struct GroupState<J> {
    used: u32,
    /// The numbers of the jobs that occupy slots.
    numbers: BTreeSet<u32>,
    waiting: Queue<(Rank, u32, J)>,
}

impl<J> GroupState<J> {
    fn free(&self, group: &TestGroup) -> u32 {
        group.max_slots.saturating_sub(self.used)
    }

    /// Occupies slots for a job, and returns the lowest number that no other job of the group has.
    fn occupy(&mut self, slots: u32) -> u32 {
        self.used = self.used.saturating_add(slots);
        let mut numbers = 0..=self.numbers.len() as u32;
        let number = numbers.find(|number| !self.numbers.contains(number));
        let number = number.expect("there are more numbers than jobs");
        self.numbers.insert(number);
        number
    }
}

impl<J> Default for Groups<J> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
        }
    }
}

impl<J> Groups<J> {
    /// Takes slots of a group for a job, all of them if there are fewer. Returns the number of the job,
    /// which no other running job of the group has; it is lower than the number of slots. `None`: too
    /// few slots are free; then the job should [wait](Self::wait).
    #[must_use]
    pub fn take(&mut self, group: &TestGroup, slots: u32) -> Option<u32> {
        let state = self.state(group);
        let slots = slots.min(group.max_slots);
        (slots <= state.free(group)).then(|| state.occupy(slots))
    }

    /// Adds a job that waits for [`Self::release`].
    pub fn wait(&mut self, group: &TestGroup, slots: u32, rank: Rank, job: J) {
        let slots = slots.min(group.max_slots);
        let waiting = &mut self.state(group).waiting;
        waiting.push(rank, (rank, slots, job));
    }

    /// Takes slots of a group for a job that cannot wait, also if too few are free. Then the number of
    /// the job may be as high as the number of slots, or higher.
    #[must_use]
    pub fn force(&mut self, group: &TestGroup, slots: u32) -> u32 {
        self.state(group).occupy(slots.min(group.max_slots))
    }

    /// Returns the slots and the number of a job that has ended. The jobs for which slots are free now no longer wait.
    /// They must take their slots, in the order of all jobs.
    #[must_use]
    pub fn release(&mut self, group: &TestGroup, slots: u32, number: u32) -> Vec<(Rank, J)> {
        let state = self.state(group);
        state.numbers.remove(&number);
        state.used = state.used.saturating_sub(slots.min(group.max_slots));
        let mut free = state.free(group);
        let mut freed = Vec::new();
        while let Some((rank, slots, job)) = state.waiting.pop_if(|(_, slots, _)| *slots <= free) {
            free -= slots;
            freed.push((rank, job));
        }
        freed
    }

    /// Drops the jobs that wait.
    pub fn clear(&mut self) {
        for state in self.groups.values_mut() {
            state.waiting.clear();
        }
    }

    fn state(&mut self, group: &TestGroup) -> &mut GroupState<J> {
        let new = || GroupState {
            used: 0,
            numbers: BTreeSet::new(),
            waiting: Queue::default(),
        };
        self.groups.entry(group.name.clone()).or_insert_with(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(max_slots: u32) -> TestGroup {
        let name = "database".to_owned();
        TestGroup { name, max_slots }
    }

    fn rank(priority: i8) -> Rank {
        Rank {
            priority,
            ..Rank::default()
        }
    }

    #[test]
    fn as_many_jobs_of_a_group_get_slots_as_it_has() {
        let mut groups = Groups::default();
        let group = group(2);
        assert_eq!(
            [1, 1, 1].map(|slots| groups.take(&group, slots)),
            [Some(0), Some(1), None]
        );
        groups.wait(&group, 1, rank(0), "a");
        groups.wait(&group, 1, rank(1), "b");
        // The job of the highest rank is next.
        let freed = groups.release(&group, 1, 1);
        assert_eq!(freed, [(rank(1), "b")]);
        assert_eq!(groups.take(&group, 1), Some(1));
        assert_eq!(groups.release(&group, 1, 0), [(rank(0), "a")]);
    }

    #[test]
    fn a_number_is_given_to_one_job_of_a_group_at_a_time_and_the_lowest_one_first() {
        let mut groups = Groups::<()>::default();
        let group = group(4);
        let wide_and_narrow = [2, 1, 1].map(|slots| groups.take(&group, slots));
        assert_eq!(wide_and_narrow, [Some(0), Some(1), Some(2)]);
        assert_eq!(groups.force(&group, 1), 3);
        assert_eq!(groups.force(&group, 1), 4);
        assert_eq!(groups.release(&group, 1, 3), []);
        assert_eq!(groups.release(&group, 2, 0), []);
        assert_eq!(groups.take(&group, 1), Some(0));
    }

    #[test]
    fn a_job_that_needs_more_slots_than_the_group_has_gets_all() {
        let mut groups = Groups::default();
        let group = group(2);
        assert_eq!(groups.take(&group, 5), Some(0));
        assert_eq!(groups.take(&group, 1), None);
        groups.wait(&group, 1, rank(0), "narrow");
        assert_eq!(groups.release(&group, 5, 0), [(rank(0), "narrow")]);
    }

    #[test]
    fn the_largest_numbers_of_slots_are_not_too_large() {
        let mut groups = Groups::<()>::default();
        let group = group(u32::MAX);
        assert_eq!(groups.force(&group, u32::MAX), 0);
        assert_eq!(groups.take(&group, u32::MAX), None);
        assert_eq!(groups.force(&group, u32::MAX), 1);
    }

    #[test]
    fn slots_that_were_taken_by_force_are_waited_for() {
        let mut groups = Groups::default();
        let group = group(1);
        assert_eq!(groups.take(&group, 1), Some(0));
        assert_eq!(groups.force(&group, 1), 1);
        groups.wait(&group, 1, rank(0), "a");
        assert_eq!(groups.release(&group, 1, 0), []);
        assert_eq!(groups.release(&group, 1, 1), [(rank(0), "a")]);
    }
}
