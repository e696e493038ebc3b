//! Doing once what several want at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Work by name. Whoever asks for what is under way already waits for it, and gets the
/// same result; nothing is remembered after that.
#[derive(Debug)]
pub struct Together<T> {
    under_way: Mutex<HashMap<String, Arc<OnceCell<T>>>>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
        }
    }
}

impl<T: Clone> Together<T> {
    /// If the one that does the work is dropped, another one that waits begins anew.
    pub async fn run(&self, name: &str, work: impl Future<Output = T>) -> T {
        let cell = self.locked().entry(name.to_owned()).or_default().clone();
        let result = cell.get_or_init(|| work).await.clone();
        let mut under_way = self.locked();
        if under_way
            .get(name)
            .is_some_and(|now| Arc::ptr_eq(now, &cell))
        {
            under_way.remove(name);
        }
        result
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<T>>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
