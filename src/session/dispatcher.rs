//! Jobs that wait for their turn, and the tasks that run them.

use super::Tasks;
use super::tasks::Lost;
use crate::schedule::{HeldSlots, Queue, Rank, Slots};
use std::cell::RefCell;
use std::rc::Rc;

/// Jobs of type `J` in the order of their ranks, and tasks that each run one or more of them and
/// end in an `E`.
pub struct Dispatcher<J, E> {
    queue: Queue<J>,
    tasks: Tasks<EndedTask<E>>,
    slots: Rc<Slots>,
    /// The number of tasks that may run or wait for slots at a time.
    most_tasks: usize,
}

/// The result of a task, and its slots, which are free for other jobs when this is dropped.
pub struct EndedTask<E> {
    pub result: E,
    _slots: Option<HeldSlots>,
}

/// A task's request for slots.
pub struct SlotRequest {
    slots: Rc<Slots>,
    held: Rc<RefCell<Option<HeldSlots>>>,
}

impl SlotRequest {
    /// Waits for so many slots, or for all if there are fewer. Returns the lowest slot number.
    /// The slots are held until the [`EndedTask`] is dropped.
    pub async fn take(self, count: usize) -> usize {
        let slots = self.slots.take(count).await;
        self.held.borrow_mut().insert(slots).number()
    }
}

impl<J, E: 'static> Dispatcher<J, E> {
    pub fn new(slots: Rc<Slots>, most_tasks: usize) -> Self {
        Self {
            queue: Queue::default(),
            tasks: Tasks::default(),
            slots,
            most_tasks,
        }
    }

    /// Adds a job to the queue.
    pub fn push(&mut self, rank: Rank, job: J) {
        self.queue.push(rank, job);
    }

    /// Takes the next job out of the queue, if another task may be started now.
    pub fn next(&mut self) -> Option<J> {
        if self.tasks.len() >= self.most_tasks {
            return None;
        }
        self.queue.pop()
    }

    /// Takes the next job out of the queue if it joins the task about to be started.
    pub fn next_if(&mut self, joins: impl FnOnce(&J) -> bool) -> Option<J> {
        self.queue.pop_if(joins)
    }

    /// Starts a task. `if_lost` makes the result of a task that panicked. Must be called within a
    /// `LocalSet`.
    pub fn spawn<F: Future<Output = E> + 'static>(
        &mut self,
        task: impl FnOnce(SlotRequest) -> F,
        if_lost: impl FnOnce(Lost) -> E + 'static,
    ) {
        let held = Rc::default();
        let task = task(SlotRequest {
            slots: self.slots.clone(),
            held: Rc::clone(&held),
        });
        self.tasks.spawn_local(
            async move {
                let result = task.await;
                EndedTask {
                    result,
                    _slots: held.take(),
                }
            },
            |lost| EndedTask {
                result: if_lost(lost),
                _slots: None,
            },
        );
    }

    /// Waits for the next task to end. `None`: no task runs. The future may be dropped.
    pub async fn join_next(&mut self) -> Option<EndedTask<E>> {
        self.tasks.join_next().await
    }

    /// Drops the waiting jobs and the tasks; a dropped task kills the job that it runs. Returns
    /// the results of the tasks that had already ended.
    pub async fn abort(&mut self) -> Vec<E> {
        self.clear();
        self.tasks.abort_all();
        let mut results = Vec::new();
        while let Some(ended) = self.join_next().await {
            results.push(ended.result);
        }
        results
    }

    /// Drops the waiting jobs.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// The number of jobs in the queue.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether a task runs or waits for slots.
    pub fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Whether there is neither a job nor a task.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.tasks.is_empty()
    }
}
