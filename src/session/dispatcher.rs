//! Jobs that wait for their turn, and the tasks that run them.

use super::Tasks;
use super::tasks::TaskPanic;
use crate::schedule::{HeldSlots, Queue, Rank, Slots};
use std::cell::RefCell;
use std::rc::Rc;

/// A queue of jobs of type `J`, ordered by rank, and the tasks that run them. Each task runs one or
/// more jobs and has a result of type `E`.
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
    /// Waits for this number of slots, or for all if there are fewer. Returns the lowest slot number.
    /// The slots are held until the [`EndedTask`] is dropped.
    pub async fn take(self, count: usize) -> usize {
        self.take_all(count).await[0]
    }

    /// Waits as [`Self::take`] does. Returns the numbers of all these slots, the lowest first.
    pub async fn take_all(self, count: usize) -> Vec<usize> {
        let slots = self.slots.take(count).await;
        self.held.borrow_mut().insert(slots).numbers().to_vec()
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

    /// Starts a task. `on_panic` gives the result of the task if it panics. Must be called within a
    /// `LocalSet`.
    pub fn spawn<F: Future<Output = E> + 'static>(
        &mut self,
        task: impl FnOnce(SlotRequest) -> F,
        on_panic: impl FnOnce(TaskPanic) -> E + 'static,
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
            |panic| EndedTask {
                result: on_panic(panic),
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::pending;
    use tokio::task::LocalSet;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        LocalSet::new().block_on(&runtime.unwrap(), test)
    }

    fn dispatcher(slots: usize, most_tasks: usize) -> Dispatcher<u32, Result<usize, String>> {
        Dispatcher::new(Rc::new(Slots::new(slots)), most_tasks)
    }

    #[test]
    fn jobs_are_taken_until_the_limit_of_tasks_is_reached() {
        block_on(async {
            let mut jobs = dispatcher(1, 2);
            for job in 1..=3 {
                jobs.push(Rank::default(), job);
            }
            for job in 1..=2 {
                assert_eq!(jobs.next(), Some(job));
                jobs.spawn(async |_| Ok(0), |_| Ok(0));
            }
            assert_eq!((jobs.next(), jobs.waiting()), (None, 1));
            jobs.join_next().await.unwrap();
            assert_eq!(jobs.next(), Some(3));
        });
    }

    #[test]
    fn slots_are_held_until_the_end_of_the_task_was_handled() {
        block_on(async {
            let mut jobs = dispatcher(1, 2);
            for _ in 0..2 {
                jobs.spawn(async |slots| Ok(slots.take(1).await), |_| Ok(1));
            }
            let ended = jobs.join_next().await.unwrap();
            // The other task had its turn to run, and still waits.
            tokio::task::yield_now().await;
            assert!(jobs.tasks.join_next().now_or_never().is_none());
            drop(ended);
            assert_eq!(jobs.join_next().await.unwrap().result, Ok(0));
        });
    }

    #[test]
    fn a_task_that_panics_frees_its_slots_and_has_a_result() {
        block_on(async {
            let mut jobs = dispatcher(1, 2);
            let panics = async |slots: SlotRequest| {
                slots.take(1).await;
                panic!("a panic for a test")
            };
            jobs.spawn(panics, |panic| Err(panic.to_string()));
            let ended = jobs.join_next().await.unwrap().result.unwrap_err();
            assert!(
                ended.contains("a task panicked: a panic for a test"),
                "{ended}"
            );
            jobs.spawn(async |slots| Ok(slots.take(1).await), |_| Ok(1));
            assert_eq!(jobs.join_next().await.unwrap().result, Ok(0));
        });
    }

    #[test]
    fn aborting_keeps_the_results_of_tasks_that_had_ended() {
        block_on(async {
            let mut jobs = dispatcher(1, 3);
            jobs.push(Rank::default(), 1);
            jobs.spawn(async |_| Ok(7), |_| Ok(0));
            jobs.spawn(async |_| pending().await, |_| Ok(0));
            tokio::task::yield_now().await;
            assert_eq!(jobs.abort().await, [Ok(7)]);
            assert!(jobs.is_idle());
        });
    }
}
