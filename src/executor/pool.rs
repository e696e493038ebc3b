//! Launchers between jobs.

use crate::container::{Launcher, LauncherConfig};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Unused launchers kept for each slot; a further one takes the place of the one that
/// has been unused longest.
const UNUSED_PER_SLOT: usize = 4;

/// For so long after a job's end its launcher may still be busy with what is left of
/// the container.
const CLEARING: Duration = Duration::from_millis(2);

/// A launcher costs as much as a few containers: a spare one is worth it after so many
/// jobs for each slot.
const MANY_JOBS: usize = 8;

/// Launchers that wait for jobs, and the kinds there are.
pub struct Pool {
    slots: usize,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The one used last is last.
    unused: VecDeque<Unused>,
    kinds: Vec<Rc<Kind>>,
    jobs: usize,
}

struct Unused {
    kind: Rc<Kind>,
    launcher: Launcher,
    since: Instant,
}

/// What a launcher is for. Every launcher of a kind holds on to it.
pub struct Kind {
    pub config: LauncherConfig,
}

impl Pool {
    pub fn new(slots: usize) -> Self {
        Self {
            slots,
            inner: RefCell::default(),
        }
    }

    /// The kind of launcher for a job, and one of it unless one is to be started: none
    /// waits, or those that do are hardly done with their last jobs and there is no
    /// spare one yet.
    pub fn take(&self, config: LauncherConfig) -> (Rc<Kind>, Option<Launcher>) {
        let mut inner = self.inner.borrow_mut();
        inner.jobs += 1;
        let kind = inner.kind(config);
        let waits_longest = inner
            .unused
            .iter()
            .position(|unused| Rc::ptr_eq(&unused.kind, &kind));
        let Some(index) = waits_longest else {
            return (kind, None);
        };
        // One for the list of kinds, one for the caller.
        let launchers = Rc::strong_count(&kind) - 2;
        let wants_spare = launchers < self.slots + self.slots.div_ceil(2)
            && inner.jobs > MANY_JOBS * self.slots
            && inner.unused[index].since.elapsed() < CLEARING;
        let launcher = if wants_spare {
            None
        } else {
            inner.unused.remove(index).map(|unused| unused.launcher)
        };
        (kind, launcher)
    }

    pub fn put_back(&self, kind: Rc<Kind>, launcher: Launcher) {
        let mut inner = self.inner.borrow_mut();
        inner.unused.push_back(Unused {
            kind,
            launcher,
            since: Instant::now(),
        });
        if inner.unused.len() > UNUSED_PER_SLOT * self.slots {
            inner.unused.pop_front();
        }
    }
}

impl Inner {
    fn kind(&mut self, config: LauncherConfig) -> Rc<Kind> {
        if let Some(kind) = self.kinds.iter().find(|kind| kind.config == config) {
            return kind.clone();
        }
        self.kinds.retain(|kind| Rc::strong_count(kind) > 1);
        let kind = Rc::new(Kind { config });
        self.kinds.push(kind.clone());
        kind
    }
}
