//! Tasks with a result in every case: a task that panics has one too.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use tokio::task::{Id, JoinSet};

/// Tasks that run at the same time and each have a result of type `T`.
pub struct Tasks<T> {
    tasks: JoinSet<T>,
    /// The functions that give the results of tasks that panic.
    on_panic: HashMap<Id, Box<dyn FnOnce(TaskPanic) -> T>>,
}

/// The message of a task that panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPanic(String);

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(message) = self;
        write!(f, "internal error: {message}; {BUG}")
    }
}

/// The last part of messages about internal errors.
pub const BUG: &str = "this is a bug of Maelstrom: please report it";

impl<T> Default for Tasks<T> {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            on_panic: HashMap::new(),
        }
    }
}

impl<T: 'static> Tasks<T> {
    /// Starts a task on this thread. `on_panic` gives the result of the task if it panics. Must be
    /// called within a `LocalSet`.
    pub fn spawn_local(
        &mut self,
        task: impl Future<Output = T> + 'static,
        on_panic: impl FnOnce(TaskPanic) -> T + 'static,
    ) {
        let id = self.tasks.spawn_local(task).id();
        self.on_panic.insert(id, Box::new(on_panic));
    }

    /// Starts a task on a thread for blocking work.
    pub fn spawn_blocking(
        &mut self,
        task: impl FnOnce() -> T + Send + 'static,
        on_panic: impl FnOnce(TaskPanic) -> T + 'static,
    ) where
        T: Send,
    {
        let id = self.tasks.spawn_blocking(task).id();
        self.on_panic.insert(id, Box::new(on_panic));
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits for the next task to end. `None`: there are no tasks. The future may be dropped.
    pub async fn join_next(&mut self) -> Option<T> {
        loop {
            match self.tasks.join_next_with_id().await? {
                Ok((id, ended)) => {
                    self.on_panic.remove(&id);
                    return Some(ended);
                }
                Err(error) => {
                    // Aborted tasks have no function, and no result.
                    if let Some(on_panic) = self.on_panic.remove(&error.id()) {
                        let message = match error.try_into_panic() {
                            Ok(panic) => format!("a task panicked: {}", message(&*panic)),
                            Err(error) => error.to_string(),
                        };
                        return Some(on_panic(TaskPanic(message)));
                    }
                }
            }
        }
    }

    /// Drops all tasks. Those on other threads end by themselves. The results of tasks that have
    /// already ended remain.
    pub fn abort_all(&mut self) {
        self.tasks.abort_all();
        self.on_panic.clear();
    }

    /// Forgets the tasks, which continue.
    pub fn detach_all(&mut self) {
        self.tasks.detach_all();
        self.on_panic.clear();
    }
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::{TaskPanic, Tasks};
    use std::future::pending;
    use tokio::task::LocalSet;

    #[derive(Debug, PartialEq, Eq)]
    enum End {
        Ended(u32),
        Panicked(u32, TaskPanic),
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        LocalSet::new().block_on(&runtime.unwrap(), test)
    }

    fn panicked(number: u32, message: &str) -> End {
        End::Panicked(number, TaskPanic(message.to_owned()))
    }

    #[test]
    fn a_task_that_panics_has_the_result_of_on_panic() {
        block_on(async {
            let mut tasks = Tasks::default();
            tasks.spawn_local(async { End::Ended(1) }, |panic| End::Panicked(1, panic));
            tasks.spawn_local(async { panic!("alas") }, |panic| End::Panicked(2, panic));
            tasks.spawn_blocking(|| panic!("alas, {}", 3), |panic| End::Panicked(3, panic));
            tasks.spawn_blocking(|| std::panic::panic_any(4), |panic| End::Panicked(4, panic));
            let mut ends = Vec::new();
            while let Some(end) = tasks.join_next().await {
                ends.push(end);
            }
            ends.sort_unstable_by_key(|end| match end {
                End::Ended(number) | End::Panicked(number, _) => *number,
            });
            let expected = [
                End::Ended(1),
                panicked(2, "a task panicked: alas"),
                panicked(3, "a task panicked: alas, 3"),
                panicked(4, "a task panicked: no message"),
            ];
            assert_eq!(ends, expected);
            assert!(tasks.on_panic.is_empty());
        });
    }

    #[test]
    fn an_aborted_task_has_no_result() {
        block_on(async {
            let mut tasks = Tasks::default();
            tasks.spawn_local(async { End::Ended(1) }, |panic| End::Panicked(1, panic));
            tasks.spawn_local(pending(), |panic| End::Panicked(2, panic));
            tokio::task::yield_now().await;
            tasks.abort_all();
            assert_eq!(tasks.join_next().await, Some(End::Ended(1)));
            assert_eq!(tasks.join_next().await, None);
        });
    }
}
