//! The one place where time is read.
//!
//! The request path reads it at accept, head, answer head and end; deadlines reuse the last reading. Under a paused
//! tokio clock everything here stands still, so that tests own time.

mod zone;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;
pub use zone::zone_offset;

/// The monotonic clock.
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds from one reading to another, 0 where that is earlier.
pub fn ms_between(from: Instant, to: Instant) -> u64 {
    // On a request's way one reading often serves for both.
    if from == to { 0 } else { to.saturating_duration_since(from).as_millis() as u64 }
}

/// Milliseconds since 1970, for people and for other machines.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

/// Ties the monotonic clock to the process's start, so that an instant fits into an atomic.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    start: Instant,
    start_wall_ms: u64,
}

impl Epoch {
    pub fn new() -> Self {
        Self { start: now(), start_wall_ms: wall_ms() }
    }

    /// Milliseconds from the start to `at`; at least 1, so that 0 can mean "never".
    pub fn ms(&self, at: Instant) -> u64 {
        (at.saturating_duration_since(self.start).as_millis() as u64).max(1)
    }

    /// Milliseconds from the start to now.
    pub fn now_ms(&self) -> u64 {
        self.ms(now())
    }

    /// Unix milliseconds of a reading of [`Epoch::ms`].
    pub fn wall(&self, ms: u64) -> u64 {
        self.start_wall_ms + ms
    }

    /// When the process started, in Unix milliseconds.
    pub fn start_wall_ms(&self) -> u64 {
        self.start_wall_ms
    }
}

impl Default for Epoch {
    fn default() -> Self {
        Self::new()
    }
}
