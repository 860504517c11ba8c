//! Cells with one writer and any number of readers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number only one thread changes. Adding is a load and a store, which no other core has to hear of.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How often something rare happened: since the start, and since the last `clear counters all`.
#[derive(Debug, Default)]
pub struct Tally {
    total: AtomicU64,
    /// The total at the last clearing.
    baseline: AtomicU64,
}

impl Tally {
    pub fn inc(&self) {
        self.total.fetch_add(1, Relaxed);
    }

    /// From here on `since_clear` counts from zero.
    pub fn clear(&self) {
        self.baseline.store(self.total(), Relaxed);
    }

    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    pub fn since_clear(&self) -> u64 {
        self.total().saturating_sub(self.baseline.load(Relaxed))
    }
}

/// A maximum since the last `clear counters`: the epoch in the upper half, the value in the lower.
#[derive(Debug, Default)]
pub struct Peak(AtomicU64);

impl Peak {
    /// Raises the maximum of `epoch` to `value`; a cell of an older epoch starts anew.
    pub fn raise(&self, epoch: u32, value: u64) {
        let value = value.min(u64::from(u32::MAX));
        let held = self.0.load(Relaxed);
        if held >> 32 != u64::from(epoch) || (held & u64::from(u32::MAX)) < value {
            self.0.store(u64::from(epoch) << 32 | value, Relaxed);
        }
    }

    /// The maximum of `epoch`, 0 where nothing was seen in it.
    pub fn get(&self, epoch: u32) -> u64 {
        let held = self.0.load(Relaxed);
        if held >> 32 == u64::from(epoch) { held & u64::from(u32::MAX) } else { 0 }
    }
}

/// Average over about the last 1,024 values (HAProxy's `swrate_add`).
#[derive(Debug, Default)]
pub struct Average {
    sum: Counter,
    seen: Counter,
    max: Peak,
}

/// Values an average looks back on.
pub const SAMPLES: u64 = 1024;

impl Average {
    pub fn push(&self, epoch: u32, value: u64) {
        let (sum, seen) = (self.sum.get(), self.seen.get());
        // Until the window is full the plain mean is exact; from then on the oldest share leaves.
        self.sum.set(if seen < SAMPLES { sum + value } else { sum - sum.div_ceil(SAMPLES).min(sum) + value });
        self.seen.set(seen + 1);
        self.max.raise(epoch, value);
    }

    /// Sum and number of the values looked back on.
    pub fn window(&self) -> (u64, u64) {
        (self.sum.get(), self.seen.get().min(SAMPLES))
    }

    pub fn max(&self, epoch: u32) -> u64 {
        self.max.get(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_remembers_what_was_cleared() {
        let tally = Tally::default();
        tally.inc();
        tally.clear();
        tally.inc();
        assert_eq!((tally.total(), tally.since_clear()), (2, 1));
    }

    #[test]
    fn a_peak_starts_anew_with_its_epoch() {
        let peak = Peak::default();
        peak.raise(0, 7);
        peak.raise(0, 3);
        assert_eq!(peak.get(0), 7);
        assert_eq!(peak.get(1), 0);
        peak.raise(1, 2);
        assert_eq!((peak.get(0), peak.get(1)), (0, 2));
    }

    #[test]
    fn an_average_follows_its_values() {
        let average = Average::default();
        for _ in 0..10 {
            average.push(0, 4);
        }
        assert_eq!(average.window(), (40, 10));
        for _ in 0..20_000 {
            average.push(0, 100);
        }
        let (sum, n) = average.window();
        assert!((99..=100).contains(&(sum / n)), "{}", sum / n);
        assert_eq!(average.max(0), 100);
    }
}
