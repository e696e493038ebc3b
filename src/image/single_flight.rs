//! Runs work once for all tasks that ask for it at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Work by name. A task that asks for work that is running waits for it, and gets a clone of its
/// result. Results are not kept.
#[derive(Debug)]
pub struct SingleFlight<T> {
    running: Mutex<HashMap<String, Arc<OnceCell<T>>>>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

impl<T: Clone> SingleFlight<T> {
    /// Runs `work`, or waits for the work that runs under this name. If the task that runs the
    /// work is dropped, a waiting task runs its own.
    pub async fn run(&self, name: &str, work: impl Future<Output = T>) -> T {
        let cell = self.locked().entry(name.to_owned()).or_default().clone();
        let result = cell.get_or_init(|| work).await.clone();
        let mut running = self.locked();
        if running.get(name).is_some_and(|now| Arc::ptr_eq(now, &cell)) {
            running.remove(name);
        }
        result
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<T>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
