//! A server that comes up is given its share bit by bit: the arithmetic, which is HAProxy's, in milliseconds.

use std::time::Duration;

use proto::state::Oper;

use super::state::State;

/// A weight grows in so many steps.
pub const STEPS: u32 = 16;

/// How far a server has got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ramp {
    /// Of [`STEPS`], for its weight.
    pub steps: u32,
    /// Percent, for its limit.
    pub percent: u32,
}

impl Ramp {
    /// All that it has.
    pub const FULL: Self = Self { steps: STEPS, percent: 100 };

    /// After so many milliseconds of `slow_start`; `None` once it is over.
    pub fn after(elapsed_ms: u64, slow_start: Duration) -> Option<Self> {
        let whole = slow_start.as_millis() as u64;
        (elapsed_ms < whole).then(|| Self {
            steps: ((u64::from(STEPS) * elapsed_ms + whole) / whole) as u32,
            percent: (100 * elapsed_ms / whole) as u32,
        })
    }

    /// What is left of a limit.
    pub fn limit(self, limit: u32) -> u32 {
        let share = u64::from(limit) * u64::from(self.percent) / 100;
        (share as u32).max(1)
    }

    /// The `throttle` of `show stat`, as HAProxy rounds it; a server without weight has none.
    pub const fn throttle(self, weight: u32) -> Option<u32> {
        (100 * self.steps * weight + STEPS - 1).checked_div(STEPS * weight)
    }
}

/// How often a server is looked after that is being warmed up: a twentieth of it, HAProxy's step.
pub fn interval(slow_start: Duration) -> Duration {
    (slow_start / 20).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

/// The state after a change of a server that warms up when it comes up.
pub fn slowly(before: State, mut after: State) -> State {
    if after.oper == Oper::Running && before.oper != Oper::Running {
        after.oper = Oper::Starting;
    }
    after
}

#[cfg(test)]
mod tests {
    use super::super::state::Event;
    use super::*;

    #[test]
    fn weights_grow_as_in_haproxy() {
        let whole = Duration::from_secs(32);
        let at = |seconds: u64| Ramp::after(seconds * 1000, whole).unwrap();
        // (16 * elapsed + slowstart) / slowstart, and 100 * elapsed / slowstart.
        assert_eq!(at(0), Ramp { steps: 1, percent: 0 });
        assert_eq!(at(1), Ramp { steps: 1, percent: 3 });
        assert_eq!(at(2), Ramp { steps: 2, percent: 6 });
        assert_eq!(at(16), Ramp { steps: 9, percent: 50 });
        assert_eq!(at(31), Ramp { steps: 16, percent: 96 });
        assert_eq!(Ramp::after(32_000, whole), None);
        assert_eq!(Ramp::after(0, Duration::ZERO), None);
        let throttled =
            |weight| [at(0), at(2), at(16), Ramp::FULL].map(|ramp| ramp.throttle(weight).unwrap_or_default());
        assert_eq!((throttled(1), throttled(100)), ([7, 13, 57, 100], [6, 12, 56, 100]));
        assert_eq!(throttled(256), [6, 12, 56, 100]);
        assert_eq!(at(0).throttle(0), None);
        assert_eq!([at(0), at(2), at(16), Ramp::FULL].map(|ramp| ramp.limit(50)), [1, 3, 25, 50]);
    }

    #[test]
    fn only_who_comes_up_starts() {
        let new = State::new(Some((1, 1)));
        assert_eq!(slowly(new, new.after(Event::CheckPassed)).oper, Oper::Running);
        let down = new.after(Event::CheckFailed);
        let up = slowly(down, down.after(Event::CheckPassed));
        assert_eq!(up.oper, Oper::Starting);
        assert!(up.takes_new());
        assert_eq!(slowly(up, up.after(Event::CheckPassed)).oper, Oper::Starting, "until it is over");
        assert_eq!(slowly(up, up.after(Event::CheckFailed)).oper, Oper::Stopped);
        let away = new.after(Event::Maint);
        assert_eq!(slowly(away, away.after(Event::Ready)).oper, Oper::Starting);
        let drained = new.after(Event::Drain);
        assert_eq!(slowly(drained, drained.after(Event::Ready)).oper, Oper::Running);
    }
}
