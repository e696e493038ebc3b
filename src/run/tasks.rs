//! Tasks of which none is forgotten: one that panics ends in something, too.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use tokio::task::{Id, JoinSet};

/// Tasks that each end in a `T`.
pub struct Tasks<T> {
    tasks: JoinSet<T>,
    /// What those end in that panic.
    if_lost: HashMap<Id, Box<dyn FnOnce(Lost) -> T>>,
}

/// A task panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(message) = self;
        write!(f, "internal error: {message}; {BUG}")
    }
}

/// What to do about an internal error.
pub const BUG: &str = "this is a bug of Maelstrom: please report it";

impl<T> Default for Tasks<T> {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            if_lost: HashMap::new(),
        }
    }
}

impl<T: 'static> Tasks<T> {
    /// Starts a task on this thread. Must be called within a `LocalSet`.
    pub fn spawn_local(
        &mut self,
        task: impl Future<Output = T> + 'static,
        if_lost: impl FnOnce(Lost) -> T + 'static,
    ) {
        let id = self.tasks.spawn_local(task).id();
        self.if_lost.insert(id, Box::new(if_lost));
    }

    /// Starts a task on a thread of its own.
    pub fn spawn_blocking(
        &mut self,
        task: impl FnOnce() -> T + Send + 'static,
        if_lost: impl FnOnce(Lost) -> T + 'static,
    ) where
        T: Send,
    {
        let id = self.tasks.spawn_blocking(task).id();
        self.if_lost.insert(id, Box::new(if_lost));
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// What the next task ends in; `None` if there is none. May be cancelled and called again.
    pub async fn join_next(&mut self) -> Option<T> {
        loop {
            match self.tasks.join_next_with_id().await? {
                Ok((id, ended)) => {
                    self.if_lost.remove(&id);
                    return Some(ended);
                }
                Err(error) => {
                    // There is none for those that were aborted.
                    if let Some(if_lost) = self.if_lost.remove(&error.id()) {
                        let message = match error.try_into_panic() {
                            Ok(panic) => format!("a task panicked: {}", message(&*panic)),
                            Err(error) => error.to_string(),
                        };
                        return Some(if_lost(Lost(message)));
                    }
                }
            }
        }
    }

    /// Ends all tasks, on threads as soon as they end by themselves. Those that have ended
    /// already can be joined.
    pub fn abort_all(&mut self) {
        self.tasks.abort_all();
        self.if_lost.clear();
    }

    /// Lets the tasks go on, and forgets them.
    pub fn detach_all(&mut self) {
        self.tasks.detach_all();
        self.if_lost.clear();
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::{Lost, Tasks};
    use std::future::pending;
    use tokio::task::LocalSet;

    #[derive(Debug, PartialEq, Eq)]
    enum End {
        Ended(u32),
        Lost(u32, Lost),
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        LocalSet::new().block_on(&runtime.unwrap(), test)
    }

    fn lost(number: u32, message: &str) -> End {
        End::Lost(number, Lost(message.to_owned()))
    }

    #[test]
    fn a_task_that_panics_ends_in_what_it_was_to_if_lost() {
        block_on(async {
            let mut tasks = Tasks::default();
            tasks.spawn_local(async { End::Ended(1) }, |lost| End::Lost(1, lost));
            tasks.spawn_local(async { panic!("alas") }, |lost| End::Lost(2, lost));
            tasks.spawn_blocking(|| panic!("alas, {}", 3), |lost| End::Lost(3, lost));
            tasks.spawn_blocking(|| std::panic::panic_any(4), |lost| End::Lost(4, lost));
            let mut ends = Vec::new();
            while let Some(end) = tasks.join_next().await {
                ends.push(end);
            }
            ends.sort_unstable_by_key(|end| match end {
                End::Ended(number) | End::Lost(number, _) => *number,
            });
            let expected = [
                End::Ended(1),
                lost(2, "a task panicked: alas"),
                lost(3, "a task panicked: alas, 3"),
                lost(4, "a task panicked: no message"),
            ];
            assert_eq!(ends, expected);
            assert!(tasks.if_lost.is_empty());
        });
    }

    #[test]
    fn what_is_aborted_is_not_lost() {
        block_on(async {
            let mut tasks = Tasks::default();
            tasks.spawn_local(async { End::Ended(1) }, |lost| End::Lost(1, lost));
            tasks.spawn_local(pending(), |lost| End::Lost(2, lost));
            tokio::task::yield_now().await;
            tasks.abort_all();
            assert_eq!(tasks.join_next().await, Some(End::Ended(1)));
            assert_eq!(tasks.join_next().await, None);
        });
    }
}
