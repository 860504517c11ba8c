//! When a server is asked next. Pure: who waits, and for what, is the scheduler's business.

use std::time::Duration;

use crate::balance::Random;
use crate::clock::Instant;
use crate::config::Timing;
use crate::model::state::State;

/// A check may be so much of its interval late before it is left out.
const SLACK: u32 = 10;

/// The times of one server's checks.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    due: Instant,
}

impl Beat {
    /// Server `i` of `n` is asked first at its share of the interval.
    pub fn first(start: Instant, timing: &Timing, i: usize, n: usize) -> Self {
        Self { due: start + timing.interval.mul_f64(i as f64 / n.max(1) as f64) }
    }

    /// When the next check is to be sent.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// The check that was due has ended; the next is `gap` after that one's time. Those that were missed are left
    /// out, so that many servers do not come to be asked at once; one that is only a little late is sent.
    pub fn next(&mut self, now: Instant, gap: Duration) {
        let slack = gap / SLACK;
        let late = now.saturating_duration_since(self.due + gap);
        if late <= slack {
            self.due += gap;
            return;
        }
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let missed = nanos(late).checked_div(nanos(gap)).unwrap_or(0).saturating_add(1);
        self.due += Duration::from_nanos(nanos(gap).saturating_mul(missed));
        if now.saturating_duration_since(self.due) > slack {
            self.due += gap;
        }
    }

    /// The next check is to be sent by `at`.
    pub fn sooner(&mut self, at: Instant) {
        self.due = self.due.min(at);
    }
}

/// From this check to the next: the words of HAProxy's `inter`, `fastinter` and `downinter`.
pub fn gap(state: &State, timing: &Timing, random: &mut Random) -> Duration {
    let gap = if state.health == state.full_health() {
        timing.interval
    } else if state.health == 0 {
        timing.down_interval
    } else {
        timing.fast_interval
    };
    if timing.spread == 0 {
        return gap;
    }
    // A thousandth of a percent is fine enough.
    let most = timing.spread as usize * 1000;
    let shift = random.below(2 * most + 1) as f64 - most as f64;
    gap.mul_f64(1.0 + shift / 100_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::model::state::Event;
    use crate::model::testing;

    const S: Duration = Duration::from_secs(1);

    fn timing() -> Timing {
        Timing { fast_interval: S / 2, down_interval: S * 5, ..testing::check().timing }
    }

    #[tokio::test(start_paused = true)]
    async fn first_checks_are_spread() {
        let start = clock::now();
        let at = |i| Beat::first(start, &timing(), i, 4).due() - start;
        assert_eq!([0, 1, 3].map(at), [0, 250, 750].map(Duration::from_millis));
    }

    #[tokio::test(start_paused = true)]
    async fn checks_keep_their_beat() {
        let start = clock::now();
        let next = |ended: Duration| {
            let mut beat = Beat { due: start };
            beat.next(start + ended, S);
            beat.due() - start
        };
        assert_eq!(next(S / 2), S);
        // One that took all of its interval is followed at once, on the same beat.
        assert_eq!(next(S + S / 20), S);
        assert_eq!(next(S + S / 2), S * 2);
        assert_eq!(next(S * 3), S * 3);
        assert_eq!(next(S * 7 / 2), S * 4);
        assert_eq!(next(S * 100_000 + S / 2), S * 100_001);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_can_be_wanted_sooner() {
        let start = clock::now();
        let mut beat = Beat { due: start + S };
        beat.sooner(start + S * 2);
        assert_eq!(beat.due(), start + S);
        beat.sooner(start + S / 10);
        assert_eq!(beat.due(), start + S / 10);
    }

    #[test]
    fn the_interval_follows_the_state() {
        use Event::{CheckFailed as F, CheckPassed as P};
        let mut state = State::new(Some((2, 3)));
        let mut random = Random::new(1);
        let mut gaps = vec![gap(&state, &timing(), &mut random)];
        for event in [P, F, F, F, P, P] {
            state = state.after(event);
            gaps.push(gap(&state, &timing(), &mut random));
        }
        assert_eq!(gaps, [S / 2, S, S / 2, S / 2, S * 5, S / 2, S]);
    }

    #[test]
    fn a_spread_stays_within_its_share_and_keeps_the_mean() {
        let state = State::new(Some((1, 1)));
        let timing = Timing { spread: 10, ..timing() };
        let mut random = Random::new(7);
        let gaps: Vec<f64> = (0..1000).map(|_| gap(&state, &timing, &mut random).as_secs_f64()).collect();
        assert!(gaps.iter().all(|gap| (0.9..=1.1).contains(gap)), "{gaps:?}");
        let mean = gaps.iter().sum::<f64>() / 1000.0;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!(gaps.iter().any(|gap| *gap < 0.92) && gaps.iter().any(|gap| *gap > 1.08));
    }
}
