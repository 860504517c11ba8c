//! Events per second, measured by whoever samples once a second; the request path pays nothing.

use super::counter::{Counter, Peak};

/// Rate of one counter and its maximum.
#[derive(Debug, Default)]
pub struct Rate {
    last: Counter,
    rate: Counter,
    max: Peak,
}

impl Rate {
    /// Takes the counter's value `elapsed_ms` after the last call.
    pub fn sample(&self, epoch: u32, total: u64, elapsed_ms: u64) {
        let new = total.saturating_sub(self.last.get());
        self.last.set(total);
        let rate = (new * 1000).div_ceil(elapsed_ms.max(1));
        self.rate.set(rate);
        self.max.raise(epoch, rate);
    }

    /// Over the last whole second.
    pub fn get(&self) -> u64 {
        self.rate.get()
    }

    pub fn max(&self, epoch: u32) -> u64 {
        self.max.get(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_counts() {
        let rate = Rate::default();
        rate.sample(0, 100, 1000);
        assert_eq!(rate.get(), 100);
        rate.sample(0, 110, 1000);
        assert_eq!((rate.get(), rate.max(0)), (10, 100));
        rate.sample(1, 110, 1000);
        assert_eq!((rate.get(), rate.max(1)), (0, 0));
    }
}
