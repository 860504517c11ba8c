//! Waiting with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a slow machine under load; nothing waits this long unless it fails.
const DEADLINE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_millis(10);

/// Polls until there is an answer.
pub fn eventually<T>(what: &str, poll: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, poll)
}

/// Polls until there is an answer, at most this long.
pub fn within<T>(limit: Duration, what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        pause(STEP);
    }
}

/// Watches that something stays true: for what must *not* happen.
pub fn holds_for(span: Duration, what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < span {
        assert!(check(), "held for {:?} only: {what}", start.elapsed());
        pause(STEP);
    }
}

/// Lets time pass where time itself is what is tested: a slow server, a span over which something is measured.
#[expect(clippy::disallowed_methods, reason = "no runtime here whose worker could be blocked")]
pub fn pause(span: Duration) {
    thread::sleep(span);
}
