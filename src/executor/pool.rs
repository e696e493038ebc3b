//! Launchers between jobs.

use crate::container::{Launcher, LauncherConfig};
use std::cell::RefCell;
use std::collections::VecDeque;

/// Unused launchers kept for each slot; a further one takes the place of the one that
/// has been unused longest.
const UNUSED_PER_SLOT: usize = 4;

/// Launchers that wait for jobs; the one used last is last.
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

    /// The one that has been unused longest: the others may still have to do with what
    /// is left of their last jobs.
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

    /// Keeps a launcher for another job, unless it is of no use any more.
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
