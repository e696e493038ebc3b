//! Slots, which limit the number of jobs that run at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of an executor. Requests are served in their order, so that a job that needs many slots is
/// not overtaken for ever by jobs that need few.
#[derive(Debug)]
pub struct Slots {
    total: usize,
    free: RefCell<BTreeSet<usize>>,
    semaphore: Arc<Semaphore>,
}

/// Slots that are taken until this is dropped.
#[derive(Debug)]
pub struct HeldSlots {
    numbers: Vec<usize>,
    slots: Rc<Slots>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub fn new(total: usize) -> Self {
        Self {
            total,
            free: RefCell::new((0..total).collect()),
            semaphore: Arc::new(Semaphore::new(total)),
        }
    }

    pub fn total(&self) -> usize {
        self.total
    }

    /// Waits for this number of slots, or for all if there are fewer. The lowest free numbers are
    /// assigned first.
    pub async fn take(self: Rc<Self>, count: usize) -> HeldSlots {
        let count = count.clamp(1, self.total);
        let permit = self.semaphore.clone().acquire_many_owned(count as u32);
        let permit = permit.await.expect("the semaphore is never closed");
        let numbers = {
            let mut free = self.free.borrow_mut();
            (0..count).filter_map(|_| free.pop_first()).collect()
        };
        HeldSlots {
            numbers,
            slots: self,
            _permit: permit,
        }
    }
}

impl HeldSlots {
    /// The lowest number of these slots. It is different for all jobs that run at the same time.
    pub fn number(&self) -> usize {
        self.numbers[0]
    }

    /// The numbers of these slots, the lowest first.
    pub fn numbers(&self) -> &[usize] {
        &self.numbers
    }
}

impl Drop for HeldSlots {
    fn drop(&mut self) {
        // The numbers must be free before the permit is dropped.
        self.slots.free.borrow_mut().extend(self.numbers.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use super::{HeldSlots, Slots};
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};

    fn poll(future: Pin<&mut impl Future<Output = HeldSlots>>) -> Option<HeldSlots> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(held) => Some(held),
            Poll::Pending => None,
        }
    }

    fn take(slots: &Rc<Slots>, count: usize) -> HeldSlots {
        poll(pin!(slots.clone().take(count))).expect("slots are free")
    }

    #[test]
    fn a_slot_is_never_given_twice() {
        let slots = Rc::new(Slots::new(3));
        let (two, one) = (take(&slots, 2), take(&slots, 1));
        assert_eq!((two.numbers.as_slice(), one.number()), (&[0, 1][..], 2));
        let mut next = pin!(slots.clone().take(1));
        assert!(poll(next.as_mut()).is_none());
        drop(two);
        assert_eq!(poll(next).map(|held| held.number()), Some(0));
    }

    #[test]
    fn a_job_that_needs_many_slots_is_not_overtaken() {
        let slots = Rc::new(Slots::new(2));
        let running = take(&slots, 1);
        let mut wide = pin!(slots.clone().take(2));
        let mut narrow = pin!(slots.clone().take(1));
        assert!(poll(wide.as_mut()).is_none());
        assert!(poll(narrow.as_mut()).is_none());
        drop(running);
        assert!(poll(narrow.as_mut()).is_none());
        let wide = poll(wide).expect("both slots are free");
        assert!(poll(narrow.as_mut()).is_none());
        drop(wide);
        assert!(poll(narrow).is_some());
    }

    #[test]
    fn a_job_that_needs_more_slots_than_there_are_gets_all() {
        assert_eq!(take(&Rc::new(Slots::new(2)), 3).numbers, [0, 1]);
    }
}
