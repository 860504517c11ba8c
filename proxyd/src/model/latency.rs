//! How long a server takes to answer: an average that rises at once and falls slowly (peak EWMA). What fails adds to it, so
//! that who fails at once does not look quick.
//!
//! One cell, written without a lock: of two answers at once one may go unheard.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// After so long half of what is known is forgotten.
const MEMORY_MS: f32 = 10_000.0;
/// What a server is thought to take that has not answered yet and is asked already, in microseconds.
const UNKNOWN: f32 = 1_000_000.0;
/// What a failure adds to what is known, in microseconds, by its part of what is remembered.
const FAILURE: f32 = 5_000_000.0;

/// Milliseconds of the process's epoch in the upper half, microseconds as a float in the lower.
#[derive(Debug, Default)]
pub struct Latency(AtomicU64);

impl Latency {
    /// An answer took so long, and came at that millisecond of the process's epoch.
    pub fn observe(&self, took: Duration, now_ms: u64) {
        let took = took.as_secs_f32() * 1e6;
        let known = self.0.load(Relaxed);
        let (average, since) = unpacked(known, now_ms);
        let next = if known == 0 || took >= average {
            took
        } else {
            let keep = fading(since);
            average * keep + took * (1.0 - keep)
        };
        self.learn(next, now_ms);
    }

    /// It failed after so long, at that millisecond. That counts as answers do, by the time since the last one, so that an
    /// error now and then weighs little where there is much traffic.
    pub fn fail(&self, took: Duration, now_ms: u64) {
        let known = self.0.load(Relaxed);
        let (average, since) = unpacked(known, now_ms);
        let next = if known == 0 { FAILURE } else { average + FAILURE * (1.0 - fading(since)) };
        self.learn(next.max(took.as_secs_f32() * 1e6), now_ms);
    }

    fn learn(&self, average: f32, now_ms: u64) {
        self.0.store((now_ms & 0xffff_ffff) << 32 | u64::from(average.max(1.0).to_bits()), Relaxed);
    }

    /// What one more request costs beside `served` others: nothing on a server that is neither known nor asked. What is
    /// known fades, so that a server that was slow once is tried again.
    pub fn cost(&self, served: u32, now_ms: u64) -> f32 {
        let known = self.0.load(Relaxed);
        let average = match (known, served) {
            (0, 0) => return 0.0,
            (0, _) => UNKNOWN,
            _ => {
                let (average, since) = unpacked(known, now_ms);
                average * fading(since)
            }
        };
        average * (served as f32 + 1.0)
    }
}

fn unpacked(known: u64, now_ms: u64) -> (f32, f32) {
    let average = f32::from_bits(known as u32);
    // Who reads the clock may have read it a moment before who wrote.
    let since = (now_ms as u32).wrapping_sub((known >> 32) as u32) as i32;
    (average, since.max(0) as f32)
}

/// How much is left after so many milliseconds.
fn fading(since: f32) -> f32 {
    MEMORY_MS / (MEMORY_MS + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f32, right: f32) -> bool {
        (left - right).abs() <= right.abs() * 0.01 + 0.01
    }

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let latency = Latency::default();
        let ms = Duration::from_millis;
        latency.observe(ms(10), 1000);
        assert!(close(latency.cost(0, 1000), 10_000.0));
        latency.observe(ms(500), 1000);
        assert!(close(latency.cost(0, 1000), 500_000.0));
        latency.observe(ms(10), 1000);
        assert!(close(latency.cost(0, 1000), 500_000.0), "at the same moment nothing is forgotten");
        // Half of it after ten seconds.
        latency.observe(ms(10), 11_000);
        assert!(close(latency.cost(0, 11_000), 255_000.0));
        assert!(close(latency.cost(0, 21_000), 127_500.0));
    }

    #[test]
    fn who_fails_is_not_quick() {
        let ms = Duration::from_millis;
        let latency = Latency::default();
        latency.fail(ms(0), 1000);
        assert!(close(latency.cost(0, 1000), 5_000_000.0), "nothing else is known of it");
        let latency = Latency::default();
        latency.observe(ms(10), 1000);
        latency.fail(ms(0), 1010);
        assert!(close(latency.cost(0, 1010), 15_000.0), "once is little");
        (2..100).for_each(|n| latency.fail(ms(0), 1000 + n * 10));
        assert!(close(latency.cost(0, 1990), 505_000.0), "a second of it is not");
        latency.fail(Duration::from_secs(30), 1990);
        assert!(close(latency.cost(0, 1990), 30_000_000.0));
        latency.observe(ms(10), 11_990);
        assert!(close(latency.cost(0, 11_990), 15_005_000.0), "it is forgotten as all else");
    }

    #[test]
    fn load_counts() {
        let latency = Latency::default();
        assert!(close(latency.cost(0, 5), 0.0));
        assert!(latency.cost(1, 5) > 0.0);
        latency.observe(Duration::from_millis(16), 5);
        assert!(close(latency.cost(0, 5), 16_000.0));
        assert!(close(latency.cost(3, 5), 64_000.0));
        // A reading from before.
        assert!(close(latency.cost(0, 1), 16_000.0));
    }
}
