//! Room for jobs.

/// The slots of an executor; the lowest free number is given first.
#[derive(Debug)]
pub struct Slots {
    taken: Vec<bool>,
    free: usize,
}

impl Slots {
    pub fn new(count: usize) -> Self {
        Self {
            taken: vec![false; count],
            free: count,
        }
    }

    pub fn total(&self) -> usize {
        self.taken.len()
    }

    pub fn free(&self) -> usize {
        self.free
    }

    /// Takes so many slots, of which that many must be free.
    pub fn take(&mut self, count: usize) -> Vec<usize> {
        let taken: Vec<usize> = (0..self.taken.len())
            .filter(|slot| !self.taken[*slot])
            .take(count)
            .collect();
        for slot in &taken {
            self.taken[*slot] = true;
        }
        self.free -= taken.len();
        taken
    }

    pub fn give_back(&mut self, slots: &[usize]) {
        for slot in slots {
            self.taken[*slot] = false;
        }
        self.free += slots.len();
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn a_slot_is_never_given_twice() {
        let mut slots = Slots::new(3);
        assert_eq!(slots.take(2), [0, 1]);
        assert_eq!(slots.take(1), [2]);
        assert_eq!(slots.free(), 0);
        slots.give_back(&[1]);
        assert_eq!(slots.take(1), [1]);
    }
}
