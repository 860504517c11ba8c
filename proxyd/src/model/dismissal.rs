//! A server's word that what it carries is to end.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dismissal {
    /// The server was marked down.
    Down,
    /// It is a backup, and an active server was marked up.
    Up,
}

/// How often a server has given it, and why the last time.
#[derive(Debug, Default)]
pub struct Dismissals(AtomicU32);

impl Dismissals {
    pub(super) fn add(&self, why: Dismissal) {
        let next = |held: u32| {
            let count = (held | 1).wrapping_add(1);
            Some(count | u32::from(why == Dismissal::Up))
        };
        // Never fails: the closure always has a value.
        let _infallible = self.0.fetch_update(Relaxed, Relaxed, next);
    }

    /// For [`Dismissals::since`].
    pub fn count(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Whether it was given again.
    pub fn since(&self, seen: u32) -> Option<Dismissal> {
        let held = self.count();
        (held >> 1 != seen >> 1).then_some(if held & 1 == 0 { Dismissal::Down } else { Dismissal::Up })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_from_the_one_before() {
        let dismissals = Dismissals::default();
        let begun = dismissals.count();
        assert_eq!(dismissals.since(begun), None);
        for why in [Dismissal::Down, Dismissal::Down, Dismissal::Up, Dismissal::Up, Dismissal::Down] {
            let seen = dismissals.count();
            dismissals.add(why);
            assert_eq!(dismissals.since(seen), Some(why));
            assert_eq!(dismissals.since(begun), Some(why));
            assert_eq!(dismissals.since(dismissals.count()), None);
        }
    }
}
