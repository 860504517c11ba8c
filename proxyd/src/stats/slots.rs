//! Counters by place, for what happens seldom and for many reasons: one row a worker.

use super::counter::Counter;

/// Rows of counters.
#[derive(Debug)]
pub struct Slots(Box<[Box<[Counter]>]>);

impl Slots {
    pub fn new(workers: usize, places: usize) -> Self {
        Self((0..workers).map(|_| (0..places).map(|_| Counter::default()).collect()).collect())
    }

    /// One more; only that worker may call it.
    pub fn inc(&self, worker: usize, place: usize) {
        self.0[worker][place].add(1);
    }

    /// Over all workers, since the start.
    pub fn total(&self, place: usize) -> u64 {
        self.0.iter().map(|row| row[place].get()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_add_up_over_workers() {
        let slots = Slots::new(2, 3);
        slots.inc(0, 2);
        slots.inc(1, 2);
        slots.inc(1, 0);
        assert_eq!([0, 1, 2].map(|place| slots.total(place)), [1, 0, 2]);
    }
}
