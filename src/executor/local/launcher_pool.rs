//! The launchers that have no job.

use crate::container::{Launcher, LauncherConfig};
use std::cell::RefCell;
use std::collections::VecDeque;

/// The number of unused launchers that are kept for each slot. A further one replaces the one
/// that has been unused longest.
const UNUSED_PER_SLOT: usize = 4;

/// Launchers that wait for jobs. The last one was used most recently.
pub struct LauncherPool {
    limit: usize,
    unused: RefCell<VecDeque<(LauncherConfig, Launcher)>>,
}

impl LauncherPool {
    pub fn new(slots: usize) -> Self {
        Self {
            limit: UNUSED_PER_SLOT * slots,
            unused: RefCell::default(),
        }
    }

    /// The launcher that has been unused longest. The others may still be removing the
    /// containers of their last jobs.
    pub fn take(&self, config: &LauncherConfig) -> Option<Launcher> {
        let mut unused = self.unused.borrow_mut();
        loop {
            let index = unused.iter().position(|(kind, _)| kind == config)?;
            let (_, launcher) = unused.remove(index)?;
            if launcher.is_usable() {
                return Some(launcher);
            }
            tracing::debug!("a launcher has ended between two jobs");
        }
    }

    /// Keeps a launcher for another job, unless it has ended.
    pub fn put_back(&self, config: LauncherConfig, launcher: Launcher) {
        if !launcher.is_usable() {
            return;
        }
        let mut unused = self.unused.borrow_mut();
        unused.push_back((config, launcher));
        if unused.len() > self.limit {
            unused.pop_front();
        }
    }
}
