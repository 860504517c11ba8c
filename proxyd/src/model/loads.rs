//! What each server of a backend carries for its weight, side by side, so that the least is found in one sweep.
//!
//! A cell is written by whoever takes or gives back room, without a lock, from what the server itself knows. Two that
//! do so at once can leave a value behind that is a moment old: each pick looks after one cell more.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of so many servers all are compared.
pub const COMPARED: usize = 64;

/// The lowest bits of a cell are those of the index, by which a sweep knows whose it was.
const INDEX_BITS: u32 = 6;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
/// Bits of a load behind the point.
const FRACTION: u32 = 24;
const HEAVIEST: u64 = (1 << 50) - 1;
/// It has no room.
const FULL: u64 = 1 << 60;
const BACKUP: u64 = 1 << 61;

/// One cell for each server; none where nobody asks.
#[derive(Debug, Default)]
pub struct Loads(Box<[AtomicU64]>);

/// What is known of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) served: u32,
    pub(super) share: u32,
    pub(super) full: bool,
    pub(super) backup: bool,
}

/// A cell's value: the smaller, the better.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Burden(u64);

impl Burden {
    /// Nobody can be given anything.
    pub const NONE: Self = Self(u64::MAX);

    /// Whether it is of a server that can be picked before all backups.
    pub const fn is_free(self) -> bool {
        self.0 < FULL
    }

    /// The index, of no more than [`COMPARED`] servers.
    pub const fn index(self) -> u32 {
        (self.0 & INDEX) as u32
    }

    /// Whose it is aside.
    pub const fn is_lighter_than(self, other: Self) -> bool {
        self.load() < other.load()
    }

    /// The load alone.
    const fn load(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

impl Load {
    /// As it would be with one request more. Who has nothing under way weighs nothing, so that such servers take turns
    /// whatever their weights.
    fn burden(self, index: u32) -> Burden {
        let load = match self.served {
            0 => 0,
            served => ((u64::from(served) + 1) << FRACTION) / u64::from(self.share.max(1)),
        };
        let mut cell = load.min(HEAVIEST) << INDEX_BITS | u64::from(index) & INDEX;
        if self.full {
            cell |= FULL;
        }
        if self.backup {
            cell |= BACKUP;
        }
        Burden(cell)
    }
}

impl Loads {
    pub(super) fn new(servers: usize) -> Self {
        Self((0..servers).map(|_| AtomicU64::new(u64::MAX)).collect())
    }

    /// Whether they are kept at all.
    pub(super) fn are_kept(&self) -> bool {
        !self.0.is_empty()
    }

    /// `None` for a server that cannot be picked.
    pub(super) fn set(&self, index: u32, load: Option<Load>) {
        let burden = load.map_or(Burden::NONE, |load| load.burden(index));
        self.0[index as usize].store(burden.0, Relaxed);
    }

    pub fn of(&self, index: u32) -> Burden {
        Burden(self.0[index as usize].load(Relaxed))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The least of all; of equals the one that stands next from `from` on.
    pub fn least(&self, from: usize) -> Burden {
        let (before, after) = self.0.split_at(from.min(self.0.len()));
        let (first, second) = (least(after), least(before));
        if second.is_lighter_than(first) { second } else { first }
    }
}

/// Eight at a time, so that the loop costs little beside what it does.
fn least(cells: &[AtomicU64]) -> Burden {
    let (eights, rest) = cells.as_chunks::<8>();
    let mut least = u64::MAX;
    for eight in eights {
        for cell in eight {
            least = least.min(cell.load(Relaxed));
        }
    }
    for cell in rest {
        least = least.min(cell.load(Relaxed));
    }
    Burden(least)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FREE: Load = Load { served: 0, share: 1, full: false, backup: false };

    #[test]
    fn the_full_stand_behind_the_free_and_backups_behind_all() {
        let loads = Loads::new(4);
        assert_eq!(loads.least(0), Burden::NONE);
        loads.set(1, Some(Load { backup: true, ..FREE }));
        assert_eq!((loads.least(0).index(), loads.least(0).is_free()), (1, false));
        loads.set(2, Some(Load { full: true, ..FREE }));
        assert_eq!((loads.least(0).index(), loads.least(0).is_free()), (2, false));
        loads.set(3, Some(Load { served: u32::MAX, ..FREE }));
        assert_eq!((loads.least(0).index(), loads.least(0).is_free()), (3, true));
    }

    proptest! {
        #[test]
        fn the_least_is_found_wherever_it_stands(
            given in proptest::collection::vec((0_u32..50, 1_u32..=4096), 1..=COMPARED),
            from in 0_usize..COMPARED,
        ) {
            let loads = Loads::new(given.len());
            for (index, &(served, share)) in given.iter().enumerate() {
                loads.set(index as u32, Some(Load { served, share, ..FREE }));
            }
            let from = from % given.len();
            let found = loads.least(from).index() as usize;
            let (served, share) = given[found];
            for (index, &(other, others)) in given.iter().enumerate() {
                let load = |served: u32| if served == 0 { 0 } else { u64::from(served + 1) };
                let (this, that) = (load(served) * u64::from(others), load(other) * u64::from(share));
                prop_assert!(this <= that, "{index} is lighter than {found}");
                let place = |index: usize| (index + given.len() - from) % given.len();
                prop_assert!(this < that || place(found) <= place(index), "{index} stands before {found}");
            }
        }
    }
}
