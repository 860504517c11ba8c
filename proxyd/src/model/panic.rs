//! When so few servers of a backend are up that health is no longer believed.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::config::{Panic, PanicMode};
use crate::stats::counter::Tally;

/// What decides which servers of a backend get traffic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Belief {
    /// Their health.
    #[default]
    Health,
    /// Nothing: all that are neither in maintenance nor draining, by themselves or by hand, do.
    All,
    /// Nothing: none of them does.
    Nobody,
}

/// How many servers of a backend there are to choose from, and how many of them are up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Muster {
    /// Active servers with a weight, neither in maintenance nor draining nor asking for no new sessions.
    pub offered: u32,
    /// Those of them that are up.
    pub well: u32,
    /// Backups that are up; they stand in for active servers that are not.
    pub backups: u32,
}

impl Muster {
    /// Servers that are up or have one that stands in for them.
    pub fn manned(self) -> u32 {
        self.offered.min(self.well.saturating_add(self.backups))
    }

    /// Whom to believe.
    pub fn belief(self, conf: Option<Panic>) -> Belief {
        let Some(Panic { below, then }) = conf else { return Belief::Health };
        let share = u64::from(self.manned()) * 100;
        // Where nobody is offered there is nobody to turn to either.
        if self.offered == 0 || share >= u64::from(below) * u64::from(self.offered) {
            return Belief::Health;
        }
        match then {
            PanicMode::All => Belief::All,
            PanicMode::None => Belief::Nobody,
        }
    }
}

/// What holds in a backend now, and what of it has been told. It outlives a reload.
#[derive(Debug, Default)]
pub struct Alarm {
    belief: AtomicU8,
    told: AtomicU8,
    /// How often it came about.
    pub times: Tally,
}

const BELIEFS: [Belief; 3] = [Belief::Health, Belief::All, Belief::Nobody];

impl Alarm {
    pub fn belief(&self) -> Belief {
        BELIEFS[usize::from(self.belief.load(Relaxed))]
    }

    /// Returns what held before.
    pub(super) fn set(&self, belief: Belief) -> Belief {
        BELIEFS[usize::from(self.belief.swap(belief as u8, Relaxed))]
    }

    pub(super) fn told(&self) -> Belief {
        BELIEFS[usize::from(self.told.load(Relaxed))]
    }

    pub(super) fn tell(&self, belief: Belief) {
        self.told.store(belief as u8, Relaxed);
        if belief != Belief::Health {
            self.times.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn belief(offered: u32, well: u32, backups: u32, below: u32) -> Belief {
        Muster { offered, well, backups }.belief(Some(Panic { below, then: PanicMode::All }))
    }

    #[test]
    fn below_the_share_it_is_panic() {
        assert_eq!(belief(4, 2, 0, 50), Belief::Health);
        assert_eq!(belief(4, 1, 0, 50), Belief::All);
        assert_eq!(belief(3, 1, 0, 34), Belief::All);
        assert_eq!(belief(3, 1, 0, 33), Belief::Health);
        assert_eq!(belief(1, 0, 0, 1), Belief::All);
        assert_eq!(belief(5, 4, 0, 100), Belief::All);
        assert_eq!(belief(5, 5, 0, 100), Belief::Health);
    }

    #[test]
    fn backups_stand_in() {
        assert_eq!(belief(2, 0, 1, 50), Belief::Health);
        assert_eq!(belief(10, 0, 1, 50), Belief::All);
        assert_eq!(belief(2, 2, 5, 100), Belief::Health);
    }

    #[test]
    fn where_nobody_is_offered_there_is_none() {
        assert_eq!(belief(0, 0, 0, 50), Belief::Health);
        assert_eq!(Muster { offered: 4, well: 0, backups: 0 }.belief(None), Belief::Health);
        let none = Some(Panic { below: 50, then: PanicMode::None });
        assert_eq!(Muster { offered: 4, well: 1, backups: 0 }.belief(none), Belief::Nobody);
    }
}
