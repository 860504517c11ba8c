//! The only reader of clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::clock::Now;

/// Both clocks; the one that only goes forward counts from when this was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.0.elapsed().as_millis() as u64, wall: wall.as_millis() as u64 }
    }
}
