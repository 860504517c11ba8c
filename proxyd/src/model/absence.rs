//! How long a server is left out that does worse than the others, and how often it was of late (`eject`): the arithmetic.
//!
//! It is known of the server, and not to who compares it: whoever does so next lets it back when its time is over.

use std::time::Duration;

use crate::clock::Instant;

/// Times a server is left out longer for being left out again.
const MOST_TIMES: u32 = 10;

/// The last time that a server was left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Absence {
    pub until: Instant,
    pub length: Duration,
    /// How often it was of late, with this one.
    times: u32,
    /// When it was taken in again, by whomever.
    ended: Option<Instant>,
}

impl Absence {
    /// Beginning now, and longer for each that is not forgiven yet: after each `base` without another one of them is.
    #[must_use]
    pub fn after(last: Option<Self>, now: Instant, base: Duration) -> Self {
        let times = last.map_or(0, |last| last.left(now, base)).saturating_add(1).min(MOST_TIMES);
        let length = base.saturating_mul(times);
        Self { until: now + length, length, times, ended: None }
    }

    /// How many times are not forgiven.
    fn left(self, now: Instant, base: Duration) -> u32 {
        let calm = now.saturating_duration_since(self.ended.unwrap_or(now));
        let forgiven = calm.as_nanos().checked_div(base.as_nanos()).unwrap_or(u128::MAX);
        self.times.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }

    pub(crate) fn end(&mut self, now: Instant) {
        self.ended = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const BASE: Duration = Duration::from_secs(30);

    #[test]
    fn each_is_longer_and_one_is_forgiven_for_each_calm_time() {
        let mut now = clock::now();
        let mut last = None;
        let mut again = |calm: Duration| {
            now += calm;
            let mut next = Absence::after(last, now, BASE);
            assert_eq!(next.until - now, next.length);
            now = next.until;
            next.end(now);
            last = Some(next);
            next.length / BASE.as_secs() as u32
        };
        let second = Duration::from_secs(1);
        assert_eq!([(); 3].map(|()| again(second)), [1, 2, 3].map(Duration::from_secs));
        assert_eq!(again(second * 29), second * 4);
        assert_eq!(again(BASE), second * 4, "one is forgiven");
        assert_eq!(again(BASE * 3), second * 2);
        assert_eq!(again(BASE * 1_000_000), second);
        assert_eq!((0..20).map(|_| again(second)).max(), Some(second * MOST_TIMES));
    }
}
